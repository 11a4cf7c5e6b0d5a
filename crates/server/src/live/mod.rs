//! What the server does, as it does it, for the overview of the web UI: the runtime's counters
//! come in, samples of the last hour go out, as server-sent events.
//!
//! ```text
//!   Handle::metrics ──every 5 s──▶ sample ──▶ ring of an hour ─┐
//!   tables, while somebody watches ──▶ census ─────────────────┴▶ Board ──▶ GET /live
//! ```
//!
//! Start at [`watch`], the loop; [`Live::events`] is what one browser gets. Counters are read
//! without holding anybody up, so sampling goes on also when nobody watches; rows are counted only
//! while somebody does. Absent on purpose: anything that outlives the process. Whoever wants more
//! than an hour scrapes the metrics.

mod census;
mod handlers;
mod stream;

use crate::health::Health;
use census::Census;
use handlers::{HandlerHour, Hour};
use latchwork_runtime::metrics::{Metrics, Observed};
use latchwork_runtime::{Clock, Handle};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};

pub(crate) use stream::Refused;

/// The time between two samples.
const PERIOD: Duration = Duration::from_secs(5);
/// Samples of an hour.
const SAMPLES: usize = 720;
/// Browsers that may watch at a time.
const WATCHERS_MAX: usize = 64;

/// What happened since the sample before.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// When it was taken, in ms since 1970.
    at: u64,
    /// How long it is about, in ms.
    over_ms: u64,
    /// Invocations that were accepted.
    accepted: u64,
    /// Invocations that ended with a value.
    succeeded: u64,
    /// Invocations that ended with a failure, also of those who were told to stop.
    failed: u64,
    /// Attempts that failed.
    attempts_failed: u64,
    /// From acceptance to end, of those that ended: the middle, in ms.
    p50_ms: Option<f64>,
    /// The same, of the slowest in a hundred.
    p99_ms: Option<f64>,
}

