//! Tables as the loop sees them: layers in memory over a store.
//!
//! ```text
//!   commit ──▶ active ──seal──▶ sealed ──(a thread of its own)──▶ store.write, persist
//!   get    ◀── active, else sealed from new to old, else the store
//! ```
//!
//! A commit touches memory only, and what is written and deleted within one layer never
//! reaches the disk twice. The log is trimmed by what is persisted, so a layer that a
//! crash takes away is applied again.

use super::flusher::Flusher;
use super::layer::{self, Layer, Writes};
use super::snapshot::Snapshot;
use super::{Store, TablesError};
use crate::Lsn;
use bytes::Bytes;
use latchwork_engine::mutation::Mutation;
use latchwork_engine::{ReadError, Rows, View};
use std::sync::Arc;

/// A layer that has grown to this is sealed without being asked for: what waits in memory
/// stays bounded also while a long log is read.
const LAYER_BYTES_MAX: usize = 8 << 20;
/// What a row costs in memory besides its bytes: two handles, and its share of a node.
const ROW_OVERHEAD_BYTES: usize = 96;

/// The tables of one partition.
pub struct Tables<S: Store> {
    active: Writes,
    active_bytes: usize,
    applied: Lsn,
    /// From old to new; those that the store may not have yet. While one is here it says
    /// at least as much as the store, so it does not matter when the store gets it.
    sealed: Vec<Arc<Layer>>,
    /// The last LSN that was sealed.
    sealed_lsn: Lsn,
    store: Arc<S>,
    flusher: Flusher,
}

impl<S: Store> Tables<S> {
    /// Over what the store holds.
    ///
    /// # Errors
    /// If the store cannot be read, or the system refuses a thread.
    pub fn open(store: S) -> Result<Self, TablesError> {
        Self::over(store, Flusher::start)
    }

    /// The same without a thread: whoever holds them writes the sealed layers, by
    /// [`Tables::write_layer`]. Dropped, they lose what was not written, as in a crash.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn by_hand(store: S) -> Result<Self, TablesError> {
        Self::over(store, |store, applied| Ok(Flusher::by_hand(store, applied)))
    }

    fn over(
        store: S,
        flusher: impl FnOnce(Arc<S>, Lsn) -> Result<Flusher, TablesError>,
    ) -> Result<Self, TablesError> {
        // A store may have writes that were never synced; the log is not trimmed by those.
        store.persist()?;
        let applied = store.applied()?;
        let store = Arc::new(store);
        Ok(Self {
            active: Writes::new(),
            active_bytes: 0,
            applied,
            sealed: Vec::new(),
            sealed_lsn: applied,
            flusher: flusher(store.clone(), applied)?,
            store,
        })
    }

    /// Takes the writes that follow from record `lsn`: puts (`Some`) and deletions (`None`).
    ///
    /// # Errors
    /// If an earlier layer could not be written. The partition then stops.
    pub fn commit(
        &mut self,
        lsn: Lsn,
        writes: impl IntoIterator<Item = (Bytes, Option<Bytes>)>,
    ) -> Result<(), TablesError> {
        debug_assert!(lsn > self.applied, "record {lsn} is applied twice");
        for (key, value) in writes {
            let key_bytes = key.len() + ROW_OVERHEAD_BYTES;
            let bytes = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
            self.active_bytes += bytes(&value);
            match self.active.insert(key, value) {
                Some(before) => self.active_bytes -= bytes(&before),
                None => self.active_bytes += key_bytes,
            }
        }
        self.applied = lsn;
        if self.active_bytes >= LAYER_BYTES_MAX {
            return self.seal();
        }
        self.flusher.check()
    }

    /// The LSN of the last commit.
    pub fn applied(&self) -> Lsn {
        self.applied
    }

    /// Bytes of what was committed since the last seal.
    pub fn active_bytes(&self) -> usize {
        self.active_bytes
    }

    /// How many layers wait to be on disk, and their bytes in memory.
    pub fn sealed(&self) -> (usize, usize) {
        let bytes = self.sealed.iter().map(|layer| layer.bytes).sum();
        (self.sealed.len(), bytes)
    }

    /// Everything up to this LSN is on disk and synced. Lets go of the memory for it.
    pub fn persisted(&mut self) -> Lsn {
        let persisted = self.flusher.persisted();
        let written = self.sealed.partition_point(|layer| layer.lsn <= persisted);
        for layer in self.sealed.drain(..written) {
            self.flusher.free(layer);
        }
        persisted
    }

    /// Hands what was committed to the thread that writes it out. Waits only if the disk
    /// is several layers behind.
    ///
    /// # Errors
    /// If an earlier layer could not be written. The partition then stops.
    pub fn seal(&mut self) -> Result<(), TablesError> {
        self.persisted();
        if self.applied == self.sealed_lsn {
            return self.flusher.check();
        }
        // Also a layer without rows goes: it carries the LSN by which the log is trimmed.
        let layer = Arc::new(Layer {
            rows: std::mem::take(&mut self.active),
            lsn: self.applied,
            bytes: self.active_bytes,
        });
        self.active_bytes = 0;
        self.sealed_lsn = self.applied;
        self.sealed.push(layer.clone());
        self.flusher.send(layer)
    }

    /// Writes the oldest sealed layer into the store, of tables without a thread. False: there is
    /// none to write.
    ///
    /// # Errors
    /// If the disk refuses, now or before.
    pub fn write_layer(&mut self) -> Result<bool, TablesError> {
        self.flusher.write_one()
    }

    /// All rows as of the last commit, for readers on other threads.
    ///
    /// # Errors
    /// If an earlier layer could not be written. The partition then stops.
    pub fn snapshot(&mut self) -> Result<Snapshot, TablesError> {
        self.seal()?;
        Ok(Snapshot {
            layers: self.sealed.clone(),
            store: self.store.snapshot(),
            lsn: self.applied,
        })
    }

    /// Writes everything out, and waits until it is on disk. Without this, what was not
    /// sealed is applied again from the log.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn close(mut self) -> Result<(), TablesError> {
        self.seal()?;
        self.flusher.stop()
    }
}

