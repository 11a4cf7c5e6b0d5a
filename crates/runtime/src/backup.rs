//! Backups of a running node: where to comes in, a generation in that directory goes out.
//!
//! ```text
//!   begin: is it a place for backups? ─▶ all tables at one moment ─▶ a thread of its own, that stands
//!   back: reads the tables held still, writes what differs ─▶ removes what need not be kept
//! ```
//!
//! The loops do no more for it than for one SQL statement: they hold their tables still, once. What is
//! in the directory is `latchwork_storage::backup`'s; why one moment is enough, `together` says.

use crate::clock::Clock;
use crate::directory;
use crate::handle::{AskError, Handle};
use crate::priority::yield_to_others;
use latchwork_storage::Snapshot;
use latchwork_storage::backup::{
    self, BackupDirectory, BackupError, Facts, Progress, Source, Written,
};
use serde::Serialize;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

/// How often whoever waits hears of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// How far the thread stands back behind those that serve.
const NICENESS: i32 = 10;

/// Makes backups of one node.
pub struct Backups {
    handle: Handle,
    data: PathBuf,
    origin: String,
    clock: Arc<dyn Clock>,
    /// One at a time: two would only slow each other.
    running: Arc<Mutex<()>>,
}

/// Where a backup goes, and what becomes of older ones.
#[derive(Debug, Clone)]
pub struct BackupWish {
    /// The directory of backups; it is made if only it itself is missing.
    pub directory: PathBuf,
    /// So many generations stay, the new one included; nothing: all.
    pub keep: Option<usize>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupRefusal {
    /// The directory is given relative to something that the server does not know.
    #[error(
        "{} is not absolute: name the directory on the server's machine from its root on, such as \
         /var/backups/latchwork", .0.display()
    )]
    NotAbsolute(PathBuf),
    /// The directory cannot be found.
    #[error(
        "{path} cannot be used for backups: {source}. The directory above it must be there (is the disk \
         mounted?), and the server must be allowed to write.", path = path.display()
    )]
    Place {
        /// What was looked at.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory would be lost together with what it is a backup of.
    #[error(
        "{} is inside the data directory {}: what happens to the one happens to the other. Give another, at \
         best on another disk.", directory.display(), data.display()
    )]
    Inside {
        /// The directory of backups.
        directory: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// Nothing would be left.
    #[error("\"keep\" is at least 1: the backup that is made now")]
    KeepsNone,
    /// There is one already.
    #[error("this server is making a backup already: wait until that has ended")]
    Running,
    /// The system gives no thread.
    #[error("no thread to write the backup with: {0}. Allow more threads, then try again.")]
    NoThread(io::Error),
    /// The partitions do not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It could not be written.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize)]
pub struct BackupReport {
    /// Where it is.
    pub directory: PathBuf,
    /// The number of the generation.
    pub generation: u64,
    /// The moment that it is of, in ms since 1970: what was acknowledged before is in it.
    pub taken_at: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes of those that are new.
    pub written_bytes: u64,
    /// Bytes of those that earlier generations had written.
    pub reused_bytes: u64,
    /// How many of its files are new.
    pub files_written: usize,
    /// How many were there.
    pub files_reused: usize,
    /// What it holds.
    pub partitions: Vec<PartitionReport>,
    /// Generations that were removed.
    pub removed: Vec<u64>,
    /// Bytes that this has freed.
    pub freed_bytes: u64,
    /// What is not as it should be.
    pub remarks: Vec<String>,
}

/// One partition in it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PartitionReport {
    /// Its number.
    pub partition: usize,
    /// The last record whose effects are in it.
    pub lsn: u64,
    /// How many rows there are.
    pub rows: u64,
}

impl Backups {
    /// Of the node behind a handle, which has its data in this directory and calls it so.
    pub fn new(handle: Handle, data: PathBuf, origin: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            handle,
            data,
            origin,
            clock,
            running: Arc::default(),
        }
    }

    /// Takes the directory for a backup. Touches files, so not on a thread that serves others.
    ///
    /// # Errors
    /// If it is no place for one, or one is being made.
    pub fn begin(&self, wish: BackupWish) -> Result<BegunBackup, BackupRefusal> {
        if wish.keep == Some(0) {
            return Err(BackupRefusal::KeepsNone);
        }
        let running = self.running.clone().try_lock_owned();
        let running = running.map_err(|_| BackupRefusal::Running)?;
        let root = place(&wish.directory, &self.data)?;
        let directory = BackupDirectory::take(&root)?;
        directory.check_origin(&self.origin)?;
        Ok(BegunBackup {
            directory,
            keep: wish.keep,
            handle: self.handle.clone(),
            origin: self.origin.clone(),
            clock: self.clock.clone(),
            _running: running,
        })
    }
}

