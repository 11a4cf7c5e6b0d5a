//! The runtime ring: the real runtime and the real SDK in a world of faults, one thread, one seed.
//!
//! ```text
//!   workload ──Handle──▶ SteppedNode ⇄ pipe ⇄ SDK endpoint ⇄ scripts
//!      │                   │ ▲                                  │
//!      │            log, tables │ faults: crash, torn, refused, unknown, two leaders, clock
//!      ▼                                                        ▼
//!   auditor ◀────────── what clients and handlers saw ──────────┘      trace: all of it, in order
//! ```
//!
//! [`workload`] draws what clients ask and what handlers do, which [`script`] plays through the
//! SDK; [`faults`] is what goes wrong, in [`storage`] and in [`pipe`]; [`world`] lets it happen and
//! then come to rest; [`auditor`] is a naive model of what anybody outside may see; [`trace`] is
//! what was seen. Start at [`Ring::play`]. [`network`] is the ring around, which has all of these but the
//! pipe and the world.
//!
//! Nothing here reads the time or a random source of the machine: one seed gives one trace.

mod auditor;
mod faults;
pub(crate) mod mutations;
mod network;
mod pipe;
mod replica;
mod rest;
mod script;
mod storage;
mod torn;
mod trace;
mod turn;
mod workload;
mod world;

use clap::ValueEnum;
use latchwork_engine::seeded as random;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What became of one seed.
pub(crate) struct Played {
    /// Each thing that was seen, in order.
    pub(crate) trace: Vec<String>,
    /// Records that were applied.
    pub(crate) records: u64,
    /// Crashes it went through.
    pub(crate) crashes: u64,
    /// Connections that were made over a network.
    pub(crate) connections: u64,
    /// The first thing that was wrong.
    pub(crate) wrong: Option<String>,
}

/// The rings that are played here. The engine's is a test of its crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    /// The real runtime and SDK over faulty storage and streams.
    Runtime,
    /// The real server and SDK, over a faulty network.
    Network,
}

impl std::fmt::Display for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Runtime => "runtime",
            Self::Network => "network",
        })
    }
}

impl Ring {
    /// Plays one seed to its end.
    pub(crate) fn play(self, seed: u64) -> Played {
        match self {
            Self::Runtime => world::play(seed),
            Self::Network => network::play(seed),
        }
    }
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    pub(crate) records: u64,
    pub(crate) crashes: u64,
    pub(crate) connections: u64,
    pub(crate) took: Duration,
}

/// Plays these seeds on as many threads; worlds know nothing of each other.
///
/// # Errors
/// The first seed that fails, with what was wrong and the command that repeats it.
pub(crate) fn play_all(ring: Ring, seeds: Range<u64>, threads: u64) -> Result<Sum, String> {
    let began = Instant::now();
    let parts: Vec<Result<Sum, String>> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads.max(1))
            .map(|first| {
                let mine = seeds
                    .clone()
                    .skip(first as usize)
                    .step_by(threads.max(1) as usize);
                scope.spawn(move || play_some(ring, mine))
            })
            .collect();
        let joined = parts.into_iter().map(|part| part.join());
        joined
            .map(|part| part.unwrap_or_else(|_| Err("a world panicked".into())))
            .collect()
    });
    let mut sum = Sum::default();
    for part in parts {
        let part = part?;
        sum.seeds += part.seeds;
        sum.records += part.records;
        sum.crashes += part.crashes;
        sum.connections += part.connections;
    }
    sum.took = began.elapsed();
    Ok(sum)
}

fn play_some(ring: Ring, seeds: impl Iterator<Item = u64>) -> Result<Sum, String> {
    let mut sum = Sum::default();
    for seed in seeds {
        let played = ring.play(seed);
        if let Some(wrong) = played.wrong {
            return Err(failed(ring, seed, &wrong, &played.trace));
        }
        sum.seeds += 1;
        sum.records += played.records;
        sum.crashes += played.crashes;
        sum.connections += played.connections;
    }
    Ok(sum)
}

/// What is said of a seed that fails: the end of its trace, what was wrong, how to repeat it.
pub(crate) fn failed(ring: Ring, seed: u64, wrong: &str, trace: &[String]) -> String {
    let tail = &trace[trace.len().saturating_sub(40)..];
    format!(
        "{}\nseed {seed} failed: {wrong}\nagain with\n  cargo run -p latchwork-sim --features rings \
         -- simulate --ring {ring} --seed {seed} --trace",
        tail.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that have failed once, of each ring.
    const RUNTIME_SEEDS: &str = include_str!("seeds.txt");
    const NETWORK_SEEDS: &str = include_str!("network/seeds.txt");
    /// What a plain test run plays beside them.
    const COUNT: u64 = 50;

    fn kept_seeds(text: &str) -> Vec<u64> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let first = lines.filter_map(|line| line.split_whitespace().next());
        first.filter_map(|seed| seed.parse().ok()).collect()
    }

    fn holds(ring: Ring, kept: &str) -> Sum {
        for seed in kept_seeds(kept) {
            let played = ring.play(seed);
            if let Some(wrong) = played.wrong {
                panic!("{}", failed(ring, seed, &wrong, &played.trace));
            }
        }
        let sum = play_all(ring, 1..COUNT + 1, 2).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(sum.crashes > 0 && sum.records > 0, "{sum:?}");
        sum
    }

    #[test]
    fn whatever_happens_nothing_is_lost_and_nothing_happens_twice() {
        holds(Ring::Runtime, RUNTIME_SEEDS);
    }

    #[test]
    fn nor_over_a_network_whatever_that_does() {
        let sum = holds(Ring::Network, NETWORK_SEEDS);
        assert!(sum.connections > sum.seeds, "{sum:?}");
    }

    fn are_found(ring: Ring, names: &[&str]) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        for mutation in mutations::named(ring, &names).unwrap() {
            let found = mutations::hunt(ring, mutation, 20);
            assert!(found.is_some(), "{mutation:?} is not found");
        }
    }

    #[test]
    fn deliberate_bugs_are_found() {
        let names = [
            "key-not-taken",
            "run-not-stored",
            "state-not-written",
            "promise-twice",
            "timer-early",
            "clock-stands-still",
            "replay-backwards",
        ];
        are_found(Ring::Runtime, &names);
        let names = ["idempotency-ignored", "suspended-is-done", "cut-is-done"];
        are_found(Ring::Network, &names);
    }

    fn repeats(ring: Ring, seeds: [u64; 4]) {
        for seed in seeds {
            let (first, second) = (ring.play(seed).trace, ring.play(seed).trace);
            let apart = first.iter().zip(&second).position(|(a, b)| a != b);
            assert_eq!(apart.map(|at| (&first[at], &second[at])), None);
            assert_eq!(first.len(), second.len());
        }
    }

    #[test]
    fn one_seed_gives_one_trace() {
        repeats(Ring::Runtime, [3, 5, 7, 42]);
        repeats(Ring::Network, [3, 6, 8, 42]);
    }
}
