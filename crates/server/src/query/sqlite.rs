//! The SQL engine: a statement in, its rows as JSON out.
//!
//! Each statement gets a database in memory with the rows that it can touch, and nothing
//! else: it cannot write, cannot reach a file, and ends when its time, its rows or its bytes
//! are used up. `fill` is the seam at which tables that read on demand could take over.

use super::read::{ReadError, Wish};
use super::statement::Statement;
use super::table::{Cell, Kind, Table};
use bytes::Bytes;
use latchwork_runtime::{AskError, Handle};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Statements that run at a time; others wait. Each may hold its rows in memory.
static SLOTS: Semaphore = Semaphore::const_new(2);

const TIME_MAX: Duration = Duration::from_secs(10);
/// Rows that a statement may look at.
const SCANNED_MAX: usize = 500_000;
/// Rows that it may answer with.
const ROWS_MAX: usize = 100_000;
/// Bytes of its answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of one value.
const VALUE_BYTES_MAX: i32 = 32 << 20;
/// Steps of the engine between two looks at the clock.
const STEPS: i32 = 10_000;

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// The engine refuses it.
    #[error("{0}")]
    Statement(String),
    /// It would change something.
    #[error("only statements that read can be run here: use SELECT")]
    Writes,
    /// There is none.
    #[error("the statement is empty: send SQL such as SELECT id, status FROM sys_invocation")]
    Empty,
    /// It takes too long.
    #[error("the statement ran for more than {} s: narrow it, for instance by id or by service", TIME_MAX.as_secs())]
    TooLong,
    /// Others take too long.
    #[error("other statements take all the time there is for them: try again in a few seconds")]
    Busy,
    /// It looks at too much.
    #[error(
        "the statement looks at more than {SCANNED_MAX} rows of {0}: narrow it with WHERE column = '…'"
    )]
    TooMuchScanned(&'static str),
    /// Its answer is too large.
    #[error("the answer has more than {ROWS_MAX} rows or {} MiB: add LIMIT, or ask for fewer columns", ANSWER_BYTES_MAX >> 20)]
    TooMuchAnswered,
    /// The rows cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nobody answers for the rows.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The thread that ran it is gone.
    #[error("the statement was abandoned: the server is stopping, or it has a defect")]
    Abandoned,
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        if matches!(error, rusqlite::Error::Empty) {
            return Self::Empty;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            Some(ErrorCode::AuthorizationForStatementDenied) => Self::Writes,
            _ => Self::Statement(error.to_string()),
        }
    }
}

/// Runs one statement over the live tables; the answer is `{"rows":[…]}` as JSON.
///
/// # Errors
/// If the statement is wrong, asks for too much, or the tables cannot be read.
pub(crate) async fn run(handle: Handle, sql: String) -> Result<Bytes, QueryError> {
    let _slot = tokio::time::timeout(TIME_MAX, SLOTS.acquire())
        .await
        .map_err(|_| QueryError::Busy)?
        .map_err(|_| QueryError::Abandoned)?;
    let rim = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let statement = Statement::read(&sql);
        let deadline = Instant::now() + TIME_MAX;
        let mut database = Connection::open_in_memory()?;
        prepare(&database)?;
        for &table in &statement.tables {
            let mut filling = Filling::begin(&mut database, table)?;
            rim.block_on(fill(
                &handle,
                table,
                &statement.wish,
                &mut filling,
                deadline,
            ))?;
            filling.end()?;
        }
        answer(&mut database, &statement.sql, deadline)
    })
    .await
    .map_err(|_| QueryError::Abandoned)?
}

