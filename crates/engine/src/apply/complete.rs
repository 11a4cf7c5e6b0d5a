//! The answer to a command of an invocation.

use crate::Halt;
use crate::command::Complete;
use crate::transition::Apply;
use crate::value::Identity;

impl Apply<'_> {
    /// An invocation that is over, or was never there, has no use for the answer.
    pub(super) fn complete(&mut self, complete: Complete) -> Result<(), Halt> {
        let Some(answer) = complete.answer else {
            return Ok(());
        };
        if let Some(mut row) = self.invocation(&complete.id)?
            && row.in_flight()
            && row.incarnation == complete.incarnation
        {
            let identity = Identity::Completion(complete.completion);
            self.notify(complete.id, &mut row, identity, answer);
            self.save(&complete.id, &mut row);
        }
        Ok(())
    }
}
