//! A new data directory out of a backup: a generation comes in, a directory that a server can open
//! goes out, or none.
//!
//! ```text
//!   check every file ─▶ restoring/{tables, log/<n>, latchwork.json} ─▶ synced ─▶ moved into place
//! ```
//!
//! The target is built inside itself, so that it may be a disk of its own. While `restoring/` is
//! there, no server opens the directory; a restore that was cut off is begun anew.

use crate::directory::{self, IDENTITY, Identity, LOCK, LOG, MARK, RESTORING, TABLES};
use crate::node::OpenError;
use latchwork_engine::ReadError;
use latchwork_storage::backup::{self, BackupDirectory, BackupError, Manifest};
use latchwork_storage::{DiskStore, FileLog, FileLogOptions, LogError, Store, TablesError};
use serde::Serialize;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of rows that are written at once.
const BATCH_BYTES: usize = 4 << 20;
/// For the caches of the tables while they are filled.
const CACHE_BYTES: u64 = 8 << 20;

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreWish {
    /// The directory of backups.
    pub from: PathBuf,
    /// Which generation; nothing: the newest.
    pub generation: Option<u64>,
    /// The new data directory.
    pub into: PathBuf,
}

/// How far a restore is.
#[derive(Debug, Clone, Copy)]
pub enum RestoreProgress {
    /// Bytes of the files that were checked, and of all.
    Checked(u64, u64),
    /// Rows that were written, and all.
    Written(u64, u64),
}

/// What was restored.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreReport {
    /// The new data directory.
    pub directory: PathBuf,
    /// The generation.
    pub generation: u64,
    /// The moment that it is of, in ms since 1970.
    pub taken_at: u64,
    /// How many partitions there are.
    pub partitions: usize,
    /// How many rows.
    pub rows: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Some of its files are not what was written.
    #[error(
        "generation {generation} cannot be restored: {first}{}. `latchwork backup verify` tells which \
         generations are whole; choose one with --at.",
        match more { 0 => String::new(), more => format!(" (and {more} more)") }
    )]
    Damaged {
        /// Which.
        generation: u64,
        /// The first damage that was found.
        first: Box<BackupError>,
        /// How many more there are.
        more: usize,
    },
    /// It was made by a version with another layout.
    #[error(
        "generation {generation} has data format {found}, this version knows {}: use the version of \
         latchwork that made it ({server})",
        directory::FORMAT
    )]
    DataFormat {
        /// Which.
        generation: u64,
        /// What it has.
        found: u32,
        /// The version that made it.
        server: String,
    },
    /// There is something in the target.
    #[error(
        "{} is not empty: it holds {name:?}. Nothing was changed; give a directory that is empty or not there.",
        directory.display()
    )]
    NotEmpty {
        /// The target.
        directory: PathBuf,
        /// What is in it.
        name: String,
    },
    /// The target cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tables cannot be written.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The log cannot be made.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The rows cannot be read.
    #[error("the backup cannot be read to its end: {}", .0.0)]
    Read(#[from] ReadError),
}

/// Makes a data directory out of a generation.
///
/// # Errors
/// If the backup is damaged, or the target is not empty or cannot be written. What was begun is
/// never taken for a data directory.
pub fn restore(
    wish: &RestoreWish,
    told: &mut dyn FnMut(RestoreProgress),
) -> Result<RestoreReport, RestoreError> {
    let backups = BackupDirectory::open(&wish.from)?;
    let manifest = backups.generation(wish.generation)?;
    if manifest.data_format != directory::FORMAT {
        return Err(RestoreError::DataFormat {
            generation: manifest.generation,
            found: manifest.data_format,
            server: manifest.server,
        });
    }
    // Before the long look at the backup, which comes before anything is touched.
    Target::is_left(&wish.into)?;
    check(&backups, &manifest, told)?;
    let target = Target::take(&wish.into)?;
    let rows = target.build(&backups, &manifest, told)?;
    target.settle()?;
    Ok(RestoreReport {
        directory: wish.into.clone(),
        generation: manifest.generation,
        taken_at: manifest.taken_at,
        partitions: manifest.partitions.len(),
        rows,
        bytes: manifest.bytes(),
    })
}

fn check(
    backups: &BackupDirectory,
    manifest: &Manifest,
    told: &mut dyn FnMut(RestoreProgress),
) -> Result<(), RestoreError> {
    let (mut checked, all) = (0, manifest.bytes());
    let verified = backups.verify(&[manifest.generation], &mut |bytes| {
        checked += bytes;
        told(RestoreProgress::Checked(checked, all));
    })?;
    let mut damage = verified.into_iter().flat_map(|one| one.damage);
    match damage.next() {
        None => Ok(()),
        Some(first) => Err(RestoreError::Damaged {
            generation: manifest.generation,
            first: Box::new(first),
            more: damage.count(),
        }),
    }
}

/// A data directory in the making.
struct Target {
    directory: PathBuf,
    _lock: File,
}

