//! An end to what waits for a key in vain.

use crate::Halt;
use crate::command::BreakDeadlock;
use crate::effect::Reply;
use crate::table::invocation::Status;
use crate::transition::Apply;
use crate::value::Outcome;

impl Apply<'_> {
    /// One that has got the key meanwhile, or is over, was no part of a deadlock.
    pub(crate) fn break_deadlock(&mut self, deadlock: BreakDeadlock) -> Result<(), Halt> {
        let id = deadlock.id;
        let reply = match self.invocation(&id)? {
            Some(mut row)
                if row.status() == Status::Inboxed && row.incarnation == deadlock.incarnation =>
            {
                row.failure = Some(deadlock.failure.clone());
                self.finish(id, row, Outcome::Failure(deadlock.failure))?;
                Reply::Done
            }
            Some(_) => Reply::Running,
            None => Reply::NotFound,
        };
        self.reply(reply);
        Ok(())
    }
}
