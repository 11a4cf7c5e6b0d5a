//! Running a statement: its text comes in, a whole answer goes out, or why there is none.
//!
//! ```text
//!   text ──▶ dialect ──▶ moments of the partitions ──▶ a thread: SQLite over virtual tables ──▶ answer
//! ```
//!
//! Each statement gets an engine of its own, without a file, that can only read; it ends when
//! its time, its rows or its bytes are used up, or when nobody waits for it any more. Its thread
//! yields to all that serves calls.

use super::answer::{Answer, Format};
use super::dialect::{Compiled, StatementError, compile};
use super::table::{ReadError, Source};
use super::vtab::{self, Aux};
use super::watch::Watch;
use super::{Limits, function};
use bytes::Bytes;
use latchwork_runtime::{AskError, Handle};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Statements that run at a time; others wait.
const SLOTS_MAX: usize = 2;
static SLOTS: Semaphore = Semaphore::const_new(SLOTS_MAX);

/// Steps of the engine between two looks at the clock.
const STEPS: i32 = 2_000;
/// Bytes of the stack of a statement's thread: trees of long statements are taken apart on it.
/// Only what is touched is memory.
const STACK_BYTES: usize = 128 << 20;
/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// It is not understood, or would change something.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The engine refuses it while it runs.
    #[error("the statement failed: {0}")]
    Engine(String),
    /// It takes too long.
    #[error(
        "the statement ran for more than {:?}, which is what query_time_max allows: narrow it, for \
         instance by id or by service", .0
    )]
    TooLong(Duration),
    /// Others take too long.
    #[error("other statements take all the time there is for them: try again in a few seconds")]
    Busy,
    /// It needs too much memory.
    #[error(
        "the statement needs more than the {} MiB that query_bytes_max allows: narrow it, or ask for \
         fewer columns", .0 >> 20
    )]
    TooMuchMemory(usize),
    /// Its answer has too many rows.
    #[error(
        "the answer has more than the {0} rows that query_rows_max allows: add LIMIT, or count instead"
    )]
    TooManyRows(usize),
    /// Its answer has too many bytes.
    #[error(
        "the answer has more than the {} MiB that query_bytes_max allows: add LIMIT, or ask for fewer \
         columns", .0 >> 20
    )]
    TooLarge(usize),
    /// The rows cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nobody answers for the rows.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The thread that ran it is gone.
    #[error("the statement was abandoned: the server is stopping, or it has a defect")]
    Abandoned,
    /// There is no thread to run it on.
    #[error("there is no thread to run the statement on: {0}. Allow the server more threads")]
    Thread(std::io::Error),
}

impl QueryError {
    fn of_engine(error: rusqlite::Error, limits: &Limits) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooLong(limits.time),
            Some(ErrorCode::OutOfMemory | ErrorCode::TooBig) => Self::TooMuchMemory(limits.bytes),
            _ => Self::Engine(error.to_string()),
        }
    }
}

/// Runs one statement over the live tables.
///
/// # Errors
/// If the statement is wrong, asks for too much, or the tables cannot be read.
pub(crate) async fn run(
    handle: &Handle,
    limits: Limits,
    now_ms: u64,
    text: String,
    format: Format,
) -> Result<Bytes, QueryError> {
    let slot = tokio::time::timeout(limits.time, SLOTS.acquire())
        .await
        .map_err(|_| QueryError::Busy)?
        .map_err(|_| QueryError::Abandoned)?;
    let handle = handle.clone();
    let unwanted = Unwanted(Arc::default());
    let is_unwanted = unwanted.0.clone();
    let rim = tokio::runtime::Handle::current();
    let (reply, heard) = oneshot::channel();
    std::thread::Builder::new()
        .name("query".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            Watch::yield_to_others();
            let watch = Watch::new(limits.time, is_unwanted);
            let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
            let answer = compile(&text, now_ms, &limits.shown())
                .map_err(QueryError::from)
                .and_then(|compiled| {
                    let source = Arc::new(rim.block_on(source(handle, &compiled))?);
                    let run = || {
                        let source = source.clone();
                        execute(&compiled, source, &limits, format, watch.clone())
                    };
                    let answer = run();
                    let was_alone = SLOTS.available_permits() + 1 == SLOTS_MAX;
                    drop(slot);
                    match answer {
                        // Memory is counted for all together: perhaps the other had it.
                        Err(QueryError::TooMuchMemory(_)) if !was_alone => {
                            let all = SLOTS.acquire_many(SLOTS_MAX as u32);
                            let _alone = rim.block_on(all).map_err(|_| QueryError::Abandoned)?;
                            run()
                        }
                        answer => answer,
                    }
                });
            // Whoever asked may have gone away.
            drop(reply.send(answer));
        })
        .map_err(QueryError::Thread)?;
    let answer = heard.await.map_err(|_| QueryError::Abandoned)?;
    drop(unwanted);
    answer
}

