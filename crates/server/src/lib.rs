//! The server: sockets, settings, JSON and SQL around the runtime.
//!
//! ```text
//!   callers    ──▶ ingress ──▶ ┌─────────┐
//!   operators  ──▶ admin   ──▶ │ runtime │ ──▶ transport ──▶ deployments
//!   their SQL  ──▶ query   ──▶ └─────────┘
//!   browsers   ──▶ ui, which asks admin and query
//! ```
//!
//! Comes in: a [`Config`] and then requests. Goes out: replies, and requests to
//! deployments. Start at [`run()`], which puts it all together.
//!
//! Absent on purpose: decisions. What a request leads to is the engine's to say.

pub mod access;
pub mod admin;
pub mod config;
pub mod ingress;
pub mod transport;

mod body;
mod dev;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod health;
mod listen;
#[cfg(feature = "ui")]
mod live;
pub mod metrics;
mod ports;
#[cfg(feature = "sql")]
mod query;
mod reload;
mod room;
mod run;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod telemetry;
mod tls;
#[cfg(feature = "ui")]
mod ui;

/// Backups and data directories without a server: what the command line looks at and restores.
pub use latchwork_runtime::{
    Finding, Inspection, OpenError, RestoreError, RestoreProgress, RestoreReport, RestoreWish,
    Verdict, generations, inspect, restore,
};

pub use config::Config;
pub use dev::{Dev, Step, StepKind, StepSink};
pub use error::Refusal;
pub use health::{Health, Trouble};
pub use listen::{BodyError, Listener, Port};
pub use run::{RunError, run, run_for_development};
pub use telemetry::{Headers, LogFormat, Ratio};
pub use tls::TlsError;
