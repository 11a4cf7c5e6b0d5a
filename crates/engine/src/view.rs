//! What the engine may read: ordered bytes, answered at one place of the log.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A stored key with its value.
pub type Row = (Bytes, Bytes);

/// Rows in ascending order of their keys.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, ReadError>> + 'a>;

/// The tables cannot be read. The partition that meets this stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError(pub String);

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the tables cannot be read: {}", self.0)
    }
}

impl std::error::Error for ReadError {}

/// Ordered bytes, as of one LSN.
///
/// The shell answers this from its tables; the engine never learns where they are.
pub trait View {
    /// The value of `key`, if there is one.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// All rows with `from <= key < to`.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a>;
}

/// A view in memory: for tests, and wherever a table is small and passing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MemoryView {
    rows: BTreeMap<Bytes, Bytes>,
}

impl MemoryView {
    /// Puts (`Some`) or deletes (`None`) one row.
    pub fn write(&mut self, key: Bytes, value: Option<Bytes>) {
        match value {
            Some(value) => self.rows.insert(key, value),
            None => self.rows.remove(&key),
        };
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl View for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        Box::new(
            self.rows
                .range::<[u8], _>(range)
                .map(|(k, v)| Ok((k.clone(), v.clone()))),
        )
    }
}
