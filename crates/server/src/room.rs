//! Room on the disk of the data directory: is there enough for new work?
//!
//! A log that cannot be written stops the server. So new work is refused while there still is room for
//! what was accepted before: its steps and its outcome go on, reads are answered, and new work is taken
//! again as soon as there is room.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long an answer of the system counts.
const PERIOD: Duration = Duration::from_millis(100);

/// The room that there is, looked at when somebody asks.
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
    /// Free bytes below which new work is refused.
    needed: u64,
    last: Mutex<Option<(Instant, u64)>>,
}

/// There is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk of the server's data directory is nearly full ({free} bytes are left, {needed} are needed for new \
     work), so the request was not accepted [LW0005]. What was accepted before goes on; try again when there is \
     room"
)]
pub struct Full {
    /// Bytes that are left.
    free: u64,
    /// Bytes that must be.
    needed: u64,
}

impl Room {
    /// That of `directory`, whose disk should have `disk_bytes_min` free bytes. Half of them are for
    /// what was accepted: health checks tell of the trouble before anything is refused.
    pub fn new(directory: PathBuf, disk_bytes_min: u64) -> Self {
        Self {
            directory,
            needed: disk_bytes_min / 2,
            last: Mutex::default(),
        }
    }

    /// Refuses new work while there is no room for it.
    ///
    /// # Errors
    /// If there is too little.
    pub fn check(&self) -> Result<(), Full> {
        match self.free() {
            Some(free) if free < self.needed => Err(Full {
                free,
                needed: self.needed,
            }),
            _ => Ok(()),
        }
    }

    /// Free bytes, as of a moment ago; none: the system does not say.
    fn free(&self) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, free)) if at.elapsed() < PERIOD => Some(free),
            _ => {
                let disk = rustix::fs::statvfs(&self.directory).ok()?;
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                *last = Some((Instant::now(), free));
                Some(free)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_work_is_refused_below_half_of_what_should_be_free() {
        let room = |bytes| Room::new(std::env::temp_dir(), bytes);
        assert_eq!(room(0).check(), Ok(()));
        // No disk is so large.
        let full = room(u64::MAX).check().unwrap_err();
        assert_eq!(full.needed, u64::MAX / 2);
        assert!(full.to_string().contains("LW0005"), "{full}");
    }

    #[test]
    fn where_the_system_does_not_say_nothing_is_refused() {
        let nowhere = std::env::temp_dir().join("latchwork-no-such-directory");
        assert_eq!(Room::new(nowhere, u64::MAX).check(), Ok(()));
    }
}
