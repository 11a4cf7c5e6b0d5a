//! Invocations in pages, without a statement: filters and a bound come in, the newest of what was
//! looked at go out, with where to look on.
//!
//! ```text
//!   Filter, Page ──▶ ranges of stored rows ──▶ each decoded and compared, until time is up
//!                       ──▶ Found { rows, matched, looked_at, resume }
//! ```
//!
//! The tables have no order by time: the newest are known for certain only when all rows were
//! looked at. So each look is short, says how far it came, and the next one goes on from there;
//! whoever asks puts the parts together. A key narrows it to the rows of that key, the
//! states of attempts to those that have one.

use super::invocation::{self, InvocationRow};
use super::stored::decode;
use super::{ReadError, Source, Tables, object};
use bytes::Bytes;
use latchwork_engine::table::invocation::{self as stored, Status};
use latchwork_engine::table::journal::Body;
use latchwork_engine::{InvocationId, Outcome, read};
use latchwork_protocol::derive::partition_key;
use latchwork_protocol::id::invocation_text;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows between two looks at the clock.
const STRIDE: u64 = 64;

/// What invocations must be like; what is absent is not asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// One of these.
    pub(crate) status: Vec<String>,
    /// How it ended: `success` or `failure`.
    pub(crate) result: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) scope: Option<String>,
    /// The deployment that it is bound to or runs on.
    pub(crate) deployment: Option<String>,
    /// Created at or after, in ms since 1970.
    pub(crate) created_from: Option<u64>,
    /// Created before, in ms since 1970.
    pub(crate) created_to: Option<u64>,
    /// A text within its input.
    pub(crate) text: Option<String>,
}

/// In which order, and which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The newest of those looked at, all of them older than the one that is given.
    Newest(Option<(u64, InvocationId)>),
    /// As they are stored; the look ends when there are enough.
    Stored,
}

/// How much is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) order: Order,
    /// The last one that was looked at before.
    pub(crate) after: Option<InvocationId>,
    /// Rows that are wanted.
    pub(crate) limit: usize,
}

/// What was found, and how far it was looked.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Their columns, as SQL shows them.
    pub(crate) rows: Vec<Map<String, Value>>,
    /// How many of those looked at the filter leaves in.
    pub(crate) matched: u64,
    /// How many were looked at.
    pub(crate) looked_at: u64,
    /// Where to look on; nothing: all were looked at.
    pub(crate) resume: Option<InvocationId>,
}

/// In the order of time, the newest first.
type Place = Reverse<(u64, InvocationId)>;
/// A row, with the tables it is from.
type Kept = (Arc<dyn Tables>, InvocationRow);

/// Looks until `is_over`, or until there is nothing more.
///
/// # Errors
/// If the tables cannot be read.
pub(crate) fn browse(
    source: &Source,
    filter: &Filter,
    page: Page,
    mut is_over: impl FnMut() -> bool,
) -> Result<Found, ReadError> {
    let mut found = Found::default();
    // The newest come first; of those that were created at once, the greater id.
    let mut best: BTreeMap<Place, Kept> = BTreeMap::new();
    let mut last = None;
    'looking: for range in ranges(source, filter, page.after) {
        for stored_row in range.tables.scan(&range.from, &range.end) {
            let (key, value) = stored_row?;
            let full = page.order == Order::Stored && best.len() >= page.limit;
            if full || (found.looked_at > 0 && found.looked_at % STRIDE == 0 && is_over()) {
                found.resume = last;
                break 'looking;
            }
            let Some(id) = stored::parse_key(&key) else {
                continue;
            };
            last = Some(id);
            found.looked_at += 1;
            let row = if range.is_ready {
                read::invocation(&*range.tables, &id)?
            } else {
                let glance: Glance = decode("sys_invocation", &value)?;
                if !filter.may_take(&glance) {
                    continue;
                }
                let worst = best.last_key_value().map(|(Reverse(place), _)| *place);
                let is_full = best.len() >= page.limit;
                let place = (glance.created_at, id);
                if filter.needs_no_more()
                    && is_full
                    && page.order != Order::Stored
                    && worst.is_none_or(|worst| place < worst)
                {
                    found.matched += 1;
                    continue;
                }
                Some(decode("sys_invocation", &value)?)
            };
            let Some(row) = row.map(|row| InvocationRow::found(&*range.tables, id, row)) else {
                continue;
            };
            if !filter.takes(&*range.tables, &row)? {
                continue;
            }
            found.matched += 1;
            let place = (row.row.created_at, id);
            let is_beyond = matches!(page.order, Order::Newest(Some(bound)) if place >= bound);
            if is_beyond || page.limit == 0 {
                continue;
            }
            best.insert(Reverse(place), (range.tables.clone(), row));
            if best.len() > page.limit {
                best.pop_last();
            }
        }
    }
    for (tables, mut row) in best.into_values() {
        row.complete(&*tables, &source.registry)?;
        found.rows.push(object(&invocation::whole(row)));
    }
    Ok(found)
}

