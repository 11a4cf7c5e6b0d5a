//! What brings sealed layers into the store.
//!
//! ```text
//!   seal ──layer──▶ waiting, bounded ──▶ store.write, one layer a step ──▶ store.persist
//!   persisted() ◀──────────────────────── the LSN that this has reached ◀──────┘
//! ```
//!
//! As a rule it is a thread of its own. It also frees what is written and needed no more: tens of
//! thousands of rows, which the partition's thread would stand still for. Where nothing may have
//! a thread, the caller writes the layers, one by one, when it likes. Either stops at the first
//! error, which everybody who comes after is told.

use super::layer::Layer;
use super::{Store, TablesError};
use crate::Lsn;
use latchwork_engine::mutation::Mutation;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// Layers that wait. As many, and one, may be on their way to the disk; whoever seals one more
/// waits, or writes one.
const WAITING_MAX: usize = 2;

/// What the thread is given.
enum Work {
    Write(Arc<Layer>),
    /// Nobody else reads it.
    Free(Arc<Layer>),
}

/// What is told of the writing.
struct Progress {
    persisted: AtomicU64,
    failure: OnceLock<TablesError>,
}

/// The way into the store.
pub(super) struct Flusher {
    progress: Arc<Progress>,
    writer: Writer,
}

/// Who writes.
enum Writer {
    Thread(SyncSender<Work>, JoinHandle<()>),
    Caller {
        store: Arc<dyn Store>,
        waiting: VecDeque<Arc<Layer>>,
    },
    /// Nobody any more.
    Stopped,
}

impl Flusher {
    /// Starts the thread; `persisted` is what the store holds.
    pub(super) fn start(store: Arc<impl Store>, persisted: Lsn) -> Result<Self, TablesError> {
        let progress = Progress::from(persisted);
        let (works, arriving) = sync_channel(WAITING_MAX);
        let told = progress.clone();
        let thread = std::thread::Builder::new()
            .name("tables".into())
            .spawn(move || {
                if let Err(error) = flush(&*store, &arriving, &told.persisted) {
                    // There is one thread, and this is the last that it does.
                    drop(told.failure.set(error));
                }
            })
            .map_err(|error| TablesError::NoThread {
                reason: error.to_string(),
            })?;
        Ok(Self {
            progress,
            writer: Writer::Thread(works, thread),
        })
    }

    /// One whose caller writes.
    pub(super) fn by_hand(store: Arc<impl Store>, persisted: Lsn) -> Self {
        Self {
            progress: Progress::from(persisted),
            writer: Writer::Caller {
                store,
                waiting: VecDeque::new(),
            },
        }
    }

    /// Everything up to this LSN is on disk and synced.
    pub(super) fn persisted(&self) -> Lsn {
        self.progress.persisted.load(Ordering::Acquire)
    }

    /// Whether a write has failed.
    pub(super) fn check(&self) -> Result<(), TablesError> {
        self.progress
            .failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Hands a layer over; waits, or writes one, while too many are on their way.
    pub(super) fn send(&mut self, layer: Arc<Layer>) -> Result<(), TablesError> {
        match &mut self.writer {
            Writer::Thread(works, _) => match works.send(Work::Write(layer)) {
                Ok(()) => self.check(),
                Err(_) => self.check().and(Err(TablesError::Gone)),
            },
            Writer::Caller { waiting, .. } => {
                waiting.push_back(layer);
                if waiting.len() > WAITING_MAX + 1 {
                    self.write_one()?;
                }
                self.check()
            }
            Writer::Stopped => self.check().and(Err(TablesError::Gone)),
        }
    }

    /// Writes the layer that waits the longest. False: none waits, or it is not the caller who
    /// writes.
    pub(super) fn write_one(&mut self) -> Result<bool, TablesError> {
        self.check()?;
        let Writer::Caller { store, waiting } = &mut self.writer else {
            return Ok(false);
        };
        let Some(layer) = waiting.pop_front() else {
            return Ok(false);
        };
        let mut rows = layer.rows.iter().map(|(key, value)| (key, value.as_ref()));
        let written = store.write(layer.lsn, &mut rows);
        let persisted = match Mutation::PersistSkipped.is_on() {
            false => written.and_then(|()| store.persist()),
            true => written,
        };
        match persisted {
            Ok(()) => self.progress.persisted.store(layer.lsn, Ordering::Release),
            // Nobody else writes, so this is the first failure.
            Err(error) => drop(self.progress.failure.set(error)),
        }
        self.check()?;
        Ok(true)
    }

    /// Has a layer freed, here only if the thread has too much to do.
    pub(super) fn free(&self, layer: Arc<Layer>) {
        if let Writer::Thread(works, _) = &self.writer {
            drop(works.try_send(Work::Free(layer)));
        }
    }

    /// Waits until all that was handed over is on disk, and ends the thread.
    pub(super) fn stop(&mut self) -> Result<(), TablesError> {
        while self.write_one()? {}
        self.end_thread()
    }

    fn end_thread(&mut self) -> Result<(), TablesError> {
        if let Writer::Thread(works, thread) = std::mem::replace(&mut self.writer, Writer::Stopped)
        {
            drop(works);
            thread.join().map_err(|_| TablesError::Gone)?;
        }
        self.check()
    }
}

impl Progress {
    fn from(persisted: Lsn) -> Arc<Self> {
        Arc::new(Self {
            persisted: AtomicU64::new(persisted),
            failure: OnceLock::new(),
        })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        // Whoever opens the store next must not meet this thread in it. If it has failed,
        // nobody is left to be told.
        drop(self.end_thread());
    }
}

fn flush(
    store: &impl Store,
    arriving: &Receiver<Work>,
    persisted: &AtomicU64,
) -> Result<(), TablesError> {
    while let Ok(first) = arriving.recv() {
        let mut written = None;
        // One sync for all that wait.
        for work in std::iter::once(first).chain(arriving.try_iter().take(WAITING_MAX)) {
            match work {
                Work::Free(layer) => drop(layer),
                Work::Write(layer) => {
                    let mut rows = layer.rows.iter().map(|(key, value)| (key, value.as_ref()));
                    store.write(layer.lsn, &mut rows)?;
                    written = Some(layer.lsn);
                }
            }
        }
        if let Some(lsn) = written {
            store.persist()?;
            persisted.store(lsn, Ordering::Release);
        }
    }
    Ok(())
}
