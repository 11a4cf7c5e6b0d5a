//! A partition as its shell would drive it, with every step apart so that faults fit between.

use crate::auditor::Auditor;
use crate::workload::{Player, Program, Stop, interpret};
use latchwork_engine::seeded::Random;
use latchwork_engine::table::invocation::Status;
use latchwork_engine::table::journal::{Body, Notification};
use latchwork_engine::table::timer::{self, TimerKey};
use latchwork_engine::{
    AttemptFailure, Command, Effect, End, Entry, Failed, FireTimers, Future, InvocationId,
    MemoryView, Next, Op, Partition, PauseReason, Pin, Progress, ProposeRun, Record, Settled, Span,
    Suspended, Topology, Transition, View, check, read,
};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One partition: what is durable, and what a crash takes.
pub(crate) struct Shell {
    pub(crate) partition: Partition,
    pub(crate) view: MemoryView,
    pub(crate) log: Vec<Vec<u8>>,
    applied: usize,
    stamped: u64,
    pub(crate) volatile: Volatile,
}

/// What a crash takes.
#[derive(Default)]
pub(crate) struct Volatile {
    pub(crate) proposals: VecDeque<Command>,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) sessions: BTreeMap<InvocationId, Session>,
    /// Attempts that lost their right to run and were not told.
    pub(crate) zombies: Vec<Session>,
    /// The newest attempt of each invocation that was started here.
    started: BTreeMap<InvocationId, u32>,
    pub(crate) deadlines: BTreeSet<u64>,
}

/// One attempt, both ends of it.
pub(crate) struct Session {
    pub(crate) id: InvocationId,
    pub(crate) epoch: u32,
    incarnation: u32,
    program: Program,
    target: latchwork_engine::Target,
    replayed: u32,
    known: BTreeMap<u32, Notification>,
    /// Commands that were stored before or sent since.
    sent: usize,
    proposed: BTreeSet<u32>,
}

impl Shell {
    pub(crate) fn new(own: u16) -> Self {
        Self {
            partition: Partition::new(Topology { partitions: 2, own }),
            view: MemoryView::default(),
            log: Vec::new(),
            applied: 0,
            stamped: 0,
            volatile: Volatile::default(),
        }
    }

    pub(crate) fn propose(&mut self, command: impl Into<Command>) {
        self.volatile.proposals.push_back(command.into());
    }

    /// Makes the oldest proposal durable.
    pub(crate) fn append(&mut self, now: u64) -> bool {
        let Some(command) = self.volatile.proposals.pop_front() else {
            return false;
        };
        self.stamped = self.stamped.max(now);
        let record = Record {
            time: self.stamped,
            command: Some(command),
        };
        self.log.push(record.encode_to_vec());
        true
    }

    pub(crate) fn lag(&self) -> usize {
        self.log.len() - self.applied
    }

    /// Applies the next record but does not commit: what a crash in between leaves.
    pub(crate) fn peek(&self) -> Option<Transition> {
        let record = Record::decode(&self.log.get(self.applied)?[..]).unwrap();
        Some(self.partition.apply(&self.view, record).unwrap())
    }

    /// Applies and commits the next record; its effects are owed from then on.
    pub(crate) fn apply(&mut self, auditor: &mut Auditor) -> bool {
        let Some(bytes) = self.log.get(self.applied) else {
            return false;
        };
        let record = Record::decode(&bytes[..]).unwrap();
        let done = self.partition.apply(&self.view, record.clone()).unwrap();
        auditor.before(&record, &self.view, &done);
        for (key, value) in &done.writes {
            self.view.write(key.clone(), value.clone());
        }
        self.applied += 1;
        if let Err(wrong) = check::check(&self.view) {
            panic!("after {record:#?}\nthese do not hold: {wrong:#?}");
        }
        auditor.after(&record, &done, &self.view);
        self.volatile.effects.extend(done.effects);
        true
    }

