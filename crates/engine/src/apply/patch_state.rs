//! New state for one key, from an operator: after what already waits for the key, or at once
//! if it is as the operator has seen it.

use crate::Halt;
use crate::command::{PatchState, Unchanged};
use crate::effect::Reply;
use crate::read;
use crate::table::inbox::{self, Lock, Turn};
use crate::table::invocation::Status;
use crate::table::{Address, state};
use crate::transition::Apply;

impl Apply<'_> {
    pub(crate) fn patch_state(&mut self, patch: PatchState) -> Result<(), Halt> {
        let address = Address {
            service: patch.service.clone(),
            scope: patch.scope.clone(),
            key: patch.key.clone(),
        };
        if let Some(seen) = &patch.only_if
            && !self.is_unchanged(&address, seen)?
        {
            self.reply(Reply::Changed);
            return Ok(());
        }
        match self.row::<Lock>(&inbox::lock_key(&address))? {
            None => self.replace_state(&address, &patch)?,
            Some(mut lock) => self.enqueue(&address, &mut lock, Turn::Patch(patch)),
        }
        self.reply(Reply::Done);
        Ok(())
    }

    fn is_unchanged(&self, address: &Address, seen: &Unchanged) -> Result<bool, Halt> {
        let runs = self
            .invocation(&seen.run)?
            .is_some_and(|row| row.status() != Status::Completed);
        if runs || self.get(&inbox::lock_key(address))?.is_some() {
            return Ok(false);
        }
        let there = read::state(self, address)?;
        let seen = seen.seen.iter().map(|entry| (&entry.key, &entry.value));
        Ok(there.iter().map(|(key, value)| (key, value)).eq(seen))
    }

    pub(super) fn replace_state(
        &mut self,
        address: &Address,
        patch: &PatchState,
    ) -> Result<(), Halt> {
        for (key, _) in self.rows(state::all_of(address))? {
            self.delete(key);
        }
        for entry in &patch.state {
            self.put(state::key(address, &entry.key), entry.value.clone());
        }
        Ok(())
    }
}
