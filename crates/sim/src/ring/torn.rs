//! The log in files, and what a power cut leaves of its last write: any of its sectors.

use super::faults::Fates;
use latchwork_storage::{Batch, FileLog, FileLogOptions, Log, LogError, Lsn, Records};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Small, so that worlds see many of them.
const SEGMENT_BYTES: u64 = 16 << 10;
/// What disks write as a whole, in bytes: a line of persistent memory, a sector.
const SECTORS: [usize; 2] = [64, 512];
/// Where a sync costs nothing, if there is such a place.
const IN_MEMORY: &str = "/dev/shm";

/// A directory with a log.
pub(super) struct TornLog {
    fates: Arc<Fates>,
    directory: Arc<tempfile::TempDir>,
}

impl TornLog {
    pub(super) fn new(fates: &Arc<Fates>) -> Self {
        let memory = Path::new(IN_MEMORY);
        let directory = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Self {
            fates: fates.clone(),
            directory: Arc::new(directory.expect("a directory for a log")),
        }
    }

    /// Opens it as a start of the server would.
    pub(super) fn open(&self) -> Result<TornWriter, LogError> {
        let options = FileLogOptions {
            segment_bytes: SEGMENT_BYTES,
            direct: false,
            ..FileLogOptions::default()
        };
        let (log, found) = FileLog::open(self.directory.path(), options)?;
        if let Some(cut) = found.cut {
            self.fates
                .say(format_args!("a torn tail of {} bytes is cut", cut.bytes));
        }
        Ok(TornWriter {
            fates: self.fates.clone(),
            directory: self.directory.clone(),
            log,
            dead: false,
        })
    }
}

/// The log, open.
pub(super) struct TornWriter {
    fates: Arc<Fates>,
    directory: Arc<tempfile::TempDir>,
    log: FileLog,
    dead: bool,
}

impl TornWriter {
    /// Appends, and leaves of what that changed on the disk any part.
    fn tear(&mut self, batch: &mut Batch, expect: Lsn) -> Result<(), LogError> {
        let before = files(self.directory.path()).map_err(failed)?;
        self.log.append(batch, expect)?;
        let after = files(self.directory.path()).map_err(failed)?;
        let sector = SECTORS[self.fates.below(2) as usize];
        let reaches = [0, 300, 700, 1000][self.fates.below(4) as usize];
        let same_files = before.keys().eq(after.keys());
        for (path, new) in &after {
            let Some(old) = before.get(path) else {
                continue;
            };
            if !same_files || old.len() != new.len() || old == new {
                continue;
            }
            let mut left = new.clone();
            for (new, old) in left.chunks_mut(sector).zip(old.chunks(sector)) {
                if new != old && !self.fates.chance(reaches) {
                    new.copy_from_slice(old);
                }
            }
            std::fs::write(path, left).map_err(failed)?;
        }
        Ok(())
    }
}

impl Log for TornWriter {
    fn append(&mut self, batch: &mut Batch, expect: Lsn) -> Result<Lsn, LogError> {
        if self.dead {
            return Err(LogError::Poisoned);
        }
        if batch.is_empty() || !self.fates.strikes(|rates| rates.append) {
            return self.log.append(batch, expect);
        }
        self.dead = true;
        if self.fates.chance(300) {
            self.fates.say(format_args!("no room to append {expect}"));
            return Err(failed(io::ErrorKind::StorageFull.into()));
        }
        self.fates
            .say(format_args!("the power fails while {expect} is appended"));
        self.tear(batch, expect)?;
        Err(LogError::Unknown { first: expect })
    }

    fn read(&self, from: Lsn) -> Result<Records<'_>, LogError> {
        self.log.read(from)
    }

    fn tail(&self) -> Lsn {
        self.log.tail()
    }

    fn trim(&mut self, up_to: Lsn) -> Result<(), LogError> {
        self.log.trim(up_to)
    }

    fn fence(&mut self, epoch: u64) -> Result<(), LogError> {
        self.log.fence(epoch)
    }
}

/// Without the directory, which has another name in each run.
fn failed(source: io::Error) -> LogError {
    LogError::Failed {
        file: "simulated".into(),
        source,
    }
}

/// The segments of a directory, whole. Spares are of no account.
fn files(directory: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let bytes = std::fs::read(&path)?;
            files.insert(path, bytes);
        }
    }
    Ok(files)
}
