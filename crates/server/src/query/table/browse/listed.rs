//! Along the list of invocations: it has one range for each standing of each handler, in the order
//! of time; they are gone through together, the newest first.

use super::super::invocation::InvocationRow;
use super::super::stored::{ReadError, Source, Tables};
use super::{Filter, Found, Order, Page, Place, Resume, STRIDE, shown};
use latchwork_engine::table::listing::{self, Standing};
use latchwork_engine::{InvocationId, Rows, read};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// One range of the list.
struct List {
    tables: Arc<dyn Tables>,
    standing: Standing,
    service: String,
    handler: String,
}

pub(super) fn browse(
    source: &Source,
    filter: &Filter,
    page: Page,
    mut is_over: impl FnMut() -> bool,
) -> Result<Found, ReadError> {
    let lists = lists(source, filter)?;
    let begin = begin(filter, page);
    let mut ways: Vec<Rows<'_>> = Vec::with_capacity(lists.len());
    // Where each of them stands, the newest on top.
    let mut heads: BinaryHeap<(Place, usize)> = BinaryHeap::new();
    let earliest = filter.created().start;
    for (number, list) in lists.iter().enumerate() {
        let (time, below) = begin;
        let (from, end) = listing::older(
            list.standing,
            &list.service,
            &list.handler,
            time,
            below.as_ref(),
        );
        ways.push(list.tables.scan(&from, &end));
        heads.extend(next(&mut ways[number], earliest)?.map(|place| (place, number)));
    }
    let mut found = Found::default();
    let mut kept = Vec::new();
    let mut last = None;
    while let Some(((created_at, id), number)) = heads.pop() {
        let is_full = kept.len() >= page.limit;
        let is_enough = is_full && page.limit > 0 && page.order == Order::Any;
        if is_enough || (found.looked_at > 0 && found.looked_at % STRIDE == 0 && is_over()) {
            found.resume = last.map(Resume::Listed);
            break;
        }
        heads.extend(next(&mut ways[number], earliest)?.map(|place| (place, number)));
        last = Some((created_at, id));
        found.looked_at += 1;
        let list = &lists[number];
        if is_full && !filter.needs_row(list.standing) {
            found.matched += 1;
            continue;
        }
        let Some(row) = read::invocation(&*list.tables, &id)? else {
            continue;
        };
        let row = InvocationRow::found(&*list.tables, id, row);
        if filter.takes(&*list.tables, &row)? {
            found.matched += 1;
            if !is_full {
                kept.push((list.tables.clone(), row));
            }
        }
    }
    found.rows = shown(source, kept.into_iter())?;
    Ok(found)
}

/// The ranges that a filter leaves in. Those that have no row are not among them.
fn lists(source: &Source, filter: &Filter) -> Result<Vec<List>, ReadError> {
    let mut lists = Vec::new();
    let service = filter.service.as_deref();
    for tables in &source.partitions {
        for standing in Standing::ALL.into_iter().filter(|it| filter.may_stand(*it)) {
            let handler = service.and(filter.handler.as_deref());
            let (mut from, end) = listing::all_of(standing, service, handler);
            while let Some(row) = tables.scan(&from, &end).next() {
                let (key, _) = row?;
                let Some(listed) = listing::parse_key(&key) else {
                    break;
                };
                from = listing::all_of(standing, Some(listed.service), Some(listed.handler)).1;
                if filter
                    .handler
                    .as_deref()
                    .is_none_or(|it| it == listed.handler)
                {
                    lists.push(List {
                        tables: tables.clone(),
                        standing,
                        service: listed.service.to_owned(),
                        handler: listed.handler.to_owned(),
                    });
                }
            }
        }
    }
    Ok(lists)
}

/// Where to look from: a time, and at that time below an id.
fn begin(filter: &Filter, page: Page) -> (u64, Option<InvocationId>) {
    let bound = match page.order {
        Order::Newest(bound) => bound,
        Order::Any => None,
    };
    let after = match page.after {
        Some(Resume::Listed(place)) => Some(place),
        _ => None,
    };
    // Both are there on the second look of a further page: the earlier place counts.
    let place = match (bound, after) {
        (Some(bound), Some(after)) => Some(bound.min(after)),
        (bound, after) => bound.or(after),
    };
    let newest = filter.created().end.saturating_sub(1);
    match place {
        Some((time, id)) if time <= newest => (time, Some(id)),
        _ => (newest, None),
    }
}

/// The next place of a way, if it is not too early.
fn next(way: &mut Rows<'_>, earliest: u64) -> Result<Option<Place>, ReadError> {
    let Some(row) = way.next() else {
        return Ok(None);
    };
    let (key, _) = row?;
    Ok(listing::parse_key(&key)
        .map(|listed| (listed.created_at, listed.id))
        .filter(|(created_at, _)| *created_at >= earliest))
}
