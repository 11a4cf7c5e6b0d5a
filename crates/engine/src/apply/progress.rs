//! What an attempt has recorded, and perhaps its end.

use crate::Halt;
use crate::command::{End, Progress};
use crate::effect::Effect;
use crate::mutation::Mutation;
use crate::table::invocation::Status;
use crate::transition::Apply;

impl Apply<'_> {
    /// What an attempt says that has lost its right to run is refused as a whole.
    pub(crate) fn progress(&mut self, progress: Progress) -> Result<(), Halt> {
        let id = progress.id;
        let mut row = match self.invocation(&id)? {
            // The attempt of a forgotten bearer of this id was broken off when that ended.
            Some(row) if row.incarnation != progress.incarnation => return Ok(()),
            Some(row)
                if row.status() == Status::Running
                    && (row.epoch == progress.epoch || Mutation::EpochNotChecked.is_on()) =>
            {
                row
            }
            _ => {
                self.effect(Effect::Abort {
                    id,
                    epoch: progress.epoch,
                });
                return Ok(());
            }
        };
        // A failure without progress binds to nothing: the next attempt may find a
        // newer deployment.
        let binds = !progress.entries.is_empty()
            || matches!(progress.end, Some(End::Completed(_) | End::Suspended(_)));
        if binds && row.pin.is_none() {
            row.pin = progress.pin;
        }
        for entry in progress.entries {
            self.entry(id, &mut row, entry)?;
        }
        match progress.end {
            None => {
                self.save(&id, &mut row);
                Ok(())
            }
            Some(end) => self.end_attempt(id, row, end),
        }
    }
}
