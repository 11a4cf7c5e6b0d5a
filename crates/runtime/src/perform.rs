//! What a partition does for callers and for other partitions, once it is durable.

use crate::handle::{CallEnd, Ending, OutputState, propose};
use crate::inbox::ReplyTo;
use crate::node::Fatal;
use crate::partition::Loop;
use crate::registry::Registry;
use latchwork_engine::{Command, Deliver, Delivered, Message, Outcome, Reply};
use latchwork_storage::Store;
use std::sync::Arc;

impl<S: Store> Loop<S> {
    /// Tells whoever proposed a record what came of it.
    pub(crate) fn reply(&mut self, reply: Reply, to: ReplyTo) -> Result<(), Fatal> {
        match to {
            ReplyTo::Nobody => {}
            // Whoever asked may have gone away, here and below.
            ReplyTo::Reply(asker) => drop(asker.send(reply)),
            ReplyTo::Call(asker) => {
                let Reply::Accepted { id, existed, .. } = reply else {
                    return Ok(());
                };
                if !existed {
                    self.waiters.call(id, existed, asker);
                    return Ok(());
                }
                let ending = match self.output(&id)? {
                    OutputState::Pending(_) => {
                        self.waiters.call(id, existed, asker);
                        return Ok(());
                    }
                    OutputState::Ready(ending) => ending,
                    // It was found and forgotten within one turn.
                    OutputState::Unknown => Ending {
                        outcome: Outcome::Failure(latchwork_engine::Failure::new(
                            410,
                            "the invocation ended and its retention is over; send it again",
                        )),
                        expires_at: None,
                    },
                };
                drop(asker.send(CallEnd {
                    id,
                    existed,
                    ending,
                }));
            }
        }
        Ok(())
    }

    /// Brings a message to another partition. It stays in the outbox until that has it.
    pub(crate) fn deliver(&self, to: u16, sequence: u64, message: Message) {
        let deliver = Deliver {
            from: u32::from(self.own),
            sequence,
            message,
        };
        self.tell(to, Command::Deliver(deliver));
    }

    /// Tells a sender which of its messages are durable here.
    pub(crate) fn confirm(&self, to: u16, up_to: u64) {
        let delivered = Delivered {
            to: u32::from(self.own),
            up_to,
        };
        self.tell(to, Command::Delivered(delivered));
    }

    fn tell(&self, partition: u16, command: Command) {
        if let Some(inbox) = self.shared.inboxes.get(usize::from(partition)) {
            inbox.push(propose(command, ReplyTo::Nobody));
        }
    }

    /// Makes the registry in memory what the tables say.
    pub(crate) fn load_registry(&self) -> Result<(), Fatal> {
        let registry = Registry::load(&self.tables)?;
        self.shared.registry.store(Arc::new(registry));
        Ok(())
    }
}
