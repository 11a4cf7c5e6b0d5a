//! Tables held still at one LSN.

use super::layer::{self, Layer};
use crate::Lsn;
use bytes::Bytes;
use latchwork_engine::{ReadError, Rows, View};
use std::sync::Arc;

/// All rows as of one LSN, for readers on other threads.
///
/// It keeps its layers, and what the store held when it was taken. The store may have had
/// some of those layers already; they say the same there, so nothing is seen twice.
/// Let it go soon: it keeps in memory and on disk what has been overwritten since.
pub struct Snapshot {
    /// From old to new.
    pub(super) layers: Vec<Arc<Layer>>,
    pub(super) store: Box<dyn View + Send + Sync>,
    pub(super) lsn: Lsn,
}

impl Snapshot {
    /// The LSN of the last commit that is in it.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }
}

impl View for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        match layer::find(&self.layers, key) {
            Some(value) => Ok(value.clone()),
            None => self.store.get(key),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        let newest_first = self.layers.iter().rev().map(|layer| &layer.rows);
        layer::merge(newest_first, || self.store.scan(from, to), from, to)
    }
}
