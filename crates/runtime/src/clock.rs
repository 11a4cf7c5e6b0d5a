//! The only `now` in the workspace.

use latchwork_engine::mutation::Mutation;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Where time comes from: the system's clock, or a test's.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970. May run back, as clocks do.
    fn now_ms(&self) -> u64;

    /// By how many milliseconds it is ahead of the clock on the wall, which handlers see.
    fn ahead_ms(&self) -> u64 {
        0
    }

    /// By how many milliseconds it was set forward, all together, since it began.
    fn leapt_ms(&self) -> u64 {
        0
    }

    /// It was as late as `time` (ms since 1970) before. A clock that runs steadily does not begin
    /// before that.
    fn see(&self, _time: u64) {}

    /// When at least `delay_ms` have passed: of the millisecond that it shows, a part is over.
    fn after(&self, delay_ms: u64) -> u64 {
        let begun = u64::from(delay_ms > 0);
        self.now_ms().saturating_add(delay_ms).saturating_add(begun)
    }

    /// What the clock on the wall shows: for what is compared with times that others have written.
    fn wall_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.ahead_ms())
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now_ms(&self) -> u64 {
        (**self).now_ms()
    }

    fn ahead_ms(&self) -> u64 {
        (**self).ahead_ms()
    }

    fn leapt_ms(&self) -> u64 {
        (**self).leapt_ms()
    }

    fn see(&self, time: u64) {
        (**self).see(time);
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

/// A clock that runs on while the clock on the wall is set back, and follows it when it is set
/// forward.
///
/// ```text
///   wall     10:00 ─▶ 10:01 │ 9:01 ─▶ 9:02 …
///   steady   10:00 ─▶ 10:01 │ 10:01 ─▶ 10:02 …   a sixteenth slower, until both are together
/// ```
///
/// So a minute takes a minute, whatever is done to the clock on the wall. A clock that stood still, or
/// ran back, would let nothing become due for an hour, or let all of it be due at once.
#[derive(Debug)]
pub struct SteadyClock<C = SystemClock> {
    wall: C,
    shown: Mutex<Shown>,
}

/// The last time that was shown.
#[derive(Debug)]
struct Shown {
    at: Instant,
    /// Since 1970.
    time: Duration,
    /// What it was set forward.
    leapt: Duration,
}

/// Of the time that passes, this part is not counted while the clock is ahead.
const SLOWER: u32 = 16;
/// Set forward by so much it leaps; by less it is only being corrected.
const LEAP: Duration = Duration::from_secs(60);

impl<C: Clock> SteadyClock<C> {
    /// One that follows `wall`.
    pub fn over(wall: C) -> Self {
        let shown = Shown {
            at: Instant::now(),
            time: Duration::from_millis(wall.now_ms()),
            leapt: Duration::ZERO,
        };
        Self {
            wall,
            shown: Mutex::new(shown),
        }
    }

    /// This time, and that of the wall.
    fn look(&self) -> (Duration, Duration) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, wall) = (Instant::now(), Duration::from_millis(self.wall.now_ms()));
        let passed = at.saturating_duration_since(shown.at);
        let slowly = match Mutation::ClockStandsStill.is_on() {
            false => shown.time + passed - passed / SLOWER,
            true => shown.time,
        };
        shown.at = at;
        if wall > slowly + LEAP {
            shown.leapt += wall - slowly;
        }
        shown.time = match Mutation::StampRunsBack.is_on() {
            false => slowly.max(wall),
            true => wall,
        };
        (shown.time, wall)
    }
}

impl<C: Clock> Clock for SteadyClock<C> {
    fn now_ms(&self) -> u64 {
        self.look().0.as_millis() as u64
    }

    fn ahead_ms(&self) -> u64 {
        if Mutation::ClockStandsStill.is_on() {
            return 0;
        }
        let (time, wall) = self.look();
        (time - wall).as_millis() as u64
    }

    fn leapt_ms(&self) -> u64 {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.leapt.as_millis() as u64
    }

    fn see(&self, time: u64) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.time = shown.time.max(Duration::from_millis(time));
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

    #[derive(Debug, Default, Clone)]
    struct Fixed(Arc<AtomicU64>);

    impl Fixed {
        fn set(&self, ms: u64) {
            self.0.store(ms, Ordering::Relaxed);
        }
    }

    impl Clock for Fixed {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_clock_that_runs_back_does_not_take_the_stamp_along() {
        let (stamp, clock) = (Stamp::default(), Fixed::default());
        clock.set(100);
        assert_eq!(stamp.now(&clock), 100);
        clock.set(40);
        assert_eq!(stamp.now(&clock), 100);
        stamp.see(200);
        assert_eq!(stamp.now(&clock), 200);
    }

    #[test]
    fn a_delay_is_no_shorter_than_it_was_asked_for() {
        let clock = Fixed::default();
        clock.set(100);
        assert_eq!((clock.after(0), clock.after(5)), (100, 106));
        assert_eq!(clock.after(u64::MAX), u64::MAX);
    }

    const HOUR: u64 = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn a_minute_takes_a_minute_while_the_wall_is_an_hour_back() {
        let wall = Fixed::default();
        wall.set(2 * HOUR);
        let clock = SteadyClock::over(wall.clone());
        wall.set(HOUR);
        assert_eq!(clock.now_ms(), 2 * HOUR);
        assert_eq!(clock.ahead_ms(), HOUR);
        tokio::time::advance(Duration::from_secs(64)).await;
        wall.set(HOUR + 64_000);
        // Slower by a sixteenth, and so nearer to the wall.
        assert_eq!(clock.now_ms(), 2 * HOUR + 60_000);
        assert_eq!(clock.ahead_ms(), HOUR - 4_000);
        assert_eq!(clock.wall_ms(), HOUR + 64_000);
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_wall_forward_and_meets_it_again() {
        let wall = Fixed::default();
        let clock = SteadyClock::over(wall.clone());
        wall.set(24 * HOUR);
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (24 * HOUR, 0));
        assert_eq!(clock.leapt_ms(), 24 * HOUR);
        wall.set(23 * HOUR);
        tokio::time::advance(Duration::from_millis(16 * HOUR)).await;
        wall.set((23 + 16) * HOUR);
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (39 * HOUR, 0));
        assert_eq!(clock.leapt_ms(), 24 * HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_no_earlier_than_what_was_stamped_before() {
        let clock = SteadyClock::over(Fixed::default());
        clock.see(HOUR);
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (HOUR, HOUR));
    }
}
