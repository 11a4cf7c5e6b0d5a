//! The end of a world: faults stop, time goes on, and all that was begun must finish.

use crate::workload::{Child, FOR_EVER_MS};
use crate::world::{World, home};
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::journal::Body;
use latchwork_engine::table::{inbox, outbox};
use latchwork_engine::{
    Answer, CANCEL_SIGNAL, Command, Future, Identity, InvocationId, Letter, MemoryView, Operate,
    Operation, Signal, Target, TargetKind, View, read,
};
use prost::Message as _;
use std::collections::BTreeSet;

/// More rounds than any world needs to come to rest.
const ROUNDS_MAX: usize = 2_000;

impl World {
    /// No fault from here on: all that was begun must end.
    pub(crate) fn come_to_rest(&mut self) {
        for shell in &mut self.shells {
            shell.restart(&mut self.auditor);
        }
        for _ in 0..ROUNDS_MAX {
            let mut moved = false;
            for own in 0..2 {
                while self.shells[own].append(self.now) {}
                moved |= self.shells[own].lag() > 0;
                while self.shells[own].apply(&mut self.auditor) {}
                while let Some(effect) = self.shells[own].volatile.effects.pop_front() {
                    self.perform(own, effect);
                    moved = true;
                }
                let ids: Vec<_> = self.shells[own].volatile.sessions.keys().copied().collect();
                for id in ids {
                    // Even one that only waits will suspend sooner or later.
                    moved = true;
                    self.shells[own].step(id, self.now, &mut self.random);
                }
                moved |= self.shells[own].look_at_timers(self.now);
            }
            if !moved && !self.ask_for_more() {
                return;
            }
            if self.now > FOR_EVER_MS {
                break;
            }
        }
        panic!("it does not come to rest: {:#?}", self.unfinished());
    }

    /// All is quiet. What a patient client or operator, or time, would do now; false if
    /// there is nothing left to do.
    fn ask_for_more(&mut self) -> bool {
        let roots = self.roots.clone();
        let lost = roots
            .iter()
            .filter(|it| !self.auditor.targets.contains_key(&it.id));
        let lost: Vec<_> = lost.cloned().collect();
        let unfinished = self.unfinished();
        if lost.is_empty() && unfinished.is_empty() {
            return false;
        }
        for invoke in lost {
            self.send(Letter::Invoke(Box::new(invoke)));
        }
        let mut promises = BTreeSet::new();
        for (id, row) in &unfinished {
            let shell = &mut self.shells[home(id)];
            if row.status() == Status::Paused {
                let operation = Operation::Resume as i32;
                shell.propose(Command::Operate(Operate {
                    id: *id,
                    operation,
                    deployment: None,
                }));
            }
            for identity in row.awaiting.iter().flat_map(signals) {
                if !has(&shell.view, id, row, &identity) {
                    let answer = Some(Answer::Void(true));
                    shell.propose(Letter::Signal(Signal {
                        id: *id,
                        identity: Some(identity),
                        answer,
                    }));
                }
            }
            if row.target.kind() == TargetKind::WorkflowShared {
                promises.insert((row.target.service.clone(), row.target.key.clone()));
            }
        }
        for (service, key) in promises {
            self.resolve(service, key);
        }
        // Time goes on only when it is all that is left to wait for.
        let mut shells = self.shells.iter();
        if shells.any(|shell| !shell.volatile.proposals.is_empty()) {
            return true;
        }
        let deadlines = self
            .shells
            .iter()
            .filter_map(|it| it.volatile.deadlines.first());
        if let Some(next) = deadlines.min() {
            self.now = self.now.max(*next);
        }
        true
    }

    /// Somebody completes the promise that those of a workflow wait for.
    fn resolve(&mut self, service: String, key: Option<String>) {
        let resolver = Child {
            target: Target {
                service,
                handler: "resolve".into(),
                key,
                kind: TargetKind::WorkflowShared as i32,
                scope: None,
            },
            idempotency: Some(0),
            completion_retention_ms: FOR_EVER_MS,
            journal_retention_ms: FOR_EVER_MS,
        };
        let invoke = resolver.invoke(&[], None);
        if !self.auditor.targets.contains_key(&invoke.id) {
            self.send(Letter::Invoke(Box::new(invoke)));
        }
    }

    fn unfinished(&self) -> Vec<(InvocationId, Invocation)> {
        let mut found = Vec::new();
        for shell in &self.shells {
            let (from, to) = invocation::all();
            for row in shell.view.scan(&from, &to) {
                let (key, value) = row.unwrap();
                let row = Invocation::decode(value).unwrap();
                if row.status() != Status::Completed {
                    found.push((invocation::parse_key(&key).unwrap(), row));
                }
            }
        }
        found
    }

    /// Nobody holds or waits for a key, no message is on its way, and all who were called
    /// have an outcome.
    pub(crate) fn nothing_is_left(&self) {
        for shell in &self.shells {
            for (from, to) in [inbox::all_locks(), inbox::all(), outbox::all()] {
                let rows = shell.view.scan(&from, &to).count();
                assert_eq!(rows, 0, "locks, inboxes and outboxes are empty at the end");
            }
        }
        let roots = self.roots.iter().map(|root| &root.id);
        for id in roots.chain(self.auditor.called.keys()) {
            let has_outcome = self.auditor.outcomes.contains_key(id);
            assert!(has_outcome, "{id:?} was called and has no outcome");
        }
    }
}

/// The signals in a future, cancellation left out.
fn signals(future: &Future) -> Vec<Identity> {
    let indexes = future
        .signals
        .iter()
        .filter(|index| **index != CANCEL_SIGNAL);
    let mut found: Vec<_> = indexes.map(|index| Identity::Signal(*index)).collect();
    found.extend(
        future
            .named_signals
            .iter()
            .cloned()
            .map(Identity::NamedSignal),
    );
    found.extend(future.nested.iter().flat_map(signals));
    found
}

fn has(view: &MemoryView, id: &InvocationId, row: &Invocation, wanted: &Identity) -> bool {
    let journal = read::journal(view, id, row.journal_len).unwrap();
    journal.iter().any(|entry| match &entry.body {
        Some(Body::Notification(it)) => it.identity.as_ref() == Some(wanted),
        _ => false,
    })
}
