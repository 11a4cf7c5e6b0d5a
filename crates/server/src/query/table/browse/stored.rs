//! Among stored rows, in the order of their ids: all of them, or those of one key.

use super::super::invocation::InvocationRow;
use super::super::stored::{Range, ReadError, Source, Tables, decode};
use super::{Filter, Found, Order, Page, Place, Resume, STRIDE, shown};
use bytes::Bytes;
use latchwork_engine::InvocationId;
use latchwork_engine::table::invocation::{self as stored, Status};
use latchwork_protocol::derive::partition_key;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn browse(
    source: &Source,
    filter: &Filter,
    page: Page,
    mut is_over: impl FnMut() -> bool,
) -> Result<Found, ReadError> {
    let after = match page.after {
        Some(Resume::Stored(id)) => Some(id),
        _ => None,
    };
    let mut found = Found::default();
    // The newest come first.
    let mut best: BTreeMap<Reverse<Place>, (Arc<dyn Tables>, InvocationRow)> = BTreeMap::new();
    let mut last = None;
    'looking: for range in ranges(source, filter, after) {
        for stored_row in range.tables.scan(&range.from, &range.end) {
            let (key, value) = stored_row?;
            let is_full = page.limit > 0 && best.len() >= page.limit;
            let is_enough = is_full && page.order == Order::Any;
            if is_enough || (found.looked_at > 0 && found.looked_at % STRIDE == 0 && is_over()) {
                found.resume = last.map(Resume::Stored);
                break 'looking;
            }
            let Some(id) = stored::parse_key(&key) else {
                continue;
            };
            last = Some(id);
            found.looked_at += 1;
            let glance: Glance = decode("sys_invocation", &value)?;
            if !filter.may_take(&glance) {
                continue;
            }
            let row = decode("sys_invocation", &value)?;
            let row = InvocationRow::found(&*range.tables, id, row);
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
    found.rows = shown(source, best.into_values())?;
    Ok(found)
}

/// As much of a row as rules most of them out.
#[derive(Clone, PartialEq, prost::Message)]
struct Glance {
    #[prost(enumeration = "Status", tag = "2")]
    status: i32,
    #[prost(uint64, tag = "4")]
    created_at: u64,
}

impl Filter {
    /// Whether a row may be taken, as far as a glance tells.
    fn may_take(&self, glance: &Glance) -> bool {
        self.created().contains(&glance.created_at)
            && (self.status.is_empty()
                || self
                    .status
                    .iter()
                    .any(|one| super::stored_as(one) == glance.status()))
    }
}

fn ranges(source: &Source, filter: &Filter, after: Option<InvocationId>) -> Vec<Range> {
    // All invocations of a key have its partition key.
    let owner_key = match (&filter.service, &filter.key) {
        (Some(service), Some(key)) => Some(partition_key(filter.scope.as_deref(), service, key)),
        _ => None,
    };
    let (from, end) = match owner_key {
        None => stored::all(),
        Some(partition_key) => {
            let edge = |unique: u64| {
                stored::key(&InvocationId {
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
        .map(|(place, tables)| Range {
            tables: tables.clone(),
            from: match after {
                Some(after) if place == first => beyond(&stored::key(&after)).max(from.clone()),
                _ => from.clone(),
            },
            end: end.clone(),
        })
        .collect()
}

/// The first key after this one.
fn beyond(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}