/// Where a directory of backups really is, if it may be there.
fn place(asked: &Path, data: &Path) -> Result<PathBuf, BackupRefusal> {
    if !asked.is_absolute() {
        return Err(BackupRefusal::NotAbsolute(asked.to_owned()));
    }
    let found = |path: &Path| {
        path.canonicalize().map_err(|source| BackupRefusal::Place {
            path: path.to_owned(),
            source,
        })
    };
    let root = match (asked.exists(), asked.parent(), asked.file_name()) {
        (false, Some(parent), Some(name)) => found(parent)?.join(name),
        _ => found(asked)?,
    };
    let data = found(data)?;
    if root.starts_with(&data) {
        return Err(BackupRefusal::Inside {
            directory: root,
            data,
        });
    }
    Ok(root)
}

/// A backup whose place is settled.
pub struct BegunBackup {
    directory: BackupDirectory,
    keep: Option<usize>,
    handle: Handle,
    origin: String,
    clock: Arc<dyn Clock>,
    _running: OwnedMutexGuard<()>,
}

impl BegunBackup {
    /// Makes it. `told` hears of progress; when nobody listens there any more, or the server is to
    /// stop, it is given up and nothing of it is kept.
    ///
    /// # Errors
    /// If it cannot be made; older generations are as they were.
    pub async fn run(self, told: mpsc::Sender<Progress>) -> Result<BackupReport, BackupRefusal> {
        let began = Instant::now();
        let facts = Facts {
            taken_at: self.clock.now_ms(),
            server: env!("CARGO_PKG_VERSION").to_owned(),
            origin: self.origin.clone(),
            data_format: directory::FORMAT,
        };
        let moments = self.handle.together().await?;
        let (done, heard) = oneshot::channel();
        std::thread::Builder::new()
            .name("backup".into())
            .spawn(move || {
                yield_to_others(NICENESS);
                let written = self.write(moments, &facts, &told, began);
                // Whoever hears of the end may go on to read the directory.
                drop(self);
                // Whoever waits may have gone away.
                drop(done.send(written));
            })
            .map_err(BackupRefusal::NoThread)?;
        heard.await.unwrap_or(Err(BackupError::Stopped.into()))
    }

    fn write(
        &self,
        moments: Vec<Snapshot>,
        facts: &Facts,
        told: &mpsc::Sender<Progress>,
        began: Instant,
    ) -> Result<BackupReport, BackupRefusal> {
        let sources: Vec<_> = moments
            .iter()
            .map(|moment| Source {
                lsn: moment.lsn(),
                view: moment,
            })
            .collect();
        let mut last = Instant::now();
        let mut tell = |progress| {
            if told.is_closed() || self.handle.is_draining() {
                return ControlFlow::Break(());
            }
            if last.elapsed() >= TELL_EVERY {
                last = Instant::now();
                // Who is slow to listen hears of later progress.
                let _ = told.try_send(progress);
            }
            ControlFlow::Continue(())
        };
        let written = backup::write(&self.directory, &sources, facts, &mut tell)?;
        // What was held still costs memory and disk until here.
        drop(sources);
        drop(moments);
        let mut report = self.report(written);
        if let Some(keep) = self.keep {
            match self.directory.prune(keep) {
                Ok((removed, freed)) => {
                    report.removed = removed;
                    report.freed_bytes = freed;
                }
                Err(error) => report
                    .remarks
                    .push(format!("older generations were not removed: {error}")),
            }
        }
        report.duration_ms = began.elapsed().as_millis() as u64;
        Ok(report)
    }

    fn report(&self, written: Written) -> BackupReport {
        let manifest = written.manifest;
        let partitions = manifest.partitions.iter().enumerate();
        BackupReport {
            directory: self.directory.root().to_owned(),
            generation: manifest.generation,
            taken_at: manifest.taken_at,
            duration_ms: 0,
            bytes: manifest.bytes(),
            written_bytes: written.written_bytes,
            reused_bytes: written.reused_bytes,
            files_written: manifest.files.len() - written.files_reused,
            files_reused: written.files_reused,
            partitions: partitions
                .map(|(partition, entry)| PartitionReport {
                    partition,
                    lsn: entry.lsn,
                    rows: entry.rows,
                })
                .collect(),
            removed: Vec::new(),
            freed_bytes: 0,
            remarks: written.remarks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_absolute_there_and_outside() {
        let room = tempfile::tempdir().unwrap();
        let data = room.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let at = |path: &str| place(&room.path().join(path), &data);
        assert!(at("backups").unwrap().ends_with("backups"));
        assert!(at("data-backups").is_ok(), "a name that only begins alike");
        assert!(matches!(at("data"), Err(BackupRefusal::Inside { .. })));
        assert!(matches!(
            at("data/backups"),
            Err(BackupRefusal::Inside { .. })
        ));
        assert!(matches!(
            at("data/../data/b"),
            Err(BackupRefusal::Inside { .. })
        ));
        std::os::unix::fs::symlink(&data, room.path().join("link")).unwrap();
        assert!(matches!(
            at("link/backups"),
            Err(BackupRefusal::Inside { .. })
        ));
        assert!(matches!(at("no/backups"), Err(BackupRefusal::Place { .. })));
        let relative = place(Path::new("backups"), &data);
        assert!(matches!(relative, Err(BackupRefusal::NotAbsolute(_))));
    }
}
