//! From stored rows to rows of a table: a view and a wish in, a slice of rows out.
//!
//! A view belongs to a partition that waits while it is read, so whoever reads much reads in
//! slices and comes back with the key at which the last one ended.

use super::table::{
    Cell, Column, DEPLOYMENT, INBOX, INVOCATION, INVOCATION_STATUS, InboxRow, InvocationRow,
    JOURNAL, JournalRow, Kind, PROMISE, PromiseRow, SERVICE, STATE, StateRow, Table,
};
use bytes::Bytes;
use latchwork_engine::table::inbox::Waiting;
use latchwork_engine::table::invocation::Invocation;
use latchwork_engine::table::journal::{Body, JournalEntry};
use latchwork_engine::table::{Address, inbox, invocation as invocations, promise, state};
use latchwork_engine::{Halt, Identity, InvocationId, View, read};
use latchwork_protocol::id::parse_invocation;
use latchwork_runtime::registry::Registry;
use prost::Message;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Stored rows that are read at once.
const SLICE_ROWS: usize = 256;
/// Invocations whose journals are read at once.
const SLICE_JOURNALS: usize = 16;
/// Bytes of stored rows after which a slice ends.
const SLICE_BYTES: usize = 1 << 20;

/// Which rows and columns are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Columns that must have this text: other rows are left out. By name.
    pub(crate) equal: BTreeMap<String, String>,
    /// Columns that are looked at, by name; the others may be null. Nothing: all.
    pub(crate) columns: Option<BTreeSet<String>>,
}

/// Some rows of a table.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// The key of the stored row, and the cells of the table's row.
    pub(crate) rows: Vec<(Bytes, Vec<Cell>)>,
    /// Where the next slice begins, if there is one.
    pub(crate) next: Option<Bytes>,
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

impl Wish {
    fn wants(&self, column: &str) -> bool {
        self.columns
            .as_ref()
            .is_none_or(|columns| columns.contains(column))
    }

    fn equal(&self, column: &str) -> Option<&String> {
        self.equal.get(column)
    }

    /// The cells of a row, unless the wish leaves it out.
    fn cells<T>(&self, columns: &[Column<T>], row: &T) -> Option<Vec<Cell>> {
        for column in columns {
            // The engine compares texts only with texts; to a number it may convert one.
            if matches!(column.kind, Kind::Text | Kind::Time)
                && let Some(wanted) = self.equal(column.name)
                && !matches!((column.get)(row), Cell::Text(found) if found == *wanted)
            {
                return None;
            }
        }
        let cell = |column: &Column<T>| {
            if self.wants(column.name) {
                (column.get)(row)
            } else {
                Cell::Null
            }
        };
        Some(columns.iter().map(cell).collect())
    }
}

impl Table {
    /// The rows of a table that comes from the registry; nothing for the others.
    pub(crate) fn registered(self, registry: &Registry, wish: &Wish) -> Option<Vec<Vec<Cell>>> {
        match self {
            Self::Deployment => {
                let all = registry.deployments().values();
                Some(all.filter_map(|row| wish.cells(DEPLOYMENT, row)).collect())
            }
            Self::Service => {
                let all = registry.services().values();
                Some(all.filter_map(|row| wish.cells(SERVICE, row)).collect())
            }
            _ => None,
        }
    }

    /// The next rows, from a stored key on.
    ///
    /// # Errors
    /// If the tables cannot be read or a row not be decoded.
    pub(crate) fn slice(
        self,
        view: &dyn View,
        wish: &Wish,
        from: Option<&Bytes>,
    ) -> Result<Slice, ReadError> {
        match self {
            Self::Invocation => invocation_rows(view, wish, from, INVOCATION),
            Self::InvocationStatus => invocation_rows(view, wish, from, INVOCATION_STATUS),
            Self::Journal => journal_rows(view, wish, from),
            Self::State => keyed_rows(
                view,
                wish,
                from,
                state::all_of,
                state::all(),
                |key, value| {
                    let Some((address, state_key)) = state::parse_key(key) else {
                        return Ok(None);
                    };
                    let row = StateRow {
                        address,
                        key: state_key.to_vec(),
                        value: value.to_vec(),
                    };
                    let cells = wish.cells(STATE, &row);
                    Ok(Some((row.address, cells)))
                },
            ),
            Self::Promise => keyed_rows(
                view,
                wish,
                from,
                promise::all_of,
                promise::all(),
                |key, value| {
                    let Some((address, name)) = promise::parse_key(key) else {
                        return Ok(None);
                    };
                    let row = PromiseRow {
                        address,
                        name,
                        promise: decode(self, value)?,
                    };
                    let cells = wish.cells(PROMISE, &row);
                    Ok(Some((row.address, cells)))
                },
            ),
            Self::Inbox => keyed_rows(
                view,
                wish,
                from,
                inbox::all_of,
                inbox::all(),
                |key, value| {
                    let Some((address, sequence)) = inbox::parse_key(key) else {
                        return Ok(None);
                    };
                    let row = InboxRow {
                        address,
                        sequence,
                        turn: decode::<Waiting>(self, value)?.turn,
                    };
                    let cells = wish.cells(INBOX, &row);
                    Ok(Some((row.address, cells)))
                },
            ),
            Self::Deployment | Self::Service => Ok(Slice::default()),
        }
    }
}

