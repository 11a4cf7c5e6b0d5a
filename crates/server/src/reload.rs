//! Files that are read again when they change, or when the server gets SIGHUP: tokens, certificates.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::Signal;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Some files, and what is done when one of them changes.
pub(crate) struct Reload {
    /// Looked at by their times and sizes.
    pub(crate) files: Vec<PathBuf>,
    /// Reads them again. It tells of what it cannot use, and keeps what was.
    pub(crate) read: Box<dyn Fn() + Send + Sync>,
}

/// What tells that a file has changed; it follows links, which is how secrets are swapped in
/// containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    file: u64,
}

impl Reload {
    fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamp = |path: &PathBuf| {
            let data = std::fs::metadata(path).ok()?;
            Some(Stamp {
                modified: data.modified().ok(),
                bytes: data.len(),
                file: std::os::unix::fs::MetadataExt::ino(&data),
            })
        };
        self.files.iter().map(stamp).collect()
    }
}

/// Looks until it is dropped.
pub(crate) async fn watch(mut hangup: Signal, all: Vec<Reload>) {
    let mut seen: Vec<_> = all.iter().map(Reload::stamps).collect();
    let mut turns = tokio::time::interval(EVERY);
    loop {
        let is_told = tokio::select! {
            _ = hangup.recv() => true,
            _ = turns.tick() => false,
        };
        for (one, seen) in all.iter().zip(&mut seen) {
            let found = one.stamps();
            if is_told || found != *seen {
                *seen = found;
                (one.read)();
            }
        }
    }
}
