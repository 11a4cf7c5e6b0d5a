//! New state for one key, from an operator: after what already waits for the key.

use crate::Halt;
use crate::command::PatchState;
use crate::effect::Reply;
use crate::table::inbox::{self, Lock, Turn};
use crate::table::{Address, state};
use crate::transition::Apply;

impl Apply<'_> {
    pub(crate) fn patch_state(&mut self, patch: PatchState) -> Result<(), Halt> {
        let address = Address {
            service: patch.service.clone(),
            scope: patch.scope.clone(),
            key: patch.key.clone(),
        };
        match self.row::<Lock>(&inbox::lock_key(&address))? {
            None => self.replace_state(&address, &patch)?,
            Some(mut lock) => self.enqueue(&address, &mut lock, Turn::Patch(patch)),
        }
        self.reply(Reply::Done);
        Ok(())
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
