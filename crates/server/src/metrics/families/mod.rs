//! Every family: its name, what it means, and where its numbers are.
//!
//! `docs/observability.md` has the same list for people. A family is here once, whatever has
//! happened: its lines are there before its first number is.

mod handlers;
mod partitions;
mod server;

pub(super) use handlers::{handlers, states};
pub(super) use partitions::partitions;
pub(super) use server::{requests, server};

/// Microseconds of a second.
const US: f64 = 1e6;
