//! A naive model of what anybody may observe, held against each record.
//!
//! It keeps lists where the engine keeps rows, and looks things up where the engine counts.

use crate::workload::{Node, evaluate};
use latchwork_engine::table::Address;
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::journal::{Body, JournalEntry, Notification};
use latchwork_engine::table::promise::Promise;
use latchwork_engine::{
    Answer, Call, Command, Effect, End, Future, Identity, InvocationId, MemoryView, Op, Outcome,
    Progress, Record, Target, TargetKind, Transition, View, read,
};
use prost::Message;
use std::collections::{BTreeMap, VecDeque};

/// The first byte of the keys of three tables.
const INVOCATION: u8 = 1;
const JOURNAL: u8 = 3;
const PROMISE: u8 = 7;

type Completion = (InvocationId, u32);

#[derive(Default)]
pub(crate) struct Auditor {
    /// How each invocation ended.
    pub(crate) outcomes: BTreeMap<InvocationId, Outcome>,
    /// All that were ever there, with what they call.
    pub(crate) targets: BTreeMap<InvocationId, Target>,
    /// Children that somebody durably called.
    pub(crate) called: BTreeMap<InvocationId, InvocationId>,
    answered: BTreeMap<Completion, Answer>,
    sleeps: BTreeMap<Completion, u64>,
    calls: BTreeMap<Completion, InvocationId>,
    starts: BTreeMap<InvocationId, u64>,
    epochs: BTreeMap<InvocationId, (u32, Status)>,
    /// Who was admitted to a key and is not over, in order.
    queues: BTreeMap<Address, VecDeque<InvocationId>>,
    suspended: BTreeMap<InvocationId, (Future, u32)>,
}

impl Auditor {
    /// Looks at one record and what it will do to the tables.
    pub(crate) fn before(&mut self, record: &Record, view: &MemoryView, done: &Transition) {
        if let Some(Command::Progress(progress)) = &record.command {
            self.progress(view, progress, done);
        }
        for effect in &done.effects {
            if let Effect::Completed { id, outcome } = effect {
                let earlier = self.outcomes.insert(*id, outcome.clone());
                assert_eq!(earlier, None, "{id:?} ended twice");
            }
        }
        for (key, value) in &done.writes {
            if key.first() == Some(&PROMISE)
                && let (Some(old), Some(new)) = (view.get(key).unwrap(), value)
            {
                let answer = Promise::decode(old).unwrap().answer;
                let stays = answer.is_none() || answer == Promise::decode(&new[..]).unwrap().answer;
                assert!(stays, "a promise was completed twice: {answer:?}");
            }
            if let (Some(&JOURNAL), Some(value)) = (key.first(), value) {
                let stored = view.get(key).unwrap();
                assert_eq!(stored, None, "an entry of a journal was written twice");
                let id = invocation::parse_key(key).unwrap();
                let entry = JournalEntry::decode(value.clone()).unwrap();
                if let Some(Body::Notification(notification)) = entry.body {
                    self.notified(id, &notification, record.time);
                }
            }
        }
    }

    /// Looks at the tables after it.
    pub(crate) fn after(&mut self, record: &Record, done: &Transition, view: &MemoryView) {
        let mut changed = Vec::new();
        for (key, value) in &done.writes {
            if key.first() == Some(&INVOCATION) {
                let id = invocation::parse_key(key).unwrap();
                let row = value
                    .clone()
                    .map(|value| Invocation::decode(value).unwrap());
                changed.push((id, row));
            }
        }
        for (id, row) in &changed {
            if let Some(row) = row {
                self.moved(id, row, record.time);
                self.not_late(id, row, view);
            }
        }
        self.exclusive(&changed, view);
    }

    /// What an attempt that may still speak has promised to its handler.
    fn progress(&mut self, before: &MemoryView, progress: &Progress, done: &Transition) {
        let id = progress.id;
        let row = read::invocation(before, &id).unwrap();
        let current =
            |row: Invocation| row.status() == Status::Running && row.epoch == progress.epoch;
        if !row.is_some_and(current) {
            let nothing = done.writes.is_empty();
            assert!(nothing, "{id:?}: attempt {} may not speak", progress.epoch);
            return;
        }
        for entry in &progress.entries {
            match &entry.op {
                Some(Op::Sleep(sleep)) => {
                    self.sleeps
                        .insert((id, sleep.completion), sleep.wake_up_time);
                }
                Some(Op::Call(call)) => {
                    self.calls.insert((id, call.completion), call.invoke.id);
                    self.called(id, call);
                }
                Some(Op::Send(call)) => {
                    self.called(id, call);
                    // Others may have made the same one, to start at another time.
                    let is_shared = call.invoke.idempotency_key.is_some()
                        || call.invoke.target.kind() == TargetKind::WorkflowRun;
                    if let Some(time) = call.invoke.execution_time
                        && !is_shared
                    {
                        self.starts.insert(call.invoke.id, time);
                    }
                }
                _ => {}
            }
        }
        if let Some(End::Suspended(suspended)) = &progress.end {
            let future = suspended.future.clone();
            self.suspended.insert(id, (future, suspended.replayed));
        }
    }

