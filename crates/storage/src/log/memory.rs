//! The log in memory, for tests and simulation, with the faults that a disk or a network
//! has.
//!
//! Handles of one log share its records, as writers on several machines would share them.
//! Each has its own epoch; [`MemoryLog::writer`] makes one more.

use super::batch::Batch;
use super::{Cut, Log, LogError, Lsn, Records, Recovery};
use bytes::Bytes;
use latchwork_engine::mutation::Mutation;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written; the writer is told that it failed.
    Refused,
    /// Part of the batch is written; the writer is told that it failed. A crash cuts it.
    Torn,
    /// The batch is written, but its sync fails, and the writer is told so. It can be read
    /// until a crash, and is gone after it.
    Unsynced,
    /// The writer is not told. Whether the batch is there is for it to find out.
    Unknown {
        /// Whether it is.
        kept: bool,
    },
    /// Another writer has begun a newer epoch just before.
    Fenced,
}

#[derive(Debug, Default, Clone)]
struct Shared {
    records: VecDeque<Bytes>,
    /// The LSN of the last record that is gone.
    trimmed: Lsn,
    /// Records at the end that no sync has reached.
    unsynced: usize,
    /// Bytes of a torn batch.
    torn: u64,
    epoch: u64,
}

impl Shared {
    fn tail(&self) -> Lsn {
        self.trimmed + self.records.len() as Lsn + 1
    }
}

/// A writer of a log in memory.
#[derive(Debug, Default)]
pub struct MemoryLog {
    shared: Arc<Mutex<Shared>>,
    epoch: u64,
    faults: VecDeque<Option<Fault>>,
    poisoned: bool,
}

impl MemoryLog {
    /// A new log.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more writer of the same log, in its present epoch.
    pub fn writer(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            epoch: self.shared().epoch,
            ..Self::default()
        }
    }

    /// What becomes of the appends to come, in their order; `None` lets one succeed.
    pub fn script(&mut self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.faults.extend(faults);
    }

    /// What survives a crash of all writers, as it is found when it is opened again.
    pub fn crash(&self) -> (Self, Recovery) {
        let mut survived = self.shared().clone();
        let synced = survived.records.len() - survived.unsynced;
        survived.records.truncate(synced);
        survived.unsynced = 0;
        let bytes = std::mem::take(&mut survived.torn);
        let cut = (bytes > 0).then(|| Cut {
            file: "memory".into(),
            offset: survived
                .records
                .iter()
                .map(|record| record.len() as u64)
                .sum(),
            bytes,
        });
        let log = Self {
            epoch: survived.epoch,
            shared: Arc::new(Mutex::new(survived)),
            ..Self::default()
        };
        (log, Recovery { cut })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fenced(&self, expect: Lsn, epoch: u64) -> LogError {
        let shared = self.shared();
        LogError::Fenced {
            expect,
            tail: shared.tail(),
            epoch,
            log_epoch: shared.epoch,
        }
    }

    /// The writer must not go on.
    fn fail(&mut self) -> LogError {
        self.poisoned = true;
        LogError::Failed {
            file: "memory".into(),
            source: std::io::Error::other("the script says so"),
        }
    }
}

