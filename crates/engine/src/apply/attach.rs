//! Who wants the result of an invocation, now or when there is one.

use crate::Halt;
use crate::command::Attach;
use crate::table::invocation::Status;
use crate::transition::Apply;
use crate::value::{Answer, Failure};

impl Apply<'_> {
    pub(super) fn attach(&mut self, attach: Attach) -> Result<(), Halt> {
        let Some(mut row) = self.invocation(&attach.id)? else {
            return self.not_found(attach);
        };
        if row.status() == Status::Completed {
            let outcome = self.outcome(&attach.id, &row)?;
            return self.answer(attach.waiter, outcome.into());
        }
        row.waiters.push(attach.waiter);
        self.save(&attach.id, &mut row);
        Ok(())
    }

    pub(super) fn get_output(&mut self, attach: Attach) -> Result<(), Halt> {
        let Some(row) = self.invocation(&attach.id)? else {
            return self.not_found(attach);
        };
        let answer = if row.status() == Status::Completed {
            self.outcome(&attach.id, &row)?.into()
        } else {
            Answer::Void(true)
        };
        self.answer(attach.waiter, answer)
    }

    fn not_found(&mut self, attach: Attach) -> Result<(), Halt> {
        let failure = Failure::new(404, "not found");
        self.answer(attach.waiter, Answer::Failure(failure))
    }
}
