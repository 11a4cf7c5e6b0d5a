//! The engine in a world of faults: a plain loop, one seed a run.
//!
//! ```text
//!   workload ──proposals──▶ shell: append ▸ apply ▸ commit ▸ perform ──▶ sessions, timers, outbox
//!                             │ each record                   ▲ faults: crash, lost, doubled, late
//!                             ▼
//!                          auditor: what a naive model says must be so
//! ```
//!
//! [`workload`] invents handlers and interprets them as an SDK would; [`shell`] is a
//! partition with its log, its tables and its attempts; [`world`] draws what happens next,
//! faults included; [`rest`] ends the faults, and sees that all is finished; [`auditor`]
//! watches each record.
//!
//! `LATCHWORK_SEED=7` runs that seed alone, `LATCHWORK_SEED=1..5000` that many.

mod auditor;
mod rest;
mod shell;
mod workload;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a plain test run plays.
const SEEDS: Range<u64> = 1..301;
/// Worlds know nothing of each other.
const THREADS: u64 = 2;

#[test]
fn whatever_happens_all_is_done_once_and_in_order() {
    let seeds = seeds();
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            let mine = seeds.clone().skip(first as usize).step_by(THREADS as usize);
            scope.spawn(|| mine.for_each(play));
        }
    });
}

#[test]
fn one_seed_gives_one_history() {
    assert_eq!(world::run(42), world::run(42));
}

/// Bugs that a real invoker and a real network of one process hardly ever meet: the faults of this
/// ring are at the effects themselves. With `--nocapture` it says how many seeds each took.
#[cfg(feature = "mutations")]
#[test]
fn deliberate_bugs_are_found() {
    use latchwork_engine::mutation::{Mutation, choose};

    for bug in [
        Mutation::EpochNotChecked,
        Mutation::DedupForgotten,
        Mutation::InboxBackwards,
    ] {
        choose(Some(bug));
        let found = (1..=500).find(|seed| catch_unwind(|| world::run(*seed)).is_err());
        choose(None);
        println!("| {} | engine | {found:?} |", bug.words().0);
        assert!(found.is_some(), "{bug:?} is not found");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person names the seeds to repeat; the engine itself reads nothing"
)]
fn seeds() -> Range<u64> {
    let Ok(wanted) = std::env::var("LATCHWORK_SEED") else {
        return SEEDS;
    };
    let number = |text: &str| text.parse().expect("LATCHWORK_SEED is 7 or 1..5000");
    match wanted.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&wanted)..number(&wanted) + 1,
    }
}

fn play(seed: u64) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world::run(seed))) {
        eprintln!(
            "seed {seed} failed; again with\n  \
             LATCHWORK_SEED={seed} cargo test -p latchwork-engine --test simulation"
        );
        resume_unwind(panic);
    }
}
