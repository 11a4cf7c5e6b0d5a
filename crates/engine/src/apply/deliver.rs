//! Messages between partitions: in order, each exactly once.

use crate::Halt;
use crate::command::{Deliver, Delivered};
use crate::effect::Effect;
use crate::mutation::Mutation;
use crate::table::outbox::{self, Counter};
use crate::transition::Apply;

impl Apply<'_> {
    /// Takes the message if it is the next of its sender. Confirms what is there in any case.
    pub(crate) fn deliver(&mut self, deliver: Deliver) -> Result<(), Halt> {
        let from = deliver.from as u16;
        let key = outbox::dedup_key(from);
        let mut seen: Counter = self.row(&key)?.unwrap_or_default();
        if deliver.sequence == seen.last + 1 || Mutation::DedupForgotten.is_on() {
            seen.last = deliver.sequence;
            self.put_row(key, &seen);
            self.letters.extend(deliver.message.letter);
        }
        self.effect(Effect::ConfirmDelivery {
            to: from,
            up_to: seen.last,
        });
        Ok(())
    }

    /// Forgets the messages that the receiver has.
    pub(crate) fn delivered(&mut self, delivered: Delivered) -> Result<(), Halt> {
        let to = delivered.to as u16;
        let range = (
            outbox::key(to, 0),
            outbox::key(to, delivered.up_to.saturating_add(1)),
        );
        for (key, _) in self.rows(range)? {
            self.delete(key);
        }
        Ok(())
    }
}
