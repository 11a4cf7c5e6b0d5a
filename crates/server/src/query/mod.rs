//! Introspection: the tables as rows with names, for people and their tools.
//!
//! ```text
//!   SQL ──▶ statement (which tables, which rows) ──▶ read (rows from a view) ──▶ sqlite ──▶ JSON
//! ```
//!
//! Start at `run`. `table` is the list of tables and columns; `read` turns stored rows
//! into theirs, in slices, so that a partition is never held up. Only `sqlite` knows the SQL
//! engine: it copies the rows that a statement needs into a database of its own.
//!
//! Absent on purpose: anything that writes. Everything here reads.

mod read;
mod sqlite;
mod statement;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use read::{ReadError, entries, invocation};
pub(crate) use sqlite::{QueryError, run};