/// As much of a row as most filters need: most rows are not looked at further.
#[derive(Clone, PartialEq, prost::Message)]
struct Glance {
    #[prost(enumeration = "Status", tag = "2")]
    status: i32,
    #[prost(uint64, tag = "4")]
    created_at: u64,
}

/// Stored rows of one partition.
struct Looked {
    tables: Arc<dyn Tables>,
    from: Bytes,
    end: Bytes,
    /// They are those of the table of attempts.
    is_ready: bool,
}

fn ranges(source: &Source, filter: &Filter, after: Option<InvocationId>) -> Vec<Looked> {
    let attempts = ["running", "ready"];
    let is_ready = !filter.status.is_empty()
        && filter
            .status
            .iter()
            .all(|status| attempts.contains(&&**status));
    let ((all_from, all_end), key_of): (_, fn(&InvocationId) -> Bytes) = if is_ready {
        (stored::all_ready(), stored::ready_key)
    } else {
        (stored::all(), stored::key)
    };
    // All invocations of a key have its partition key.
    let owner_key = match (&filter.service, &filter.key) {
        (Some(service), Some(key)) => Some(partition_key(filter.scope.as_deref(), service, key)),
        _ => None,
    };
    let (from, end) = match owner_key {
        None => (all_from, all_end),
        Some(partition_key) => {
            let edge = |unique: u64| {
                key_of(&InvocationId {
                    partition_key,
                    high: unique,
                    low: unique,
                })
            };
            (edge(0), beyond(&edge(u64::MAX)))
        }
    };
    let owner = |id: &InvocationId| source.place_of(id.partition_key);
    let first = after.as_ref().map_or(0, owner);
    let only = owner_key.map(|key| source.place_of(key));
    let places = source.partitions.iter().enumerate().skip(first);
    places
        .filter(|(place, _)| only.is_none_or(|only| only == *place))
        .map(|(place, tables)| Looked {
            tables: tables.clone(),
            from: match after {
                Some(after) if place == first => beyond(&key_of(&after)).max(from.clone()),
                _ => from.clone(),
            },
            end: end.clone(),
            is_ready,
        })
        .collect()
}