impl Log for MemoryLog {
    fn append(&mut self, batch: &mut Batch, expect: Lsn) -> Result<Lsn, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let fault = match batch.is_empty() {
            true => None,
            false => self.faults.pop_front().flatten(),
        };
        if fault == Some(Fault::Fenced) {
            self.shared().epoch += 1;
        }
        let stale = {
            let shared = self.shared();
            let fenced = self.epoch != shared.epoch && !Mutation::FenceIgnored.is_on();
            expect != shared.tail() || fenced
        };
        if stale {
            return Err(self.fenced(expect, self.epoch));
        }
        let kept = match fault {
            None | Some(Fault::Unsynced) => true,
            Some(Fault::Unknown { kept }) => kept,
            Some(Fault::Refused | Fault::Torn | Fault::Fenced) => false,
        };
        if kept {
            let records = batch.records().map(Bytes::copy_from_slice);
            self.shared().records.extend(records);
        }
        match fault {
            None => Ok(expect),
            Some(Fault::Unknown { .. }) => {
                self.poisoned = true;
                Err(LogError::Unknown { first: expect })
            }
            Some(Fault::Unsynced) => {
                self.shared().unsynced += batch.len() as usize;
                Err(self.fail())
            }
            Some(Fault::Torn) => {
                self.shared().torn += batch.bytes().len().div_ceil(2) as u64;
                Err(self.fail())
            }
            Some(Fault::Refused | Fault::Fenced) => Err(self.fail()),
        }
    }

    fn read(&self, from: Lsn) -> Result<Records<'_>, LogError> {
        let shared = self.shared();
        let (first, tail) = (shared.trimmed + 1, shared.tail());
        if from < first {
            return Err(LogError::Trimmed { first, asked: from });
        }
        if from > tail {
            return Err(LogError::Ahead { tail, asked: from });
        }
        let records: Vec<_> = (first..)
            .zip(shared.records.iter().cloned())
            .skip((from - first) as usize)
            .map(Ok)
            .collect();
        Ok(Box::new(records.into_iter()))
    }

    fn tail(&self) -> Lsn {
        self.shared().tail()
    }

    fn trim(&mut self, up_to: Lsn) -> Result<(), LogError> {
        let mut shared = self.shared();
        let synced = shared.records.len() - shared.unsynced;
        let gone = (up_to.saturating_sub(shared.trimmed) as usize).min(synced);
        shared.records.drain(..gone);
        shared.trimmed += gone as Lsn;
        Ok(())
    }

    fn fence(&mut self, epoch: u64) -> Result<(), LogError> {
        if epoch < self.shared().epoch {
            return Err(self.fenced(self.tail(), epoch));
        }
        self.shared().epoch = epoch;
        self.epoch = epoch;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{append, contents};

    fn after(fault: Fault) -> (MemoryLog, Result<Lsn, LogError>) {
        let mut log = MemoryLog::new();
        log.script([None, Some(fault)]);
        append(&mut log, &[b"first"]).unwrap();
        let second = append(&mut log, &[b"second", b"third"]);
        (log, second)
    }

    #[test]
    fn what_a_fault_leaves() {
        for (fault, before_crash, after_crash) in [
            (Fault::Refused, 1, 1),
            (Fault::Torn, 1, 1),
            (Fault::Unsynced, 3, 1),
            (Fault::Unknown { kept: true }, 3, 3),
            (Fault::Unknown { kept: false }, 1, 1),
            (Fault::Fenced, 1, 1),
        ] {
            let (log, second) = after(fault);
            assert!(second.is_err(), "{fault:?}");
            assert_eq!(contents(&log, 1).len(), before_crash, "{fault:?}");
            let (log, found) = log.crash();
            assert_eq!(contents(&log, 1).len(), after_crash, "{fault:?}");
            assert_eq!(found.cut.is_some(), fault == Fault::Torn);
        }
    }

    #[test]
    fn a_writer_that_failed_takes_no_more_and_one_after_a_crash_does() {
        let (mut log, _) = after(Fault::Unsynced);
        assert!(matches!(append(&mut log, &[b"x"]), Err(LogError::Poisoned)));
        let (mut log, _) = log.crash();
        assert_eq!(append(&mut log, &[b"x"]).unwrap(), 2);
    }

    #[test]
    fn a_newer_epoch_shuts_out_the_writer_of_an_older_one() {
        let mut old = MemoryLog::new();
        append(&mut old, &[b"mine"]).unwrap();
        let mut new = old.writer();
        new.fence(1).unwrap();
        let refused = append(&mut old, &[b"late"]);
        assert!(matches!(
            refused,
            Err(LogError::Fenced {
                epoch: 0,
                log_epoch: 1,
                ..
            })
        ));
        assert_eq!(append(&mut new, &[b"ours"]).unwrap(), 2);
        assert_eq!(contents(&old, 1).len(), 2);
    }
}
