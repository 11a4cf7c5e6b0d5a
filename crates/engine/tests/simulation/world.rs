//! What happens next, while there are faults: each step is drawn.

use crate::auditor::Auditor;
use crate::shell::Shell;
use crate::workload::{FOR_EVER_MS, child, program};
use latchwork_engine::seeded::Random;
use latchwork_engine::table::invocation::{Invocation, Status};
use latchwork_engine::table::journal::Body;
use latchwork_engine::{
    Answer, Command, Deliver, Delivered, Document, Effect, Identity, InvocationId, Invoke, Letter,
    MemoryView, Operate, Operation, PatchState, Record, Register, Restart, Signal, StateEntry,
    TargetKind, Topology, read,
};
use prost::Message as _;
use std::collections::BTreeMap;

/// How much happens while there are faults.
const STEPS: usize = 500;

/// Two partitions and all who want something of them.
pub(crate) struct World {
    seed: u64,
    pub(crate) random: Random,
    pub(crate) now: u64,
    pub(crate) shells: [Shell; 2],
    pub(crate) auditor: Auditor,
    /// What clients asked for, to be asked again if it was lost.
    pub(crate) roots: Vec<Invoke>,
    /// Where an invocation took its program from, if it was restarted.
    origins: BTreeMap<InvocationId, InvocationId>,
    faults: Faults,
}

/// Percentages, drawn for each world.
struct Faults {
    crash: u64,
    double: u64,
    lose: u64,
    cut: u64,
    operate: u64,
}

/// Plays one world to its end, and returns its tables.
pub(crate) fn run(seed: u64) -> [MemoryView; 2] {
    let mut random = Random::new(seed);
    let mut draw = |max| {
        if random.percent(70) {
            random.below(max)
        } else {
            0
        }
    };
    let faults = Faults {
        crash: draw(4),
        double: draw(20),
        lose: draw(10),
        cut: draw(15),
        operate: draw(12),
    };
    let mut world = World {
        seed,
        random,
        now: 1_000,
        shells: [Shell::new(0), Shell::new(1)],
        auditor: Auditor::default(),
        roots: Vec::new(),
        origins: BTreeMap::new(),
        faults,
    };
    for _ in 0..STEPS {
        world.something();
    }
    world.come_to_rest();
    world.nothing_is_left();
    for shell in &world.shells {
        assert!(
            replay(shell) == shell.view,
            "the log gives other tables than there are"
        );
    }
    world.shells.map(|shell| shell.view)
}

/// The tables that the log alone gives.
fn replay(shell: &Shell) -> MemoryView {
    let mut view = MemoryView::default();
    for bytes in &shell.log {
        let record = Record::decode(&bytes[..]).unwrap();
        let done = shell.partition.apply(&view, record).unwrap();
        for (key, value) in done.writes {
            view.write(key, value);
        }
    }
    view
}

pub(crate) fn home(id: &InvocationId) -> usize {
    usize::from(
        Topology {
            partitions: 2,
            own: 0,
        }
        .owner(id.partition_key),
    )
}

impl World {
    fn something(&mut self) {
        let own = self.random.below(2) as usize;
        match self.random.below(100) {
            0..18 => drop(self.shells[own].append(self.now)),
            18..42 => self.apply(own),
            42..64 => self.perform_or_fail(own),
            64..84 => self.some_session(own),
            84..90 => self.client(),
            90..94 => self.now += self.random.below(800),
            94..98 => drop(self.shells[own].look_at_timers(self.now)),
            98 if self.random.percent(self.faults.crash * 10) => {
                self.shells[own].restart(&mut self.auditor);
            }
            _ if self.random.percent(self.faults.operate * 4) => self.operator(),
            _ => {}
        }
    }

    /// A crash between apply and commit leaves nothing, so the next apply does the same.
    fn apply(&mut self, own: usize) {
        let shell = &mut self.shells[own];
        if self.random.percent(10) {
            assert_eq!(shell.peek(), shell.peek());
        }
        shell.apply(&mut self.auditor);
    }

    fn perform_or_fail(&mut self, own: usize) {
        let Some(effect) = self.shells[own].volatile.effects.pop_front() else {
            return;
        };
        let notifies = matches!(effect, Effect::Notify { .. });
        if !notifies && self.random.percent(self.faults.lose) {
            return;
        }
        if self.random.percent(self.faults.double) {
            self.perform(own, effect.clone());
        }
        self.perform(own, effect);
    }

    pub(crate) fn perform(&mut self, own: usize, effect: Effect) {
        let shell = &mut self.shells[own];
        match effect {
            Effect::Run { id, epoch } => {
                let origin = self.origins.get(&id).unwrap_or(&id);
                if let Some(target) = self.auditor.targets.get(&id) {
                    shell.start(id, epoch, program(self.seed, origin, target));
                }
            }
            Effect::Abort { id, epoch } => shell.abort(id, epoch, self.random.percent(50)),
            Effect::Notify {
                id,
                index,
                notification,
                ..
            } => shell.notify(id, index, notification),
            // No two of these handlers can wait for each other.
            Effect::Queued { .. } => {}
            Effect::Arm { time } => drop(shell.volatile.deadlines.insert(time)),
            Effect::Deliver {
                to,
                sequence,
                message,
            } => {
                let deliver = Deliver {
                    from: own as u32,
                    sequence,
                    message,
                };
                self.shells[usize::from(to)].propose(Command::Deliver(deliver));
            }
            Effect::ConfirmDelivery { to, up_to } => {
                let delivered = Delivered {
                    to: own as u32,
                    up_to,
                };
                self.shells[usize::from(to)].propose(Command::Delivered(delivered));
            }
            Effect::Acknowledge { .. }
            | Effect::Completed { .. }
            | Effect::RegistryChanged
            | Effect::Reply(_) => {}
        }
    }

