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
use latchwork_engine::table::invocation as stored;
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
    let mut best: BTreeMap<Reverse<(u64, InvocationId)>, (Arc<dyn Tables>, InvocationRow)> =
        BTreeMap::new();
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

/// An id as tools write it.
pub(crate) fn text(id: &InvocationId) -> String {
    invocation_text(&id.to_bytes())
}
