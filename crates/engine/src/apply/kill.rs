//! Ending an invocation at once, with all that it called.

use crate::Halt;
use crate::command::{Kill, Letter};
use crate::effect::{Effect, Reply};
use crate::fact::Ending;
use crate::id::InvocationId;
use crate::read;
use crate::table::invocation::Status;
use crate::table::journal::Body;
use crate::transition::Apply;
use crate::value::{Failure, Outcome};

impl Apply<'_> {
    pub(super) fn kill(&mut self, id: InvocationId) -> Result<Reply, Halt> {
        let Some(mut row) = self.invocation(&id)? else {
            return Ok(Reply::NotFound);
        };
        match row.status() {
            Status::Completed => return Ok(Reply::Completed),
            Status::Running => self.effect(Effect::Abort {
                id,
                epoch: row.epoch,
            }),
            _ => {}
        }
        for entry in read::journal(self, &id, row.journal_len)? {
            if let Some(Body::Command(command)) = entry.body
                && let Some(child) = command.child
            {
                self.send(Letter::Kill(Kill { id: child, by: id }))?;
            }
        }
        let failure = Failure::new(409, "killed");
        row.failure = Some(failure.clone());
        self.finish_as(id, row, Outcome::Failure(failure), Ending::Killed)?;
        Ok(Reply::Done)
    }

    /// A child that only found an invocation which somebody else had made leaves it alone.
    pub(super) fn kill_child(&mut self, kill: Kill) -> Result<(), Halt> {
        let made = self
            .invocation(&kill.id)?
            .and_then(|row| row.caller)
            .is_some_and(|caller| caller.id == kill.by);
        if made {
            self.kill(kill.id)?;
        }
        Ok(())
    }
}
