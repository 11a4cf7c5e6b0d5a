//! What ends a statement before its end, and what keeps it out of the way of others.
//!
//! Its thread has a low priority, and beyond that it stands back: where it got less of a
//! processor than it wanted, others want it too, and it sleeps. Always between two steps, when
//! it holds no lock that those others may need. A machine that is not busy runs it at full speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much the thread yields, which is all that it can: it gets about a sixtieth of a busy processor.
const NICENESS: i32 = 19;
/// The share of a processor, in percent, below which somebody else wants it.
const WANTED_PERCENT: u32 = 90;
/// Times as long as it has run that it then sleeps.
const SLEEPS: u32 = 8;
/// The longest that it sleeps at once.
const SLEEP_MAX: Duration = Duration::from_millis(20);

/// Looks after one statement, from its own thread.
#[derive(Clone)]
pub(super) struct Watch {
    deadline: Instant,
    unwanted: Arc<AtomicBool>,
    last: Option<Moment>,
}

/// A look at the clock, and at what the thread has had of the processors.
#[derive(Clone, Copy)]
struct Moment {
    at: Instant,
    worked: Duration,
}

impl Watch {
    /// Ends a statement when its time is over, or when nobody wants it any more.
    pub(super) fn new(time: Duration, unwanted: Arc<AtomicBool>) -> Self {
        Self {
            deadline: Instant::now() + time,
            unwanted,
            last: None,
        }
    }

    /// Lowers the priority of the thread.
    pub(super) fn yield_to_others() {
        latchwork_runtime::yield_to_others(NICENESS);
    }

    /// Whether it is to end now. Asked every few milliseconds; may sleep.
    pub(super) fn is_over(&mut self) -> bool {
        if self.unwanted.load(Ordering::Relaxed) || Instant::now() > self.deadline {
            return true;
        }
        if let Some(sleep) = self.stands_back() {
            std::thread::sleep(sleep);
            self.last = None;
        }
        false
    }

    fn stands_back(&mut self) -> Option<Duration> {
        let now = Moment {
            at: Instant::now(),
            worked: worked()?,
        };
        let last = self.last.replace(now)?;
        let (passed, worked) = (now.at - last.at, now.worked.saturating_sub(last.worked));
        let wanted = worked < passed * WANTED_PERCENT / 100;
        wanted.then(|| (worked * SLEEPS).min(SLEEP_MAX))
    }
}

/// What the thread has had of the processors.
#[cfg(target_os = "linux")]
fn worked() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(target_os = "linux"))]
fn worked() -> Option<Duration> {
    None
}
