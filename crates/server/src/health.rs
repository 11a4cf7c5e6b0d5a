//! Whether work is done: what is seen of the partitions and the disk comes in, troubles go out.
//!
//! ```text
//!   every few seconds:  partitions, disk ──look──▶ Seen ──judge──▶ troubles ──▶ Health
//!                                                                               │
//!                                         GET /health, GET /restate/health ◀────┘
//! ```
//!
//! A process that answers is not enough: what was accepted must also move. A loop that does not
//! turn, tables that fall behind the log and a disk that is nearly full are seen here, and the
//! health checks answer 503 with the reason until it is gone.

use latchwork_runtime::{AskError, Handle, Standing};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(2);
/// A loop that takes longer for a turn does not turn: a slow sync takes a fraction of it.
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// Tables may be behind for so long: they are written out every few seconds.
const BEHIND_LIMIT: Duration = Duration::from_secs(60);

const PARTITION_STUCK: &str = "partition_stuck";
const PARTITION_STOPPED: &str = "partition_stopped";
const TABLES_BEHIND: &str = "tables_behind";
const TABLES_NOT_WRITTEN: &str = "tables_not_written";
const DISK_NEARLY_FULL: &str = "disk_nearly_full";

/// The codes of all troubles that there may be.
pub(crate) const CODES: [&str; 5] = [
    PARTITION_STUCK,
    PARTITION_STOPPED,
    TABLES_BEHIND,
    TABLES_NOT_WRITTEN,
    DISK_NEARLY_FULL,
];

/// Something that keeps work from being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What it is; a stable code.
    pub code: &'static str,
    /// The same for people: what is wrong, where, what to do.
    pub message: String,
}

/// The troubles there are, shared by whoever is asked.
#[derive(Debug, Default)]
pub struct Health(RwLock<Arc<Vec<Trouble>>>);

/// The body of an answer that something is wrong, in the shape of all errors.
#[derive(Debug, Serialize)]
pub(crate) struct HealthProblem<'a> {
    message: String,
    restate_code: Option<&'static str>,
    reasons: &'a [Trouble],
}

impl Health {
    /// What is wrong just now; nothing: all is well.
    pub fn troubles(&self) -> Arc<Vec<Trouble>> {
        let troubles = self.0.read().unwrap_or_else(PoisonError::into_inner);
        troubles.clone()
    }

    /// Replaces what is wrong, and logs what has changed.
    fn set(&self, troubles: Vec<Trouble>) {
        let before = self.troubles();
        let is_new = |one: &&Trouble| !before.iter().any(|old| old.code == one.code);
        for trouble in troubles.iter().filter(is_new) {
            tracing::error!(code = trouble.code, "unhealthy: {}", trouble.message);
        }
        if !before.is_empty() && troubles.is_empty() {
            tracing::info!("healthy again");
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(troubles);
    }
}

impl<'a> HealthProblem<'a> {
    pub(crate) fn of(reasons: &'a [Trouble]) -> Self {
        let messages: Vec<_> = reasons.iter().map(|one| one.message.as_str()).collect();
        Self {
            message: messages.join(" "),
            restate_code: None,
            reasons,
        }
    }
}

/// Looks for ever.
pub(crate) async fn watch(
    handle: Handle,
    health: Arc<Health>,
    directory: PathBuf,
    disk_bytes_min: u64,
) {
    let mut judge = Judge::new(handle.partitions(), disk_bytes_min);
    loop {
        let seen = look(&handle, &directory).await;
        health.set(judge.judge(&seen, Instant::now()));
        tokio::time::sleep(PERIOD).await;
    }
}

/// What is seen of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// It is so far.
    Turning(Standing),
    /// It did not answer in time.
    Silent,
    /// It has stopped.
    Stopped,
}

/// What is seen at one moment.
#[derive(Debug)]
struct Seen {
    partitions: Vec<Sight>,
    /// Bytes that are free for us; none: the system does not say.
    disk_free: Option<u64>,
}

async fn look(handle: &Handle, directory: &Path) -> Seen {
    let mut looking = JoinSet::new();
    for partition in 0..handle.partitions() {
        let handle = handle.clone();
        looking.spawn(async move {
            let standing = tokio::time::timeout(TURN_LIMIT, handle.standing(partition)).await;
            let sight = match standing {
                Ok(Ok(standing)) => Sight::Turning(standing),
                Ok(Err(AskError::Stopping)) => Sight::Stopped,
                Ok(Err(AskError::Overloaded)) | Err(_) => Sight::Silent,
            };
            (partition, sight)
        });
    }
    let mut partitions = vec![Sight::Silent; handle.partitions()];
    while let Some(looked) = looking.join_next().await {
        if let Ok((partition, sight)) = looked {
            partitions[partition] = sight;
        }
    }
    let disk = rustix::fs::statvfs(directory).ok();
    Seen {
        partitions,
        disk_free: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
    }
}

/// Remembers how long each partition has been behind.
struct Judge {
    disk_bytes_min: u64,
    /// By partition: how far its tables were on disk, and when they came to be so far or had
    /// nothing to do.
    persisted: Vec<Option<(u64, Instant)>>,
}