/// Tells a statement's thread that nobody waits any more.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The rows that a statement is about.
async fn source(handle: Handle, compiled: &Compiled) -> Result<Source, QueryError> {
    let lives = compiled.tables.iter().any(|table| table.is_stored());
    let partitions = if lives {
        let moments = handle.moments().await?;
        moments.into_iter().map(|moment| moment as _).collect()
    } else {
        Vec::new()
    };
    Ok(Source {
        partitions,
        registry: handle.registry(),
        handle: Some(handle),
    })
}

/// Runs a statement over a source.
pub(super) fn execute(
    compiled: &Compiled,
    source: Arc<Source>,
    limits: &Limits,
    format: Format,
    watch: Watch,
) -> Result<Bytes, QueryError> {
    let failure = Arc::new(OnceLock::new());
    let aux = |table| Aux {
        table,
        source: source.clone(),
        watch: watch.clone(),
        failure: failure.clone(),
    };
    let answered = (|| {
        let mut database = open(limits)?;
        for table in &compiled.tables {
            vtab::register(&database, aux(table))?;
        }
        guard(&mut database, watch.clone())?;
        if compiled.explain {
            plan(&database, compiled, format)
        } else {
            rows(&database, compiled, limits, format)
        }
    })();
    match (answered, failure.get()) {
        (_, Some(error)) => Err(error.clone().into()),
        (Ok(answer), None) => answer,
        (Err(error), None) => Err(QueryError::of_engine(error, limits)),
    }
}

type Answered = rusqlite::Result<Result<Bytes, QueryError>>;

/// An engine without a file.
fn open(limits: &Limits) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_MEMORY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_in_memory_with_flags(flags)?;
    // The engine counts the memory of the whole process, and only statements use it.
    let heap = limits.bytes.saturating_mul(SLOTS_MAX);
    database.execute_batch(&format!(
        "PRAGMA hard_heap_limit = {heap}; PRAGMA case_sensitive_like = ON; \
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
    ))?;
    let value_max = i32::try_from(limits.bytes).unwrap_or(i32::MAX);
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, value_max)?;
    database.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    function::register(&database)?;
    Ok(database)
}

/// From here on it can only read, and ends when it is over.
fn guard(database: &mut Connection, mut watch: Watch) -> rusqlite::Result<()> {
    database.authorizer(Some(|asked: AuthContext<'_>| match asked.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive => Authorization::Allow,
        // An eponymous table is made when it is first said, in the schema of this engine.
        _ => Authorization::Deny,
    }))?;
    database.progress_handler(STEPS, Some(move || watch.is_over()))
}

fn rows(database: &Connection, compiled: &Compiled, limits: &Limits, format: Format) -> Answered {
    let mut statement = database.prepare(&compiled.sql)?;
    let width = compiled.columns.len();
    let mut rows = statement.query([])?;
    let mut answer = Answer::new(format, &compiled.columns);
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > limits.rows {
            return Ok(Err(QueryError::TooManyRows(limits.rows)));
        }
        let cells = (0..width)
            .map(|at| row.get_ref(at))
            .collect::<Result<Vec<_>, _>>()?;
        if answer.row(cells.into_iter()) > limits.bytes {
            return Ok(Err(QueryError::TooLarge(limits.bytes)));
        }
    }
    Ok(end(answer))
}

/// How the engine would go about it.
fn plan(database: &Connection, compiled: &Compiled, format: Format) -> Answered {
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {}", compiled.sql))?;
    let mut depths = BTreeMap::new();
    let mut lines = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, parent, detail): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let depth = depths.get(&parent).map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
        lines.push(format!("{}{detail}", "  ".repeat(depth)));
    }
    let mut answer = Answer::new(format, &compiled.columns);
    let parts = [
        ("physical_plan", lines.join("\n")),
        ("sqlite", compiled.sql.clone()),
    ];
    for (name, text) in &parts {
        let cells =
            [name, text.as_str()].map(|text| rusqlite::types::ValueRef::Text(text.as_bytes()));
        answer.row(cells.into_iter());
    }
    Ok(end(answer))
}

fn end(answer: Answer) -> Result<Bytes, QueryError> {
    answer
        .end()
        .map_err(|error| QueryError::Engine(error.to_string()))
}
