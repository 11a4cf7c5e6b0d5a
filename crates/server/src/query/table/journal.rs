//! Journals: one row an entry, in stored order.

use super::entry::{self, Told};
use super::stored::{Range, decode};
use super::{
    Cell, Column, Of, ReadError, Row, Scan, Table, columns, id, int, invocation, long, maybe,
    maybe_time, names, text, time, truth, utf8,
};
use bytes::Bytes;
use latchwork_engine::table::invocation as invocations;
use latchwork_engine::table::journal::{self, Body, JournalEntry};
use latchwork_engine::{Identity, InvocationId, View, read};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use latchwork_runtime::registry::Registry;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Entries and journals of a slice.
const SLICE_ROWS: usize = 256;
/// Bytes of entries after which a slice ends.
const SLICE_BYTES: usize = 1 << 20;

/// One entry of a journal.
pub(super) struct JournalRow {
    id: InvocationId,
    index: u32,
    entry: JournalEntry,
    /// Wire type of the command that a completion answers.
    answers: Option<u32>,
    /// Whether all that a command waits for has come; nothing: it waits for nothing, or nobody
    /// asked.
    completed: Option<bool>,
    registry: Option<Arc<Registry>>,
}

const JOURNAL: &[Column<JournalRow>] = &{
    let base: &[Column<JournalRow>] = columns! {
        "partition_key" U64 |r| long(r.id.partition_key);
        "id" Text |r| id(&r.id);
        "index" U32 |r| int(r.index);
        "entry_type" Text |r| text(entry_type(r));
        "name" Text |r| match &r.entry.body {
            Some(Body::Input(_)) => text(""),
            Some(Body::Command(command)) => text(wire::name(&command.raw)),
            _ => Cell::Null,
        };
        "completed" Bool |r| r.completed.map_or(Cell::Null, truth);
        "invoked_id" Text |r| match &r.entry.body {
            Some(Body::Command(command)) => command.child.as_ref().map_or(Cell::Null, id),
            _ => Cell::Null,
        };
        "invoked_target" Text |r| match command(r, &[ty::CALL, ty::ONE_WAY_CALL]) {
            Some((wire_type, raw)) => maybe(wire::called(wire_type, raw)),
            None => Cell::Null,
        };
        "sleep_wakeup_at" Time |r| maybe_time(
            command(r, &[ty::SLEEP])
                .and_then(|(_, raw)| wire::Sleep::decode(raw).ok())
                .map(|sleep| sleep.wake_up_time),
        );
        "promise_name" Text |r| {
            let promises = [ty::GET_PROMISE, ty::PEEK_PROMISE, ty::COMPLETE_PROMISE];
            maybe(
                command(r, &promises)
                    .and_then(|(_, raw)| wire::PeekPromise::decode(raw).ok())
                    .map(|promise| promise.key),
            )
        };
        "raw" Binary |r| raw(r).map_or(Cell::Null, |raw| Cell::Blob(raw.to_vec()));
        "raw_length" U64 |r| raw(r).map_or(Cell::Null, |raw| long(raw.len() as u64));
        "version" U32 |_| int(2);
        "entry_json" Text |r| maybe(told(r).full().map(|json| json.to_string()));
        "entry_lite_json" Text |r| maybe(told(r).lite().map(|json| json.to_string()));
        "appended_at" Time |r| time(r.entry.time);
        "payload" Binary |r| payload(r).map_or(Cell::Null, |bytes| Cell::Blob(bytes.to_vec()));
        "payload_utf8" Text |r| payload(r).map_or(Cell::Null, |bytes| utf8(&bytes));
    };
    with_extras::<18>(base, 16)
};

/// The columns, those from a place on as extras.
const fn with_extras<const N: usize>(
    base: &[Column<JournalRow>],
    from: usize,
) -> [Column<JournalRow>; N] {
    let mut all = [base[0]; N];
    let mut place = 0;
    while place < N {
        all[place] = Column {
            extra: place >= from,
            ..base[place]
        };
        place += 1;
    }
    all
}

