//! What the runtime counts while it works: numbers come in where things happen, and are read
//! through [`crate::Handle::metrics`] whenever somebody likes.
//!
//! ```text
//!   partition (facts, attempts) ──▶ handlers: HandlerMetrics   one for each service and handler
//!   its loop, once a turn       ──▶ partitions: PartitionMetrics
//!   its log                     ──▶ partitions[n].log: LogMeter
//! ```
//!
//! Writing is an atomic add without a lock; reading waits for nobody and holds nobody up. Counts
//! begin at 0 when the process does. Start at [`Metrics`].
//!
//! Absent on purpose: names, units as text, and formats; those are the server's.

mod handler;
mod recorder;

pub use handler::{AttemptEnding, FailureClass, HandlerMetrics, Handlers, OTHER};
pub use latchwork_storage::LogMeter;
pub use latchwork_storage::meter::{
    Bounds, COUNTS, Counter, Gauge, Histogram, LATENCY_US, Observed, SYNC_US,
};
pub(crate) use recorder::Recorder;

use std::sync::Arc;

/// Everything that a node counts.
#[derive(Debug)]
pub struct Metrics {
    /// By service and handler.
    pub handlers: Handlers,
    /// By partition, in their order.
    pub partitions: Vec<PartitionMetrics>,
    /// Proposals that were refused since too much waits to be written.
    pub refused_overloaded: Counter,
    /// Proposals that were refused since the server is stopping.
    pub refused_stopping: Counter,
    /// Attempts that may run at a time, all partitions together.
    pub slots: Gauge,
    /// Bytes of journals and state that attempts may hold, all partitions together.
    pub attempts_bytes_max: Gauge,
}

impl Metrics {
    pub(crate) fn new(partitions: u16, handlers_max: usize) -> Self {
        Self {
            handlers: Handlers::new(handlers_max),
            partitions: (0..partitions)
                .map(|_| PartitionMetrics::default())
                .collect(),
            refused_overloaded: Counter::default(),
            refused_stopping: Counter::default(),
            slots: Gauge::default(),
            attempts_bytes_max: Gauge::default(),
        }
    }
}

/// What one partition counts. Its gauges are as of the end of its last turn, which is never
/// longer ago than a second unless the loop is stuck.
#[derive(Debug, Default)]
pub struct PartitionMetrics {
    /// Of its log.
    pub log: Arc<LogMeter>,
    /// Turns of its loop.
    pub turns: Counter,
    /// The last record of its log.
    pub appended_lsn: Gauge,
    /// The last record that its tables know of.
    pub applied_lsn: Gauge,
    /// The last record whose writes are on disk.
    pub persisted_lsn: Gauge,
    /// Bytes of the layer that takes writes.
    pub active_bytes: Gauge,
    /// Layers that wait to be on disk.
    pub sealed_layers: Gauge,
    /// Their bytes.
    pub sealed_bytes: Gauge,
    /// Invocations that wait for a slot.
    pub ready: Gauge,
    /// Attempts that run.
    pub running: Gauge,
    /// Bytes of journals and state that they hold.
    pub attempts_bytes: Gauge,
    /// Invocations that somebody outside waits for.
    pub awaited: Gauge,
    /// Timers that were set.
    pub timers_armed: Counter,
    /// Timers that became due.
    pub timers_fired: Counter,
}
