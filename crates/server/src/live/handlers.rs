//! Handlers over the last hour: their counters now, less those of an hour ago.
//!
//! Counters only grow, so a copy of all of them every five minutes is enough to know what the
//! last hour brought; what is told is of the last 60 to 65 minutes.

use latchwork_engine::Ending;
use latchwork_runtime::metrics::{AttemptEnding, HandlerMetrics, Observed};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time between two copies.
const STEP: Duration = Duration::from_secs(300);
/// Copies of an hour.
const STEPS: usize = 12;
/// Handlers that are told of: those with the most failures, then with the most calls.
const ROWS_MAX: usize = 50;

/// The counters of one handler, at one time.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) attempts_failed: u64,
    /// From acceptance to end, in microseconds.
    pub(super) latency: Observed,
}

/// What one handler did in the last hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct HandlerHour {
    service: String,
    handler: String,
    accepted: u64,
    succeeded: u64,
    failed: u64,
    attempts_failed: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// Copies of the counters, the oldest first. Handlers never change their place.
pub(super) struct Hour {
    copies: VecDeque<Vec<Counts>>,
    turned: Instant,
}

impl Counts {
    pub(super) fn of(handler: &HandlerMetrics) -> Self {
        let ended = |endings: &[Ending]| {
            let counts = endings.iter().map(|one| handler.completed(*one).get());
            counts.sum()
        };
        Self {
            accepted: handler.accepted.get(),
            succeeded: ended(&[Ending::Succeeded]),
            failed: ended(&[Ending::Failed, Ending::Cancelled, Ending::Killed]),
            attempts_failed: handler.attempts_ended(AttemptEnding::Failed).get(),
            latency: handler.latency_us.read(),
        }
    }
}

impl Hour {
    pub(super) fn new(handlers: &[Arc<HandlerMetrics>]) -> Self {
        Self {
            copies: VecDeque::from([copy(handlers)]),
            turned: Instant::now(),
        }
    }

    /// Takes a copy, if it is time.
    pub(super) fn turn(&mut self, handlers: &[Arc<HandlerMetrics>]) {
        if self.turned.elapsed() < STEP {
            return;
        }
        self.turned = Instant::now();
        self.copies.push_back(copy(handlers));
        if self.copies.len() > STEPS + 1 {
            self.copies.pop_front();
        }
    }

    /// What there is to tell.
    pub(super) fn rows(&self, handlers: &[Arc<HandlerMetrics>]) -> Vec<HandlerHour> {
        let before = self.copies.front();
        let mut rows: Vec<_> = handlers
            .iter()
            .enumerate()
            .map(|(place, handler)| {
                let old = before.and_then(|copy| copy.get(place));
                // The last of a copy is the place of all others: whoever came later stands there now.
                let is_same = old.is_some() && before.is_some_and(|copy| place + 1 < copy.len());
                row(handler, old.filter(|_| is_same))
            })
            .filter(|row| row.accepted + row.succeeded + row.failed + row.attempts_failed > 0)
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.failed + row.attempts_failed, row.accepted)));
        rows.truncate(ROWS_MAX);
        rows
    }
}

fn copy(handlers: &[Arc<HandlerMetrics>]) -> Vec<Counts> {
    handlers.iter().map(|handler| Counts::of(handler)).collect()
}

fn row(handler: &HandlerMetrics, before: Option<&Counts>) -> HandlerHour {
    let now = Counts::of(handler);
    let less = |value: u64, old: fn(&Counts) -> u64| value.saturating_sub(before.map_or(0, old));
    let latency = before.map_or_else(
        || now.latency.clone(),
        |before| between(&now.latency, &before.latency),
    );
    HandlerHour {
        service: handler.service.clone(),
        handler: handler.handler.clone(),
        accepted: less(now.accepted, |it| it.accepted),
        succeeded: less(now.succeeded, |it| it.succeeded),
        failed: less(now.failed, |it| it.failed),
        attempts_failed: less(now.attempts_failed, |it| it.attempts_failed),
        p50_ms: quantile_ms(&latency, 0.5),
        p99_ms: quantile_ms(&latency, 0.99),
    }
}

/// Adds what another one has seen, of the same bounds.
pub(super) fn add(sum: &mut Observed, other: &Observed) {
    for (bucket, more) in sum.buckets.iter_mut().zip(&other.buckets) {
        *bucket += more;
    }
    sum.sum += other.sum;
}

/// What was observed after an earlier look at the same histogram.
pub(super) fn between(now: &Observed, before: &Observed) -> Observed {
    let buckets = now.buckets.iter().zip(&before.buckets);
    Observed {
        bounds: now.bounds,
        buckets: buckets
            .map(|(now, before)| now.saturating_sub(*before))
            .collect(),
        sum: now.sum.saturating_sub(before.sum),
    }
}

/// The value that a share of all does not exceed, in ms, of a histogram in microseconds. Within a
/// bucket they are taken to be spread evenly; above the last bound it is that bound.
pub(super) fn quantile_ms(seen: &Observed, share: f64) -> Option<f64> {
    let wanted = seen.count() as f64 * share;
    let mut below = 0.0;
    for (place, count) in seen.buckets.iter().enumerate() {
        let count = *count as f64;
        if count > 0.0 && below + count >= wanted {
            let bound = |place: usize| seen.bounds.get(place).or(seen.bounds.last()).copied();
            let from = place.checked_sub(1).and_then(bound).unwrap_or(0) as f64;
            let to = bound(place)? as f64;
            return Some((from + (to - from) * (wanted - below) / count) / 1_000.0);
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_runtime::metrics::Histogram;

    #[test]
    fn a_quantile_lies_within_its_bucket_and_what_came_before_does_not_count() {
        let histogram = Histogram::new(&[1_000, 3_000]);
        assert_eq!(quantile_ms(&histogram.read(), 0.5), None);
        for _ in 0..4 {
            histogram.observe(2_000);
        }
        assert_eq!(quantile_ms(&histogram.read(), 0.5), Some(2.0));
        assert_eq!(quantile_ms(&histogram.read(), 1.0), Some(3.0));
        let before = histogram.read();
        histogram.observe(500);
        let since = between(&histogram.read(), &before);
        assert_eq!(since.count(), 1);
        assert_eq!(quantile_ms(&since, 1.0), Some(1.0));
        histogram.observe(9_000);
        assert_eq!(quantile_ms(&histogram.read(), 1.0), Some(3.0));
        let mut sum = before.clone();
        add(&mut sum, &before);
        assert_eq!(sum.count(), 8);
    }
}
