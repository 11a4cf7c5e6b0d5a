//! An operator's wish for one invocation.

use crate::Halt;
use crate::command::{Operate, Operation, PauseReason, Signal};
use crate::effect::{Effect, Reply};
use crate::id::InvocationId;
use crate::table::invocation::{Invocation, Status};
use crate::table::timer::TimerKind;
use crate::transition::Apply;
use crate::value::{Answer, CANCEL_SIGNAL, Identity};

impl Apply<'_> {
    pub(crate) fn operate(&mut self, operate: Operate) -> Result<(), Halt> {
        let id = operate.id;
        let reply = match operate.operation() {
            Operation::Cancel => self.take_signal(Signal {
                id,
                identity: Some(Identity::Signal(CANCEL_SIGNAL)),
                answer: Some(Answer::Void(true)),
            })?,
            Operation::Kill => self.kill(id)?,
            operation => match self.invocation(&id)? {
                None => Reply::NotFound,
                Some(row) => match operation {
                    Operation::Pause => self.pause(id, row),
                    Operation::Resume => self.resume(id, row, operate.deployment),
                    _ => self.purge(id, row, operation)?,
                },
            },
        };
        self.reply(reply);
        Ok(())
    }

    fn pause(&mut self, id: InvocationId, mut row: Invocation) -> Reply {
        let reply = match row.status() {
            Status::Completed => return Reply::Completed,
            Status::Scheduled | Status::Inboxed => return Reply::NotStarted,
            Status::Paused => return Reply::Done,
            Status::Running => {
                self.effect(Effect::Abort {
                    id,
                    epoch: row.epoch,
                });
                Reply::Noted
            }
            Status::Suspended | Status::BackingOff => Reply::Noted,
        };
        self.cancel_retry(id, &mut row);
        row.awaiting = None;
        row.status = Status::Paused.into();
        row.pause_reason = Some(PauseReason::Operator.into());
        self.save(&id, &mut row);
        reply
    }

    fn resume(
        &mut self,
        id: InvocationId,
        mut row: Invocation,
        deployment: Option<String>,
    ) -> Reply {
        match row.status() {
            Status::Completed => return Reply::Completed,
            Status::Scheduled | Status::Inboxed => return Reply::NotStarted,
            Status::Running if deployment.is_some() => return Reply::Running,
            Status::Running => return Reply::Done,
            Status::Paused | Status::Suspended | Status::BackingOff => {}
        }
        if let Some(deployment) = deployment {
            match &mut row.pin {
                None => return Reply::NotPinned,
                Some(pin) => pin.deployment = deployment,
            }
        }
        self.cancel_retry(id, &mut row);
        row.retry_count = 0;
        row.policy_attempts = 0;
        self.start(id, &mut row);
        self.save(&id, &mut row);
        Reply::Done
    }

    fn purge(
        &mut self,
        id: InvocationId,
        mut row: Invocation,
        operation: Operation,
    ) -> Result<Reply, Halt> {
        let Some(expires_at) = row.expires_at() else {
            return Ok(Reply::NotCompleted);
        };
        if operation == Operation::PurgeJournal {
            self.drop_journal(&id, &mut row)?;
            self.save(&id, &mut row);
        } else {
            self.disarm(expires_at, id, TimerKind::Forget, 0);
            self.forget(id, &mut row)?;
        }
        Ok(Reply::Done)
    }

    fn cancel_retry(&mut self, id: InvocationId, row: &mut Invocation) {
        if let Some(time) = row.next_retry_at.take() {
            self.disarm(time, id, TimerKind::Retry, row.epoch);
        }
    }
}
