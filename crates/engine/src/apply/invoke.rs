//! A new invocation, or the one that has its identity already.

use super::Origin;
use crate::Halt;
use crate::command::Invoke;
use crate::effect::Reply;
use crate::fact::Fact;
use crate::mutation::Mutation;
use crate::table::invocation::{Invocation, Status};
use crate::table::journal::Body;
use crate::table::timer::TimerKind;
use crate::transition::Apply;
use crate::value::{Answer, Failure, TargetKind};

impl Apply<'_> {
    pub(super) fn invoke(&mut self, invoke: Invoke, origin: Origin) -> Result<(), Halt> {
        let id = invoke.id;
        if let Some(mut row) = self.invocation(&id)?
            && !Mutation::IdentityForgotten.is_on()
        {
            if let Some(waiter) = invoke.waiter {
                if row.target.kind() == TargetKind::WorkflowRun {
                    let failure = Failure::new(409, "the workflow method was already invoked");
                    self.answer(waiter, Answer::Failure(failure))?;
                } else if row.status() == Status::Completed {
                    let outcome = self.outcome(&id, &row)?;
                    self.answer(waiter, outcome.into())?;
                } else if !Mutation::WaiterForgotten.is_on() {
                    row.waiters.push(waiter);
                    self.save(&id, &mut row);
                }
            }
            self.accepted(&id, &row, true, origin);
            return Ok(());
        }
        let mut row = Invocation {
            target: invoke.target,
            caller: invoke.caller,
            created_at: self.now,
            idempotency_key: invoke.idempotency_key,
            completion_retention_ms: invoke.completion_retention_ms,
            journal_retention_ms: invoke.journal_retention_ms,
            execution_time: invoke.execution_time,
            limit_key: invoke.limit_key,
            incarnation: invoke.incarnation,
            trace: invoke.trace,
            waiters: invoke.waiter.into_iter().collect(),
            ..Invocation::default()
        };
        self.append(&id, &mut row, Body::Input(invoke.input));
        match row.execution_time {
            Some(time) if time > self.now && !Mutation::DelayIgnored.is_on() => {
                row.status = Status::Scheduled.into();
                self.arm(time, id, row.created_at, TimerKind::Start, 0);
            }
            _ => self.admit(id, &mut row)?,
        }
        self.accepted(&id, &row, false, origin);
        self.save(&id, &mut row);
        let row = Box::new(row);
        self.fact(Fact::Accepted { id, row });
        Ok(())
    }

    fn accepted(
        &mut self,
        id: &crate::InvocationId,
        row: &Invocation,
        existed: bool,
        origin: Origin,
    ) {
        if origin == Origin::Outside {
            self.reply(Reply::Accepted {
                id: *id,
                existed,
                execution_time: row.execution_time,
            });
        }
    }
}
