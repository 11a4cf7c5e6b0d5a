//! Files that wait to become segments.
//!
//! ```text
//!   zero-filled beside the hot path ──▶ N.spare ──take──▶ a segment
//!                                          ▲                  │
//!                                          └──── recycle ─────┘ trimmed
//! ```
//!
//! Every block of a spare has been written once, so that syncing what goes into it later
//! has no metadata to commit. What it holds is of no account: a segment's salt tells its
//! own bytes from those.

use super::{LogError, failed};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// Spares that are kept; more are deleted.
const SPARES_MAX: usize = 2;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A file of a segment's size.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) path: PathBuf,
    /// Whether it may hold anything but zeros.
    pub(super) used: bool,
}

/// The spares of one log.
#[derive(Debug)]
pub(super) struct Spares {
    directory: PathBuf,
    /// Bytes of each.
    length: u64,
    ready: Vec<Spare>,
    preparing: Option<JoinHandle<Result<Spare, LogError>>>,
    /// Number that no spare has had.
    next: u64,
}

impl Spares {
    /// Takes up what an earlier run left; a file that was not finished, or has another
    /// size, is deleted.
    pub(super) fn find(directory: &Path, length: u64) -> Result<Self, LogError> {
        let mut spares = Self {
            directory: directory.to_owned(),
            length,
            ready: Vec::new(),
            preparing: None,
            next: 0,
        };
        for entry in fs::read_dir(directory).map_err(failed(directory))? {
            let path = entry.map_err(failed(directory))?.path();
            let number = || path.file_stem()?.to_str()?.parse::<u64>().ok();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("spare") => {
                    let found = fs::metadata(&path).map_err(failed(&path))?.len();
                    spares.next = spares.next.max(number().map_or(0, |number| number + 1));
                    if found == length && spares.ready.len() < SPARES_MAX {
                        spares.ready.push(Spare { path, used: true });
                    } else {
                        fs::remove_file(&path).map_err(failed(&path))?;
                    }
                }
                Some("new") => fs::remove_file(&path).map_err(failed(&path))?,
                _ => {}
            }
        }
        Ok(spares)
    }

    /// Bytes of each spare.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Begins to make a spare, if there is none.
    pub(super) fn prepare(&mut self) {
        if self.preparing.is_some() || !self.ready.is_empty() {
            return;
        }
        let (path, length) = (self.number("new"), self.length);
        // If the system gives no thread, `take` makes the spare when it is needed.
        self.preparing = std::thread::Builder::new()
            .name("log-spare".into())
            .spawn(move || make(&path, length))
            .ok();
    }

    /// A spare; waits for it if need be.
    pub(super) fn take(&mut self) -> Result<Spare, LogError> {
        if let Some(spare) = self.ready.pop() {
            return Ok(spare);
        }
        match self.preparing.take().map(JoinHandle::join) {
            Some(Ok(made)) => made,
            Some(Err(_)) | None => make(&self.number("new"), self.length),
        }
    }

    /// Makes a file of its own for one batch of rare size. It is not zero-filled: it is
    /// written once, and its first sync may as well commit its blocks.
    pub(super) fn large(&mut self, length: u64) -> Result<Spare, LogError> {
        let path = self.number("new");
        File::create(&path)
            .and_then(|file| file.set_len(length))
            .map_err(failed(&path))?;
        Ok(Spare { path, used: false })
    }

    /// Keeps the file of a trimmed segment, or deletes it. The caller syncs the directory.
    pub(super) fn recycle(&mut self, path: &Path, length: u64) -> Result<(), LogError> {
        let waiting = self.ready.len() + usize::from(self.preparing.is_some());
        if length != self.length || waiting >= SPARES_MAX {
            return fs::remove_file(path).map_err(failed(path));
        }
        let spare = self.number("spare");
        fs::rename(path, &spare).map_err(failed(path))?;
        self.ready.push(Spare {
            path: spare,
            used: true,
        });
        Ok(())
    }

    fn number(&mut self, extension: &str) -> PathBuf {
        let number = self.next;
        self.next += 1;
        self.directory.join(format!("{number}.{extension}"))
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        // Whoever opens the directory next must not meet a file that is still being made.
        if let Some(preparing) = self.preparing.take() {
            drop(preparing.join());
        }
    }
}

/// Writes zeros into `path`, and gives it the name of a spare when they are on disk.
fn make(path: &Path, length: u64) -> Result<Spare, LogError> {
    let spare = path.with_extension("spare");
    fill(path, length)
        .and_then(|()| fs::rename(path, &spare))
        .map_err(failed(path))?;
    Ok(Spare {
        path: spare,
        used: false,
    })
}

fn fill(path: &Path, length: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut left = length;
    while left > 0 {
        let len = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..len as usize])?;
        left -= len;
    }
    file.sync_all()
}
