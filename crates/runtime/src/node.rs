//! A node: opens a data directory, recovers, runs its partitions, and stops cleanly.
//!
//! Each partition has a thread here. One that is turned by hand is in `stepped.rs`; what both are
//! made of, in `assembly.rs`.

use crate::assembly::{Assembly, NodeLimits, Recovery, Surroundings};
use crate::backup::Backups;
use crate::clock::Clock;
use crate::deadlock;
use crate::dice::SystemDice;
use crate::directory;
use crate::handle::Handle;
use crate::inbox::{Inbox, Wakeup};
use crate::trace::Tracer;
use crate::transport::Transport;
use latchwork_engine::Halt;
use latchwork_storage::{DiskStore, FileLog, FileLogOptions, LogError, Lsn, Tables, TablesError};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// What a node needs to know.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The data directory; made if it is not there.
    pub directory: PathBuf,
    /// Number of partitions of a new directory. An old one keeps its number.
    pub partitions: u16,
    /// Bytes for the caches of the tables.
    pub cache_bytes: u64,
    /// What it may use.
    pub limits: NodeLimits,
}

/// Why a node could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has the directory.
    #[error(
        "another latchwork server is using the data directory {0}. Stop it first, or give this \
         one a directory of its own (--data-dir)."
    )]
    InUse(PathBuf),
    /// The directory cannot be used.
    #[error("cannot use the data directory {path}: {source}")]
    Directory {
        /// What was tried.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no data directory of a version that we know.
    #[error("{path} is not a data directory that this version can open: {reason}")]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was made with another number of partitions.
    #[error(
        "the data directory was made with {found} partitions and cannot be opened with {asked}; \
         leave out the setting, or begin with an empty directory"
    )]
    Partitions {
        /// What it has.
        found: u16,
        /// What was asked for.
        asked: u16,
    },
    /// What it holds cannot be read.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// Why a partition stopped for good.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The tables failed.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The engine cannot go on.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// A record is too large for its buffer.
    #[error("a record cannot be encoded: {0}")]
    Encode(#[from] prost::EncodeError),
    /// A record of the log cannot be read.
    #[error(
        "record {lsn} of the log cannot be decoded: {source}. Was it written by a newer version?"
    )]
    Decode {
        /// Which.
        lsn: Lsn,
        /// Why.
        source: prost::DecodeError,
    },
    /// A document of the registry cannot be read.
    #[error("the registry holds a document that cannot be read, {name}: {reason}")]
    Registry {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// The thread of a partition panicked.
    #[error("the thread of partition {0} panicked; this is a defect of the server")]
    Panicked(u16),
    /// Whoever turns it by hand has broken a turn off.
    #[error("a turn was broken off, as by a crash")]
    Interrupted,
    /// The system refuses a thread.
    #[error("cannot start the thread of a partition: {0}")]
    Thread(io::Error),
}

/// A running node.
pub struct Node {
    handle: Handle,
    backups: Arc<Backups>,
    threads: Vec<(u16, JoinHandle<Result<(), Fatal>>)>,
    fatal: mpsc::UnboundedReceiver<u16>,
    recovery: Recovery,
    deadlocks: AbortHandle,
    /// Held while the node runs: no other server may use the directory.
    _lock: File,
}