/// Brings the rows of a table that a wish leaves in.
async fn fill(
    handle: &Handle,
    table: Table,
    wish: &Wish,
    filling: &mut Filling<'_>,
    deadline: Instant,
) -> Result<(), QueryError> {
    if let Some(rows) = table.registered(&handle.registry(), wish) {
        return rows.iter().try_for_each(|cells| filling.insert(cells));
    }
    let mut from: Option<Bytes> = None;
    loop {
        if Instant::now() > deadline {
            return Err(QueryError::TooLong);
        }
        let (wish, begin) = (wish.clone(), from.clone());
        let slices = handle
            .read(move |view| table.slice(view, &wish, begin.as_ref()))
            .await?
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        // Partitions end their slices at different keys: what lies beyond the first end is
        // read again with the next slice.
        let next = slices
            .iter()
            .filter_map(|slice| slice.next.as_ref())
            .min()
            .cloned();
        for (key, cells) in slices.into_iter().flat_map(|slice| slice.rows) {
            if next.as_ref().is_none_or(|next| key < *next) {
                filling.insert(&cells)?;
            }
        }
        match next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// A table of a database while its rows come in.
pub(super) struct Filling<'a> {
    database: rusqlite::Transaction<'a>,
    insert: String,
    table: Table,
    rows: usize,
}

impl<'a> Filling<'a> {
    pub(super) fn begin(database: &'a mut Connection, table: Table) -> Result<Self, QueryError> {
        let columns = table.columns();
        let declared: Vec<_> = columns
            .iter()
            .map(|(name, kind)| format!("\"{name}\" {}", declared(*kind)))
            .collect();
        let marks = vec!["?"; columns.len()].join(",");
        let name = table.name();
        let database = database.transaction()?;
        database.execute_batch(&format!("CREATE TABLE \"{name}\" ({})", declared.join(",")))?;
        Ok(Self {
            database,
            insert: format!("INSERT INTO \"{name}\" VALUES ({marks})"),
            table,
            rows: 0,
        })
    }

    pub(super) fn insert(&mut self, cells: &[Cell]) -> Result<(), QueryError> {
        self.rows += 1;
        if self.rows > SCANNED_MAX {
            return Err(QueryError::TooMuchScanned(self.table.name()));
        }
        self.database
            .prepare_cached(&self.insert)?
            .execute(params_from_iter(cells))?;
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), QueryError> {
        Ok(self.database.commit()?)
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The type that a column is declared with, which the answer finds again.
fn declared(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "TEXT",
        Kind::Time => "TIME_TEXT",
        Kind::Int => "INTEGER",
        Kind::Bool => "BOOLEAN",
        Kind::Duration => "DURATION",
        Kind::Blob => "BLOB",
        Kind::List => "LIST_TEXT",
    }
}

fn kind(declared: Option<&str>) -> Kind {
    match declared {
        Some("BOOLEAN") => Kind::Bool,
        Some("DURATION") => Kind::Duration,
        Some("LIST_TEXT") => Kind::List,
        Some("TIME_TEXT") => Kind::Time,
        Some("BLOB") => Kind::Blob,
        Some("INTEGER") => Kind::Int,
        _ => Kind::Text,
    }
}

/// Makes the dialect a little more like the one that tools write for.
pub(super) fn prepare(database: &Connection) -> Result<(), QueryError> {
    database.execute_batch("PRAGMA case_sensitive_like = ON; PRAGMA temp_store = MEMORY;")?;
    database.create_aggregate_function("first_value", 1, FunctionFlags::SQLITE_UTF8, FirstValue)?;
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    Ok(())
}

/// The first value of a group.
struct FirstValue;

impl Aggregate<Option<Value>, Value> for FirstValue {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, row: &mut Context<'_>, first: &mut Option<Value>) -> rusqlite::Result<()> {
        if first.is_none() {
            *first = Some(row.get(0)?);
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        first: Option<Option<Value>>,
    ) -> rusqlite::Result<Value> {
        Ok(first.flatten().unwrap_or(Value::Null))
    }
}

/// Runs the statement over the filled tables.
pub(super) fn answer(
    database: &mut Connection,
    sql: &str,
    deadline: Instant,
) -> Result<Bytes, QueryError> {
    database.authorizer(Some(|asked: AuthContext<'_>| match asked.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive => Authorization::Allow,
        _ => Authorization::Deny,
    }))?;
    database.progress_handler(STEPS, Some(move || Instant::now() > deadline))?;
    let mut statement = database.prepare(sql)?;
    if statement.column_count() == 0 || !statement.readonly() {
        return Err(QueryError::Writes);
    }
    let columns: Vec<(Vec<u8>, Kind)> = statement
        .columns()
        .map(|column| (json(&column.name()), kind(column.decl_type())))
        .collect();
    let mut rows = statement.query([])?;
    let mut written = b"{\"rows\":[".to_vec();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > ROWS_MAX || written.len() > ANSWER_BYTES_MAX {
            return Err(QueryError::TooMuchAnswered);
        }
        written.extend_from_slice(if count == 1 { b"{" } else { b",{" });
        let mut is_first = true;
        for (at, (name, kind)) in columns.iter().enumerate() {
            let cell = match row.get_ref(at)? {
                ValueRef::Null => continue,
                ValueRef::Integer(number) => Cell::Int(number).to_json(*kind),
                ValueRef::Real(number) => serde_json::Number::from_f64(number).map(Into::into),
                ValueRef::Text(text) => {
                    Cell::Text(String::from_utf8_lossy(text).into_owned()).to_json(*kind)
                }
                ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()).to_json(*kind),
            };
            let Some(cell) = cell else {
                continue;
            };
            if !is_first {
                written.push(b',');
            }
            is_first = false;
            written.extend_from_slice(name);
            written.push(b':');
            written.extend_from_slice(&json(&cell));
        }
        written.push(b'}');
    }
    written.extend_from_slice(b"]}");
    Ok(written.into())
}

/// A value as JSON. Texts and JSON values can always be written.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}
