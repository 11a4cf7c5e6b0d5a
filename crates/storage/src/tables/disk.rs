//! Tables on disk: one database for the data directory, one keyspace for each partition.

use super::{Store, StoreRow, TablesError};
use crate::Lsn;
use crate::durable;
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use latchwork_engine::{ReadError, Rows, View};
use std::path::Path;

/// The key, below all rows, that holds the applied LSN.
const APPLIED_KEY: [u8; 1] = [0];
/// Where rows begin.
const ROWS_FROM: [u8; 1] = [1];
/// Threads that flush and compact, all partitions together.
const WORKERS: usize = 1;
/// Bytes that one keyspace holds in memory before it is flushed.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// Bytes of journal files before the oldest keyspace is flushed.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;

/// The tables of one partition on disk.
#[derive(Clone)]
pub struct DiskStore {
    database: Database,
    rows: Keyspace,
    place: String,
}

impl DiskStore {
    /// Opens the database in `directory`, or makes one; a store for each partition, in
    /// their order. `cache_bytes` is for all of them together.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(
        directory: &Path,
        partitions: u16,
        cache_bytes: u64,
    ) -> Result<Vec<Self>, TablesError> {
        let place = directory.display().to_string();
        let failed = |error: fjall::Error| TablesError::Failed {
            place: place.clone(),
            reason: error.to_string(),
        };
        let database = Database::builder(directory)
            .manual_journal_persist(true)
            .worker_threads(WORKERS)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open()
            .map_err(failed)?;
        let stores: Result<Vec<_>, TablesError> = (0..partitions)
            .map(|partition| {
                let rows = database
                    .keyspace(&format!("partition-{partition}"), || {
                        KeyspaceCreateOptions::default()
                            .manual_journal_persist(true)
                            .max_memtable_size(MEMTABLE_BYTES)
                    })
                    .map_err(failed)?;
                Ok(Self {
                    database: database.clone(),
                    rows,
                    place: place.clone(),
                })
            })
            .collect();
        // The database syncs its files, and not the names of the directories that it makes for
        // them: a loss of power would take away what the log was trimmed by.
        durable::sync_tree(directory).map_err(|error| TablesError::Failed {
            place: place.clone(),
            reason: error.to_string(),
        })?;
        stores
    }

    fn failed(&self, reason: impl ToString) -> TablesError {
        TablesError::Failed {
            place: self.place.clone(),
            reason: reason.to_string(),
        }
    }

    fn still(&self) -> Still {
        Still {
            moment: self.database.snapshot(),
            rows: self.rows.clone(),
        }
    }
}

fn unreadable(error: fjall::Error) -> ReadError {
    ReadError(error.to_string())
}

impl Store for DiskStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let value = self.rows.get(key).map_err(unreadable)?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, from: &[u8], to: &[u8]) -> Rows<'_> {
        self.still().range(from, to)
    }

    fn write<'a>(
        &self,
        lsn: Lsn,
        rows: &mut dyn Iterator<Item = StoreRow<'a>>,
    ) -> Result<(), TablesError> {
        let mut batch = self.database.batch();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(&self.rows, key.clone(), value.clone()),
                // Most of what is deleted has lived shorter than its layer and is not here. A
                // grave for it would be written, compacted, and walked over by scans.
                None => {
                    let is_here = self.rows.contains_key(key);
                    if is_here.map_err(|error| self.failed(error))? {
                        batch.remove(&self.rows, key.clone());
                    }
                }
            }
        }
        batch.insert(&self.rows, APPLIED_KEY, lsn.to_be_bytes());
        batch.commit().map_err(|error| self.failed(error))
    }

    fn applied(&self) -> Result<Lsn, TablesError> {
        let value = self
            .rows
            .get(APPLIED_KEY)
            .map_err(|error| self.failed(error))?;
        let Some(value) = value else {
            return Ok(0);
        };
        let bytes = value[..].try_into();
        bytes
            .map(Lsn::from_be_bytes)
            .map_err(|_| self.failed("the row with the applied LSN is not 8 bytes long"))
    }

    fn persist(&self) -> Result<(), TablesError> {
        let persisted = self.database.persist(PersistMode::SyncAll);
        persisted.map_err(|error| self.failed(error))
    }

    fn snapshot(&self) -> Box<dyn View + Send + Sync> {
        Box::new(self.still())
    }
}

/// A partition's rows at one moment.
struct Still {
    moment: fjall::Snapshot,
    rows: Keyspace,
}

impl Still {
    /// The rows of a range; they keep the moment alive on their own.
    fn range(&self, from: &[u8], to: &[u8]) -> Rows<'static> {
        let from = from.max(&ROWS_FROM);
        if from >= to {
            return Box::new(std::iter::empty());
        }
        Box::new(self.moment.range(&self.rows, from..to).map(|row| {
            let (key, value) = row.into_inner().map_err(unreadable)?;
            Ok((Bytes::from(key), Bytes::from(value)))
        }))
    }
}

impl View for Still {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let value = self.moment.get(&self.rows, key).map_err(unreadable)?;
        Ok(value.map(Bytes::from))
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        self.range(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_of_what_is_not_here_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let stores = DiskStore::open(directory.path(), 1, 1 << 20).unwrap();
        let (here, gone, value) = (Bytes::from("a"), Bytes::from("b"), Bytes::from("value"));
        let mut rows = [(&here, Some(&value)), (&gone, None)].into_iter();
        stores[0].write(1, &mut rows).unwrap();
        // One row, and the applied LSN.
        assert_eq!(stores[0].rows.approximate_len(), 2);
        stores[0]
            .write(2, &mut [(&here, None)].into_iter())
            .unwrap();
        assert_eq!(stores[0].get(b"a").unwrap(), None);
    }

    #[test]
    fn partitions_do_not_see_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let stores = DiskStore::open(directory.path(), 2, 1 << 20).unwrap();
        let (key, value) = (Bytes::from("key"), Bytes::from("value"));
        stores[0]
            .write(5, &mut [(&key, Some(&value))].into_iter())
            .unwrap();
        assert_eq!(stores[0].get(b"key").unwrap(), Some(value));
        assert_eq!(stores[1].get(b"key").unwrap(), None);
        let applied: Vec<_> = stores
            .iter()
            .map(|store| store.applied().unwrap())
            .collect();
        assert_eq!(applied, [5, 0]);
    }
}
