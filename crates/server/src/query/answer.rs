//! Answers: rows of the engine come in one by one, a whole body goes out.
//!
//! A body is complete before the first byte of it is sent, so that a statement that fails half
//! way is an error and never half an answer. Hence its size has a limit.

use super::arrow::Batch;
use super::cell::json;
use super::dialect::Output;
use bytes::Bytes;
use rusqlite::types::ValueRef;

/// What an answer is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `{"rows":[{…}]}`.
    Json {
        /// Columns without a value are there, as null.
        nulls: bool,
    },
    /// A stream of Arrow IPC.
    Arrow,
}

/// An answer while its rows come in.
pub(super) enum Answer {
    Json {
        nulls: bool,
        columns: Vec<(Vec<u8>, Output)>,
        body: Vec<u8>,
        is_first: bool,
    },
    Arrow(Batch),
}

impl Answer {
    pub(super) fn new(format: Format, columns: &[Output]) -> Self {
        match format {
            Format::Json { nulls } => Self::Json {
                nulls,
                columns: columns
                    .iter()
                    .map(|column| (text(&column.name), column.clone()))
                    .collect(),
                body: b"{\"rows\":[".to_vec(),
                is_first: true,
            },
            Format::Arrow => Self::Arrow(Batch::new(columns)),
        }
    }

    /// Takes a row; gives the bytes that all rows take so far.
    pub(super) fn row<'row>(&mut self, cells: impl Iterator<Item = ValueRef<'row>>) -> usize {
        match self {
            Self::Json {
                nulls,
                columns,
                body,
                is_first,
            } => {
                if !std::mem::take(is_first) {
                    body.push(b',');
                }
                body.push(b'{');
                let mut written = false;
                for ((name, column), cell) in columns.iter().zip(cells) {
                    let value = match json(cell, column.kind) {
                        Some(value) => text(&value),
                        None if *nulls => b"null".to_vec(),
                        None => continue,
                    };
                    if std::mem::replace(&mut written, true) {
                        body.push(b',');
                    }
                    body.extend_from_slice(name);
                    body.push(b':');
                    body.extend_from_slice(&value);
                }
                body.push(b'}');
                body.len()
            }
            Self::Arrow(batch) => batch.row(cells),
        }
    }

    /// The body.
    ///
    /// # Errors
    /// If the rows do not fit into the format.
    pub(super) fn end(self) -> Result<Bytes, arrow_schema::ArrowError> {
        match self {
            Self::Json { mut body, .. } => {
                body.extend_from_slice(b"]}");
                Ok(body.into())
            }
            Self::Arrow(batch) => batch.stream(),
        }
    }
}

/// A value as JSON. Texts and JSON values can always be written.
fn text(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}