pub(super) fn tables() -> Vec<Table> {
    vec![Table {
        name: "sys_journal",
        columns: names(JOURNAL),
        keys: &[("id", 20), ("index", 100_000)],
        open: |source, wish| {
            Box::new(Journals {
                ranges: invocation::ranges(source, &wish).into(),
                only: wish.number("index").map(|index| u32::try_from(index).ok()),
                asks_completed: wish.uses(JOURNAL, "completed"),
                registry: source.registry.clone(),
                open: None,
            })
        },
    }]
}

/// A whole journal, if there is an invocation of this id.
pub(super) fn all_of(
    view: &dyn View,
    id: &InvocationId,
) -> Result<Option<Vec<Of<JournalRow>>>, ReadError> {
    let Some(row) = read::invocation(view, id)? else {
        return Ok(None);
    };
    let mut open = Open::new(view, *id, row.journal_len, None, true)?;
    let mut all = Vec::new();
    while let Some(entry) = open.next(view)? {
        all.push(Of {
            columns: JOURNAL,
            row: entry,
        });
    }
    Ok(Some(all))
}

/// Goes through the journals of invocations.
struct Journals {
    /// Where the invocations are.
    ranges: VecDeque<Range>,
    /// The index of the one entry that is wanted of each; nothing within: there is no such.
    only: Option<Option<u32>>,
    asks_completed: bool,
    registry: Arc<Registry>,
    /// The journal that is being read; the range it belongs to is the first.
    open: Option<Open>,
}

/// A journal that is being read.
struct Open {
    id: InvocationId,
    next: u32,
    end: u32,
    /// Completion ids with the wire types of their commands, as far as has been read.
    commands: BTreeMap<u32, u32>,
    /// All completion ids that were answered, if somebody asked.
    answered: Option<BTreeSet<u32>>,
}

impl Open {
    fn new(
        view: &dyn View,
        id: InvocationId,
        len: u32,
        only: Option<u32>,
        asks_completed: bool,
    ) -> Result<Self, ReadError> {
        let (next, end) = only.map_or((0, len), |index| {
            (index.min(len), (index.saturating_add(1)).min(len))
        });
        let mut open = Self {
            id,
            next,
            end,
            commands: BTreeMap::new(),
            answered: None,
        };
        // One entry alone does not tell what it answers, or whether it is answered.
        let looks_around = next > 0 && next < end;
        if asks_completed || looks_around {
            let mut answered = BTreeSet::new();
            for index in 0..len {
                if let Some(entry) = read::entry(view, &id, index)? {
                    open.commands.extend(completions(&entry));
                    answered.extend(answers(&entry));
                }
            }
            open.answered = asks_completed.then_some(answered);
        }
        Ok(open)
    }

    fn next(&mut self, view: &dyn View) -> Result<Option<JournalRow>, ReadError> {
        while self.next < self.end {
            let index = self.next;
            self.next += 1;
            // The journal may have been dropped.
            let Some(entry) = read::entry(view, &self.id, index)? else {
                continue;
            };
            self.commands.extend(completions(&entry));
            let answers = answers(&entry).and_then(|id| self.commands.get(&id).copied());
            let completed = match (&entry.body, &self.answered) {
                (Some(Body::Command(command)), Some(answered)) => {
                    let mut waits = command.completions.iter().peekable();
                    waits
                        .peek()
                        .is_some()
                        .then(|| waits.all(|id| answered.contains(id)))
                }
                _ => None,
            };
            return Ok(Some(JournalRow {
                id: self.id,
                index,
                entry,
                answers,
                completed,
                registry: None,
            }));
        }
        Ok(None)
    }
}

