//! Deadlines to proposals: looks at the timer table when its first row is due.

use crate::node::Fatal;
use latchwork_engine::View;
use latchwork_engine::table::timer::{self, TimerKey, TimerKind};
use std::time::Duration;

/// How many timers one turn fires at most; the others follow in the next.
const DUE_MAX: usize = 512;

/// Knows when to look, not what is there: a million timers cost no memory here.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// For what brings work forward.
    work: Line,
    /// For what is dropped when it was kept long enough. By a time of its own: that a clock was set
    /// forward is no reason to forget what is young.
    retention: Line,
}

/// The time by which timers are due, in ms since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) work: u64,
    pub(crate) retention: u64,
}

/// Where one walks along the timers.
#[derive(Debug, Default)]
struct Line {
    /// When the next timer may be due; none: there is no timer.
    next: Option<u64>,
    /// No timer of ours is due before this time. Keeps a scan from walking over the graves of
    /// all that were fired before.
    floor: u64,
}

impl Timers {
    /// Takes note of a new timer.
    pub(crate) fn arm(&mut self, time: u64) {
        self.work.arm(time);
        self.retention.arm(time);
    }

    /// How long to sleep at most.
    pub(crate) fn sleep(&self, now: Due, longest: Duration) -> Duration {
        let longest = self.work.sleep(now.work, longest);
        self.retention.sleep(now.retention, longest)
    }

    /// The timers that are due, in order; those of retention behind the others.
    pub(crate) fn due(&mut self, view: &dyn View, now: Due) -> Result<Vec<TimerKey>, Fatal> {
        let mut due = Vec::new();
        (self.work).due(view, now.work, &mut due, |kind| !kind.is_retention())?;
        (self.retention).due(view, now.retention, &mut due, TimerKind::is_retention)?;
        Ok(due)
    }
}

impl Line {
    fn arm(&mut self, time: u64) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
        self.floor = self.floor.min(time);
    }

    fn sleep(&self, now: u64, longest: Duration) -> Duration {
        match self.next {
            None => longest,
            Some(next) => longest.min(Duration::from_millis(next.saturating_sub(now))),
        }
    }

    /// Adds those to `due` that are ours.
    fn due(
        &mut self,
        view: &dyn View,
        now: u64,
        due: &mut Vec<TimerKey>,
        is_ours: impl Fn(TimerKind) -> bool,
    ) -> Result<(), Fatal> {
        if self.next.is_none_or(|next| next > now) {
            return Ok(());
        }
        let most = due.len() + DUE_MAX;
        self.next = None;
        for row in view.scan(&timer::from(self.floor), &timer::all().1) {
            let (key, _) = row.map_err(latchwork_engine::Halt::Read)?;
            let Some(timer) = TimerKey::parse(&key) else {
                continue;
            };
            if timer.time > now || due.len() == most {
                self.next = Some(timer.time);
                self.floor = timer.time;
                break;
            }
            if is_ours(timer.kind()) {
                due.push(timer);
            }
        }
        if self.next.is_none() {
            self.floor = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use latchwork_engine::{InvocationId, MemoryView};

    fn at(now: u64) -> Due {
        Due {
            work: now,
            retention: now,
        }
    }

    fn timer(time: u64, number: u32) -> TimerKey {
        TimerKey {
            time,
            id: InvocationId::default(),
            kind: TimerKind::Sleep as i32,
            number,
        }
    }

    #[test]
    fn gives_what_is_due_in_order_and_bounded() {
        let (mut view, mut timers) = (MemoryView::default(), Timers::default());
        for number in 0..600 {
            view.write(timer(10, number).key(), Some(Bytes::new()));
        }
        view.write(timer(30, 0).key(), Some(Bytes::new()));
        timers.arm(10);
        timers.arm(30);
        assert_eq!(timers.due(&view, at(9)).unwrap(), []);
        let first = timers.due(&view, at(20)).unwrap();
        assert_eq!(first.len(), DUE_MAX);
        for timer in first {
            view.write(timer.key(), None);
        }
        assert_eq!(timers.due(&view, at(20)).unwrap().len(), 600 - DUE_MAX);
        assert_eq!(
            timers.sleep(at(20), Duration::from_secs(9)),
            Duration::from_millis(10)
        );
    }

    #[test]
    fn a_timer_in_the_past_is_found_below_the_floor() {
        let (mut view, mut timers) = (MemoryView::default(), Timers::default());
        timers.arm(50);
        assert_eq!(timers.due(&view, at(100)).unwrap(), []);
        view.write(timer(40, 1).key(), Some(Bytes::new()));
        timers.arm(40);
        assert_eq!(timers.due(&view, at(100)).unwrap(), [timer(40, 1)]);
    }

    #[test]
    fn what_is_retained_has_a_time_of_its_own() {
        let (mut view, mut timers) = (MemoryView::default(), Timers::default());
        let forget = TimerKey {
            kind: TimerKind::Forget as i32,
            ..timer(10, 1)
        };
        view.write(forget.key(), Some(Bytes::new()));
        view.write(timer(20, 2).key(), Some(Bytes::new()));
        timers.arm(10);
        timers.arm(20);
        let mut now = Due {
            work: 20,
            retention: 9,
        };
        assert_eq!(timers.due(&view, now).unwrap(), [timer(20, 2)]);
        view.write(timer(20, 2).key(), None);
        let second = Duration::from_secs(1);
        assert_eq!(timers.sleep(now, second), Duration::from_millis(1));
        now.retention = 10;
        assert_eq!(timers.due(&view, now).unwrap(), [forget]);
        view.write(forget.key(), None);
        assert_eq!(timers.due(&view, at(99)).unwrap(), []);
        assert_eq!(timers.sleep(at(99), second), second);
    }
}
