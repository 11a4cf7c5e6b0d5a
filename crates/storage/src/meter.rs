//! Counters, gauges and histograms that cost an atomic add: the loop writes them, whoever likes
//! reads them, and neither waits for the other.
//!
//! Each value is read for itself: of a histogram that is written meanwhile, the sum may be an
//! observation behind its buckets. None of them ever runs back, but for gauges.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many by now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is so much.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less; whoever calls it has called [`Gauge::up`] before.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How much it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of buckets, ascending, in the histogram's unit.
pub type Bounds = &'static [u64];

/// For what takes from a fraction of a millisecond to an hour, in microseconds.
pub const LATENCY_US: Bounds = &[
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    3_600_000_000,
];

/// For a sync of a disk, in microseconds.
pub const SYNC_US: Bounds = &[
    50, 100, 150, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000,
    1_000_000, 5_000_000,
];

/// For how many come together.
pub const COUNTS: Bounds = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// How often a value fell between two bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    /// One for each bound, and one for what is above the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Takes note of a value, in the unit of the bounds.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Takes note of a time, where the unit is a microsecond.
    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was observed by now.
    pub fn read(&self) -> Observed {
        Observed {
            bounds: self.bounds,
            buckets: self
                .buckets
                .iter()
                .map(|it| it.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// A histogram as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Upper bounds of all buckets but the last, which has none.
    pub bounds: Bounds,
    /// Observations in each bucket, not cumulative.
    pub buckets: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
}

impl Observed {
    /// How many values were observed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound that a share of all values, such as 0.99, does not exceed; nothing if there are
    /// no values, or it is above the last bound.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = self.buckets.iter().position(|count| {
            seen += count;
            wanted > 0 && seen >= wanted
        })?;
        self.bounds.get(reached).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1_000] {
            histogram.observe(value);
        }
        let seen = histogram.read();
        assert_eq!(seen.buckets, [2, 2, 2]);
        assert_eq!((seen.count(), seen.sum), (6, 1_062));
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let histogram = Histogram::new(&[10, 20]);
        assert_eq!(histogram.read().quantile(0.5), None);
        for value in [1, 2, 3, 15] {
            histogram.observe(value);
        }
        assert_eq!(histogram.read().quantile(0.5), Some(10));
        assert_eq!(histogram.read().quantile(0.99), Some(20));
        histogram.observe(21);
        assert_eq!(histogram.read().quantile(0.99), None);
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [LATENCY_US, SYNC_US, COUNTS] {
            assert!(bounds.is_sorted_by(|one, next| one < next));
        }
    }
}