/// How the node is just now.
#[derive(Debug, Clone, Default, Serialize)]
struct Now {
    /// Attempts that run, and how many may.
    running: u64,
    slots: u64,
    /// Invocations that wait for a slot.
    ready: u64,
    partitions: Vec<PartitionNow>,
    /// Bytes that are free on the disk of the data directory, and its size.
    disk_free: Option<u64>,
    disk_size: Option<u64>,
    /// What keeps work from being done.
    troubles: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct PartitionNow {
    /// The last records of its log, of its tables, and of what is on disk.
    appended: u64,
    applied: u64,
    persisted: u64,
    /// Bytes of its log's files.
    log_bytes: u64,
    /// Bytes of its tables that are in memory.
    memory_bytes: u64,
}

/// Everything that is shown.
#[derive(Debug, Clone, Default, Serialize)]
struct Board {
    samples: VecDeque<Sample>,
    handlers: Vec<HandlerHour>,
    now: Now,
    census: Option<Census>,
}

/// Where browsers are given what is shown.
pub(crate) struct Live {
    board: watch::Receiver<Arc<Board>>,
    /// Somebody has begun to watch.
    came: Arc<Notify>,
    room: Arc<Semaphore>,
}

/// The other half, for [`watch`].
pub(crate) struct Sampler {
    board: watch::Sender<Arc<Board>>,
    came: Arc<Notify>,
    room: Arc<Semaphore>,
}

/// What is sampled.
pub(crate) struct Watched {
    /// The partitions.
    pub(crate) handle: Handle,
    /// Dates samples.
    pub(crate) clock: Arc<dyn Clock>,
    /// What is wrong.
    pub(crate) health: Arc<Health>,
    /// The data directory, for its disk.
    pub(crate) directory: PathBuf,
}

/// Both halves. Streams end when the sampler is dropped.
pub(crate) fn halves() -> (Live, Sampler) {
    let (sender, receiver) = watch::channel(Arc::default());
    let came = Arc::new(Notify::new());
    let room = Arc::new(Semaphore::new(WATCHERS_MAX));
    let live = Live {
        board: receiver,
        came: came.clone(),
        room: room.clone(),
    };
    let sampler = Sampler {
        board: sender,
        came,
        room,
    };
    (live, sampler)
}

/// Takes samples for ever.
pub(crate) async fn watch(sampler: Sampler, watched: Watched) {
    let mut taker = census::Taker::default();
    let mut board = Board::default();
    let mut hour = Hour::new(&watched.handle.metrics().handlers.all());
    let mut last = Totals::of(watched.handle.metrics(), watched.clock.now_ms());
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    board.now = look(&watched);
    loop {
        let is_watched = sampler.room.available_permits() < WATCHERS_MAX;
        tokio::select! {
            _ = ticks.tick() => {
                let totals = Totals::of(watched.handle.metrics(), watched.clock.now_ms());
                if board.samples.len() == SAMPLES {
                    board.samples.pop_front();
                }
                board.samples.push_back(totals.since(&last));
                last = totals;
                hour.turn(&watched.handle.metrics().handlers.all());
            }
            () = sampler.came.notified() => {}
            counted = taker.counted(&watched.handle, &watched.clock, is_watched) => {
                board.census = counted;
            }
        }
        board.now = look(&watched);
        board.handlers = hour.rows(&watched.handle.metrics().handlers.all());
        // Nobody may be watching.
        sampler.board.send_replace(Arc::new(board.clone()));
    }
}

fn look(watched: &Watched) -> Now {
    let metrics = watched.handle.metrics();
    let disk = rustix::fs::statvfs(&watched.directory).ok();
    Now {
        running: metrics.partitions.iter().map(|it| it.running.get()).sum(),
        slots: metrics.slots.get(),
        ready: metrics.partitions.iter().map(|it| it.ready.get()).sum(),
        partitions: metrics
            .partitions
            .iter()
            .map(|partition| PartitionNow {
                appended: partition.appended_lsn.get(),
                applied: partition.applied_lsn.get(),
                persisted: partition.persisted_lsn.get(),
                log_bytes: partition.log.segment_bytes.get(),
                memory_bytes: partition.active_bytes.get() + partition.sealed_bytes.get(),
            })
            .collect(),
        disk_free: disk
            .as_ref()
            .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        disk_size: disk.map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
        troubles: watched
            .health
            .troubles()
            .iter()
            .map(|trouble| trouble.message.clone())
            .collect(),
    }
}

/// The counters of all handlers together, at one time.
#[derive(Debug, Clone)]
struct Totals {
    at: u64,
    accepted: u64,
    succeeded: u64,
    failed: u64,
    attempts_failed: u64,
    latency: Option<Observed>,
}

impl Totals {
    fn of(metrics: &Metrics, at: u64) -> Self {
        let mut totals = Self {
            at,
            accepted: 0,
            succeeded: 0,
            failed: 0,
            attempts_failed: 0,
            latency: None,
        };
        for handler in metrics.handlers.all() {
            let counts = handlers::Counts::of(&handler);
            totals.accepted += counts.accepted;
            totals.succeeded += counts.succeeded;
            totals.failed += counts.failed;
            totals.attempts_failed += counts.attempts_failed;
            match &mut totals.latency {
                None => totals.latency = Some(counts.latency),
                Some(sum) => handlers::add(sum, &counts.latency),
            }
        }
        totals
    }

    /// What happened since an earlier time.
    fn since(&self, before: &Self) -> Sample {
        let latency = match (&self.latency, &before.latency) {
            (Some(now), Some(before)) => Some(handlers::between(now, before)),
            (now, _) => now.clone(),
        };
        let of = |share| {
            latency
                .as_ref()
                .and_then(|seen| handlers::quantile_ms(seen, share))
        };
        Sample {
            at: self.at,
            over_ms: self.at.saturating_sub(before.at),
            accepted: self.accepted.saturating_sub(before.accepted),
            succeeded: self.succeeded.saturating_sub(before.succeeded),
            failed: self.failed.saturating_sub(before.failed),
            attempts_failed: self.attempts_failed.saturating_sub(before.attempts_failed),
            p50_ms: of(0.5),
            p99_ms: of(0.99),
        }
    }
}