impl Scan for Journals {
    fn slice(&mut self) -> Result<Option<Vec<Box<dyn Row>>>, ReadError> {
        let only = match self.only {
            Some(None) => return Ok(None),
            Some(only) => only,
            None => None,
        };
        if self.ranges.is_empty() {
            return Ok(None);
        }
        let mut rows: Vec<Box<dyn Row>> = Vec::new();
        let (mut bytes, mut steps) = (0, 0);
        while steps < SLICE_ROWS && bytes < SLICE_BYTES {
            let Some(range) = self.ranges.front_mut() else {
                break;
            };
            steps += 1;
            if self.open.is_none() {
                let Some(stored) = range.tables.scan(&range.from, &range.end).next() else {
                    self.ranges.pop_front();
                    continue;
                };
                let (key, value) = stored?;
                range.from = after(&key);
                let Some(id) = invocations::parse_key(&key) else {
                    continue;
                };
                let row: invocations::Invocation = decode("sys_invocation", &value)?;
                let (len, asks) = (row.journal_len, self.asks_completed);
                self.open = Some(Open::new(&*range.tables, id, len, only, asks)?);
            }
            let Some(open) = &mut self.open else {
                break;
            };
            match open.next(&*range.tables)? {
                None => self.open = None,
                Some(mut row) => {
                    bytes += row.entry.encoded_len();
                    row.registry = Some(self.registry.clone());
                    rows.push(Box::new(Of {
                        columns: JOURNAL,
                        row,
                    }));
                }
            }
        }
        Ok(Some(rows))
    }
}

/// The first key after a key.
fn after(key: &Bytes) -> Bytes {
    [&key[..], &[0]].concat().into()
}

/// The completion ids of a command, with its wire type.
fn completions(entry: &JournalEntry) -> impl Iterator<Item = (u32, u32)> + '_ {
    let command = match &entry.body {
        Some(Body::Command(command)) => Some(command),
        _ => None,
    };
    command.into_iter().flat_map(|command| {
        let ids = command.completions.iter();
        ids.map(|id| (*id, command.ty))
    })
}

/// The completion that an entry is.
fn answers(entry: &JournalEntry) -> Option<u32> {
    match &entry.body {
        Some(Body::Notification(notification)) => match notification.identity {
            Some(Identity::Completion(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

fn told(row: &JournalRow) -> Told<'_> {
    Told {
        entry: &row.entry,
        answers: row.answers,
        registry: row.registry.as_deref(),
    }
}

fn entry_type(row: &JournalRow) -> String {
    match &row.entry.body {
        None => "Unknown".to_owned(),
        Some(Body::Input(_)) => "Command: Input".to_owned(),
        Some(Body::Command(command)) => {
            format!("Command: {}", invocation::type_name(command.ty))
        }
        Some(Body::Notification(_)) => {
            format!("Notification: {}", told(row).answered())
        }
    }
}

/// The bytes of a command, if it is of one of these types.
fn command<'a>(row: &'a JournalRow, types: &[u16]) -> Option<(u16, &'a [u8])> {
    match &row.entry.body {
        Some(Body::Command(command)) => {
            let wire_type = u16::try_from(command.ty).ok()?;
            types
                .contains(&wire_type)
                .then_some((wire_type, &command.raw))
        }
        _ => None,
    }
}

/// The entry as its message of the service protocol.
fn raw(row: &JournalRow) -> Option<Bytes> {
    Some(match row.entry.body.as_ref()? {
        Body::Command(command) => command.raw.clone(),
        Body::Input(input) => entry::input_message(input).encode_to_vec().into(),
        Body::Notification(notification) => entry::notification_message(notification)
            .encode_to_vec()
            .into(),
    })
}

/// The bytes of the user's that an entry carries: input, output, argument, result, value.
fn payload(row: &JournalRow) -> Option<Bytes> {
    match row.entry.body.as_ref()? {
        Body::Input(input) => Some(input.body.clone()),
        Body::Command(command) => entry::payload(command.ty, &command.raw),
        Body::Notification(journal::Notification { answer, .. }) => match answer.as_ref()? {
            latchwork_engine::Answer::Value(value) => Some(value.clone()),
            _ => None,
        },
    }
}