impl Node {
    /// Opens the directory, applies what the tables lack, and starts the partitions.
    /// Attempts run on `rim`, and what happens is told to the tracer.
    ///
    /// # Errors
    /// If the directory is in use, is not ours, or is damaged.
    pub fn open(
        options: &NodeOptions,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        tracer: Tracer,
        rim: &tokio::runtime::Handle,
    ) -> Result<Self, OpenError> {
        let directory = &options.directory;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Directory { path, source }
        };
        fs::create_dir_all(directory).map_err(failed(directory))?;
        let lock = directory::lock(directory)?;
        let identity = directory::identify(directory, options.partitions)?;
        let partitions = identity.partitions;
        directory::remove_unfinished_tables(directory)?;
        let disk = DiskStore::open(
            &directory::tables(directory),
            partitions,
            options.cache_bytes,
        )
        .map_err(Fatal::from)?;
        let mut assembly = Assembly::new(
            &options.limits,
            partitions,
            Surroundings {
                transport,
                clock: clock.clone(),
                dice: Arc::new(SystemDice),
                tracer,
                rim: rim.clone(),
            },
        );
        let mut loops = Vec::new();
        for (own, store) in (0..).zip(disk) {
            let path = directory::log(directory, own);
            let (log, found) = open_log(&path, own, &assembly)?;
            assembly.recovery.cut.extend(found);
            let tables = Tables::open(store).map_err(Fatal::from)?;
            loops.push(assembly.partition(own, Box::new(log), tables)?);
        }
        directory::sync_names(directory)?;
        let (handle, recovery) = (assembly.handle(), assembly.recovery);
        let (died, fatal) = mpsc::unbounded_channel();
        let mut threads = Vec::new();
        for partition in loops {
            let own = partition.own;
            let died = died.clone();
            let inbox = partition.inbox.clone();
            let thread = std::thread::Builder::new()
                .name(format!("partition-{own}"))
                .spawn(move || {
                    let watch = DeathWatch { own, inbox, died };
                    let result = partition.run();
                    if result.is_ok() {
                        std::mem::forget(watch);
                    }
                    result
                })
                .map_err(Fatal::Thread)?;
            threads.push((own, thread));
        }
        let deadlocks = rim.spawn(deadlock::watch(handle.clone())).abort_handle();
        let backups = Backups::new(handle.clone(), directory.clone(), identity.id, clock);
        Ok(Self {
            handle,
            backups: Arc::new(backups),
            threads,
            fatal,
            recovery,
            deadlocks,
            _lock: lock,
        })
    }

    /// The way in.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Makes backups of it.
    pub fn backups(&self) -> Arc<Backups> {
        self.backups.clone()
    }

    /// What was found when the directory was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Waits until a partition dies, which it should not.
    pub async fn died(&mut self) {
        // The sender lives in the threads: if all are gone, one has died too.
        self.fatal.recv().await;
    }

    /// Stops: no new work; attempts get `grace` to record what they have.
    ///
    /// # Errors
    /// The reason, if a partition had died or could not write its tables.
    pub async fn shutdown(self, grace: Duration) -> Result<(), Fatal> {
        let shared = &self.handle.shared;
        shared.draining.store(true, Ordering::Relaxed);
        for inbox in &shared.inboxes {
            inbox.push(Wakeup::Drain);
        }
        let until = Instant::now() + grace;
        while Instant::now() < until && self.running().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.deadlocks.abort();
        for inbox in &shared.inboxes {
            inbox.push(Wakeup::Stop);
        }
        let (done, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let mut result = Ok(());
            for (own, thread) in self.threads {
                let ended = thread.join().unwrap_or(Err(Fatal::Panicked(own)));
                result = result.and(ended);
            }
            // Whoever waits for this is still there.
            drop(done.send(result));
        });
        stopped.await.unwrap_or(Ok(()))
    }

    async fn running(&self) -> usize {
        let mut running = 0;
        for inbox in &self.handle.shared.inboxes {
            let (reply, heard) = oneshot::channel();
            inbox.push(Wakeup::Running(reply));
            running += heard.await.unwrap_or(0);
        }
        running
    }
}

/// Tells the node when a partition's thread ends in any way but the right one.
struct DeathWatch {
    own: u16,
    inbox: Arc<Inbox>,
    died: mpsc::UnboundedSender<u16>,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        // After a panic nobody else would tell those who wait, or still ask.
        self.inbox.close();
        // The node may be gone.
        let _ = self.died.send(self.own);
    }
}

/// Opens the log of a partition; says what was cut from its end.
fn open_log(
    path: &Path,
    own: u16,
    assembly: &Assembly,
) -> Result<(FileLog, Option<String>), Fatal> {
    let options = FileLogOptions {
        partition: own,
        meter: assembly.log_meter(own),
        ..FileLogOptions::default()
    };
    let (log, found) = FileLog::open(path, options)?;
    Ok((log, found.cut.map(|cut| cut.to_string())))
}
