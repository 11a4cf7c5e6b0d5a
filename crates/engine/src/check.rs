//! What must hold between any two records: a view comes in, what is wrong with it goes out.
//!
//! For simulations and for debug builds: it reads every row. Each rule names the table
//! it looks at; the rules that tie two tables together are checked from both ends.

use crate::command::Message;
use crate::id::InvocationId;
use crate::table::audit::{self, Deed, Ends};
use crate::table::inbox::{self, Lock, Turn, Waiting};
use crate::table::invocation::{self, Invocation, Status};
use crate::table::journal::{self, Body, JournalEntry};
use crate::table::listing::{self, Standing};
use crate::table::outbox::{self, Counter};
use crate::table::promise::{self, Promise};
use crate::table::timer::{self, TimerKey, TimerKind};
use crate::table::{Address, end_of, number};
use crate::value::TargetKind;
use crate::view::{Row, View};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Checks every row against what it belongs to.
///
/// # Errors
/// One sentence for each thing that does not hold, tables that cannot be read included.
pub fn check(view: &dyn View) -> Result<(), Vec<String>> {
    let mut check = Check {
        view,
        invocations: BTreeMap::new(),
        wrong: Vec::new(),
    };
    for (key, value) in check.rows(invocation::all()) {
        match (invocation::parse_key(&key), check.decode(&key, value)) {
            (Some(id), Some(row)) => drop(check.invocations.insert(id, row)),
            _ => check.wrong(format!("an invocation's row cannot be read: {key:?}")),
        }
    }
    check.every_invocation();
    check.every_listing();
    check.every_journal();
    check.every_lock();
    check.every_waiting();
    check.every_timer();
    check.every_message();
    check.every_promise();
    check.every_deed();
    if check.wrong.is_empty() {
        Ok(())
    } else {
        Err(check.wrong)
    }
}