    /// Loses all but the log and the tables, reads on to the end of the log, and owes what
    /// the tables say.
    pub(crate) fn restart(&mut self, auditor: &mut Auditor) {
        while self.apply(auditor) {}
        self.volatile = Volatile::default();
        let owed = self.partition.outstanding(&self.view).unwrap();
        self.volatile.effects.extend(owed);
    }

    /// Looks at the timers if one may be due.
    pub(crate) fn look_at_timers(&mut self, now: u64) -> bool {
        let deadlines = &mut self.volatile.deadlines;
        if deadlines.first().is_none_or(|first| *first > now) {
            return false;
        }
        deadlines.retain(|deadline| *deadline > now);
        let (from, to) = timer::all();
        let rows = self.view.scan(&from, &to);
        let all: Vec<_> = rows
            .map(|row| TimerKey::parse(&row.unwrap().0).unwrap())
            .collect();
        let (due, later) = all.split_at(all.partition_point(|timer| timer.time <= now));
        deadlines.extend(later.first().map(|timer| timer.time));
        let fire = FireTimers {
            timers: due.to_vec(),
        };
        self.propose(Command::FireTimers(fire));
        true
    }

    /// Starts an attempt, unless this or a later one was started here before.
    pub(crate) fn start(&mut self, id: InvocationId, epoch: u32, program: Program) {
        let started = self.volatile.started.entry(id).or_default();
        if *started >= epoch {
            return;
        }
        *started = epoch;
        if let Some(old) = self.volatile.sessions.remove(&id) {
            self.volatile.zombies.push(old);
        }
        let Some(row) = read::invocation(&self.view, &id).unwrap() else {
            return;
        };
        if row.status() == Status::Completed {
            return;
        }
        let mut session = Session {
            id,
            epoch,
            incarnation: row.incarnation,
            program,
            target: row.target.clone(),
            replayed: row.journal_len,
            known: BTreeMap::new(),
            sent: 0,
            proposed: BTreeSet::new(),
        };
        let mut recorded = Vec::new();
        let journal = read::journal(&self.view, &id, row.journal_len).unwrap();
        for (index, entry) in journal.into_iter().enumerate() {
            match entry.body {
                Some(Body::Command(command)) => recorded.push(command.raw),
                Some(Body::Notification(it)) => drop(session.known.insert(index as u32, it)),
                _ => {}
            }
        }
        session.sent = recorded.len();
        let turn = session.turn(0);
        let replay = turn.0.iter().map(|entry| &entry.raw).take(recorded.len());
        assert!(
            replay.eq(recorded.iter()),
            "{id:?} replays another path: {recorded:?}"
        );
        self.volatile.sessions.insert(id, session);
    }

    /// Takes the right to run away; one in two does not hear of it.
    pub(crate) fn abort(&mut self, id: InvocationId, epoch: u32, hears: bool) {
        let sessions = &mut self.volatile.sessions;
        if sessions
            .get(&id)
            .is_some_and(|session| session.epoch <= epoch)
            && let Some(session) = sessions.remove(&id)
            && !hears
        {
            self.volatile.zombies.push(session);
        }
    }

    pub(crate) fn notify(&mut self, id: InvocationId, index: u32, notification: Notification) {
        if let Some(session) = self.volatile.sessions.get_mut(&id)
            && index >= session.replayed
        {
            session.known.insert(index, notification);
        }
    }

    /// Lets an attempt say one thing, if it does not rather wait.
    pub(crate) fn step(&mut self, id: InvocationId, now: u64, random: &mut Random) {
        let Some(mut session) = self.volatile.sessions.remove(&id) else {
            return;
        };
        let said = session.step(now, random);
        if said.as_ref().is_none_or(|progress| progress.end.is_none()) {
            self.volatile.sessions.insert(id, session);
        }
        if let Some(progress) = said {
            self.propose(Command::Progress(progress));
        }
    }

