//! The tables of a partition held still, for readers on other threads.
//!
//! ```text
//!   ask ──▶ Moments: shared while nothing has changed, at most one every SPACING
//!             └─▶ tables.snapshot ──▶ Moment, read wherever and as long as the reader likes
//! ```
//!
//! A snapshot seals what was committed, which the disk then has to take: so there are only so
//! many in a second, and those who ask too fast wait for the next one together.

use crate::invoker::RunningAttempt;
use latchwork_engine::{InvocationId, ReadError, Rows, View};
use latchwork_storage::{Snapshot, Store, Tables, TablesError};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The least time between two snapshots of tables that change.
const SPACING: Duration = Duration::from_millis(25);

/// The tables of one partition at one place of its log, and which attempts ran then. Let it go
/// soon: it keeps in memory and on disk what has been overwritten since.
pub struct Moment {
    snapshot: Snapshot,
    running: HashMap<InvocationId, RunningAttempt>,
}

impl Moment {
    /// The attempt of an invocation, if one runs.
    pub fn attempt(&self, id: &InvocationId) -> Option<&RunningAttempt> {
        self.running.get(id)
    }
}

impl View for Moment {
    fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, ReadError> {
        self.snapshot.get(key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        self.snapshot.scan(from, to)
    }
}

/// Those who ask for moments, and the last one that was given.
#[derive(Default)]
pub(crate) struct Moments {
    askers: Vec<oneshot::Sender<Arc<Moment>>>,
    last: Weak<Moment>,
    taken_at: Option<Instant>,
}

impl Moments {
    /// Somebody wants the tables as they are now, or later.
    pub(crate) fn ask(&mut self, asker: oneshot::Sender<Arc<Moment>>) {
        self.askers.push(asker);
    }

    /// How long to sleep at most.
    pub(crate) fn sleep(&self, longest: Duration) -> Duration {
        if self.askers.is_empty() {
            return longest;
        }
        let since = self.taken_at.map_or(SPACING, |at| at.elapsed());
        longest.min(SPACING.saturating_sub(since))
    }

    /// Answers those who ask, unless the last snapshot was too short a while ago. True: the
    /// tables were sealed.
    pub(crate) fn give<S: Store>(
        &mut self,
        tables: &mut Tables<S>,
        running: impl FnOnce() -> Vec<RunningAttempt>,
    ) -> Result<bool, TablesError> {
        self.askers.retain(|asker| !asker.is_closed());
        if self.askers.is_empty() {
            return Ok(false);
        }
        let unchanged = self
            .last
            .upgrade()
            .filter(|last| last.snapshot.lsn() == tables.applied());
        let seals = unchanged.is_none();
        let moment = match unchanged {
            Some(moment) => moment,
            None if !self.sleep(SPACING).is_zero() => return Ok(false),
            None => {
                self.taken_at = Some(Instant::now());
                Arc::new(Moment {
                    snapshot: tables.snapshot()?,
                    running: running().into_iter().map(|it| (it.id, it)).collect(),
                })
            }
        };
        self.last = Arc::downgrade(&moment);
        for asker in self.askers.drain(..) {
            // Whoever asked may have gone away.
            drop(asker.send(moment.clone()));
        }
        Ok(seals)
    }

    /// Lets go of all: they learn that the server is stopping.
    pub(crate) fn close(&mut self) {
        self.askers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use latchwork_storage::MemoryStore;

    fn ask(moments: &mut Moments) -> oneshot::Receiver<Arc<Moment>> {
        let (asker, heard) = oneshot::channel();
        moments.ask(asker);
        heard
    }

    #[test]
    fn a_moment_is_shared_until_something_changes_and_then_spaced() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let mut moments = Moments::default();
        let value = |text: &'static str| [(Bytes::from("k"), Some(Bytes::from(text)))];
        tables.commit(1, value("old")).unwrap();

        let mut first = ask(&mut moments);
        assert!(moments.give(&mut tables, Vec::new).unwrap());
        let first = first.try_recv().unwrap();
        let mut again = ask(&mut moments);
        assert!(!moments.give(&mut tables, Vec::new).unwrap());
        assert!(Arc::ptr_eq(&first, &again.try_recv().unwrap()));

        tables.commit(2, value("new")).unwrap();
        let mut later = ask(&mut moments);
        let began = Instant::now();
        while !moments.give(&mut tables, Vec::new).unwrap() {
            assert!(began.elapsed() < Duration::from_secs(10));
            std::thread::sleep(moments.sleep(SPACING));
        }
        let later = later.try_recv().unwrap();
        assert_eq!(first.get(b"k").unwrap(), Some(Bytes::from("old")));
        assert_eq!(later.get(b"k").unwrap(), Some(Bytes::from("new")));
    }

    #[test]
    fn who_has_gone_away_costs_no_snapshot() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let mut moments = Moments::default();
        drop(ask(&mut moments));
        assert!(!moments.give(&mut tables, Vec::new).unwrap());
    }
}
