//! Deadlines to proposals: looks at the timer table when its first row is due.

use crate::node::Fatal;
use latchwork_engine::View;
use latchwork_engine::table::timer::{self, TimerKey};
use std::time::Duration;

/// How many timers one turn fires at most; the others follow in the next.
const DUE_MAX: usize = 512;

/// Knows when to look, not what is there: a million timers cost no memory here.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// When the next timer may be due; none: there is no timer.
    next: Option<u64>,
    /// No timer is due before this time. Keeps a scan from walking over the graves of
    /// all that were fired before.
    floor: u64,
}

impl Timers {
    /// Takes note of a new timer.
    pub(crate) fn arm(&mut self, time: u64) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
        self.floor = self.floor.min(time);
    }

    /// How long to sleep at most.
    pub(crate) fn sleep(&self, now: u64, longest: Duration) -> Duration {
        match self.next {
            None => longest,
            Some(next) => longest.min(Duration::from_millis(next.saturating_sub(now))),
        }
    }

    /// The timers that are due, in order.
    pub(crate) fn due(&mut self, view: &dyn View, now: u64) -> Result<Vec<TimerKey>, Fatal> {
        if self.next.is_none_or(|next| next > now) {
            return Ok(Vec::new());
        }
        let mut due = Vec::new();
        self.next = None;
        for row in view.scan(&timer::from(self.floor), &timer::all().1) {
            let (key, _) = row.map_err(latchwork_engine::Halt::Read)?;
            let Some(timer) = TimerKey::parse(&key) else {
                continue;
            };
            if timer.time > now || due.len() == DUE_MAX {
                self.next = Some(timer.time);
                self.floor = timer.time;
                break;
            }
            due.push(timer);
        }
        if self.next.is_none() {
            self.floor = now;
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use latchwork_engine::table::timer::TimerKind;
    use latchwork_engine::{InvocationId, MemoryView};

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
        assert_eq!(timers.due(&view, 9).unwrap(), []);
        let first = timers.due(&view, 20).unwrap();
        assert_eq!(first.len(), DUE_MAX);
        for timer in first {
            view.write(timer.key(), None);
        }
        assert_eq!(timers.due(&view, 20).unwrap().len(), 600 - DUE_MAX);
        assert_eq!(
            timers.sleep(20, Duration::from_secs(9)),
            Duration::from_millis(10)
        );
    }

    #[test]
    fn a_timer_in_the_past_is_found_below_the_floor() {
        let (mut view, mut timers) = (MemoryView::default(), Timers::default());
        timers.arm(50);
        assert_eq!(timers.due(&view, 100).unwrap(), []);
        view.write(timer(40, 1).key(), Some(Bytes::new()));
        timers.arm(40);
        assert_eq!(timers.due(&view, 100).unwrap(), [timer(40, 1)]);
    }
}
