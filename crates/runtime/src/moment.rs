//! The tables of a partition held still, for readers on other threads.
//!
//! ```text
//!   ask ──▶ Moments: shared while nothing has changed, one every SPACING in the long run
//!             └─▶ tables.snapshot ──▶ Moment, read wherever and as long as the reader likes
//! ```
//!
//! A snapshot seals what was committed, which the disk then has to take: so there are only so
//! many in a second. A few may come at once; those who ask for more wait for the next one
//! together.

use crate::invoker::RunningAttempt;
use latchwork_engine::{InvocationId, ReadError, Rows, View};
use latchwork_storage::{Lsn, Snapshot, Store, Tables, TablesError};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The time between two snapshots of tables that change, where many are asked for.
const SPACING: Duration = Duration::from_millis(100);
/// Snapshots that may come at once after a while without one.
const BURST: u32 = 10;

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
    /// Where the tables were sealed for the last one: another of the same place costs nothing.
    sealed_at: Option<Lsn>,
    /// When the snapshots taken so far are paid for, one every [`SPACING`].
    paid_at: Option<Instant>,
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
        let credit = SPACING * (BURST - 1);
        let debt = self.paid_at.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now())
        });
        longest.min(debt.saturating_sub(credit))
    }

    /// Answers those who ask, unless there were too many of late. True: the
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
        let seals = self.sealed_at != Some(tables.applied());
        let moment = match unchanged {
            Some(moment) => moment,
            None if seals && !self.sleep(SPACING).is_zero() => return Ok(false),
            None => {
                if seals {
                    let now = Instant::now();
                    let paid_at = self.paid_at.map_or(now, |at| at.max(now));
                    self.paid_at = Some(paid_at + SPACING);
                    self.sealed_at = Some(tables.applied());
                }
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
    fn a_moment_is_shared_until_something_changes() {
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
        assert!(moments.give(&mut tables, Vec::new).unwrap());
        let later = later.try_recv().unwrap();
        assert_eq!(first.get(b"k").unwrap(), Some(Bytes::from("old")));
        assert_eq!(later.get(b"k").unwrap(), Some(Bytes::from("new")));
    }

    #[test]
    fn a_few_moments_come_at_once_and_the_others_wait() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let mut moments = Moments::default();
        let began = Instant::now();
        for lsn in 1..=u64::from(BURST) + 2 {
            tables.commit(lsn, []).unwrap();
            let mut asker = ask(&mut moments);
            while !moments.give(&mut tables, Vec::new).unwrap() {
                assert!(lsn > u64::from(BURST), "one of the first waited");
                assert!(began.elapsed() < Duration::from_secs(10));
                std::thread::sleep(moments.sleep(SPACING));
            }
            assert!(asker.try_recv().is_ok());
        }
        assert!(began.elapsed() >= SPACING * 2);
    }

    #[test]
    fn moments_of_tables_that_stand_still_are_not_waited_for() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let mut moments = Moments::default();
        tables.commit(1, []).unwrap();
        for nth in 0..BURST * 3 {
            // Each is let go before the next is asked for.
            let mut asker = ask(&mut moments);
            let sealed = moments.give(&mut tables, Vec::new).unwrap();
            assert_eq!(sealed, nth == 0);
            assert!(asker.try_recv().is_ok(), "{nth}");
        }
    }

    #[test]
    fn who_has_gone_away_costs_no_snapshot() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let mut moments = Moments::default();
        drop(ask(&mut moments));
        assert!(!moments.give(&mut tables, Vec::new).unwrap());
    }
}