/// One invocation as JSON, with the columns of its table that have a value.
///
/// # Errors
/// If the tables cannot be read.
pub(crate) fn invocation(
    view: &dyn View,
    id: &InvocationId,
) -> Result<Option<Map<String, Value>>, ReadError> {
    let wish = Wish::default();
    let row = invocation_row(view, *id, read::invocation(view, id)?, &wish)?;
    Ok(row
        .and_then(|row| wish.cells(INVOCATION, &row))
        .map(|cells| object(Table::Invocation, cells)))
}

/// The journal of an invocation as JSON, one object for each entry.
///
/// # Errors
/// If the tables cannot be read.
pub(crate) fn entries(
    view: &dyn View,
    id: &InvocationId,
) -> Result<Option<Vec<Map<String, Value>>>, ReadError> {
    let Some(row) = read::invocation(view, id)? else {
        return Ok(None);
    };
    let wish = Wish::default();
    let rows = journal(view, *id, &row)?;
    let cells = rows.iter().filter_map(|row| wish.cells(JOURNAL, row));
    Ok(Some(
        cells.map(|cells| object(Table::Journal, cells)).collect(),
    ))
}

fn object(table: Table, cells: Vec<Cell>) -> Map<String, Value> {
    table
        .columns()
        .into_iter()
        .zip(cells)
        .filter_map(|((name, kind), cell)| Some((name.to_owned(), cell.to_json(kind)?)))
        .collect()
}

impl Cell {
    /// As JSON; nothing for null.
    pub(crate) fn to_json(&self, kind: Kind) -> Option<Value> {
        Some(match (self, kind) {
            (Self::Null, _) => return None,
            (Self::Int(number), Kind::Bool) => Value::Bool(*number != 0),
            (Self::Int(number), Kind::Duration) => Value::String(iso_duration(*number)),
            (Self::Int(number), _) => (*number).into(),
            (Self::Text(text), Kind::List) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
            }
            (Self::Text(text), _) => text.as_str().into(),
            (Self::Blob(bytes), _) => {
                Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        })
    }
}

/// Milliseconds as ISO 8601 seconds: `PT2.302S`.
fn iso_duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (seconds, rest) = (ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000);
    if rest == 0 {
        return format!("{sign}PT{seconds}S");
    }
    format!("{sign}PT{seconds}.{rest:03}S")
}

fn decode<T: Message + Default>(table: Table, value: &Bytes) -> Result<T, ReadError> {
    T::decode(value.clone()).map_err(|error| ReadError::Row {
        table: table.name(),
        reason: error.to_string(),
    })
}

/// The invocation that a wish names by its id, where it names one: no rows for a text that
/// is no id.
fn named(wish: &Wish) -> Option<Option<InvocationId>> {
    let id = wish.equal("id")?;
    Some(parse_invocation(id).ok().map(InvocationId::from_bytes))
}

fn invocation_rows(
    view: &dyn View,
    wish: &Wish,
    from: Option<&Bytes>,
    columns: &[Column<InvocationRow>],
) -> Result<Slice, ReadError> {
    walk_invocations(view, wish, from, SLICE_ROWS, |id, row, key, slice| {
        if let Some(row) = invocation_row(view, id, Some(row), wish)?
            && let Some(cells) = wish.cells(columns, &row)
        {
            slice.rows.push((key, cells));
        }
        Ok(0)
    })
}

fn journal_rows(view: &dyn View, wish: &Wish, from: Option<&Bytes>) -> Result<Slice, ReadError> {
    walk_invocations(view, wish, from, SLICE_JOURNALS, |id, row, key, slice| {
        let mut bytes = 0;
        for row in journal(view, id, &row)? {
            bytes += row.entry.encoded_len();
            if let Some(cells) = wish.cells(JOURNAL, &row) {
                slice.rows.push((key.clone(), cells));
            }
        }
        Ok(bytes)
    })
}

