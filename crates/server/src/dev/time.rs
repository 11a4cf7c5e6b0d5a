//! Time that runs ahead: when nothing but timers can bring work forward, the clock goes to the
//! first of them. Handlers have clocks of their own, which do not: what they say of time is shifted
//! by what this clock is ahead of them ([`Clock::ahead_ms`]).

use latchwork_runtime::{Clock, Handle, Rest, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the tables are looked at; a jump takes two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The system's clock, and what it was put ahead. It never goes back.
#[derive(Debug, Default)]
pub(crate) struct AheadClock {
    ahead_ms: AtomicU64,
}

impl Clock for AheadClock {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() + self.ahead_ms()
    }

    fn ahead_ms(&self) -> u64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }
}

/// Puts the clock ahead for as long as the node lives.
pub(crate) async fn run_ahead(clock: Arc<AheadClock>, handle: Handle) {
    let mut before = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(all) = handle.read(Rest::of).await else {
            return;
        };
        let is_quiet = all.iter().all(|rest| !rest.is_busy);
        let next = all.iter().filter_map(|rest| rest.next).min();
        // Two partitions are not looked at in one moment: what was on its way between them is seen
        // the second time.
        if let (true, Some(due)) = (is_quiet && before == next, next) {
            let ahead = due.saturating_sub(clock.now_ms());
            clock.ahead_ms.fetch_add(ahead, Ordering::Relaxed);
        }
        before = next.filter(|_| is_quiet);
    }
}
