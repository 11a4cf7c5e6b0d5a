//! What a log counts while it works.

use crate::meter::{COUNTS, Counter, Gauge, Histogram, SYNC_US};

/// The counts of one log.
#[derive(Debug)]
pub struct LogMeter {
    /// Batches that are durable.
    pub appends: Counter,
    /// Records in them.
    pub records: Counter,
    /// Bytes of their frames.
    pub bytes: Counter,
    /// Time of each `fdatasync` of a batch, in microseconds.
    pub sync_us: Histogram,
    /// Records of each batch.
    pub batch_records: Histogram,
    /// Files of the log.
    pub segments: Gauge,
    /// Bytes of those files.
    pub segment_bytes: Gauge,
}

impl Default for LogMeter {
    fn default() -> Self {
        Self {
            appends: Counter::default(),
            records: Counter::default(),
            bytes: Counter::default(),
            sync_us: Histogram::new(SYNC_US),
            batch_records: Histogram::new(COUNTS),
            segments: Gauge::default(),
            segment_bytes: Gauge::default(),
        }
    }
}
