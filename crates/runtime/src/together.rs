//! One moment of all partitions, though none of them stands still for it.
//!
//! ```text
//!   want: number + 1, then a word to every inbox
//!   each loop, at its next turn:  empty the inbox ─▶ read the number ─▶ newer? hold the tables
//!                                                                         ─▶ then apply what came
//! ```
//!
//! Whatever one partition tells another, or a caller, after it has held its tables, it tells after
//! the number was raised; and whoever acts on it does so through an inbox. A loop that finds such a
//! thing in its inbox therefore finds the new number too, and holds its own tables before the thing
//! counts. So nothing is in one partition's tables whose cause is missing in another's: no message
//! that was never sent, no confirmation of one that never came. What was on its way is in the
//! sender's outbox, and is sent again.

use latchwork_storage::{Snapshot, Store, Tables, TablesError};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, oneshot};

/// The number of the last moment that was wanted, for all partitions to see.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    number: AtomicU64,
    /// Held by whoever wants one: each loop keeps the tables of one moment only.
    pub(crate) turn: Mutex<()>,
}

impl Wanted {
    /// Wants one more. The caller then wakes every loop.
    pub(crate) fn want(&self) -> u64 {
        self.number.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The last one that was wanted.
    pub(crate) fn wanted(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }
}

/// One loop's part in it.
#[derive(Default)]
pub(crate) struct Together {
    /// The last moment that was seen.
    number: u64,
    /// The tables as they were then, until somebody fetches them.
    held: Option<Snapshot>,
}

impl Together {
    /// Holds the tables if a newer moment is wanted. True: they were sealed.
    pub(crate) fn hold<S: Store>(
        &mut self,
        wanted: u64,
        tables: &mut Tables<S>,
    ) -> Result<bool, TablesError> {
        if wanted <= self.number {
            return Ok(false);
        }
        self.number = wanted;
        self.held = Some(tables.snapshot()?);
        Ok(true)
    }

    /// Gives away what was held at a moment. Who asks for one that is over learns so by the end of
    /// the channel.
    pub(crate) fn give(&mut self, number: u64, asker: oneshot::Sender<Snapshot>) {
        if let Some(held) = self.held.take_if(|_| number == self.number) {
            // Whoever asked may have gone away.
            drop(asker.send(held));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use latchwork_engine::View;
    use latchwork_storage::MemoryStore;

    #[test]
    fn tables_are_held_once_for_each_moment_and_given_to_who_asked_for_it() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let mut together = Together::default();
        let row = |text: &'static str| [(Bytes::from("k"), Some(Bytes::from(text)))];
        tables.commit(1, row("then")).unwrap();
        assert!(!together.hold(0, &mut tables).unwrap());
        assert!(together.hold(1, &mut tables).unwrap());
        tables.commit(2, row("now")).unwrap();
        assert!(!together.hold(1, &mut tables).unwrap(), "held already");

        let (late, mut unheard) = oneshot::channel();
        together.give(7, late);
        assert!(unheard.try_recv().is_err());
        let (asker, mut heard) = oneshot::channel();
        together.give(1, asker);
        let held = heard.try_recv().unwrap();
        assert_eq!(held.lsn(), 1);
        assert_eq!(held.get(b"k").unwrap(), Some(Bytes::from("then")));
    }
}
