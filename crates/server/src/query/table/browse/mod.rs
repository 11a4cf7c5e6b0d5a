//! Invocations in pages, without a statement: filters and a bound come in, the newest of what was
//! looked at go out, with where to look on.
//!
//! ```text
//!   Filter, Page ──▶ listed: the list of invocations, the newest first, by where they stand and
//!                │           what they call: the first that fit are the page
//!                └─▶ stored: rows as they are stored, where keys and deployments are asked for
//!                              ──▶ Found { rows, matched, looked_at, resume }
//! ```
//!
//! Each look is short and says how far it came. The next one goes on from there; whoever asks puts
//! the parts together. A look along the list gives the rows of a page for certain, and what
//! follows only counts; a look at stored rows knows the newest when all were looked at.

mod listed;
mod stored;

use super::invocation::{self, InvocationRow};
use super::{ReadError, Source, Tables, object};
use latchwork_engine::table::invocation::Status;
use latchwork_engine::table::journal::Body;
use latchwork_engine::table::listing::Standing;
use latchwork_engine::{InvocationId, read};
use latchwork_protocol::id::invocation_text;
use serde_json::{Map, Value};
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

/// Which part is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The newest, all of them older than the one that is given; the others are counted.
    Newest(Option<Place>),
    /// Any; the look ends when there are enough.
    Any,
}

/// When an invocation was created, in ms since 1970, and which it is.
pub(crate) type Place = (u64, InvocationId);

/// The last one that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// In the list, by time.
    Listed(Place),
    /// Among stored rows, by id.
    Stored(InvocationId),
}

/// How much is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) order: Order,
    /// Where the look before ended.
    pub(crate) after: Option<Resume>,
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
    pub(crate) resume: Option<Resume>,
}

/// Looks until `is_over`, or until there is nothing more.
///
/// # Errors
/// If the tables cannot be read.
pub(crate) fn browse(
    source: &Source,
    filter: &Filter,
    page: Page,
    is_over: impl FnMut() -> bool,
) -> Result<Found, ReadError> {
    if filter.goes_by_list() {
        listed::browse(source, filter, page, is_over)
    } else {
        stored::browse(source, filter, page, is_over)
    }
}

/// Shows rows, each with the tables it is from.
fn shown(
    source: &Source,
    rows: impl Iterator<Item = (Arc<dyn Tables>, InvocationRow)>,
) -> Result<Vec<Map<String, Value>>, ReadError> {
    rows.map(|(tables, mut row)| {
        row.complete(&*tables, &source.registry)?;
        Ok(object(&invocation::whole(row)))
    })
    .collect()
}

impl Filter {
    /// Whether the way along the list is the shorter one. It is not for what only the rows
    /// tell, unless they are few: those that are not over.
    pub(crate) fn goes_by_list(&self) -> bool {
        let is_few = !self.status.is_empty() && !self.status.iter().any(|it| it == "completed");
        self.key.is_none() && (is_few || (self.scope.is_none() && self.deployment.is_none()))
    }

    fn created(&self) -> std::ops::Range<u64> {
        self.created_from.unwrap_or(0)..self.created_to.unwrap_or(u64::MAX)
    }

    /// Whether one that stands there may be taken.
    fn may_stand(&self, standing: Standing) -> bool {
        let fits = self.status.is_empty()
            || self
                .status
                .iter()
                .any(|it| stored_as(it) == standing.status());
        fits && match self.result.as_deref() {
            None => true,
            Some("success") => standing == Standing::Succeeded,
            Some(_) => standing == Standing::Failed,
        }
    }

    /// Whether there is something that the list does not tell of one that stands there.
    fn needs_row(&self, standing: Standing) -> bool {
        let has = |word: &str| self.status.iter().any(|one| one == word);
        let splits = standing == Standing::Running && has("running") != has("ready");
        let texts = [&self.key, &self.scope, &self.deployment, &self.text];
        splits || texts.iter().any(|wish| wish.is_some())
    }

