//! Backups: what the tables held at one moment, kept as generations in a directory of their own.
//!
//! ```text
//!   a snapshot of each partition ──┐
//!   the rows of the last generation ┴─▶ what differs ──▶ rows/000003-0.rows
//!                                                           │ all written and synced
//!                                                           ▼
//!   a generation is there, or not ◀── renamed ── generations/000003.manifest
//! ```
//!
//! Comes in: rows in order, at the LSN of a snapshot. Goes out: the same rows, checked. A file is
//! never changed once it has its name. A generation lists the files that make up its rows: a whole
//! one, and over it what later generations found different; so a generation costs what has changed,
//! and none needs another's manifest. Start at [`BackupDirectory`], then [`write()`].
//!
//! Absent on purpose: log records, for a snapshot has the effects of all that were durable; what
//! rows mean; and when to make a backup.

mod directory;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod manifest;
mod rows;
mod verify;
mod write;

pub use directory::{BackupDirectory, Listed};
pub use manifest::{FileEntry, Manifest, PartitionEntry};
pub use verify::{Verified, rows};
pub use write::{Facts, Progress, Source, Written, write};

use std::io;
use std::path::{Path, PathBuf};

/// The directory that holds the manifests.
const GENERATIONS: &str = "generations";
/// The directory that holds the rows.
const ROWS: &str = "rows";
/// The file that is locked by whoever changes the directory.
const LOCK: &str = "lock";
/// How names of files end that are not finished.
const UNFINISHED: &str = "part";

/// Why a backup cannot be made, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or directory could not be read, written or synced.
    #[error("cannot use {path}: {source}", path = path.display())]
    Failed {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error(
        "the backup file {file} is damaged at byte {offset}: {reason}. Generations that need it cannot be \
         restored; make a new backup, and look after the disk.",
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
    /// The directory holds something that no backup has put there.
    #[error(
        "{directory} holds {name:?}, which is no part of a backup. Give a directory that is empty or holds \
         backups only.",
        directory = directory.display()
    )]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// The first name that is not ours.
        name: String,
    },
    /// There is no such directory, or nothing in it.
    #[error("{directory} holds no backups", directory = .0.display())]
    NoBackups(PathBuf),
    /// There is no generation of this number.
    #[error("there is no generation {number} in {directory}: `latchwork backup list` shows which there are", directory = directory.display())]
    NoGeneration {
        /// Where it was looked for.
        directory: PathBuf,
        /// Its number.
        number: u64,
    },
    /// Somebody else is at work in the directory.
    #[error("{directory} is in use by another backup, restore or check: wait until that has ended", directory = .0.display())]
    Busy(PathBuf),
    /// The directory belongs to the backups of another data directory.
    #[error(
        "{directory} holds backups of another data directory ({found}, this one is {own}): give each a \
         directory of its own",
        directory = directory.display()
    )]
    OtherOrigin {
        /// The directory.
        directory: PathBuf,
        /// Whose backups it holds.
        found: String,
        /// Who wishes to add one.
        own: String,
    },
    /// The tables could not be read.
    #[error(transparent)]
    Read(#[from] latchwork_engine::ReadError),
    /// A row is too large for the format.
    #[error("a row of {bytes} bytes is too large for a backup; 4 GiB is its limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The manifest could not be written as JSON.
    #[error("the manifest cannot be written: {0}")]
    Encode(serde_json::Error),
    /// Whoever wanted the backup wants it no more. What was written of it is gone.
    #[error("the backup was stopped before it was done; nothing of it is kept")]
    Stopped,
}

/// Says which path an error is about.
fn failed(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Failed { path, source }
}

/// Says where a file is damaged, and how.
fn damaged(file: &Path, offset: u64, reason: impl Into<String>) -> BackupError {
    BackupError::Damaged {
        file: file.to_owned(),
        offset,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
