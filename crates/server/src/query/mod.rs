//! Introspection: the tables as rows with names, for people and their tools.
//!
//! ```text
//!   text ──▶ dialect: checked, typed, in the engine's words
//!                └─▶ run: SQLite ◀── vtab ◀── table: rows from tables held still
//!                              └─▶ answer: JSON or Arrow
//! ```
//!
//! Start at [`run`]. `browse` gives pages of invocations without a statement. `table` lists the tables, their columns and how rows are found; `dialect`
//! knows SQL, and is the only one that reads what a user writes; `run`, `vtab` and `function`
//! are the only ones that know SQLite; `watch` ends what takes too long. Nothing here holds a partition up: it hands out its
//! tables held still, and the rest happens on a thread that yields to all others.
//!
//! Absent on purpose: anything that writes. Everything here reads.

mod answer;
mod arrow;
mod browse;
mod cell;
mod dialect;
mod function;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod run;
mod table;
mod time;
mod vtab;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use answer::Format;
pub(crate) use browse::browse;
pub(crate) use run::{QueryError, run};
pub(crate) use table::browse::{Filter, Found, Order, Page, Place, Resume};
pub(crate) use table::{ReadError, entries, invocation};

use std::time::Duration;

/// What a statement may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// Rows that it may answer with.
    pub rows: usize,
    /// Bytes of memory that it may take, and of its answer.
    pub bytes: usize,
}

impl Limits {
    /// As SHOW ALL shows them.
    fn shown(&self) -> [(&'static str, String); 3] {
        [
            ("query_time_max", format!("{:?}", self.time)),
            ("query_rows_max", self.rows.to_string()),
            ("query_bytes_max", self.bytes.to_string()),
        ]
    }
}