/// The first key after this one.
fn beyond(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

impl Filter {
    /// Whether a row may be taken, as far as a glance tells.
    fn may_take(&self, glance: &Glance) -> bool {
        let created = self.created_from.unwrap_or(0)..self.created_to.unwrap_or(u64::MAX);
        created.contains(&glance.created_at)
            && (self.status.is_empty()
                || self
                    .status
                    .iter()
                    .any(|one| stored_as(one) == glance.status()))
    }

    /// Whether what a glance tells decides.
    fn needs_no_more(&self) -> bool {
        let Self {
            status,
            result,
            service,
            handler,
            key,
            scope,
            deployment,
            text,
            ..
        } = self;
        let texts = [result, service, handler, key, scope, deployment, text];
        let has = |word: &str| status.iter().any(|one| one == word);
        texts.iter().all(|wish| wish.is_none()) && has("running") == has("ready")
    }

    fn takes(&self, tables: &dyn Tables, found: &InvocationRow) -> Result<bool, ReadError> {
        let row = &found.row;
        let is = |wish: &Option<String>, value: Option<&String>| {
            wish.is_none() || wish.as_ref() == value
        };
        let created = self.created_from.unwrap_or(0)..self.created_to.unwrap_or(u64::MAX);
        let cheap = is(&self.service, Some(&row.target.service))
            && is(&self.handler, Some(&row.target.handler))
            && is(&self.key, row.target.key.as_ref())
            && is(&self.scope, row.target.scope.as_ref())
            && is(&self.deployment, found.deployment())
            && created.contains(&row.created_at)
            && (self.status.is_empty() || self.status.iter().any(|one| one == found.status()));
        if !cheap {
            return Ok(false);
        }
        if let Some(result) = &self.result {
            let outcome = read::outcome(tables, &found.id, row)?;
            let ended = match outcome {
                Some(Outcome::Value(_)) => "success",
                Some(Outcome::Failure(_)) => "failure",
                None => return Ok(false),
            };
            if ended != result {
                return Ok(false);
            }
        }
        let Some(text) = &self.text else {
            return Ok(true);
        };
        let input = read::entry(tables, &found.id, 0)?.and_then(|entry| entry.body);
        Ok(match input {
            Some(Body::Input(input)) => String::from_utf8_lossy(&input.body).contains(text),
            _ => false,
        })
    }
}

/// How a status is stored: which of those that run has an attempt, the invoker knows.
fn stored_as(status: &str) -> Status {
    match status {
        "scheduled" => Status::Scheduled,
        "pending" => Status::Inboxed,
        "suspended" => Status::Suspended,
        "backing-off" => Status::BackingOff,
        "paused" => Status::Paused,
        "completed" => Status::Completed,
        _ => Status::Running,
    }
}

/// An id as tools write it.
pub(crate) fn text(id: &InvocationId) -> String {
    invocation_text(&id.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::table::invocation::Invocation;
    use latchwork_engine::{MemoryView, Target};
    use prost::Message;

    /// Ten invocations, created at 10 to 19; each third is paused, and each fourth of service B.
    fn source() -> Source {
        let mut view = MemoryView::default();
        for at in 0..10 {
            let id = InvocationId {
                partition_key: (7 * at) % 10,
                ..InvocationId::default()
            };
            let mut row = Invocation {
                created_at: 10 + at,
                target: Target {
                    service: if at % 4 == 0 { "B" } else { "A" }.to_owned(),
                    ..Target::default()
                },
                ..Invocation::default()
            };
            row.set_status(if at % 3 == 0 {
                Status::Paused
            } else {
                Status::Suspended
            });
            view.write(stored::key(&id), Some(row.encode_to_vec().into()));
        }
        Source {
            partitions: vec![Arc::new(view)],
            registry: Arc::default(),
            handle: None,
        }
    }

    fn created(found: &Found) -> Vec<u64> {
        let at = |row: &Map<String, Value>| {
            let text = row["created_at"].as_str().unwrap();
            let ms = text.trim_end_matches('Z').rsplit_once('.').unwrap().1;
            ms.parse().unwrap()
        };
        found.rows.iter().map(at).collect()
    }

    fn look(filter: &Filter, order: Order, limit: usize) -> Found {
        let page = Page {
            order,
            after: None,
            limit,
        };
        browse(&source(), filter, page, || false).unwrap()
    }

    #[test]
    fn the_newest_come_first_and_all_that_match_are_counted() {
        let found = look(&Filter::default(), Order::Newest(None), 3);
        assert_eq!(created(&found), [19, 18, 17]);
        assert_eq!(
            (found.matched, found.looked_at, found.resume),
            (10, 10, None)
        );
        let third = InvocationId {
            partition_key: 49 % 10,
            ..InvocationId::default()
        };
        let older = Order::Newest(Some((17, third)));
        assert_eq!(created(&look(&Filter::default(), older, 3)), [16, 15, 14]);
    }

    #[test]
    fn a_filter_leaves_out_the_rest() {
        let filter = |status: &str, service: Option<&str>| Filter {
            status: vec![status.to_owned()],
            service: service.map(str::to_owned),
            ..Filter::default()
        };
        let newest = Order::Newest(None);
        let found = look(&filter("paused", None), newest, 2);
        assert_eq!((created(&found), found.matched), (vec![19, 16], 4));
        let found = look(&filter("paused", Some("B")), newest, 9);
        assert_eq!(created(&found), [10]);
        let found = look(&filter("completed", None), newest, 9);
        assert_eq!((found.rows.len(), found.looked_at), (0, 10));
        let between = Filter {
            created_from: Some(12),
            created_to: Some(14),
            ..Filter::default()
        };
        assert_eq!(created(&look(&between, newest, 9)), [13, 12]);
    }

    #[test]
    fn a_look_that_ends_early_goes_on_where_it_ended() {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = Page {
                order: Order::Stored,
                after,
                limit: 4,
            };
            let found = browse(&source(), &Filter::default(), page, || false).unwrap();
            all.extend(created(&found));
            after = found.resume;
            if after.is_none() {
                break;
            }
        }
        all.sort_unstable();
        assert_eq!(all, (10..20).collect::<Vec<_>>());
    }
}
