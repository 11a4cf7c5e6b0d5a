//! A directory of backups: which generations there are, and which files nobody needs.

use super::manifest::Manifest;
use super::rows::Of;
use super::{BackupError, GENERATIONS, LOCK, ROWS, UNFINISHED, damaged, failed};
use crate::durable::{self, sync_directory};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Names that may be there: ours, and what file systems put into a new disk.
const KNOWN: [&str; 4] = [LOCK, GENERATIONS, ROWS, "lost+found"];

/// A directory of backups, held so that nobody changes it meanwhile.
#[derive(Debug)]
pub struct BackupDirectory {
    root: PathBuf,
    /// Absent where the medium cannot be written, and so by nobody else.
    _lock: Option<File>,
}

/// A generation that is there.
#[derive(Debug)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// What it says of itself.
    pub manifest: Result<Manifest, BackupError>,
}

impl BackupDirectory {
    /// Takes a directory to write into, or makes one in a directory that is there. What a backup
    /// that was cut off has left is removed.
    ///
    /// # Errors
    /// If it is in use, cannot be written, or holds something that is not ours.
    pub fn take(root: &Path) -> Result<Self, BackupError> {
        match fs::create_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(failed(root))?,
        }
        for entry in fs::read_dir(root).map_err(failed(root))? {
            let name = entry.map_err(failed(root))?.file_name();
            if !KNOWN.iter().any(|known| OsStr::new(known) == name) {
                return Err(BackupError::Foreign {
                    directory: root.to_owned(),
                    name: name.to_string_lossy().into_owned(),
                });
            }
        }
        let path = root.join(LOCK);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed(&path))?;
        held(root, &path, lock.try_lock())?;
        let directory = Self {
            root: root.to_owned(),
            _lock: Some(lock),
        };
        for path in [directory.generations_path(), directory.rows_path()] {
            fs::create_dir_all(&path).map_err(failed(&path))?;
        }
        sync_directory(root).map_err(failed(root))?;
        directory.sweep()?;
        Ok(directory)
    }

    /// Opens a directory that is there, to read from it.
    ///
    /// # Errors
    /// If there is none, or a backup is being written into it.
    pub fn open(root: &Path) -> Result<Self, BackupError> {
        if !root.join(GENERATIONS).is_dir() {
            return Err(BackupError::NoBackups(root.to_owned()));
        }
        let path = root.join(LOCK);
        let lock = match File::open(&path) {
            Ok(lock) => {
                held(root, &path, lock.try_lock_shared())?;
                Some(lock)
            }
            // A copy of the directory has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path)(error)),
        };
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    /// The generations of a directory, from old to new; without holding it, since a list may be
    /// wanted while a backup is made.
    ///
    /// # Errors
    /// If there is no such directory, or it cannot be read.
    pub fn list(root: &Path) -> Result<Vec<Listed>, BackupError> {
        let generations = root.join(GENERATIONS);
        if !generations.is_dir() {
            return Err(BackupError::NoBackups(root.to_owned()));
        }
        let mut listed = Vec::new();
        for entry in fs::read_dir(&generations).map_err(failed(&generations))? {
            let path = entry.map_err(failed(&generations))?.path();
            if path
                .extension()
                .is_none_or(|extension| extension != "manifest")
            {
                continue;
            }
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            let Some(number) = number else {
                return Err(damaged(
                    &path,
                    0,
                    "its name is not the number of a generation",
                ));
            };
            listed.push(Listed {
                number,
                manifest: Manifest::read(&path, number),
            });
        }
        listed.sort_by_key(|listed| listed.number);
        Ok(listed)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All generations, from old to new.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn generations(&self) -> Result<Vec<Listed>, BackupError> {
        Self::list(&self.root)
    }

    /// One generation; without a number the newest.
    ///
    /// # Errors
    /// If there is none, or its manifest is damaged. That of the newest is not passed over: who
    /// wants an older one says so.
    pub fn generation(&self, number: Option<u64>) -> Result<Manifest, BackupError> {
        let mut all = self.generations()?;
        let found = match number {
            None => all.pop(),
            Some(number) => all.into_iter().find(|listed| listed.number == number),
        };
        match (found, number) {
            (Some(listed), _) => listed.manifest,
            (None, None) => Err(BackupError::NoBackups(self.root.clone())),
            (None, Some(number)) => Err(BackupError::NoGeneration {
                directory: self.root.clone(),
                number,
            }),
        }
    }

    /// Whether backups of the data directory with this id may be added.
    ///
    /// # Errors
    /// If those that are there are of another.
    pub fn check_origin(&self, own: &str) -> Result<(), BackupError> {
        let known = self.generations()?.into_iter().rev();
        let newest = known.filter_map(|listed| listed.manifest.ok()).next();
        match newest {
            Some(manifest) if manifest.origin != own => Err(BackupError::OtherOrigin {
                directory: self.root.clone(),
                found: manifest.origin,
                own: own.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Removes all generations but the newest `keep`, and the files that no other needs. Gives
    /// the numbers of those removed and the bytes that were freed.
    ///
    /// # Errors
    /// If a manifest is damaged, so that nobody knows which files it needs; then nothing is removed.
    pub fn prune(&self, keep: usize) -> Result<(Vec<u64>, u64), BackupError> {
        let all = self.generations()?;
        let count = all.len();
        let mut removed = Vec::new();
        for listed in all {
            listed.manifest?;
            removed.push(listed.number);
        }
        removed.truncate(count.saturating_sub(keep.max(1)));
        // The oldest first, and durably before its files: a crash in between leaves files that
        // nobody needs, never a generation that lacks one.
        for number in &removed {
            let path = self.manifest_path(*number);
            fs::remove_file(&path).map_err(failed(&path))?;
        }
        let generations = self.generations_path();
        sync_directory(&generations).map_err(failed(&generations))?;
        Ok((removed, self.sweep()?))
    }

    /// Removes what is unfinished, and rows that no generation needs; gives the bytes freed.
    fn sweep(&self) -> Result<u64, BackupError> {
        let mut freed = self.remove(&self.generations_path(), |path| has(path, UNFINISHED))?;
        let mut needed = BTreeSet::new();
        let mut all_known = true;
        for listed in self.generations()? {
            match listed.manifest {
                Ok(manifest) => needed.extend(manifest.files.into_keys()),
                // What it needs cannot be told, so all stays.
                Err(_) => all_known = false,
            }
        }
        freed += self.remove(&self.rows_path(), |path| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let is_spare = all_known && Of::named(name).is_some() && !needed.contains(name);
            is_spare || has(path, UNFINISHED)
        })?;
        Ok(freed)
    }

    fn remove(
        &self,
        directory: &Path,
        is_spare: impl Fn(&Path) -> bool,
    ) -> Result<u64, BackupError> {
        let mut freed = 0;
        for entry in fs::read_dir(directory).map_err(failed(directory))? {
            let path = entry.map_err(failed(directory))?.path();
            if is_spare(&path) {
                freed += fs::metadata(&path).map_err(failed(&path))?.len();
                fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        Ok(freed)
    }

    /// A number that no generation and no file has had.
    pub(super) fn next_number(&self) -> Result<u64, BackupError> {
        let rows = self.rows_path();
        let mut last = self.generations()?.last().map_or(0, |listed| listed.number);
        for entry in fs::read_dir(&rows).map_err(failed(&rows))? {
            let name = entry.map_err(failed(&rows))?.file_name();
            let of = name.to_str().and_then(Of::named);
            last = last.max(of.map_or(0, |of| of.generation));
        }
        Ok(last + 1)
    }

    /// Removes the files of a generation that will not be. What cannot be removed now is removed
    /// before the next backup.
    pub(super) fn discard(&self, generation: u64) {
        // It may have come so far as to be there, and must not be without its files.
        drop(fs::remove_file(self.manifest_path(generation)));
        let is_its = |path: &Path| {
            let name = path.file_name().and_then(OsStr::to_str);
            name.and_then(Of::named)
                .is_some_and(|of| of.generation == generation)
        };
        drop(self.remove(&self.rows_path(), is_its));
    }

    /// Makes a generation one that is there.
    pub(super) fn publish(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let path = self.manifest_path(manifest.generation);
        let unfinished = path.with_extension(UNFINISHED);
        durable::write(&path, &unfinished, manifest.encode()?.as_bytes()).map_err(failed(&path))
    }

    pub(super) fn rows_path(&self) -> PathBuf {
        self.root.join(ROWS)
    }

    fn generations_path(&self) -> PathBuf {
        self.root.join(GENERATIONS)
    }

    fn manifest_path(&self, number: u64) -> PathBuf {
        self.generations_path()
            .join(format!("{number:06}.manifest"))
    }
}

fn has(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn held(root: &Path, path: &Path, locked: Result<(), TryLockError>) -> Result<(), BackupError> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(root.to_owned())),
        // Some network file systems have no locks; there, nobody but the caller can see to it.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(failed(path)(error)),
    }
}