    fn called(&mut self, by: InvocationId, call: &Call) {
        let child = call.invoke.id;
        self.called.insert(child, by);
        self.targets.insert(child, call.invoke.target.clone());
    }

    /// Each completion comes once; none before its time, and none other than the outcome.
    fn notified(&mut self, id: InvocationId, notification: &Notification, now: u64) {
        let (Some(Identity::Completion(completion)), Some(answer)) =
            (&notification.identity, &notification.answer)
        else {
            return;
        };
        let at = (id, *completion);
        let earlier = self.answered.insert(at, answer.clone());
        assert_eq!(earlier, None, "{at:?} was completed twice");
        if let Some(time) = self.sleeps.get(&at) {
            assert!(now >= *time, "{at:?} slept until {now}, not {time}");
        }
        if let Some(child) = self.calls.get(&at) {
            let is_run = self.targets[child].kind() == TargetKind::WorkflowRun;
            let refused = matches!(answer, Answer::Failure(it) if it.message.contains("already"));
            let outcome = self.outcomes.get(child).cloned().map(Answer::from);
            let holds = outcome.as_ref() == Some(answer) || is_run && refused;
            assert!(
                holds,
                "{at:?} heard {answer:?} of {child:?}, which has {outcome:?}"
            );
        }
    }

    /// Attempts are numbered upwards, the end is the end, and nobody starts early.
    fn moved(&mut self, id: &InvocationId, row: &Invocation, now: u64) {
        self.targets.insert(*id, row.target.clone());
        let status = row.status();
        let earlier = self.epochs.insert(*id, (row.epoch, status));
        let (epoch, before) = earlier.unwrap_or((0, Status::Scheduled));
        assert!(
            row.epoch >= epoch,
            "{id:?} has attempt {} after {epoch}",
            row.epoch
        );
        let stays = before != Status::Completed || status == Status::Completed;
        assert!(stays, "{id:?} was completed and is {status:?}");
        if let Some(time) = self.starts.get(id)
            && row.in_flight()
        {
            assert!(now >= *time, "{id:?} started at {now}, not {time}");
        }
    }

    /// One that is suspended waits for something that is not there.
    fn not_late(&self, id: &InvocationId, row: &Invocation, after: &MemoryView) {
        if row.status() != Status::Suspended {
            return;
        }
        let (future, replayed) = &self.suspended[id];
        let mut settled = Vec::new();
        for (index, entry) in read::journal(after, id, row.journal_len)
            .unwrap()
            .iter()
            .enumerate()
        {
            if let Some(Body::Notification(it)) = &entry.body
                && let (Some(identity), Some(answer)) = (&it.identity, &it.answer)
            {
                let is_signal = !matches!(identity, Identity::Completion(_));
                if !is_signal || index >= *replayed as usize {
                    settled.push((identity.clone(), matches!(answer, Answer::Failure(_))));
                }
            }
        }
        let node = evaluate(future, &settled);
        assert_eq!(node, Some(Node::Pending), "{id:?} was not woken");
    }

    /// Those who need a key have it one at a time, in the order in which they came.
    fn exclusive(&mut self, changed: &[(InvocationId, Option<Invocation>)], after: &MemoryView) {
        let mut admitted = Vec::new();
        let mut touched = Vec::new();
        for (id, row) in changed {
            let Some(address) = self.targets.get(id).and_then(exclusive_address) else {
                continue;
            };
            let queue = self.queues.entry(address.clone()).or_default();
            match row.as_ref().map(|row| (row.status(), row)) {
                None | Some((Status::Completed, _)) => queue.retain(|waiting| waiting != id),
                Some((Status::Scheduled, _)) => {}
                Some((_, row)) if !queue.contains(id) => {
                    admitted.push((row.inbox_sequence, *id, address.clone()));
                }
                Some(_) => {}
            }
            touched.push(address);
        }
        admitted.sort();
        for (_, id, address) in admitted {
            self.queues.entry(address).or_default().push_back(id);
        }
        for address in touched {
            for (place, id) in self.queues[&address].iter().enumerate() {
                let row = read::invocation(after, id).unwrap().unwrap();
                let first = place == 0;
                assert_eq!(row.in_flight(), first, "{id:?} is {place} in {address:?}");
            }
        }
    }
}

fn exclusive_address(target: &Target) -> Option<Address> {
    match target.kind() {
        TargetKind::Exclusive => Address::of(target),
        _ => None,
    }
}
