//! What the server tells of itself while it runs: lines to stderr, spans to a collector.
//!
//! ```text
//!   tracing events ──▶ log ──▶ stderr, as text or JSON
//!   runtime spans  ──▶ export (bounded queue, batches) ──▶ otlp ──▶ POST to a collector
//! ```
//!
//! Neither holds anybody up: what a collector does not take in time is dropped, and counted.
//! What is only counted is in `metrics`.

mod export;
mod log;
mod otlp;
mod settings;

pub(crate) use export::{Exporter, Sent};
pub use log::LogFormat;
pub(crate) use log::log_to_stderr;
pub use settings::{Headers, Ratio};
pub(crate) use settings::{Target, is_url};