struct Check<'a> {
    view: &'a dyn View,
    invocations: BTreeMap<InvocationId, Invocation>,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    fn expect(&mut self, holds: bool, id: &InvocationId, what: &str) {
        if !holds {
            self.wrong(format!("{id:?}: {what}"));
        }
    }

    fn rows(&mut self, (from, to): (Bytes, Bytes)) -> Vec<Row> {
        let rows: Result<Vec<Row>, _> = self.view.scan(&from, &to).collect();
        rows.unwrap_or_else(|error| {
            self.wrong(error.to_string());
            Vec::new()
        })
    }

    fn get(&mut self, key: &[u8]) -> Option<Bytes> {
        self.view.get(key).unwrap_or_else(|error| {
            self.wrong(error.to_string());
            None
        })
    }

    fn decode<M: prost::Message + Default>(&mut self, key: &[u8], value: Bytes) -> Option<M> {
        match M::decode(value) {
            Ok(row) => Some(row),
            Err(error) => {
                self.wrong(format!("the row {key:?} cannot be decoded: {error}"));
                None
            }
        }
    }

    fn row<M: prost::Message + Default>(&mut self, key: &[u8]) -> Option<M> {
        let value = self.get(key)?;
        self.decode(key, value)
    }

    fn has_timer(&mut self, time: u64, id: &InvocationId, kind: TimerKind, number: u32) -> bool {
        let key = TimerKey {
            time,
            id: *id,
            kind: kind as i32,
            number,
        };
        self.get(&key.key()).is_some()
    }

    /// What a status says must be in the row and beside it, and nothing of another status.
    fn every_invocation(&mut self) {
        let all = std::mem::take(&mut self.invocations);
        for (&id, row) in &all {
            let status = row.status();
            let is = |wanted| status == wanted;
            let standing = Standing::of(row);
            let listed = self.get(&listing::key(standing, &row.target, row.created_at, &id));
            let holds = row.listed() == standing && listed.is_some();
            self.expect(holds, &id, "is not listed where it stands");
            if is(Status::Running) {
                let epoch = row.epoch.to_be_bytes();
                let holds = listed.as_deref() == Some(&epoch[..]);
                self.expect(holds, &id, "runs, but is not listed with its epoch");
            }
            let holds = is(Status::Completed) || !row.has_failed;
            self.expect(holds, &id, "has failed, and is not over");
            let started = row.epoch > 0;
            let waits_to_start = is(Status::Scheduled) || is(Status::Inboxed);
            let holds = waits_to_start != started || is(Status::Completed);
            self.expect(holds, &id, "its epoch and its status disagree");

            if is(Status::Scheduled) {
                let time = row.execution_time.unwrap_or(0);
                let armed = self.has_timer(time, &id, TimerKind::Start, 0);
                self.expect(armed, &id, "has no timer for its start");
            }
            let holds = row.inbox_sequence.is_some() == is(Status::Inboxed);
            self.expect(
                holds,
                &id,
                "has a place in an inbox if and only if it is inboxed",
            );
            self.exclusive(&id, row);

            let holds = row.awaiting.is_some() == is(Status::Suspended);
            self.expect(
                holds,
                &id,
                "awaits something if and only if it is suspended",
            );
            if let Some(mut future) = row.awaiting.clone() {
                self.expect(!future.is_done(), &id, "what it awaits is done");
            }
            let holds = row.next_retry_at.is_some() == is(Status::BackingOff);
            self.expect(holds, &id, "has a next retry if and only if it backs off");
            if let Some(time) = row.next_retry_at {
                let armed = self.has_timer(time, &id, TimerKind::Retry, row.epoch);
                self.expect(armed, &id, "has no timer for its retry");
            }
            let holds = row.completed_at.is_some() == is(Status::Completed);
            self.expect(holds, &id, "has an end if and only if it is completed");
            if let Some(time) = row.expires_at() {
                let armed = self.has_timer(time, &id, TimerKind::Forget, 0);
                self.expect(armed, &id, "will not be forgotten");
                self.expect(
                    row.waiters.is_empty(),
                    &id,
                    "is over, and others wait for it",
                );
            } else {
                self.expect(row.failure.is_none(), &id, "has failed, and is not over");
                self.expect(!row.journal_dropped, &id, "has no journal, and is not over");
            }
            if let Some(time) = row.drops_journal_at() {
                let armed = self.has_timer(time, &id, TimerKind::DropJournal, 0);
                self.expect(armed, &id, "its journal will not be dropped");
            }
        }
        self.invocations = all;
    }

    /// One that has started holds its key; one that waits for it is in its inbox.
    fn exclusive(&mut self, id: &InvocationId, row: &Invocation) {
        let Some(address) = exclusive_address(row) else {
            let holds = row.status() != Status::Inboxed;
            self.expect(holds, id, "waits for a key that it does not need");
            return;
        };
        if row.in_flight() {
            let lock: Option<Lock> = self.row(&inbox::lock_key(&address));
            let holds = lock.is_some_and(|lock| lock.holder == *id);
            self.expect(holds, id, "runs without holding its key");
        }
        if let Some(sequence) = row.inbox_sequence {
            let waiting: Option<Waiting> = self.row(&inbox::key(&address, sequence));
            let holds = waiting.and_then(|w| w.turn) == Some(Turn::Invocation(*id));
            self.expect(holds, id, "is not at its place in the inbox");
        }
    }

    /// Each is listed once: as many rows as invocations, each of which has its own.
    fn every_listing(&mut self) {
        let listed = self.rows(listing::all()).len();
        if listed != self.invocations.len() {
            let stored = self.invocations.len();
            self.wrong(format!("{listed} are listed, {stored} are stored"));
        }
    }

    /// The rows of a journal are the ones that its invocation counts.
    fn every_journal(&mut self) {
        let mut journals: BTreeMap<InvocationId, BTreeMap<u32, Body>> = BTreeMap::new();
        let table = Bytes::from_static(&[number::JOURNAL]);
        let end = end_of(&table);
        for (key, value) in self.rows((table, end)) {
            let id = invocation::parse_key(&key);
            let index = key.get(25..).and_then(|rest| rest.try_into().ok());
            let entry: Option<JournalEntry> = self.decode(&key, value);
            match (id, index, entry.and_then(|entry| entry.body)) {
                (Some(id), Some(index), Some(body)) => {
                    debug_assert_eq!(journal::key(&id, u32::from_be_bytes(index)), key);
                    let entries = journals.entry(id).or_default();
                    entries.insert(u32::from_be_bytes(index), body);
                }
                _ => self.wrong(format!("an entry cannot be read: {key:?}")),
            }
        }
        let owners = std::mem::take(&mut self.invocations);
        for (&id, row) in &owners {
            let entries = journals.remove(&id).unwrap_or_default();
            if row.journal_dropped {
                let kept = entries.keys().copied().eq(row.output_index);
                self.expect(
                    kept,
                    &id,
                    "more or less than its output is left of its journal",
                );
            } else {
                let whole = entries.keys().copied().eq(0..row.journal_len);
                self.expect(whole, &id, "its journal has holes or too many entries");
                let first = matches!(entries.get(&0), Some(Body::Input(_)));
                self.expect(first, &id, "its journal does not begin with the input");
                let is_command = |body: &&Body| !matches!(body, Body::Notification(_));
                let commands = entries.values().filter(is_command).count();
                let holds = commands == row.commands as usize;
                self.expect(holds, &id, "its commands are counted wrongly");
            }
            if let Some(index) = row.output_index {
                let output = matches!(
                    entries.get(&index),
                    Some(Body::Command(command)) if command.settled.is_some()
                );
                self.expect(output, &id, "its output is none");
            }
        }
        self.invocations = owners;
        for id in journals.keys() {
            self.wrong(format!("a journal of nobody: {id:?}"));
        }
    }

    fn every_lock(&mut self) {
        for (key, value) in self.rows(inbox::all_locks()) {
            let lock: Option<Lock> = self.decode(&key, value);
            let (Some(address), Some(lock)) = (inbox::parse_lock_key(&key), lock) else {
                self.wrong(format!("a lock cannot be read: {key:?}"));
                continue;
            };
            let held = self.invocations.get(&lock.holder).is_some_and(|row| {
                row.in_flight() && exclusive_address(row).as_ref() == Some(&address)
            });
            if !held {
                self.wrong(format!("{address:?} is locked by {:?}", lock.holder));
            }
            let rows = self.rows(inbox::all_of(&address));
            if rows.len() as u64 != lock.waiting {
                let counted = lock.waiting;
                self.wrong(format!("{address:?}: {} wait, not {counted}", rows.len()));
            }
            let first = rows.first().and_then(|(key, _)| inbox::parse_sequence(key));
            if first.is_some_and(|first| first < lock.first_sequence) {
                self.wrong(format!("{address:?}: {first:?} waits before the first"));
            }
        }
    }

    fn every_waiting(&mut self) {
        for (key, value) in self.rows(inbox::all()) {
            let waiting: Option<Waiting> = self.decode(&key, value);
            let turn = waiting.and_then(|waiting| waiting.turn);
            let (Some((address, sequence)), Some(turn)) = (inbox::parse_key(&key), turn) else {
                self.wrong(format!("an inbox cannot be read: {key:?}"));
                continue;
            };
            let lock: Option<Lock> = self.row(&inbox::lock_key(&address));
            if lock.is_none_or(|lock| sequence >= lock.next_sequence) {
                self.wrong(format!("{address:?}: {sequence} waits for no lock"));
            }
            let holds = match &turn {
                Turn::Invocation(id) => self.invocations.get(id).is_some_and(|row| {
                    row.inbox_sequence == Some(sequence)
                        && exclusive_address(row).as_ref() == Some(&address)
                }),
                Turn::Patch(patch) => {
                    (&patch.service, &patch.scope, &patch.key)
                        == (&address.service, &address.scope, &address.key)
                }
            };
            if !holds {
                self.wrong(format!("{address:?}: {turn:?} does not wait at {sequence}"));
            }
        }
    }

    /// Each timer has somebody who waits for it. A sleep may outlive its sleeper.
    fn every_timer(&mut self) {
        for (key, _) in self.rows(timer::all()) {
            let Some(timer) = TimerKey::parse(&key) else {
                self.wrong(format!("a timer cannot be read: {key:?}"));
                continue;
            };
            let row = self.invocations.get(&timer.id);
            let holds = match timer.kind() {
                TimerKind::Sleep => true,
                TimerKind::Start => row.is_some_and(|row| {
                    row.status() == Status::Scheduled && row.execution_time == Some(timer.time)
                }),
                TimerKind::Retry => row.is_some_and(|row| {
                    row.next_retry_at == Some(timer.time) && row.epoch == timer.number
                }),
                TimerKind::Forget => row.is_some_and(|row| row.expires_at() == Some(timer.time)),
                TimerKind::DropJournal => {
                    row.is_some_and(|row| row.drops_journal_at() == Some(timer.time))
                }
            };
            self.expect(holds, &timer.id, &format!("has no use for {timer:?}"));
        }
    }

    /// Messages to one receiver are numbered without holes, up to the counter.
    fn every_message(&mut self) {
        let mut last = BTreeMap::new();
        for (key, value) in self.rows(outbox::all()) {
            let message: Option<Message> = self.decode(&key, value);
            let Some((to, sequence)) = outbox::parse_key(&key) else {
                self.wrong(format!("a message cannot be read: {key:?}"));
                continue;
            };
            if message.is_none_or(|message| message.letter.is_none()) {
                self.wrong(format!("message {sequence} to {to} says nothing"));
            }
            if let Some(before) = last.insert(to, sequence)
                && sequence != before + 1
            {
                self.wrong(format!("messages to {to}: {sequence} follows {before}"));
            }
        }
        for (to, sequence) in last {
            let counter: Option<Counter> = self.row(&outbox::counter_key(to));
            if counter.is_none_or(|counter| counter.last != sequence) {
                self.wrong(format!(
                    "messages to {to} end at {sequence}, not {counter:?}"
                ));
            }
        }
    }

    /// Those of a list follow each other, from one of its ends to the other.
    fn every_deed(&mut self) {
        let mut found = [Vec::new(), Vec::new()];
        for (key, value) in self.rows(audit::all()) {
            match (audit::parse_key(&key), self.decode::<Deed>(&key, value)) {
                (Some((refused, sequence)), Some(_)) => {
                    found[usize::from(refused)].push(sequence);
                }
                _ => self.wrong(format!("a row of the audit cannot be read: {key:?}")),
            }
        }
        for (refused, found) in [false, true].into_iter().zip(found) {
            let ends: Ends = self.row(&audit::ends_key(refused)).unwrap_or_default();
            if !(ends.first..ends.next).eq(found) {
                self.wrong(format!("the audit (refused: {refused}) is not {ends:?}"));
            }
        }
    }

    fn every_promise(&mut self) {
        for (key, value) in self.rows(promise::all()) {
            let promise: Option<Promise> = self.decode(&key, value);
            let (Some((address, name)), Some(promise)) = (promise::parse_key(&key), promise) else {
                self.wrong(format!("a promise cannot be read: {key:?}"));
                continue;
            };
            if promise.answer.is_some() != promise.waiters.is_empty() {
                let what = "is completed if and only if nobody waits for it";
                self.wrong(format!("promise {name} of {address:?}: {what}"));
            }
        }
    }
}

fn exclusive_address(row: &Invocation) -> Option<Address> {
    match row.target.kind() {
        TargetKind::Exclusive => Address::of(&row.target),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Target;
    use crate::view::MemoryView;

    #[test]
    fn nothing_is_fine() {
        assert_eq!(check(&MemoryView::default()), Ok(()));
    }

    #[test]
    fn rows_that_belong_to_nobody_are_found() {
        let id = InvocationId::from_bytes([1; 24]);
        let lock = Lock {
            holder: id,
            waiting: 1,
            ..Lock::default()
        };
        let address = Address {
            service: "S".into(),
            scope: None,
            key: "k".into(),
        };
        let mut view = MemoryView::default();
        let key = listing::key(Standing::Running, &Target::default(), 1, &id);
        view.write(key, Some(Bytes::new()));
        let lock = prost::Message::encode_to_vec(&lock);
        view.write(inbox::lock_key(&address), Some(lock.into()));
        let wrong = check(&view).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}
