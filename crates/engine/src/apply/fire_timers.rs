//! Timers that are due.

use crate::Halt;
use crate::command::FireTimers;
use crate::table::invocation::Status;
use crate::table::timer::{TimerKey, TimerKind};
use crate::transition::Apply;
use crate::value::{Answer, Identity};

impl Apply<'_> {
    /// A timer that is gone was fired, or cancelled, before.
    pub(crate) fn fire_timers(&mut self, due: FireTimers) -> Result<(), Halt> {
        for timer in due.timers {
            let key = timer.key();
            if let Some(created_at) = self.get(&key)? {
                self.delete(key);
                self.fire(timer, &created_at)?;
            }
        }
        Ok(())
    }

    /// Ids that are derived from a key can come again after they were forgotten; what an
    /// earlier bearer left behind must not wake the later one.
    fn fire(&mut self, timer: TimerKey, created_at: &[u8]) -> Result<(), Halt> {
        let id = timer.id;
        let Some(mut row) = self.invocation(&id)? else {
            return Ok(());
        };
        if row.created_at.to_be_bytes() != created_at {
            return Ok(());
        }
        match (timer.kind(), row.status()) {
            (TimerKind::Start, Status::Scheduled) => self.admit(id, &mut row)?,
            (TimerKind::Sleep, _) if row.in_flight() => {
                let identity = Identity::Completion(timer.number);
                self.notify(id, &mut row, identity, Answer::Void(true));
            }
            (TimerKind::Retry, Status::BackingOff) if row.epoch == timer.number => {
                self.start(id, &mut row);
            }
            (TimerKind::Forget, Status::Completed) => return self.forget(id, &mut row),
            (TimerKind::DropJournal, Status::Completed) => self.drop_journal(&id, &mut row)?,
            _ => return Ok(()),
        }
        self.save(&id, &mut row);
        Ok(())
    }
}
