//! A new generation: what differs from the one before, or everything.

use super::manifest::{Manifest, PartitionEntry};
use super::rows::{BLOCK_BYTES, Of, RowsWriter};
use super::verify::merged;
use super::{BackupDirectory, BackupError};
use crate::Lsn;
use bytes::Bytes;
use latchwork_engine::{ReadError, Row, Rows, View};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::ControlFlow;

/// Below all rows, and above: see [`crate::Store`].
const ALL_ROWS: ([u8; 1], [u8; 1]) = ([1], [u8::MAX]);
/// When this many files lie over a whole one, the next is whole again: each costs a restore an
/// open file and a comparison for every row.
const DIFFERENCES_MAX: usize = 24;

/// The rows of one partition, held still.
pub struct Source<'a> {
    /// The last record whose effects are in them.
    pub lsn: Lsn,
    /// The rows.
    pub view: &'a dyn View,
}

/// What the manifest says besides.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When the rows were held still, in ms since 1970.
    pub taken_at: u64,
    /// Version of the server.
    pub server: String,
    /// The id of the data directory.
    pub origin: String,
    /// Version of the data directory's layout.
    pub data_format: u32,
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The partition that is read now.
    pub partition: usize,
    /// Rows that were read, of all partitions.
    pub rows: u64,
    /// Bytes of these rows.
    pub row_bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
}

/// A generation that was written.
#[derive(Debug)]
pub struct Written {
    /// It.
    pub manifest: Manifest,
    /// Bytes of its new files.
    pub written_bytes: u64,
    /// Bytes of the files that were there.
    pub reused_bytes: u64,
    /// Files that were there.
    pub files_reused: usize,
    /// Why earlier files could not be used, where they could not.
    pub remarks: Vec<String>,
}

/// Writes the next generation. `tell` hears of progress now and then, and may end it.
///
/// # Errors
/// If a file cannot be written or the rows cannot be read. Nothing of the generation is left then,
/// and those before it are as they were.
pub fn write(
    directory: &BackupDirectory,
    sources: &[Source<'_>],
    facts: &Facts,
    tell: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Written, BackupError> {
    directory.check_origin(&facts.origin)?;
    let mut remarks = Vec::new();
    let before = newest(directory, &mut remarks)?.filter(|before| {
        before.partitions.len() == sources.len() && before.data_format == facts.data_format
    });
    let generation = directory.next_number()?;
    let written = attempt(
        directory,
        generation,
        before.as_ref(),
        sources,
        facts,
        tell,
        remarks,
    );
    if written.is_err() {
        directory.discard(generation);
    }
    written
}

fn attempt(
    directory: &BackupDirectory,
    generation: u64,
    before: Option<&Manifest>,
    sources: &[Source<'_>],
    facts: &Facts,
    tell: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    remarks: Vec<String>,
) -> Result<Written, BackupError> {
    let mut making = Making {
        directory,
        generation,
        before,
        progress: Progress::default(),
        tell,
        remarks,
    };
    let mut files = BTreeMap::new();
    let mut partitions = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        partitions.push(making.partition(index, source, &mut files)?);
    }
    let remarks = making.remarks;
    let manifest = Manifest {
        format: Manifest::FORMAT,
        generation,
        taken_at: facts.taken_at,
        server: facts.server.clone(),
        origin: facts.origin.clone(),
        data_format: facts.data_format,
        partitions,
        files,
    };
    directory.publish(&manifest)?;
    let is_new = |name: &str| Of::named(name).is_some_and(|of| of.generation == generation);
    let (new, reused): (Vec<_>, Vec<_>) = manifest.files.iter().partition(|(name, _)| is_new(name));
    Ok(Written {
        written_bytes: new.iter().map(|(_, file)| file.bytes).sum(),
        reused_bytes: reused.iter().map(|(_, file)| file.bytes).sum(),
        files_reused: reused.len(),
        remarks,
        manifest,
    })
}

/// The newest generation that can be read.
fn newest(
    directory: &BackupDirectory,
    remarks: &mut Vec<String>,
) -> Result<Option<Manifest>, BackupError> {
    for listed in directory.generations()?.into_iter().rev() {
        match listed.manifest {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(error) => remarks.push(format!(
                "generation {} cannot be used: {error}",
                listed.number
            )),
        }
    }
    Ok(None)
}

struct Making<'a> {
    directory: &'a BackupDirectory,
    generation: u64,
    before: Option<&'a Manifest>,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    remarks: Vec<String>,
}

type Files = BTreeMap<String, super::FileEntry>;

impl Making<'_> {
    fn partition(
        &mut self,
        index: usize,
        source: &Source<'_>,
        files: &mut Files,
    ) -> Result<PartitionEntry, BackupError> {
        self.progress.partition = index;
        let of = Of {
            partition: index as u16,
            generation: self.generation,
        };
        if let Some(before) = self.before
            && let Some(entry) = before.partitions.get(index)
            && is_worth_it(before, entry)
        {
            let started = self.progress;
            let difference = merged(self.directory, before, of.partition, entry)
                .map_err(|error| Interruption::Before(error.to_string()))
                .and_then(|old| self.difference(of, source, Some(old)));
            match difference {
                Ok((rows, file)) => {
                    let mut names = entry.files.clone();
                    for name in &names {
                        files.insert(name.clone(), before.files[name].clone());
                    }
                    if let Some((name, file)) = file {
                        names.push(name.clone());
                        files.insert(name, file);
                    }
                    return Ok(PartitionEntry {
                        lsn: source.lsn,
                        rows,
                        files: names,
                    });
                }
                Err(Interruption::Before(reason)) => {
                    let number = before.generation;
                    self.remarks.push(format!(
                        "generation {number} is damaged, so partition {index} was written whole: {reason}"
                    ));
                    self.progress = started;
                }
                Err(Interruption::This(error)) => return Err(error),
            }
        }
        let (rows, file) = self
            .difference(of, source, None)
            .map_err(Interruption::end)?;
        let mut names = Vec::new();
        if let Some((name, file)) = file {
            names.push(name.clone());
            files.insert(name, file);
        }
        Ok(PartitionEntry {
            lsn: source.lsn,
            rows,
            files: names,
        })
    }

    /// Writes the rows of `source` that `old` lacks or has otherwise, and deletes those that only
    /// it has. Gives the number of rows there are, and the file if anything differs, or if there
    /// is no `old`.
    fn difference(
        &mut self,
        of: Of,
        source: &Source<'_>,
        old: Option<Rows<'_>>,
    ) -> Result<(u64, Option<(String, super::FileEntry)>), Interruption> {
        let (from, to) = ALL_ROWS;
        let mut new = source.view.scan(&from, &to).peekable();
        let is_whole = old.is_none();
        let mut old = old
            .unwrap_or_else(|| Box::new(std::iter::empty()))
            .peekable();
        let mut writer = RowsWriter::create(&self.directory.rows_path(), of)?;
        let written_before = self.progress.written_bytes;
        let (mut rows, mut untold) = (0, 0);
        loop {
            match next(&mut new, &mut old)? {
                Step::End => break,
                Step::Gone(key) => writer.push(&key, None)?,
                Step::Row {
                    row: (key, value),
                    differs,
                } => {
                    rows += 1;
                    self.progress.rows += 1;
                    self.progress.row_bytes += (key.len() + value.len()) as u64;
                    untold += key.len() + value.len();
                    if differs {
                        writer.push(&key, Some(&value))?;
                    }
                }
            }
            if untold >= BLOCK_BYTES {
                untold = 0;
                self.progress.written_bytes = written_before + writer.bytes();
                self.tell()?;
            }
        }
        let file = writer.finish(is_whole)?;
        let written = file.as_ref().map_or(0, |(_, file)| file.bytes);
        self.progress.written_bytes = written_before + written;
        self.tell()?;
        Ok((rows, file))
    }

    fn tell(&mut self) -> Result<(), BackupError> {
        match (self.tell)(self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BackupError::Stopped),
        }
    }
}

