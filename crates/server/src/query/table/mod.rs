//! The tables that can be queried: names, columns, and how their rows come from stored ones.
//!
//! ```text
//!   TABLES ──▶ open(source, wish) ──▶ Scan: slices of rows ──▶ Row::cell(column)
//! ```
//!
//! A table is a list of columns, each a function of a row, and a scan that finds the rows. What
//! a statement asks for comes in as a [`Wish`]; a scan may use it to read less, and never has
//! to: the engine looks at the rows again. `stored` goes through stored rows in slices; the other
//! files are the tables, by what they tell of. A new table is a file and a line in [`TABLES`].

mod absent;
mod audit;
pub(crate) mod browse;
mod catalog;
mod entry;
mod invocation;
mod journal;
mod object;
mod registered;
mod stored;

pub(super) use super::cell::{Cell, Kind};
pub(crate) use stored::{ReadError, Scan, Source, Tables};

use latchwork_engine::InvocationId;
use latchwork_engine::View;
use latchwork_protocol::id::invocation_text;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A table.
pub(crate) struct Table {
    /// As it is called in SQL; those of `information_schema` with that in front.
    pub(crate) name: &'static str,
    /// In order.
    pub(crate) columns: Vec<ColumnName>,
    /// Columns by which rows are found without looking at all of them, each with the rows
    /// that are left where it is given.
    pub(crate) keys: &'static [(&'static str, u32)],
    /// Finds the rows.
    pub(crate) open: fn(&Arc<Source>, Wish) -> Box<dyn Scan>,
}

/// What is to be known of a column without a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnName {
    /// As it is called in SQL.
    pub(crate) name: &'static str,
    /// What its values are.
    pub(crate) kind: Kind,
    /// It is not part of `*`.
    pub(crate) extra: bool,
}

/// Which rows are wanted, and what of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// Columns that must have this value, by name.
    pub(crate) equal: BTreeMap<&'static str, Cell>,
    /// A bit for each column that is looked at, counted from the lowest; the highest is for
    /// all that follow. Nothing: all are.
    pub(crate) used: Option<u64>,
}

/// A row of a table.
pub(crate) trait Row {
    /// The value of a column, by its place.
    fn cell(&self, column: usize) -> Cell;
}

/// All tables.
pub(crate) static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let mut tables = Vec::new();
    tables.extend(invocation::tables());
    tables.extend(journal::tables());
    tables.extend(object::tables());
    tables.extend(registered::tables());
    tables.extend(audit::tables());
    tables.extend(absent::tables());
    tables.extend(catalog::tables());
    tables
});

/// A column of a table whose rows are made of `T`.
struct Column<T: 'static> {
    name: &'static str,
    kind: Kind,
    extra: bool,
    get: fn(&T) -> Cell,
}

impl<T> Clone for Column<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Column<T> {}

/// A row that is made of `T`.
struct Of<T: 'static> {
    columns: &'static [Column<T>],
    row: T,
}

impl<T> Row for Of<T> {
    fn cell(&self, column: usize) -> Cell {
        self.columns
            .get(column)
            .map_or(Cell::Null, |column| (column.get)(&self.row))
    }
}

macro_rules! columns {
    ($($name:literal $kind:ident $get:expr;)+) => {
        &[$($crate::query::table::Column {
            name: $name,
            kind: $crate::query::cell::Kind::$kind,
            extra: false,
            get: $get,
        },)+]
    };
}
use columns;

fn names<T>(columns: &[Column<T>]) -> Vec<ColumnName> {
    let name = |column: &Column<T>| ColumnName {
        name: column.name,
        kind: column.kind,
        extra: column.extra,
    };
    columns.iter().map(name).collect()
}

impl Table {
    /// By its name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// Whether it is about tables, not about what runs.
    pub(crate) fn is_catalog(&self) -> bool {
        self.name.starts_with(catalog::PREFIX)
    }

    /// Whether its rows are made of stored ones.
    pub(crate) fn is_stored(&self) -> bool {
        let registered = ["sys_deployment", "sys_service"];
        !self.is_catalog() && !registered.contains(&self.name)
    }
}

impl Wish {
    /// The text that a column must have.
    fn text(&self, column: &str) -> Option<&str> {
        match self.equal.get(column) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number that a column must have.
    fn number(&self, column: &str) -> Option<i64> {
        match self.equal.get(column) {
            Some(Cell::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether a column is looked at.
    fn uses<T>(&self, columns: &[Column<T>], name: &str) -> bool {
        let place = columns.iter().position(|column| column.name == name);
        match (self.used, place) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(used), Some(place)) => used & (1 << place.min(63)) != 0,
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
    Ok(invocation::one(view, id)?.map(|row| object(&row)))
}

/// The journal of an invocation as JSON, one object for each entry.
///
/// # Errors
/// If the tables cannot be read.
pub(crate) fn entries(
    view: &dyn View,
    id: &InvocationId,
) -> Result<Option<Vec<Map<String, Value>>>, ReadError> {
    let entries = journal::all_of(view, id)?;
    Ok(entries.map(|rows| rows.iter().map(object).collect()))
}

fn object<T>(row: &Of<T>) -> Map<String, Value> {
    let columns = row.columns.iter().filter(|column| !column.extra);
    columns
        .filter_map(|column| {
            let value = (column.get)(&row.row).to_json(column.kind)?;
            Some((column.name.to_owned(), value))
        })
        .collect()
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn maybe(value: Option<impl Into<String>>) -> Cell {
    value.map_or(Cell::Null, text)
}

fn utf8(bytes: &[u8]) -> Cell {
    std::str::from_utf8(bytes).map_or(Cell::Null, text)
}

fn id(id: &InvocationId) -> Cell {
    text(invocation_text(&id.to_bytes()))
}

fn int(number: u32) -> Cell {
    Cell::Int(number.into())
}

/// Beyond 63 bits the sign carries the highest: see [`Kind::U64`].
fn long(number: u64) -> Cell {
    Cell::Int(number.cast_signed())
}

fn truth(truth: bool) -> Cell {
    Cell::Int(truth.into())
}

fn time(unix_ms: u64) -> Cell {
    Cell::Int(i64::try_from(unix_ms).unwrap_or(i64::MAX))
}

fn maybe_time(unix_ms: Option<u64>) -> Cell {
    unix_ms.map_or(Cell::Null, time)
}

/// A failure in one line: `[500 Internal] it broke`.
fn failed(code: u32, message: &str) -> String {
    let name = if code == 500 { " Internal" } else { "" };
    format!("[{code}{name}] {message}")
}
