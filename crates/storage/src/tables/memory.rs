//! A store in memory, for tests and simulation.

use super::{Store, StoreRow, TablesError};
use crate::Lsn;
use bytes::Bytes;
use latchwork_engine::{MemoryView, ReadError, Rows, View};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default, Clone)]
struct Contents {
    lsn: Lsn,
    rows: MemoryView,
}

#[derive(Debug, Default)]
struct Shared {
    written: Contents,
    persisted: Contents,
}

/// Keeps rows in memory. Its clones are handles of one store, so that a test can take away
/// from under its tables what a crash would.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

impl MemoryStore {
    /// What survives a crash: what was persisted.
    pub fn crash(&self) -> Self {
        let persisted = self.shared().persisted.clone();
        let shared = Shared {
            written: persisted.clone(),
            persisted,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.shared().written.rows.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8]) -> Rows<'_> {
        let rows: Vec<_> = self.shared().written.rows.scan(from, to).collect();
        Box::new(rows.into_iter())
    }

    fn write<'a>(
        &self,
        lsn: Lsn,
        rows: &mut dyn Iterator<Item = StoreRow<'a>>,
    ) -> Result<(), TablesError> {
        let written = &mut self.shared().written;
        for (key, value) in rows {
            written.rows.write(key.clone(), value.cloned());
        }
        written.lsn = lsn;
        Ok(())
    }

    fn applied(&self) -> Result<Lsn, TablesError> {
        Ok(self.shared().written.lsn)
    }

    fn persist(&self) -> Result<(), TablesError> {
        let mut shared = self.shared();
        shared.persisted = shared.written.clone();
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn View + Send + Sync> {
        Box::new(self.shared().written.rows.clone())
    }
}
