//! The only `now` in the workspace.

use latchwork_engine::mutation::Mutation;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Where time comes from: the system's clock, or a test's.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970. May run back, as clocks do.
    fn now_ms(&self) -> u64;

    /// By how many of them it is ahead of the clocks that handlers have. The times they give for
    /// sleeps and delayed calls are put so much later.
    fn ahead_ms(&self) -> u64 {
        0
    }
}

/// The system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64)
    }
}

/// A clock that goes with the timers of the tokio runtime that asks it: where that holds its time
/// still, so does this, and where it jumps to the next timer, so does this.
#[derive(Debug, Clone, Copy)]
pub struct TimerClock {
    began: Instant,
    began_ms: u64,
}

impl TimerClock {
    /// One that shows `now_ms`, in ms since 1970.
    pub fn starting_at(now_ms: u64) -> Self {
        Self {
            began: Instant::now(),
            began_ms: now_ms,
        }
    }
}

impl Clock for TimerClock {
    fn now_ms(&self) -> u64 {
        self.began_ms + self.began.elapsed().as_millis() as u64
    }
}

/// Stamps records: what it gives never runs back, whatever the clock does.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    last: AtomicU64,
}

impl Stamp {
    /// The later of the clock's time and the last one given or seen.
    pub(crate) fn now(&self, clock: &dyn Clock) -> u64 {
        let now = clock.now_ms();
        if Mutation::StampRunsBack.is_on() {
            return now;
        }
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Takes note of a time that was stamped before.
    pub(crate) fn see(&self, time: u64) {
        self.last.fetch_max(time, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(AtomicU64);

    impl Clock for Fixed {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_clock_that_runs_back_does_not_take_the_stamp_along() {
        let (stamp, clock) = (Stamp::default(), Fixed(AtomicU64::new(100)));
        assert_eq!(stamp.now(&clock), 100);
        clock.0.store(40, Ordering::Relaxed);
        assert_eq!(stamp.now(&clock), 100);
        stamp.see(200);
        assert_eq!(stamp.now(&clock), 200);
    }
}