    fn takes(&self, tables: &dyn Tables, found: &InvocationRow) -> Result<bool, ReadError> {
        let row = &found.row;
        let is = |wish: &Option<String>, value: Option<&String>| {
            wish.is_none() || wish.as_ref() == value
        };
        let cheap = is(&self.service, Some(&row.target.service))
            && is(&self.handler, Some(&row.target.handler))
            && is(&self.key, row.target.key.as_ref())
            && is(&self.scope, row.target.scope.as_ref())
            && is(&self.deployment, found.deployment())
            && self.created().contains(&row.created_at)
            && (self.status.is_empty() || self.status.iter().any(|one| one == found.status()));
        if !cheap {
            return Ok(false);
        }
        if let Some(result) = &self.result {
            let ended = if row.has_failed { "failure" } else { "success" };
            if row.status() != Status::Completed || ended != result {
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

impl Resume {
    /// As it is given back: `MS.ID`, or `ID`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Listed((created_at, id)) => {
                format!("{created_at}.{}", invocation_text(&id.to_bytes()))
            }
            Self::Stored(id) => invocation_text(&id.to_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::table::invocation::{self as stored, Invocation};
    use latchwork_engine::table::listing;
    use latchwork_engine::{MemoryView, Target};
    use prost::Message;

    fn id(partition_key: u64) -> InvocationId {
        InvocationId {
            partition_key,
            ..InvocationId::default()
        }
    }

    /// Ten invocations, created at 10 to 19; each third is paused, and each fourth of service B.
    fn source() -> Source {
        let mut view = MemoryView::default();
        for at in 0..10 {
            let id = id((7 * at) % 10);
            let mut row = Invocation {
                created_at: 10 + at,
                target: Target {
                    service: if at % 4 == 0 { "B" } else { "A" }.to_owned(),
                    handler: if at % 2 == 0 { "even" } else { "odd" }.to_owned(),
                    key: Some(format!("k{at}")),
                    ..Target::default()
                },
                ..Invocation::default()
            };
            row.set_status(if at % 3 == 0 {
                Status::Paused
            } else {
                Status::Suspended
            });
            let key = listing::key(Standing::of(&row), &row.target, row.created_at, &id);
            view.write(key, Some(vec![0; 4].into()));
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

    const NEWEST: Order = Order::Newest(None);

    #[test]
    fn the_newest_come_first_and_all_that_match_are_counted() {
        let found = look(&Filter::default(), NEWEST, 3);
        assert_eq!(created(&found), [19, 18, 17]);
        let counts = (found.matched, found.looked_at, found.resume);
        assert_eq!(counts, (10, 10, None));
        let older = Order::Newest(Some((17, id(49 % 10))));
        assert_eq!(created(&look(&Filter::default(), older, 3)), [16, 15, 14]);
    }

    #[test]
    fn a_filter_leaves_out_the_rest() {
        let filter = |status: &str, service: Option<&str>| Filter {
            status: vec![status.to_owned()],
            service: service.map(str::to_owned),
            ..Filter::default()
        };
        let found = look(&filter("paused", None), NEWEST, 2);
        assert_eq!((created(&found), found.matched), (vec![19, 16], 4));
        // Those that stand elsewhere were not looked at.
        assert_eq!(found.looked_at, 4);
        let found = look(&filter("paused", Some("B")), NEWEST, 9);
        assert_eq!(created(&found), [10]);
        let found = look(&filter("completed", None), NEWEST, 9);
        assert_eq!((found.rows.len(), found.looked_at), (0, 0));
        let between = Filter {
            created_from: Some(12),
            created_to: Some(14),
            ..Filter::default()
        };
        assert_eq!(created(&look(&between, NEWEST, 9)), [13, 12]);
        let odd = Filter {
            handler: Some("odd".into()),
            ..Filter::default()
        };
        assert_eq!(created(&look(&odd, NEWEST, 2)), [19, 17]);
        let key = Filter {
            key: Some("k4".into()),
            ..Filter::default()
        };
        assert_eq!(created(&look(&key, NEWEST, 2)), [14]);
    }

    /// Looks that end after each row, put together.
    fn bit_by_bit(filter: &Filter, order: Order, limit: usize) -> (Vec<u64>, u64) {
        let (mut rows, mut matched, mut after) = (Vec::new(), 0, None);
        loop {
            let page = Page {
                order,
                after,
                limit,
            };
            let found = browse(&source(), filter, page, || true).unwrap();
            rows.extend(created(&found));
            matched += found.matched;
            after = found.resume;
            if after.is_none() {
                return (rows, matched);
            }
        }
    }

    #[test]
    fn a_look_that_ends_early_goes_on_where_it_ended() {
        let newest_first: Vec<u64> = (10..20).rev().collect();
        let all = Filter::default();
        assert_eq!(bit_by_bit(&all, Order::Any, 4), (newest_first, 10));
        let keyed = Filter {
            key: Some("k3".into()),
            ..Filter::default()
        };
        assert_eq!(bit_by_bit(&keyed, Order::Any, 4), (vec![13], 1));
        let bound = Order::Newest(Some((15, id(35 % 10))));
        assert_eq!(bit_by_bit(&all, bound, 10).0, [14, 13, 12, 11, 10]);
    }

    #[test]
    fn a_limit_of_none_counts() {
        for order in [NEWEST, Order::Any] {
            let found = look(&Filter::default(), order, 0);
            assert_eq!(
                (found.rows.len(), found.matched, found.resume),
                (0, 10, None)
            );
        }
    }
}