impl<S: Store> View for Tables<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let found = self.active.get(key);
        let sealed = match Mutation::LayerSkipped.is_on() {
            false => &self.sealed[..],
            true => &[],
        };
        match found.or_else(|| layer::find(sealed, key)) {
            Some(None) if Mutation::GravesIgnored.is_on() => self.store.get(key),
            Some(value) => Ok(value.clone()),
            None => self.store.get(key),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        let sealed = self.sealed.iter().rev().map(|layer| &layer.rows);
        let newest_first = std::iter::once(&self.active).chain(sealed);
        layer::merge(newest_first, || self.store.scan(from, to), from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::StoreRow;
    use crate::tables::memory::MemoryStore;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::sync::{Mutex, PoisonError};

    /// A store whose writes wait for a word, and fail if that is an error.
    struct Gate {
        rows: MemoryStore,
        words: Mutex<Receiver<Result<(), TablesError>>>,
    }

    impl Gate {
        fn new() -> (Self, SyncSender<Result<(), TablesError>>) {
            let (say, words) = sync_channel(16);
            let rows = MemoryStore::default();
            let words = Mutex::new(words);
            (Self { rows, words }, say)
        }
    }

    impl Store for Gate {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
            self.rows.get(key)
        }
        fn scan(&self, from: &[u8], to: &[u8]) -> Rows<'_> {
            self.rows.scan(from, to)
        }
        fn write<'a>(
            &self,
            lsn: Lsn,
            rows: &mut dyn Iterator<Item = StoreRow<'a>>,
        ) -> Result<(), TablesError> {
            let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            words.recv().unwrap_or(Ok(()))?;
            self.rows.write(lsn, rows)
        }
        fn applied(&self) -> Result<Lsn, TablesError> {
            self.rows.applied()
        }
        fn persist(&self) -> Result<(), TablesError> {
            self.rows.persist()
        }
        fn snapshot(&self) -> Box<dyn View + Send + Sync> {
            self.rows.snapshot()
        }
    }

    fn put(value: &'static str) -> [(Bytes, Option<Bytes>); 1] {
        [(Bytes::from("key"), Some(Bytes::from(value)))]
    }

    #[test]
    fn reads_do_not_wait_for_the_disk_and_sealed_rows_stay_until_it_has_them() {
        let (store, say) = Gate::new();
        let mut tables = Tables::open(store).unwrap();
        tables.commit(1, put("first")).unwrap();
        tables.seal().unwrap();
        tables.commit(2, put("second")).unwrap();
        assert_eq!(tables.get(b"key").unwrap(), Some(Bytes::from("second")));
        tables.seal().unwrap();
        assert_eq!(
            (tables.applied(), tables.persisted(), tables.sealed.len()),
            (2, 0, 2)
        );
        let snapshot = tables.snapshot().unwrap();
        say.send(Ok(())).unwrap();
        say.send(Ok(())).unwrap();
        while tables.persisted() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(tables.sealed.len(), 0);
        assert_eq!(tables.get(b"key").unwrap(), Some(Bytes::from("second")));
        assert_eq!(snapshot.get(b"key").unwrap(), Some(Bytes::from("second")));
    }

    #[test]
    fn a_failed_write_stops_the_tables_for_good() {
        let (store, say) = Gate::new();
        let mut tables = Tables::open(store).unwrap();
        tables.commit(1, put("lost")).unwrap();
        tables.seal().unwrap();
        let failure = TablesError::Failed {
            place: "here".into(),
            reason: "no space".into(),
        };
        say.send(Err(failure)).unwrap();
        let mut lsn = 2;
        let error = loop {
            match tables.commit(lsn, put("more")) {
                Ok(()) => lsn += 1,
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("no space"));
        assert!(tables.seal().is_err());
        assert_eq!(tables.persisted(), 0);
        assert!(tables.close().unwrap_err().to_string().contains("no space"));
    }

    #[test]
    fn without_a_thread_layers_are_written_by_hand_and_few_may_wait() {
        let store = MemoryStore::default();
        let mut tables = Tables::by_hand(store.clone()).unwrap();
        for (lsn, value) in [(1, "one"), (2, "two"), (3, "three")] {
            tables.commit(lsn, put(value)).unwrap();
            tables.seal().unwrap();
        }
        assert_eq!((tables.persisted(), tables.sealed.len()), (0, 3));
        assert!(tables.write_layer().unwrap());
        assert_eq!(store.get(b"key").unwrap(), Some(Bytes::from("one")));
        assert_eq!(tables.persisted(), 1);
        for lsn in 4..6 {
            tables.commit(lsn, put("more")).unwrap();
            tables.seal().unwrap();
        }
        assert_eq!(tables.persisted(), 2, "a fourth was not let wait");
        drop(tables);
        assert_eq!(store.crash().applied().unwrap(), 2);
    }

    #[test]
    fn by_hand_too_a_failed_write_is_the_last() {
        let (store, say) = Gate::new();
        let mut tables = Tables::by_hand(store).unwrap();
        tables.commit(1, put("lost")).unwrap();
        tables.seal().unwrap();
        say.send(Err(TablesError::Gone)).unwrap();
        assert!(tables.write_layer().is_err());
        assert!(tables.commit(2, put("more")).is_err());
        assert!(tables.write_layer().is_err());
        assert_eq!(tables.persisted(), 0);
    }

    #[test]
    fn records_without_writes_move_what_is_persisted() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        tables.commit(7, []).unwrap();
        tables.seal().unwrap();
        while tables.persisted() < 7 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_row_written_over_and_over_is_counted_once() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        tables.commit(1, put("value")).unwrap();
        let bytes = tables.active_bytes();
        tables.commit(2, put("other")).unwrap();
        assert_eq!(
            (bytes, tables.active_bytes()),
            (bytes, 3 + 5 + ROW_OVERHEAD_BYTES)
        );
    }

    #[test]
    fn a_layer_of_full_size_seals_itself() {
        let mut tables = Tables::open(MemoryStore::default()).unwrap();
        let large = Bytes::from(vec![0; LAYER_BYTES_MAX]);
        tables
            .commit(1, [(Bytes::from("key"), Some(large))])
            .unwrap();
        assert_eq!(tables.active_bytes(), 0);
    }
}
