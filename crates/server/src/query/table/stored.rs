//! From stored rows to rows of tables: a source and a wish in, slices of rows out.
//!
//! A scan reads a slice, forgets the stored rows, and comes back with the key at which it
//! ended: what a statement holds of a table at a time is one slice, however large the table.

use super::{Cell, Column, Of, Row, Wish};
use bytes::Bytes;
use latchwork_engine::{Halt, InvocationId, MemoryView, View};
use latchwork_protocol::id::parse_invocation;
use latchwork_runtime::registry::Registry;
use latchwork_runtime::{Handle, Moment, RunningAttempt};
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;

/// Stored rows of the first slice: many statements want only a few.
const FIRST_ROWS: usize = 16;
/// Stored rows of a later slice.
const SLICE_ROWS: usize = 256;
/// Bytes of stored rows after which a slice ends.
const SLICE_BYTES: usize = 1 << 20;

/// The tables of a partition, held still.
pub(crate) trait Tables: View + Send + Sync {
    /// The attempt of an invocation that runs.
    fn attempt(&self, id: &InvocationId) -> Option<&RunningAttempt>;
}

impl Tables for Moment {
    fn attempt(&self, id: &InvocationId) -> Option<&RunningAttempt> {
        Moment::attempt(self, id)
    }
}

/// Tables without a server, where nothing runs.
impl Tables for MemoryView {
    fn attempt(&self, _: &InvocationId) -> Option<&RunningAttempt> {
        None
    }
}

/// Where rows come from.
pub(crate) struct Source {
    /// The tables of the partitions, in their order.
    pub(crate) partitions: Vec<Arc<dyn Tables>>,
    /// What is registered.
    pub(crate) registry: Arc<Registry>,
    /// Knows who owns which key; absent: there is one partition.
    pub(crate) handle: Option<Handle>,
}

impl Source {
    /// The tables that an invocation is in.
    pub(super) fn of(&self, id: &InvocationId) -> Option<&Arc<dyn Tables>> {
        self.partitions.get(self.place_of(id.partition_key))
    }

    /// The place of the tables that a partition key belongs to. Places go up with the keys.
    pub(super) fn place_of(&self, partition_key: u64) -> usize {
        let handle = self.handle.as_ref();
        handle.map_or(0, |handle| handle.owner(partition_key))
    }
}

/// Why rows cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// The tables cannot be read.
    #[error("{0}")]
    Tables(String),
    /// A row cannot be decoded.
    #[error(
        "a stored row of {table} cannot be decoded: {reason}. Was it written by a newer version?"
    )]
    Row {
        /// Of which table.
        table: &'static str,
        /// Why.
        reason: String,
    },
}

impl From<Halt> for ReadError {
    fn from(halt: Halt) -> Self {
        Self::Tables(halt.to_string())
    }
}

impl From<latchwork_engine::ReadError> for ReadError {
    fn from(error: latchwork_engine::ReadError) -> Self {
        Self::Tables(error.to_string())
    }
}

/// Goes through the rows of a table.
pub(crate) trait Scan {
    /// The next rows, perhaps none; nothing when there are no more.
    ///
    /// # Errors
    /// If the tables cannot be read or a row not be decoded.
    fn slice(&mut self) -> Result<Option<Vec<Box<dyn Row>>>, ReadError>;
}

/// Rows that are there already.
pub(super) struct Listed(pub(super) Vec<Box<dyn Row>>);

impl Scan for Listed {
    fn slice(&mut self) -> Result<Option<Vec<Box<dyn Row>>>, ReadError> {
        let rows = std::mem::take(&mut self.0);
        Ok((!rows.is_empty()).then_some(rows))
    }
}

impl Listed {
    /// Rows made of `T`.
    pub(super) fn of<T: 'static>(
        columns: &'static [Column<T>],
        rows: impl Iterator<Item = T>,
    ) -> Box<dyn Scan> {
        let row = |row| Box::new(Of { columns, row }) as Box<dyn Row>;
        Box::new(Self(rows.map(row).collect()))
    }
}

/// A range of stored rows that a table's rows are made of.
pub(super) struct Range {
    pub(super) tables: Arc<dyn Tables>,
    pub(super) from: Bytes,
    pub(super) end: Bytes,
}

/// What a stored row comes to.
pub(super) enum Made<T> {
    /// A row of the table.
    Row(T),
    /// Nothing: the wish leaves it out.
    Nothing,
    /// Nothing, and what follows in the range comes to nothing either.
    Beyond,
}

/// How a stored row, its key first, becomes a row of a table.
pub(super) type Make<T> = Box<dyn Fn(&dyn Tables, &Bytes, &Bytes) -> Result<Made<T>, ReadError>>;

/// Goes through ranges of stored rows.
pub(super) struct Stored<T: 'static> {
    pub(super) columns: &'static [Column<T>],
    pub(super) ranges: VecDeque<Range>,
    pub(super) make: Make<T>,
    rows_max: usize,
}

impl<T: 'static> Stored<T> {
    pub(super) fn open(
        columns: &'static [Column<T>],
        ranges: impl IntoIterator<Item = Range>,
        make: Make<T>,
    ) -> Box<dyn Scan> {
        Box::new(Self {
            columns,
            ranges: ranges.into_iter().collect(),
            make,
            rows_max: FIRST_ROWS,
        })
    }
}

impl<T: 'static> Scan for Stored<T> {
    fn slice(&mut self) -> Result<Option<Vec<Box<dyn Row>>>, ReadError> {
        if self.ranges.is_empty() {
            return Ok(None);
        }
        let mut rows: Vec<Box<dyn Row>> = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        while let Some(range) = self.ranges.front_mut() {
            let mut next = None;
            for stored in range.tables.scan(&range.from, &range.end) {
                let (key, value) = stored?;
                if count >= self.rows_max || bytes > SLICE_BYTES {
                    next = Some(key);
                    break;
                }
                count += 1;
                bytes += value.len();
                match (self.make)(&*range.tables, &key, &value)? {
                    Made::Row(row) => rows.push(Box::new(Of {
                        columns: self.columns,
                        row,
                    })),
                    Made::Nothing => {}
                    Made::Beyond => break,
                }
            }
            if let Some(next) = next {
                range.from = next;
                break;
            }
            self.ranges.pop_front();
        }
        self.rows_max = SLICE_ROWS;
        Ok(Some(rows))
    }
}

/// A whole range in every partition.
pub(super) fn everywhere(source: &Source, range: impl Fn() -> (Bytes, Bytes)) -> Vec<Range> {
    let all = source.partitions.iter();
    all.map(|tables| {
        let (from, end) = range();
        Range {
            tables: tables.clone(),
            from,
            end,
        }
    })
    .collect()
}

/// The invocation that a wish names by its id, where it names one: none for what is no id.
pub(super) fn named(wish: &Wish) -> Option<Option<InvocationId>> {
    match wish.equal.get("id")? {
        Cell::Text(id) => Some(parse_invocation(id).ok().map(InvocationId::from_bytes)),
        _ => Some(None),
    }
}

pub(super) fn decode<T: Message + Default>(
    table: &'static str,
    value: &Bytes,
) -> Result<T, ReadError> {
    T::decode(value.clone()).map_err(|error| ReadError::Row {
        table,
        reason: error.to_string(),
    })
}