    /// Breaks the stream of an attempt. Its shell speaks for it; one in two does not hear
    /// of it and talks on.
    pub(crate) fn cut(&mut self, id: InvocationId, now: u64, random: &mut Random) {
        if let Some(session) = self.volatile.sessions.remove(&id) {
            let next = match random.below(10) {
                0 => Next::Pause(PauseReason::RetriesExhausted.into()),
                1 => Next::End(true),
                _ => Next::RetryAt(now + random.below(2_000)),
            };
            let failed = Failed {
                failure: AttemptFailure {
                    code: 500,
                    message: "cut".into(),
                    ..AttemptFailure::default()
                },
                counts: true,
                uses_policy: true,
                next: Some(next),
            };
            let mut progress = session.says();
            progress.end = Some(End::Failed(failed));
            if random.percent(50) {
                self.volatile.zombies.push(session);
            }
            self.propose(Command::Progress(progress));
        }
    }
}

impl Session {
    fn turn(&self, now: u64) -> (Vec<Entry>, Vec<u32>, Stop) {
        let player = Player {
            id: self.id,
            target: &self.target,
            now,
        };
        let turn = interpret(&self.program, &player, &self.known);
        (turn.commands, turn.open_runs, turn.stop)
    }

    /// The next thing that the attempt says, if it does not rather wait.
    pub(crate) fn step(&mut self, now: u64, random: &mut Random) -> Option<Progress> {
        let (commands, open_runs, stop) = self.turn(now);
        let mut progress = self.says();
        let rest = commands.len().saturating_sub(self.sent);
        if rest > 0 {
            let count = 1 + random.below(rest as u64) as usize;
            let new = &commands[self.sent..self.sent + count];
            progress.entries.extend(new.iter().cloned());
            for entry in &mut progress.entries {
                entry.ack = random.percent(10);
            }
            self.sent += count;
            if count == rest && matches!(stop, Stop::Done) && random.percent(50) {
                progress.end = Some(End::Completed(true));
            }
            return Some(progress);
        }
        let run = open_runs
            .into_iter()
            .find(|run| !self.proposed.contains(run));
        if let Some(completion) = run {
            self.proposed.insert(completion);
            progress.entries.push(run_result(completion, random));
            return Some(progress);
        }
        progress.end = Some(match stop {
            Stop::Done => End::Completed(true),
            Stop::Waits(_) if random.percent(50) => return None,
            Stop::Waits(future) => End::Suspended(Suspended {
                future: Self::said_as(future, random),
                replayed: self.replayed,
            }),
        });
        Some(progress)
    }

    /// As a tree, or flat as older versions say it: any of the leaves.
    fn said_as(future: Future, random: &mut Random) -> Future {
        if random.percent(70) {
            return future;
        }
        let mut leaves = future.clone();
        for nested in &future.nested {
            leaves.completions.extend(&nested.completions);
            leaves.signals.extend(&nested.signals);
            leaves
                .named_signals
                .extend(nested.named_signals.iter().cloned());
        }
        Future::any(leaves.completions, leaves.signals, leaves.named_signals)
    }

    fn says(&self) -> Progress {
        Progress {
            id: self.id,
            epoch: self.epoch,
            incarnation: self.incarnation,
            pin: Some(Pin {
                deployment: "d1".into(),
                version: 6,
            }),
            ..Progress::default()
        }
    }
}

/// What the code of a run gives: never the same twice.
fn run_result(completion: u32, random: &mut Random) -> Entry {
    let raw = format!("{}", random.next());
    let settled = if random.percent(10) {
        Settled::Failure(latchwork_engine::Failure::new(500, raw.clone()))
    } else {
        Settled::Value(Span {
            at: 0,
            len: raw.len() as u32,
        })
    };
    Entry {
        ty: 0,
        raw: raw.into(),
        ack: random.percent(50),
        op: Some(Op::ProposeRun(ProposeRun {
            completion,
            settled: Some(settled),
        })),
    }
}
