//! How many invocations stand how, and which have waited longest: counted from the tables, which
//! keep no such numbers.
//!
//! Of each row only its status and its age are decoded, on a thread that yields to all that serves
//! calls. Where that takes long, it is done seldom: it never takes more than a twentieth of the
//! time.

use latchwork_engine::table::invocation::{self as stored, Status};
use latchwork_engine::{InvocationId, View, read};
use latchwork_protocol::id::invocation_text;
use latchwork_runtime::{Clock, Handle, Moment};
use prost::Message;
use serde::Serialize;
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Rows that are told of those that have waited longest.
const OLDEST: usize = 6;
/// The shortest time between two.
const PAUSE_MIN: Duration = Duration::from_secs(4);
/// What `nice` calls the niceness of its thread.
const NICENESS: i32 = 15;
/// Times as long as it took until the next one.
const PAUSES: u64 = 20;

/// The part of an invocation's row that is looked at.
#[derive(Clone, PartialEq, Message)]
struct Standing {
    #[prost(enumeration = "Status", tag = "2")]
    status: i32,
    #[prost(uint64, tag = "4")]
    created_at: u64,
}

/// What was counted.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Census {
    /// When, in ms since 1970.
    at: u64,
    /// How long it took.
    took_ms: u64,
    scheduled: u64,
    pending: u64,
    /// Those that have an attempt, or get one as soon as there is room.
    running: u64,
    suspended: u64,
    #[serde(rename = "backing-off")]
    backing_off: u64,
    paused: u64,
    completed: u64,
    /// Of those that should move and do not, the oldest.
    waiting: Vec<Waiting>,
}

/// One that waits.
#[derive(Debug, Clone, Serialize)]
struct Waiting {
    id: String,
    target: String,
    status: &'static str,
    created_at: u64,
}

/// Counts now and then.
#[derive(Default)]
pub(super) struct Taker {
    rest_until: Option<Instant>,
    /// The count that is under way.
    counting: Option<JoinHandle<Result<Census, CensusError>>>,
}

impl Taker {
    /// The next count, when it is time for one; never, if nobody watches. Whoever stops waiting
    /// loses nothing: the count goes on, and the next one who asks gets it.
    pub(super) async fn counted(
        &mut self,
        handle: &Handle,
        clock: &Arc<dyn Clock>,
        is_watched: bool,
    ) -> Option<Census> {
        if self.counting.is_none() {
            if !is_watched {
                return pending().await;
            }
            if let Some(until) = self.rest_until {
                tokio::time::sleep_until(until.into()).await;
            }
        }
        let begin = || tokio::spawn(count(handle.clone(), clock.now_ms()));
        let counting = self.counting.get_or_insert_with(begin);
        let counted = counting.await.unwrap_or(Err(CensusError::Abandoned));
        self.counting = None;
        if let Err(error) = &counted {
            tracing::warn!(%error, "invocations were not counted for the web UI");
        }
        let census = counted.ok();
        let took = census.as_ref().map_or(0, |census| census.took_ms);
        let rest = Duration::from_millis(took.saturating_mul(PAUSES));
        self.rest_until = Some(Instant::now() + rest.max(PAUSE_MIN));
        census
    }
}

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
enum CensusError {
    #[error(transparent)]
    Ask(#[from] latchwork_runtime::AskError),
    #[error("{0}")]
    Tables(String),
    #[error("there is no thread to count on: {0}")]
    Thread(std::io::Error),
    #[error("it was given up")]
    Abandoned,
}

async fn count(handle: Handle, at: u64) -> Result<Census, CensusError> {
    let moments = handle.moments().await?;
    let (reply, heard) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("census".into())
        .spawn(move || {
            // It is for people to look at: everything else goes first.
            latchwork_runtime::yield_to_others(NICENESS);
            let began = Instant::now();
            let mut counted = take(&moments, at);
            drop(moments);
            if let Ok(census) = &mut counted {
                census.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            }
            // The server may have stopped.
            drop(reply.send(counted));
        })
        .map_err(CensusError::Thread)?;
    heard.await.map_err(|_| CensusError::Abandoned)?
}

fn take(partitions: &[Arc<Moment>], at: u64) -> Result<Census, CensusError> {
    let views: Vec<&dyn View> = partitions.iter().map(|it| &**it as &dyn View).collect();
    take_of(&views, at)
}

fn take_of(views: &[&dyn View], at: u64) -> Result<Census, CensusError> {
    let failed = |error: &dyn std::fmt::Display| CensusError::Tables(error.to_string());
    let mut census = Census {
        at,
        ..Census::default()
    };
    let mut oldest: BTreeSet<(u64, usize, InvocationId)> = BTreeSet::new();
    let (from, end) = stored::all();
    for (place, view) in views.iter().enumerate() {
        for row in view.scan(&from, &end) {
            let (key, value) = row.map_err(|error| failed(&error))?;
            let standing = Standing::decode(value).map_err(|error| failed(&error))?;
            let (counter, waits) = match standing.status() {
                Status::Scheduled => (&mut census.scheduled, false),
                Status::Inboxed => (&mut census.pending, true),
                Status::Running => (&mut census.running, false),
                Status::Suspended => (&mut census.suspended, false),
                Status::BackingOff => (&mut census.backing_off, true),
                Status::Paused => (&mut census.paused, true),
                Status::Completed => (&mut census.completed, false),
            };
            *counter += 1;
            if let (true, Some(id)) = (waits, stored::parse_key(&key)) {
                oldest.insert((standing.created_at, place, id));
                if oldest.len() > OLDEST {
                    oldest.pop_last();
                }
            }
        }
    }
    for (created_at, place, id) in oldest {
        let row = read::invocation(views[place], &id).map_err(|error| failed(&error))?;
        census.waiting.extend(row.map(|row| Waiting {
            id: invocation_text(&id.to_bytes()),
            status: match row.status() {
                Status::Inboxed => "pending",
                Status::BackingOff => "backing-off",
                _ => "paused",
            },
            target: match &row.target.key {
                Some(key) => format!("{}/{key}/{}", row.target.service, row.target.handler),
                None => format!("{}/{}", row.target.service, row.target.handler),
            },
            created_at,
        }));
    }
    Ok(census)
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::MemoryView;
    use latchwork_engine::table::invocation::Invocation;

    #[test]
    fn each_status_is_counted_and_the_oldest_that_wait_are_told() {
        let mut view = MemoryView::default();
        let all = [
            (1, Status::Completed),
            (2, Status::Paused),
            (3, Status::Suspended),
            (4, Status::BackingOff),
            (5, Status::Inboxed),
            (6, Status::Running),
        ];
        for (at, status) in all {
            let id = InvocationId {
                low: at,
                ..InvocationId::default()
            };
            let mut row = Invocation {
                created_at: 10 - at,
                ..Invocation::default()
            };
            row.set_status(status);
            view.write(stored::key(&id), Some(row.encode_to_vec().into()));
        }
        let census = take_of(&[&view], 7).unwrap();
        assert_eq!((census.at, census.completed, census.running), (7, 1, 1));
        assert_eq!((census.scheduled, census.suspended), (0, 1));
        let waiting: Vec<_> = census.waiting.iter().map(|it| it.status).collect();
        assert_eq!(waiting, ["pending", "backing-off", "paused"]);
    }
}
