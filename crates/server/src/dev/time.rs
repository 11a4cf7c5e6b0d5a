//! Time that runs ahead: when nothing but timers can bring work forward, the clock goes to the
//! first of them.
//!
//! Whether that is so, the tables say: no invocation has, or must get, an attempt, and no message
//! is on its way to another partition. Timers that only tidy up are not waited for.

use latchwork_engine::table::invocation::Status;
use latchwork_engine::table::listing::{self, Standing};
use latchwork_engine::table::outbox;
use latchwork_engine::table::timer::{self, TimerKey, TimerKind};
use latchwork_engine::{View, read};
use latchwork_runtime::{Clock, Handle, SystemClock};
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
        SystemClock.now_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }
}

/// How one partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rest {
    /// Something goes on without the help of time.
    is_busy: bool,
    /// When the first timer is due that brings work forward.
    next: Option<u64>,
}

/// Puts the clock ahead for as long as the node lives.
pub(crate) async fn run_ahead(clock: Arc<AheadClock>, handle: Handle) {
    let mut before = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(all) = handle.read(look).await else {
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

fn look(view: &dyn View) -> Rest {
    let has_any = |(from, to): (bytes::Bytes, bytes::Bytes)| view.scan(&from, &to).next().is_some();
    let is_busy = has_any(listing::all_of(Standing::Running, None, None)) || has_any(outbox::all());
    let timers = view.scan(&timer::from(0), &timer::all().1);
    let next = timers
        .filter_map(|row| TimerKey::parse(&row.ok()?.0))
        .find(|timer| matters(view, timer))
        .map(|timer| timer.time);
    Rest { is_busy, next }
}

/// Whether somebody waits for it.
fn matters(view: &dyn View, timer: &TimerKey) -> bool {
    let brings = matches!(
        TimerKind::try_from(timer.kind),
        Ok(TimerKind::Start | TimerKind::Sleep | TimerKind::Retry)
    );
    brings
        && read::invocation(view, &timer.id)
            .is_ok_and(|row| row.is_some_and(|row| row.status() != Status::Completed))
}
