//! What is counted, as text for whoever scrapes.
//!
//! ```text
//!   runtime::Metrics ──┐
//!   Requests ──────────┼──▶ families ──▶ text (Prometheus or OpenMetrics) ──▶ GET /metrics
//!   the process, disk ─┘
//! ```
//!
//! Comes in: numbers that others count without waiting for anybody. Goes out: a page of text.
//! Start at [`Sources::page`]. A scrape reads atomics and files of `/proc`: no partition is asked.
//!
//! Absent on purpose: a push to anywhere, and quantiles, which whoever scrapes computes from the
//! buckets.

mod families;
mod process;
mod requests;
mod states;
mod text;

pub use requests::{RequestKind, Requests, Watched};
pub(crate) use states::States;
pub(crate) use text::Format;

use crate::health::Health;
use crate::telemetry::Sent;
use latchwork_runtime::Handle;
use std::path::PathBuf;
use std::sync::Arc;
use text::Text;

/// Series that one handler adds to the family with the most of them: the setting
/// `metrics_series_max` divided by this is how many handlers have series of their own.
pub(crate) const SERIES_OF_A_HANDLER: usize = 5;

/// Where the numbers come from.
pub struct Sources {
    /// The partitions.
    pub handle: Handle,
    /// What callers and operators asked for.
    pub requests: Arc<Requests>,
    /// What became of spans.
    pub(crate) sent: Arc<Sent>,
    /// How many invocations stand where.
    pub(crate) states: Arc<States>,
    /// Whether work is done.
    pub health: Arc<Health>,
    /// The directory whose disk is looked at.
    pub data_dir: PathBuf,
    /// When the server began, in ms since 1970.
    pub began_ms: u64,
}

impl Sources {
    /// All numbers as they are now.
    pub(crate) fn page(&self, format: Format) -> String {
        let mut text = Text::new(format);
        families::handlers(&mut text, self.handle.metrics());
        families::states(&mut text, &self.states);
        families::partitions(&mut text, &self.handle);
        families::requests(&mut text, &self.requests);
        families::server(&mut text, self);
        process::write(&mut text, self.began_ms);
        text.end()
    }
}
