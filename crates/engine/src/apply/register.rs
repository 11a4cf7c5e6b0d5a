//! The registry of deployments changes.

use crate::command::Register;
use crate::effect::{Effect, Reply};
use crate::table::deployment;
use crate::transition::Apply;

impl Apply<'_> {
    pub(crate) fn register(&mut self, register: Register) {
        for document in register.documents {
            let key = deployment::key(&document.name);
            match document.body {
                Some(body) => self.put(key, body),
                None => self.delete(key),
            }
        }
        self.effect(Effect::RegistryChanged);
        self.reply(Reply::Done);
    }
}
