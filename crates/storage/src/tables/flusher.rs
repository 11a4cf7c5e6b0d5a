//! The thread that writes sealed layers into the store.
//!
//! ```text
//!   seal ──layer──▶ bounded channel ──▶ store.write, one layer a step ──▶ store.persist
//!   persisted() ◀──────────────────────── the LSN that this has reached ◀──────┘
//! ```
//!
//! It also frees what is written and needed no more: tens of thousands of rows, which the
//! partition's thread would stand still for. It stops at the first error, which everybody who comes after is told.

use super::layer::Layer;
use super::{Store, TablesError};
use crate::Lsn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// Layers that wait in the channel. As many, and one, may be on their way to the disk;
/// whoever seals one more waits.
const WAITING_MAX: usize = 2;

/// What the thread is given.
enum Work {
    Write(Arc<Layer>),
    /// Nobody else reads it.
    Free(Arc<Layer>),
}

/// What the thread tells.
struct Progress {
    persisted: AtomicU64,
    failure: OnceLock<TablesError>,
}

/// The thread, and the way to it.
pub(super) struct Flusher {
    progress: Arc<Progress>,
    /// Absent once it was stopped.
    thread: Option<(SyncSender<Work>, JoinHandle<()>)>,
}

impl Flusher {
    /// Starts the thread; `persisted` is what the store holds.
    pub(super) fn start(store: Arc<impl Store>, persisted: Lsn) -> Result<Self, TablesError> {
        let progress = Arc::new(Progress {
            persisted: AtomicU64::new(persisted),
            failure: OnceLock::new(),
        });
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
            thread: Some((works, thread)),
        })
    }

    /// Everything up to this LSN is on disk and synced.
    pub(super) fn persisted(&self) -> Lsn {
        self.progress.persisted.load(Ordering::Acquire)
    }

    /// Whether the thread has failed.
    pub(super) fn check(&self) -> Result<(), TablesError> {
        self.progress
            .failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Hands a layer over; waits while too many are on their way.
    pub(super) fn send(&self, layer: Arc<Layer>) -> Result<(), TablesError> {
        let thread = self.thread.as_ref();
        let sent = thread.map(|(works, _)| works.send(Work::Write(layer)));
        match sent {
            Some(Ok(())) => self.check(),
            Some(Err(_)) | None => self.check().and(Err(TablesError::Gone)),
        }
    }

    /// Has a layer freed, here only if the thread has too much to do.
    pub(super) fn free(&self, layer: Arc<Layer>) {
        if let Some((works, _)) = &self.thread {
            drop(works.try_send(Work::Free(layer)));
        }
    }

    /// Waits until all that was handed over is on disk, and ends the thread.
    pub(super) fn stop(&mut self) -> Result<(), TablesError> {
        if let Some((works, thread)) = self.thread.take() {
            drop(works);
            thread.join().map_err(|_| TablesError::Gone)?;
        }
        self.check()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        // Whoever opens the store next must not meet this thread in it. If it has failed,
        // nobody is left to be told.
        drop(self.stop());
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