/// Goes through the invocations that a wish leaves in; `take` tells how many bytes it read.
fn walk_invocations(
    view: &dyn View,
    wish: &Wish,
    from: Option<&Bytes>,
    rows_max: usize,
    mut take: impl FnMut(InvocationId, Invocation, Bytes, &mut Slice) -> Result<usize, ReadError>,
) -> Result<Slice, ReadError> {
    let mut slice = Slice::default();
    if let Some(id) = named(wish) {
        if let Some(id) = id
            && let Some(row) = read::invocation(view, &id)?
        {
            take(id, row, invocations::key(&id), &mut slice)?;
        }
        return Ok(slice);
    }
    let (first, end) = invocations::all();
    let mut bytes = 0;
    for (count, row) in view.scan(from.unwrap_or(&first), &end).enumerate() {
        let (key, value) = row?;
        if count == rows_max || bytes > SLICE_BYTES {
            slice.next = Some(key);
            break;
        }
        bytes += value.len();
        if let Some(id) = invocations::parse_key(&key) {
            bytes += take(id, decode(Table::Invocation, &value)?, key, &mut slice)?;
        }
    }
    Ok(slice)
}

fn invocation_row(
    view: &dyn View,
    id: InvocationId,
    row: Option<Invocation>,
    wish: &Wish,
) -> Result<Option<InvocationRow>, ReadError> {
    let Some(row) = row else {
        return Ok(None);
    };
    let tells = |column| wish.wants(column) || wish.equal(column).is_some();
    let outcome = if tells("completion_result") || tells("completion_failure") {
        read::outcome(view, &id, &row)?
    } else {
        None
    };
    Ok(Some(InvocationRow { id, row, outcome }))
}

/// A whole journal, each completion with the command that it answers.
fn journal(
    view: &dyn View,
    id: InvocationId,
    row: &Invocation,
) -> Result<Vec<JournalRow>, ReadError> {
    let mut commands = BTreeMap::new();
    let entries = read::journal(view, &id, row.journal_len)?;
    Ok((0..)
        .zip(entries)
        .map(|(index, entry)| {
            if let Some(Body::Command(command)) = &entry.body {
                commands.extend(command.completions.iter().map(|id| (*id, command.ty)));
            }
            JournalRow {
                id,
                index,
                answers: answered(&entry).and_then(|id| commands.get(&id).copied()),
                entry,
            }
        })
        .collect())
}

fn answered(entry: &JournalEntry) -> Option<u32> {
    match &entry.body {
        Some(Body::Notification(notification)) => match notification.identity {
            Some(Identity::Completion(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// Goes through a table that is ordered by object. Of a wish that names service and key, or
/// the service only, no others are read: unscoped objects come before scoped ones.
fn keyed_rows(
    view: &dyn View,
    wish: &Wish,
    from: Option<&Bytes>,
    all_of: fn(&Address) -> (Bytes, Bytes),
    all: (Bytes, Bytes),
    mut row: impl FnMut(&Bytes, &Bytes) -> Result<Option<(Address, Option<Vec<Cell>>)>, ReadError>,
) -> Result<Slice, ReadError> {
    let service = wish.equal("service_name");
    let at = |scope: Option<&str>, key: &str| {
        all_of(&Address {
            service: service.cloned().unwrap_or_default(),
            scope: scope.map(str::to_owned),
            key: key.to_owned(),
        })
    };
    let ranges = match (service, wish.equal("service_key")) {
        (None, _) => vec![all],
        (Some(_), None) => vec![(at(None, "").0, all.1)],
        (Some(_), Some(key)) => vec![at(None, key), (at(Some(""), "").0, all.1)],
    };
    let mut slice = Slice::default();
    let (mut count, mut bytes) = (0, 0);
    for (first, end) in ranges {
        let first = from.map_or(&first, |from| from.max(&first));
        for stored in view.scan(first, &end) {
            let (key, value) = stored?;
            if count == SLICE_ROWS || bytes > SLICE_BYTES {
                slice.next = Some(key);
                return Ok(slice);
            }
            count += 1;
            bytes += value.len();
            let Some((address, cells)) = row(&key, &value)? else {
                continue;
            };
            if service.is_some_and(|service| *service != address.service) {
                break;
            }
            slice.rows.extend(cells.map(|cells| (key, cells)));
        }
    }
    Ok(slice)
}
