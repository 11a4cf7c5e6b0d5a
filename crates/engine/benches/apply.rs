//! What the engine takes to decide, over tables in memory.
//!
//! `cargo bench -p latchwork-engine`. An item is an invocation, from its call to its outcome, with
//! what is written for it in between.

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use latchwork_engine::{
    Awaited, Command, End, Entry, InvocationId, Invoke, Letter, MemoryView, Message, Op, Output,
    Partition, Progress, ProposeRun, Record, Settled, Span, Target, TargetKind, Topology,
};

/// Invocations of one measurement.
const CALLS: u64 = 1_000;
/// A day, which results and journals are kept for by default.
const RETENTION_MS: u64 = 86_400_000;
/// Any time will do.
const TIME: u64 = 1_700_000_000_000;

fn main() {
    divan::main();
}

/// A partition and the tables that it decides over.
struct World {
    partition: Partition,
    rows: MemoryView,
}

impl World {
    fn new() -> Self {
        Self {
            partition: Partition::new(Topology::SINGLE),
            rows: MemoryView::default(),
        }
    }

    fn apply(&mut self, command: Command) {
        let record = Record {
            time: TIME,
            command: Some(command),
        };
        let transition = self.partition.apply(&self.rows, record);
        let transition = transition.expect("rows in memory can be read");
        for (key, value) in transition.writes {
            self.rows.write(key, value);
        }
    }

    /// One invocation with as many `run` steps, each recorded before the next begins.
    fn call(&mut self, number: u64, target: &Target, steps: u32) {
        let id = id(number);
        self.apply(Command::Message(Message {
            letter: Some(Letter::Invoke(Box::new(Invoke {
                id,
                target: target.clone(),
                completion_retention_ms: RETENTION_MS,
                journal_retention_ms: RETENTION_MS,
                ..Invoke::default()
            }))),
        }));
        for step in 1..=steps {
            self.apply(progress(id, vec![run(step), proposal(step)], None));
        }
        let end = Some(End::Completed(true));
        self.apply(progress(id, vec![output()], end));
    }
}

/// Spread like real ones, which are random.
fn id(number: u64) -> InvocationId {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    InvocationId {
        partition_key: spread,
        high: spread.rotate_left(32),
        low: number,
    }
}

fn target(kind: TargetKind, key: Option<&str>) -> Target {
    Target {
        service: "Counter".into(),
        handler: "add".into(),
        key: key.map(Into::into),
        kind: kind.into(),
        scope: None,
    }
}

fn progress(id: InvocationId, entries: Vec<Entry>, end: Option<End>) -> Command {
    Command::Progress(Progress {
        id,
        epoch: 1,
        entries,
        end,
        ..Progress::default()
    })
}

fn entry(raw: &'static [u8], op: Op) -> Entry {
    Entry {
        raw: Bytes::from_static(raw),
        op: Some(op),
        ..Entry::default()
    }
}

fn run(completion: u32) -> Entry {
    entry(b"run", Op::Run(Awaited { completion }))
}

fn proposal(completion: u32) -> Entry {
    let settled = Some(Settled::Value(Span { at: 0, len: 6 }));
    let proposed = ProposeRun {
        completion,
        settled,
    };
    entry(b"result", Op::ProposeRun(proposed))
}

fn output() -> Entry {
    let settled = Some(Settled::Value(Span { at: 0, len: 6 }));
    entry(b"output", Op::Output(Output { settled }))
}

fn measure(bencher: Bencher<'_, '_>, target: &Target, steps: u32) {
    bencher
        .counter(ItemsCount::new(CALLS))
        .with_inputs(World::new)
        .bench_local_refs(|world| {
            for number in 0..CALLS {
                world.call(number, target, steps);
            }
            assert!(!world.rows.is_empty());
        });
}

#[divan::bench]
fn plain_call(bencher: Bencher<'_, '_>) {
    measure(bencher, &target(TargetKind::Plain, None), 0);
}

#[divan::bench]
fn call_of_an_object(bencher: Bencher<'_, '_>) {
    measure(bencher, &target(TargetKind::Exclusive, Some("key")), 0);
}

#[divan::bench(args = [1, 10, 100])]
fn call_with_steps(bencher: Bencher<'_, '_>, steps: u32) {
    measure(bencher, &target(TargetKind::Plain, None), steps);
}