impl Judge {
    fn new(partitions: usize, disk_bytes_min: u64) -> Self {
        Self {
            disk_bytes_min,
            persisted: vec![None; partitions],
        }
    }

    fn judge(&mut self, seen: &Seen, now: Instant) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for (number, (sight, persisted)) in
            seen.partitions.iter().zip(&mut self.persisted).enumerate()
        {
            match sight {
                Sight::Turning(standing) => {
                    let is_idle = standing.persisted >= standing.appended;
                    let since = match persisted {
                        Some((then, since)) if *then == standing.persisted && !is_idle => *since,
                        _ => now,
                    };
                    *persisted = Some((standing.persisted, since));
                    troubles.extend(behind(number, standing, now.duration_since(since)));
                }
                Sight::Silent => troubles.push(Trouble {
                    code: PARTITION_STUCK,
                    message: format!(
                        "Partition {number} has not finished a turn for {} s, so nothing of it \
                         moves: does the disk of the data directory answer?",
                        TURN_LIMIT.as_secs()
                    ),
                }),
                Sight::Stopped => troubles.push(Trouble {
                    code: PARTITION_STOPPED,
                    message: format!(
                        "Partition {number} has stopped: the log of the server says why, and what \
                         was accepted goes on after a restart."
                    ),
                }),
            }
        }
        if let Some(free) = seen.disk_free
            && free < self.disk_bytes_min
        {
            troubles.push(Trouble {
                code: DISK_NEARLY_FULL,
                message: format!(
                    "The disk of the data directory has {free} bytes left, and {} should be \
                     (disk_bytes_min): make room. With half of that new work is refused, and the \
                     server stops when it cannot write.",
                    self.disk_bytes_min
                ),
            });
        }
        troubles
    }
}

/// A partition whose tables do not follow its log.
fn behind(number: usize, standing: &Standing, lasting: Duration) -> Option<Trouble> {
    if standing.applied < standing.appended {
        return Some(Trouble {
            code: TABLES_BEHIND,
            message: format!(
                "Partition {number} has records up to {} and has applied them up to {} only: what \
                 was accepted after that does not move.",
                standing.appended, standing.applied
            ),
        });
    }
    (lasting >= BEHIND_LIMIT).then(|| Trouble {
        code: TABLES_NOT_WRITTEN,
        message: format!(
            "Partition {number} could not write its tables to disk for {} s (they are there up to \
             record {} of {}): a restart would have to apply all of it again, and the log grows. \
             Does the disk of the data directory answer?",
            lasting.as_secs(),
            standing.persisted,
            standing.applied
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turning(appended: u64, applied: u64, persisted: u64) -> Sight {
        Sight::Turning(Standing {
            appended,
            applied,
            persisted,
        })
    }

    fn codes(judge: &mut Judge, sight: Sight, disk_free: u64, now: Instant) -> Vec<&'static str> {
        let seen = Seen {
            partitions: vec![sight],
            disk_free: Some(disk_free),
        };
        let troubles = judge.judge(&seen, now);
        troubles.iter().map(|trouble| trouble.code).collect()
    }

    #[test]
    fn each_trouble_is_seen_and_goes_away() {
        let now = Instant::now();
        let mut judge = Judge::new(1, 100);
        for (sight, free, expected) in [
            (turning(5, 5, 5), 100, &[][..]),
            (turning(5, 5, 5), 99, &["disk_nearly_full"]),
            (Sight::Silent, 100, &["partition_stuck"]),
            (Sight::Stopped, 100, &["partition_stopped"]),
            (turning(5, 4, 4), 100, &["tables_behind"]),
            (turning(5, 5, 5), 100, &[]),
        ] {
            assert_eq!(codes(&mut judge, sight, free, now), expected);
        }
    }

    #[test]
    fn tables_may_be_behind_as_long_as_they_come_nearer() {
        let start = Instant::now();
        let mut judge = Judge::new(1, 0);
        let mut at = |seconds, sight| {
            let now = start + Duration::from_secs(seconds);
            codes(&mut judge, sight, 0, now)
        };
        assert_eq!(at(0, turning(9, 9, 1)), [""; 0]);
        assert_eq!(at(59, turning(90, 90, 1)), [""; 0]);
        assert_eq!(at(60, turning(91, 91, 1)), ["tables_not_written"]);
        assert_eq!(at(61, turning(99, 99, 50)), [""; 0]);
        // A partition that has nothing to write may do so for as long as it likes.
        assert_eq!(at(300, turning(99, 99, 99)), [""; 0]);
        assert_eq!(at(301, turning(100, 100, 99)), [""; 0]);
    }

    #[test]
    fn a_problem_has_the_shape_of_all_errors() {
        let health = Health::default();
        assert!(health.troubles().is_empty());
        let trouble = Trouble {
            code: "partition_stuck",
            message: "It is stuck.".into(),
        };
        health.set(vec![trouble]);
        let troubles = health.troubles();
        let body = serde_json::to_value(HealthProblem::of(&troubles)).unwrap();
        assert_eq!(body["message"], "It is stuck.");
        assert_eq!(body["reasons"][0]["code"], "partition_stuck");
        assert!(body["restate_code"].is_null());
    }
}
