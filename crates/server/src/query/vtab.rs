//! The tables as the engine sees them: a virtual table each, read only.
//!
//! ```text
//!   best_index: which columns must equal what ──▶ filter: a Wish ──▶ Scan ──▶ column by column
//! ```
//!
//! The engine looks at every row again, so a table that reads too much is slow and never wrong.

use super::cell::{Cell, Kind};
use super::table::{ReadError, Row, Scan, Source, Table, Wish};
use super::watch::Watch;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection,
    VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// Rows that a table is believed to have where nothing is known.
const MANY_ROWS: u32 = 1_000_000;

/// What a table is made with.
#[derive(Clone)]
pub(super) struct Aux {
    pub(super) table: &'static Table,
    pub(super) source: Arc<Source>,
    /// Ends a scan that finds nothing.
    pub(super) watch: Watch,
    /// Takes the reason if stored rows cannot be read: to the engine that is any error.
    pub(super) failure: Arc<OnceLock<ReadError>>,
}

/// Makes a table of a connection: it can then be selected from, by its name.
pub(super) fn register(database: &Connection, aux: Aux) -> rusqlite::Result<()> {
    const MODULE: &Module<'_, Live> = &Module::eponymous_only_module();
    let name = CString::new(aux.table.name)?;
    database.create_module(name.as_c_str(), MODULE, Some(aux))
}

#[repr(C)]
struct Live {
    base: sqlite3_vtab,
    aux: Aux,
}

/// A reader of rows.
#[repr(C)]
struct Cursor<'vtab> {
    base: sqlite3_vtab_cursor,
    aux: Aux,
    scan: Option<Box<dyn Scan>>,
    rows: std::vec::IntoIter<Box<dyn Row>>,
    row: Option<Box<dyn Row>>,
    number: i64,
    of: PhantomData<&'vtab Live>,
}

// SAFETY: `Live` is `repr(C)` and its first field is a `sqlite3_vtab`.
unsafe impl<'vtab> VTab<'vtab> for Live {
    type Aux = Aux;
    type Cursor = Cursor<'vtab>;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Aux>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let aux = aux
            .cloned()
            .ok_or_else(|| failed("it was made without a source"))?;
        db.config(VTabConfig::Innocuous)?;
        let columns = aux.table.columns.iter();
        let columns: Vec<_> = columns
            .map(|column| format!("\"{}\" {}", column.name, column.kind.affinity()))
            .collect();
        let declared = CString::new(format!("CREATE TABLE live ({})", columns.join(", ")))?;
        let base = sqlite3_vtab::default();
        Ok((Cow::Owned(declared), Self { base, aux }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let table = self.aux.table;
        let mut rows = MANY_ROWS;
        let mut given = Vec::new();
        for (constraint, mut usage) in info.constraints_and_usages() {
            let column = usize::try_from(constraint.column()).ok();
            let name = column.and_then(|column| Some(table.columns.get(column)?.name));
            let key = table.keys.iter().find(|(key, _)| Some(*key) == name);
            let equals = constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
            if let (Some((key, left)), Some(column), true, true) =
                (key, column, equals, constraint.is_usable())
                && !given.iter().any(|(_, other)| other == key)
            {
                given.push((column, *key));
                usage.set_argv_index(given.len() as c_int);
                rows = rows.min(*left);
            }
        }
        info.set_estimated_cost(rows.into());
        info.set_estimated_rows(rows.into());
        let used = format!("{:x}", info.col_used());
        let columns = given.iter().map(|(column, _)| format!(",{column}"));
        info.set_idx_str(&(used + &columns.collect::<String>()));
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor<'vtab>> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            aux: self.aux.clone(),
            scan: None,
            rows: Vec::new().into_iter(),
            row: None,
            number: 0,
            of: PhantomData,
        })
    }
}

// SAFETY: `Cursor` is `repr(C)` and its first field is a `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(
        &mut self,
        _: c_int,
        plan: Option<&str>,
        given: &Filters<'_>,
    ) -> rusqlite::Result<()> {
        self.rows = Vec::new().into_iter();
        self.row = None;
        self.number = 0;
        self.scan = match wish(self.aux.table, plan.unwrap_or_default(), given) {
            Some(wish) => Some((self.aux.table.open)(&self.aux.source, wish)),
            None => None,
        };
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.number += 1;
        loop {
            self.row = self.rows.next();
            if self.row.is_some() {
                return Ok(());
            }
            let Some(scan) = &mut self.scan else {
                return Ok(());
            };
            if self.aux.watch.is_over() {
                return Err(interrupted());
            }
            match scan.slice() {
                Ok(Some(rows)) => self.rows = rows.into_iter(),
                Ok(None) => self.scan = None,
                Err(error) => {
                    let reason = error.to_string();
                    // The first failure is the one to tell.
                    drop(self.aux.failure.set(error));
                    return Err(failed(&reason));
                }
            }
        }
    }

    fn eof(&self) -> bool {
        self.row.is_none()
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        let cell = self.row.as_ref().map_or(Cell::Null, |row| row.cell(column));
        context.set_result(cell)
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.number)
    }
}

/// Reads what `best_index` wrote: the columns that are used, and the places of those that must
/// equal what is given. Nothing: no row can.
fn wish(table: &Table, plan: &str, given: &Filters<'_>) -> Option<Wish> {
    let mut parts = plan.split(',');
    let mut wish = Wish {
        used: u64::from_str_radix(parts.next().unwrap_or_default(), 16).ok(),
        ..Wish::default()
    };
    for (place, value) in parts.zip(given.iter()) {
        let column = place
            .parse()
            .ok()
            .and_then(|place: usize| table.columns.get(place));
        let Some(column) = column else {
            continue;
        };
        match (value, column.kind) {
            (ValueRef::Null, _) => return None,
            (ValueRef::Text(text), Kind::Text) => {
                let text = Cell::Text(String::from_utf8_lossy(text).into_owned());
                wish.equal.insert(column.name, text);
            }
            (ValueRef::Integer(number), kind) if kind.is_number() => {
                wish.equal.insert(column.name, Cell::Int(number));
            }
            // The engine compares what is of another kind by rules of its own.
            _ => {}
        }
    }
    Some(wish)
}

fn failed(reason: &str) -> Error {
    Error::ModuleError(reason.to_owned())
}

fn interrupted() -> Error {
    Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT),
        None,
    )
}