/// Whether one more difference over these files is better than a whole file.
fn is_worth_it(manifest: &Manifest, entry: &PartitionEntry) -> bool {
    let bytes = |name: &String| manifest.files[name].bytes;
    let Some((whole, differences)) = entry.files.split_first() else {
        return false;
    };
    let over: u64 = differences.iter().map(bytes).sum();
    differences.len() < DIFFERENCES_MAX && over <= bytes(whole) / 2
}

/// Why a difference was not written.
enum Interruption {
    /// The generation before cannot be read.
    Before(String),
    /// This one cannot be written.
    This(BackupError),
}

impl Interruption {
    fn end(self) -> BackupError {
        match self {
            Self::Before(reason) => BackupError::Read(ReadError(reason)),
            Self::This(error) => error,
        }
    }
}

impl From<BackupError> for Interruption {
    fn from(error: BackupError) -> Self {
        Self::This(error)
    }
}

/// One key of either side.
enum Step {
    Row {
        row: Row,
        differs: bool,
    },
    /// Only the old side has it.
    Gone(Bytes),
    End,
}

fn next<'a, 'b>(
    new: &mut Peekable<Rows<'a>>,
    old: &mut Peekable<Rows<'b>>,
) -> Result<Step, Interruption> {
    let unreadable = |error: ReadError| Interruption::This(error.into());
    let (new_key, old_key) = match (new.peek(), old.peek()) {
        (Some(Err(error)), _) => return Err(unreadable(error.clone())),
        (_, Some(Err(error))) => return Err(Interruption::Before(error.0.clone())),
        (None, None) => return Ok(Step::End),
        (Some(Ok((key, _))), None) => (Some(key), None),
        (None, Some(Ok((key, _)))) => (None, Some(key)),
        (Some(Ok((new_key, _))), Some(Ok((old_key, _)))) => match new_key.cmp(old_key) {
            std::cmp::Ordering::Less => (Some(new_key), None),
            std::cmp::Ordering::Equal => (Some(new_key), Some(old_key)),
            std::cmp::Ordering::Greater => (None, Some(old_key)),
        },
    };
    let (has_new, has_old) = (new_key.is_some(), old_key.is_some());
    let old_row = if has_old {
        old.next().transpose()
    } else {
        Ok(None)
    }
    .map_err(|error| Interruption::Before(error.0))?;
    let new_row = if has_new {
        new.next().transpose()
    } else {
        Ok(None)
    }
    .map_err(unreadable)?;
    Ok(match (new_row, old_row) {
        (Some(row), old) => Step::Row {
            differs: old.is_none_or(|(_, value)| value != row.1),
            row,
        },
        (None, Some((key, _))) => Step::Gone(key),
        (None, None) => Step::End,
    })
}
