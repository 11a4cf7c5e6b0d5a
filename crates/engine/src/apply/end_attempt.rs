//! How an attempt ended: the invocation is over, waits, or tries again.

use crate::Halt;
use crate::command::{End, Failed, Next, Suspended};
use crate::future::Settlement;
use crate::id::InvocationId;
use crate::read;
use crate::table::invocation::{Invocation, Status};
use crate::table::journal::Body;
use crate::table::timer::TimerKind;
use crate::transition::Apply;
use crate::value::{Failure, Identity, Outcome};

impl Apply<'_> {
    pub(super) fn end_attempt(
        &mut self,
        id: InvocationId,
        mut row: Invocation,
        end: End,
    ) -> Result<(), Halt> {
        match end {
            End::Completed(_) => {
                row.status = Status::Completed.into();
                let outcome = self.outcome(&id, &row)?;
                // `finish` looks at where it comes from: it held its key until here.
                row.status = Status::Running.into();
                row.last_failure = None;
                self.finish(id, row, outcome)
            }
            End::Suspended(suspended) => {
                self.suspend(id, &mut row, suspended)?;
                self.save(&id, &mut row);
                Ok(())
            }
            End::Failed(failed) => self.attempt_failed(id, row, failed),
        }
    }

    /// Deciding to suspend, and looking whether what it waits for is there, is one step:
    /// a notification may have crossed the suspension on the wire.
    fn suspend(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        suspended: Suspended,
    ) -> Result<(), Halt> {
        row.retry_count = 0;
        row.policy_attempts = 0;
        let mut future = suspended.future;
        let mut woken = future.is_done();
        for (index, entry) in read::journal(self, &id, row.journal_len)?
            .iter()
            .enumerate()
        {
            let Some(Body::Notification(notification)) = &entry.body else {
                continue;
            };
            let (Some(identity), Some(answer)) = (&notification.identity, &notification.answer)
            else {
                continue;
            };
            let is_signal = !matches!(identity, Identity::Completion(_));
            if is_signal && index < suspended.replayed as usize {
                continue;
            }
            woken |= future.fold(identity, Settlement::from(answer));
        }
        if woken {
            self.start(id, row);
        } else {
            row.status = Status::Suspended.into();
            row.awaiting = Some(future);
        }
        Ok(())
    }

    fn attempt_failed(
        &mut self,
        id: InvocationId,
        mut row: Invocation,
        failed: Failed,
    ) -> Result<(), Halt> {
        row.retry_count += u32::from(failed.counts);
        row.policy_attempts += u32::from(failed.uses_policy);
        let failure = failed.failure;
        match failed.next {
            Some(Next::End(_)) => {
                let outcome = Failure::new(failure.code, failure.message.clone());
                row.failure = Some(outcome.clone());
                row.last_failure = Some(failure);
                return self.finish(id, row, Outcome::Failure(outcome));
            }
            Some(Next::RetryAt(time)) => {
                row.status = Status::BackingOff.into();
                row.next_retry_at = Some(time);
                self.arm(time, id, row.created_at, TimerKind::Retry, row.epoch);
            }
            Some(Next::Pause(reason)) => {
                row.status = Status::Paused.into();
                row.pause_reason = Some(reason);
            }
            None => row.status = Status::Paused.into(),
        }
        row.last_failure = Some(failure);
        self.save(&id, &mut row);
        Ok(())
    }
}
