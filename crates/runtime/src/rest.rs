//! Whether anything but time can bring the work of a partition forward: for whoever lets time pass
//! by itself.

use bytes::Bytes;
use latchwork_engine::table::invocation::Status;
use latchwork_engine::table::listing::{self, Standing};
use latchwork_engine::table::outbox;
use latchwork_engine::table::timer::{self, TimerKey, TimerKind};
use latchwork_engine::{View, read};

/// How one partition stands, as its tables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Something goes on without the help of time: an invocation has, or must get, an attempt, or
    /// a message is on its way to another partition.
    pub is_busy: bool,
    /// When the first timer is due that brings work forward, in ms since 1970. Those that only
    /// tidy up are not counted.
    pub next: Option<u64>,
}

impl Rest {
    /// Looks at the tables of a partition.
    pub fn of(view: &dyn View) -> Self {
        let has_any = |(from, to): (Bytes, Bytes)| view.scan(&from, &to).next().is_some();
        let is_busy =
            has_any(listing::all_of(Standing::Running, None, None)) || has_any(outbox::all());
        let timers = view.scan(&timer::from(0), &timer::all().1);
        let next = timers
            .filter_map(|row| TimerKey::parse(&row.ok()?.0))
            .find(|timer| matters(view, timer))
            .map(|timer| timer.time);
        Self { is_busy, next }
    }
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
