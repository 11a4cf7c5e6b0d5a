//! How many invocations stand where: the tables are counted in the background while somebody
//! scrapes, and a scrape shows the last count.
//!
//! ```text
//!   scrape ──wanted──▶ task: a moment of each partition ──count──▶ Counted ──▶ the next scrape
//! ```
//!
//! There is no index of it, so every row is looked at, as far as its service and its status. The
//! pauses between two counts grow with the time that one takes: a few percent of a CPU at most.

use latchwork_engine::table::invocation::{self, Status};
use latchwork_engine::{Halt, View};
use latchwork_runtime::metrics::OTHER;
use latchwork_runtime::registry::Registry;
use latchwork_runtime::{Handle, Moment};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The least time between two counts.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// So many times longer than a count is the pause after it.
const PAUSE_FACTOR: u32 = 30;

/// All of them.
pub(super) const STATUSES: [(Status, &str); 7] = [
    (Status::Scheduled, "scheduled"),
    (Status::Inboxed, "pending"),
    (Status::Running, "running"),
    (Status::Suspended, "suspended"),
    (Status::BackingOff, "backing-off"),
    (Status::Paused, "paused"),
    (Status::Completed, "completed"),
];

/// The part of an invocation's row that is looked at.
#[derive(Clone, PartialEq, Message)]
struct Stand {
    #[prost(message, optional, tag = "1")]
    target: Option<Called>,
    #[prost(enumeration = "Status", tag = "2")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Called {
    #[prost(string, tag = "1")]
    service: String,
}

/// Invocations by service, and for each by the place of their status in [`STATUSES`].
type Counts = BTreeMap<String, [u64; STATUSES.len()]>;

/// What was counted.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) counts: Counts,
    pub(super) at: Instant,
}

/// The last count, and the wish for another.
#[derive(Debug, Default)]
pub(crate) struct States {
    last: Mutex<Option<Arc<Counted>>>,
    wanted: Notify,
}

impl States {
    /// The last count, if there was one; has another made soon.
    pub(super) fn read(&self) -> Option<Arc<Counted>> {
        self.wanted.notify_one();
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts whenever somebody has asked, for ever.
    pub(crate) async fn watch(self: Arc<Self>, handle: Handle) {
        loop {
            self.wanted.notified().await;
            let began = Instant::now();
            match count(&handle).await {
                Ok(counts) => {
                    let counted = Arc::new(Counted {
                        counts,
                        at: Instant::now(),
                    });
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
                }
                Err(reason) => tracing::warn!(reason, "the invocations could not be counted"),
            }
            tokio::time::sleep((began.elapsed() * PAUSE_FACTOR).max(PAUSE_MIN)).await;
        }
    }
}

async fn count(handle: &Handle) -> Result<Counts, String> {
    let moments = handle.moments().await.map_err(|error| error.to_string())?;
    let registry = handle.registry();
    tokio::task::spawn_blocking(move || count_all(&moments, &registry))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

fn count_all(moments: &[Arc<Moment>], registry: &Registry) -> Result<Counts, Halt> {
    let mut counts = Counts::new();
    for moment in moments {
        add(&mut counts, &**moment)?;
    }
    Ok(bounded(counts, registry))
}

fn add(counts: &mut Counts, view: &dyn View) -> Result<(), Halt> {
    let (from, to) = invocation::all();
    for row in view.scan(&from, &to) {
        let (key, value) = row?;
        let stand = Stand::decode(value).map_err(|error| Halt::Row {
            key,
            error: error.to_string(),
        })?;
        let status = stand.status();
        let service = stand
            .target
            .map(|called| called.service)
            .unwrap_or_default();
        let of_service = counts.entry(service).or_default();
        if let Some(place) = STATUSES.iter().position(|(it, _)| *it == status) {
            of_service[place] += 1;
        }
    }
    Ok(())
}

/// Services that are not registered are one.
fn bounded(counts: Counts, registry: &Registry) -> Counts {
    let mut bounded = Counts::new();
    for (service, of_service) in counts {
        let is_known = registry.service(&service).is_some();
        let name = if is_known { service } else { OTHER.to_owned() };
        let sum = bounded.entry(name).or_default();
        for (sum, count) in sum.iter_mut().zip(of_service) {
            *sum += count;
        }
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::table::invocation::Invocation;
    use latchwork_engine::{InvocationId, MemoryView, Target};

    #[test]
    fn each_invocation_counts_once_and_strangers_together() {
        let mut view = MemoryView::default();
        let put = |view: &mut MemoryView, low, service: &str, status: Status| {
            let row = Invocation {
                target: Target {
                    service: service.into(),
                    ..Target::default()
                },
                status: status.into(),
                ..Invocation::default()
            };
            let id = InvocationId {
                low,
                ..InvocationId::default()
            };
            view.write(invocation::key(&id), Some(row.encode_to_vec().into()));
        };
        put(&mut view, 1, "A", Status::Suspended);
        put(&mut view, 2, "A", Status::Suspended);
        put(&mut view, 3, "B", Status::Completed);
        let mut counts = Counts::new();
        add(&mut counts, &view).unwrap();
        assert_eq!(counts["A"], [0, 0, 0, 2, 0, 0, 0]);
        let bounded = bounded(counts, &Registry::default());
        assert_eq!(
            bounded,
            Counts::from([(OTHER.to_owned(), [0, 0, 0, 2, 0, 0, 1])])
        );
    }
}
