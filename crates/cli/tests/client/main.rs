//! The commands of a client against a real server with real handlers, as a script would use them:
//! arguments go in, stdout and the exit code are looked at.
//!
//! Start at `world`, which starts both. Each test has a server of its own.

mod access;
mod audit;
mod backup;
mod dev;
mod doctor;
mod handlers;
mod hostile;
mod invocations;
mod local;
mod raw;
mod registry;
mod targets;
mod terminal;
#[cfg(feature = "tls")]
mod tls;
mod world;
