//! Writes in memory that lie over older ones, and how several are read as one.

use crate::Lsn;
use bytes::Bytes;
use latchwork_engine::{ReadError, Row, Rows};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

/// Rows that were put (`Some`) or deleted (`None`).
pub(super) type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// Writes that change no more.
pub(super) struct Layer {
    pub(super) rows: Writes,
    /// The last LSN in it.
    pub(super) lsn: Lsn,
    /// What it takes in memory.
    pub(super) bytes: usize,
}

/// What the newest of some layers, given from old to new, says of `key`; nothing if none
/// has it.
pub(super) fn find<'a>(layers: &'a [Arc<Layer>], key: &[u8]) -> Option<&'a Option<Bytes>> {
    layers.iter().rev().find_map(|layer| layer.rows.get(key))
}

/// All rows with `from <= key < to` of some writes, given from new to old, over a store.
pub(super) fn merge<'a>(
    newest_first: impl Iterator<Item = &'a Writes>,
    stored: impl FnOnce() -> Rows<'a>,
    from: &[u8],
    to: &[u8],
) -> Rows<'a> {
    if from >= to {
        return Box::new(std::iter::empty());
    }
    let range = (Bound::Included(from), Bound::Excluded(to));
    let mut layers: Vec<_> = newest_first
        .map(|writes| writes.range::<[u8], _>(range))
        .map(|rows| -> Versions<'a> {
            Box::new(rows.map(|(key, value)| Ok((key.clone(), value.clone()))))
        })
        .map(Iterator::peekable)
        .collect();
    // A layer with nothing in the range would be asked in vain at every row.
    layers.retain_mut(|layer| layer.peek().is_some());
    if layers.is_empty() {
        return stored();
    }
    let stored: Versions<'a> =
        Box::new(stored().map(|row| row.map(|(key, value)| (key, Some(value)))));
    layers.push(stored.peekable());
    Box::new(Merge { layers })
}

type Versions<'a> = Box<dyn Iterator<Item = Result<(Bytes, Option<Bytes>), ReadError>> + 'a>;

/// Several layers as one: the newest version of each row, without what was deleted.
struct Merge<'a> {
    /// From new to old.
    layers: Vec<Peekable<Versions<'a>>>,
}

impl Iterator for Merge<'_> {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut least: Option<(usize, Bytes)> = None;
            for (index, layer) in self.layers.iter_mut().enumerate() {
                match layer.peek() {
                    None => {}
                    Some(Err(error)) => {
                        let error = error.clone();
                        self.layers.clear();
                        return Some(Err(error));
                    }
                    Some(Ok((key, _))) if least.as_ref().is_none_or(|(_, least)| key < least) => {
                        least = Some((index, key.clone()));
                    }
                    Some(Ok(_)) => {}
                }
            }
            let (newest, key) = least?;
            let row = self.layers[newest].next();
            for older in &mut self.layers[newest + 1..] {
                older.next_if(|row| row.as_ref().is_ok_and(|(other, _)| *other == key));
            }
            if let Some(Ok((key, Some(value)))) = row {
                return Some(Ok((key, value)));
            }
        }
    }
}
