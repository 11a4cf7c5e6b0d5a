//! What a log promises.
//!
//! ```text
//!   Batch ──append──▶ … trimmed │ record │ record │ … │ record │ ◀── tail
//!                                  └──────── read(from) ───────▶
//! ```
//!
//! An append that returned is durable. Records come back in order, each under the number
//! it was given, until they are trimmed. A log that cannot say whether an append is
//! durable says so, and takes no other. Start at [`Log`]; [`file`] is the one that ships.
//!
//! Absent on purpose: what a record means, and who may write (that is the caller's term).

mod batch;
pub mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub mod memory;
mod meter;
mod reader;
mod recovery;
mod segment;
mod spares;
mod writer;

pub use batch::Batch;
pub use meter::LogMeter;

use bytes::Bytes;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Number of a record. The first is 1.
pub type Lsn = u64;

/// Records in order, read as they are asked for.
pub type Records<'a> = Box<dyn Iterator<Item = Result<(Lsn, Bytes), LogError>> + 'a>;

/// An append-only log with a single writer.
pub trait Log: Send {
    /// Appends a batch, all or nothing; it is durable when this returns. `expect` is the LSN
    /// that the first record must get, which is returned. An empty batch changes nothing.
    ///
    /// # Errors
    /// [`LogError::Fenced`] if `expect` is not the tail, or the writer's epoch is over: it
    /// must reload and read on. [`LogError::TooLarge`] changes nothing. After any other
    /// error the log takes nothing more.
    fn append(&mut self, batch: &mut Batch, expect: Lsn) -> Result<Lsn, LogError>;

    /// All records from `from` on; none if that is the tail.
    ///
    /// # Errors
    /// If they were trimmed, were never written, or cannot be read.
    fn read(&self, from: Lsn) -> Result<Records<'_>, LogError>;

    /// The LSN that the next record gets.
    fn tail(&self) -> Lsn;

    /// Says that records up to `up_to` are not needed any more. The log may keep them.
    ///
    /// # Errors
    /// If the files cannot be put away.
    fn trim(&mut self, up_to: Lsn) -> Result<(), LogError>;

    /// Begins epoch `epoch` with this writer, and durably shuts out those of older ones.
    /// A new log is in epoch 0.
    ///
    /// # Errors
    /// [`LogError::Fenced`] if there was a newer epoch already.
    fn fence(&mut self, epoch: u64) -> Result<(), LogError>;
}

/// Why a log cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Somebody else has appended, or has begun a newer epoch.
    #[error(
        "the log is at record {tail} in epoch {log_epoch}, its writer at record {expect} in \
         epoch {epoch}: another writer has taken over. Reload the tables and read on."
    )]
    Fenced {
        /// Where the writer believed the tail to be.
        expect: Lsn,
        /// Where it is.
        tail: Lsn,
        /// The writer's epoch.
        epoch: u64,
        /// The log's.
        log_epoch: u64,
    },
    /// It is not known whether the last append is durable.
    #[error(
        "it is not known whether the batch at record {first} is durable. Reload the tables and \
         read the log to find out."
    )]
    Unknown {
        /// The LSN of its first record.
        first: Lsn,
    },
    /// The bytes are not what was written.
    #[error(
        "the log file {file} is damaged at byte {offset}: {reason}. Nothing was changed. Restore \
         the data directory from a copy; what comes after this place cannot be trusted.",
        file = file.display()
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Where, in bytes from its beginning.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file could not be read, written or synced.
    #[error(
        "the log file {file} failed: {source}. Nothing further is acknowledged; look after the \
         disk, then start again.",
        file = file.display()
    )]
    Failed {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An earlier write failed; what a file holds after that is not known.
    #[error("the log has failed before and takes no more; look after the disk, then start again")]
    Poisoned,
    /// A batch cannot have this size.
    #[error("a batch of {bytes} bytes is too large for the log; 4 GiB is its limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// What is asked for was trimmed.
    #[error(
        "record {asked} was trimmed from the log, which begins at record {first}. The tables are \
         older than the log; restore both from the same copy."
    )]
    Trimmed {
        /// The first that is there.
        first: Lsn,
        /// What was asked for.
        asked: Lsn,
    },
    /// What is asked for was never written.
    #[error(
        "record {asked} is beyond the tail of the log, record {tail}. The tables are newer than \
         the log; restore both from the same copy."
    )]
    Ahead {
        /// Where the log ends.
        tail: Lsn,
        /// What was asked for.
        asked: Lsn,
    },
}

/// Says which file an error is about.
fn failed(file: &Path) -> impl FnOnce(io::Error) -> LogError {
    let file = file.to_owned();
    move |source| LogError::Failed { file, source }
}

/// Says where a file is damaged, and how.
fn damaged(file: &Path, offset: u64, reason: impl Into<String>) -> LogError {
    LogError::Damaged {
        file: file.to_owned(),
        offset,
        reason: reason.into(),
    }
}

/// What a log in files holds, for those who look at it without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSurvey {
    /// The LSN of its oldest record, or of the next one if there is none.
    pub first: Lsn,
    /// The LSN that the next record gets.
    pub tail: Lsn,
    /// How many segments there are.
    pub segments: usize,
    /// A torn tail, which opening would cut.
    pub torn: Option<Cut>,
}

/// Reads a whole log in files and changes nothing; `visit` is shown each record.
///
/// # Errors
/// As opening it: if a file cannot be read, or is damaged before its end.
pub fn survey(
    directory: &Path,
    partition: u16,
    visit: &mut dyn FnMut(Lsn, &Bytes),
) -> Result<LogSurvey, LogError> {
    let found = recovery::look(directory, partition, visit)?;
    let open = found.open.as_ref().map(|open| open.header.base);
    let oldest = found.sealed.front().map(|segment| segment.base);
    Ok(LogSurvey {
        first: oldest.or(open).unwrap_or(found.tail),
        tail: found.tail,
        segments: found.sealed.len() + usize::from(open.is_some()),
        torn: found.cut,
    })
}

/// What was found when a log was opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// A torn tail, if there was one.
    pub cut: Option<Cut>,
}

/// The remains of a batch at the end of the log, which was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: PathBuf,
    /// Where they began, in bytes from its beginning.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the log file {} ended in a torn write, which was never acknowledged: cut {} bytes at \
             byte {}",
            self.file.display(),
            self.bytes,
            self.offset
        )
    }
}