    fn some_session(&mut self, own: usize) {
        let now = self.now;
        let shell = &mut self.shells[own];
        // Slow, so that they meet the attempts that replaced them.
        if self.random.percent(10)
            && let Some(mut zombie) = shell.volatile.zombies.pop()
        {
            let said = zombie.step(now, &mut self.random);
            if said.as_ref().is_none_or(|progress| progress.end.is_none()) {
                shell.volatile.zombies.push(zombie);
            }
            if let Some(progress) = said {
                shell.propose(Command::Progress(progress));
            }
        }
        let ids: Vec<_> = shell.volatile.sessions.keys().copied().collect();
        let Some(id) = self.random.pick(&ids).copied() else {
            return;
        };
        if self.random.percent(self.faults.cut) {
            shell.cut(id, now, &mut self.random);
        } else {
            shell.step(id, now, &mut self.random);
        }
    }

    pub(crate) fn send(&mut self, letter: Letter) {
        self.shells[home(&letter.to())].propose(letter);
    }

    fn client(&mut self) {
        let known: Vec<_> = self.auditor.targets.keys().copied().collect();
        match self.random.below(10) {
            0..=4 if self.roots.len() < 8 => {
                let child = child(&mut self.random, 0);
                let nonce = [self.seed, self.roots.len() as u64];
                let delay = self.random.below(4) * 500;
                let at = (delay > 0).then_some(self.now + delay);
                let invoke = child.invoke(&nonce, at);
                self.roots.push(invoke.clone());
                self.send(Letter::Invoke(Box::new(invoke)));
            }
            5 => {
                let stays = |it: &&Invoke| it.completion_retention_ms == FOR_EVER_MS;
                let roots: Vec<_> = self.roots.iter().filter(stays).cloned().collect();
                if let Some(again) = self.random.pick(&roots) {
                    self.send(Letter::Invoke(Box::new(again.clone())));
                }
            }
            6 | 7 => {
                if let Some(id) = self.random.pick(&known).copied() {
                    let index = 17 + self.random.below(3) as u32;
                    let identity = match self.random.percent(50) {
                        true => Identity::Signal(index),
                        false => Identity::NamedSignal(format!("go{index}")),
                    };
                    self.signal(id, identity);
                }
            }
            8 => {
                if let Some(id) = self.random.pick(&known).copied() {
                    self.patch(id);
                }
            }
            _ => {
                let document = Document {
                    name: "d1".into(),
                    body: self.random.percent(80).then(|| "document".into()),
                };
                let documents = vec![document];
                self.shells[0].propose(Command::Register(Register { documents }));
            }
        }
    }

    fn signal(&mut self, id: InvocationId, identity: Identity) {
        let answer = Answer::Value(format!("{}", self.random.below(1_000)).into());
        self.send(Letter::Signal(Signal {
            id,
            identity: Some(identity),
            answer: Some(answer),
        }));
    }

    fn patch(&mut self, id: InvocationId) {
        let target = &self.auditor.targets[&id];
        if let Some(key) = target.key.clone() {
            let entry = StateEntry {
                key: vec![0].into(),
                value: "patched".into(),
            };
            let patch = PatchState {
                service: target.service.clone(),
                scope: None,
                key,
                state: vec![entry],
                partition_key: id.partition_key,
                only_if: None,
            };
            self.shells[home(&id)].propose(Command::PatchState(patch));
        }
    }

    fn operator(&mut self) {
        let known: Vec<_> = self.auditor.targets.keys().copied().collect();
        let Some(id) = self.random.pick(&known).copied() else {
            return;
        };
        let row = read::invocation(&self.shells[home(&id)].view, &id).unwrap();
        // One that can be called again under its id stays: see `child`.
        let unique = row.as_ref().is_some_and(|row| {
            row.idempotency_key.is_none()
                && row.restarted_from.is_none()
                && row.target.kind() != TargetKind::WorkflowRun
                && self.roots.iter().all(|root| root.id != id)
        });
        let operation = match self.random.below(8) {
            0 => Operation::Cancel,
            1 => Operation::Kill,
            2 | 3 => Operation::Pause,
            4 => Operation::Resume,
            5 if unique => Operation::Purge,
            6 => Operation::PurgeJournal,
            _ => return self.begin_anew(id, row),
        };
        let operate = Operate {
            id,
            operation: operation as i32,
            deployment: None,
        };
        self.shells[home(&id)].propose(Command::Operate(operate));
    }

    /// The kept part has no signals, so only what saw none takes the same path again.
    fn begin_anew(&mut self, from: InvocationId, row: Option<Invocation>) {
        let Some(row) = row.filter(|row| row.status() == Status::Completed) else {
            return;
        };
        let view = &self.shells[home(&from)].view;
        let journal = read::journal(view, &from, row.journal_len).unwrap();
        let saw_signals = journal.iter().any(|entry| match &entry.body {
            Some(Body::Notification(it)) => !matches!(it.identity, Some(Identity::Completion(_))),
            _ => false,
        });
        if saw_signals {
            return;
        }
        let id = InvocationId {
            partition_key: from.partition_key,
            high: self.random.next(),
            low: 0,
        };
        let origin = self.origins.get(&from).copied().unwrap_or(from);
        self.origins.insert(id, origin);
        let restart = Restart {
            from,
            id,
            last_command: self.random.below(u64::from(row.commands.max(1))) as u32,
            pin: None,
        };
        let twice = row.completion_retention_ms == FOR_EVER_MS && self.random.percent(50);
        for _ in 0..1 + u64::from(twice) {
            self.shells[home(&id)].propose(Command::Restart(restart.clone()));
        }
    }
}