impl Target {
    /// Whether a restore that was cut off has left something in a directory, which has nothing else
    /// in it.
    fn is_left(path: &Path) -> Result<bool, RestoreError> {
        let is_ours = directory::is_restoring(path);
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries.map_err(directory::failed(path))?,
        };
        for entry in entries {
            let name = entry.map_err(directory::failed(path))?.file_name();
            let name = name.to_string_lossy();
            // What a new disk holds, and what was locked once.
            let is_nothing = ["lost+found", LOCK].contains(&&*name);
            let is_left = is_ours && [RESTORING, TABLES, LOG, IDENTITY].contains(&&*name);
            if !is_nothing && !is_left {
                return Err(RestoreError::NotEmpty {
                    directory: path.to_owned(),
                    name: name.into_owned(),
                });
            }
        }
        Ok(is_ours)
    }

    /// Takes a directory that has nothing in it, or what a restore that was cut off has left.
    fn take(path: &Path) -> Result<Self, RestoreError> {
        fs::create_dir_all(path).map_err(directory::failed(path))?;
        let restoring = path.join(RESTORING);
        let lock = directory::lock(path)?;
        if Self::is_left(path)? {
            // The mark goes last: until then all this is known to be ours.
            for name in [TABLES, LOG] {
                gone(&path.join(name), |path| fs::remove_dir_all(path))?;
                gone(&restoring.join(name), |path| fs::remove_dir_all(path))?;
            }
            gone(&path.join(IDENTITY), |path| fs::remove_file(path))?;
            fs::remove_dir_all(&restoring).map_err(directory::failed(&restoring))?;
        }
        fs::create_dir(&restoring).map_err(directory::failed(&restoring))?;
        let mark = restoring.join(MARK);
        fs::write(&mark, "").map_err(directory::failed(&mark))?;
        let target = Self {
            directory: path.to_owned(),
            _lock: lock,
        };
        target.sync(&restoring)?;
        target.sync(path)?;
        Ok(target)
    }

    /// Builds all that will be moved into place; gives the number of rows.
    fn build(
        &self,
        backups: &BackupDirectory,
        manifest: &Manifest,
        told: &mut dyn FnMut(RestoreProgress),
    ) -> Result<u64, RestoreError> {
        let restoring = self.directory.join(RESTORING);
        let partitions = manifest.partitions.len() as u16;
        let all = manifest.partitions.iter().map(|entry| entry.rows).sum();
        let stores = DiskStore::open(&directory::tables(&restoring), partitions, CACHE_BYTES)?;
        let mut rows = 0;
        for (index, (store, entry)) in stores.iter().zip(&manifest.partitions).enumerate() {
            let mut batch = Vec::new();
            let mut bytes = 0;
            for row in backup::rows(backups, manifest, index)? {
                let (key, value) = row?;
                bytes += key.len() + value.len();
                batch.push((key, value));
                if bytes >= BATCH_BYTES {
                    rows += batch.len() as u64;
                    put(store, entry.lsn, &mut batch)?;
                    bytes = 0;
                    told(RestoreProgress::Written(rows, all));
                }
            }
            rows += batch.len() as u64;
            // Also without rows: the LSN is one.
            put(store, entry.lsn, &mut batch)?;
            told(RestoreProgress::Written(rows, all));
            let options = FileLogOptions {
                partition: index as u16,
                ..FileLogOptions::default()
            };
            let log = directory::log(&restoring, options.partition);
            FileLog::begin_at(&log, options, entry.lsn + 1)?;
        }
        if let Some(store) = stores.first() {
            store.persist()?;
        }
        drop(stores);
        Identity::new(partitions, manifest.origin.clone()).write(&restoring)?;
        Ok(rows)
    }

    /// Moves everything into place. What makes it a data directory goes last.
    fn settle(&self) -> Result<(), RestoreError> {
        let restoring = self.directory.join(RESTORING);
        self.sync(&restoring.join(LOG))?;
        for name in [TABLES, LOG, IDENTITY] {
            let to = self.directory.join(name);
            fs::rename(restoring.join(name), &to).map_err(directory::failed(&to))?;
        }
        self.sync(&self.directory)?;
        fs::remove_dir_all(&restoring).map_err(directory::failed(&restoring))?;
        self.sync(&self.directory)
    }

    fn sync(&self, directory: &Path) -> Result<(), RestoreError> {
        let synced = File::open(directory).and_then(|file| file.sync_all());
        Ok(synced.map_err(directory::failed(directory))?)
    }
}

fn put(
    store: &DiskStore,
    lsn: u64,
    batch: &mut Vec<latchwork_engine::Row>,
) -> Result<(), TablesError> {
    let mut rows = batch.iter().map(|(key, value)| (key, Some(value)));
    store.write(lsn, &mut rows)?;
    batch.clear();
    Ok(())
}

/// Removes something that need not be there.
fn gone(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), OpenError> {
    match remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(directory::failed(path)),
    }
}
