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
//! what was seen. Start at [`play`].
//!
//! Nothing here reads the time or a random source of the machine: one seed gives one trace.

mod auditor;
mod faults;
pub(crate) mod mutations;
mod pipe;
mod replica;
mod script;
mod storage;
mod torn;
mod trace;
mod workload;
mod world;

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
    /// The first thing that was wrong.
    pub(crate) wrong: Option<String>,
}

/// Plays one seed to its end.
pub(crate) fn play(seed: u64) -> Played {
    world::play(seed)
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    pub(crate) records: u64,
    pub(crate) crashes: u64,
    pub(crate) took: Duration,
}

/// Plays these seeds on as many threads; worlds know nothing of each other.
///
/// # Errors
/// The first seed that fails, with what was wrong and the command that repeats it.
pub(crate) fn play_all(seeds: Range<u64>, threads: u64) -> Result<Sum, String> {
    let began = Instant::now();
    let parts: Vec<Result<Sum, String>> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads.max(1))
            .map(|first| {
                let mine = seeds
                    .clone()
                    .skip(first as usize)
                    .step_by(threads.max(1) as usize);
                scope.spawn(move || play_some(mine))
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
    }
    sum.took = began.elapsed();
    Ok(sum)
}

fn play_some(seeds: impl Iterator<Item = u64>) -> Result<Sum, String> {
    let mut sum = Sum::default();
    for seed in seeds {
        let played = play(seed);
        if let Some(wrong) = played.wrong {
            return Err(failed(seed, &wrong, &played.trace));
        }
        sum.seeds += 1;
        sum.records += played.records;
        sum.crashes += played.crashes;
    }
    Ok(sum)
}

/// What is said of a seed that fails: the end of its trace, what was wrong, how to repeat it.
pub(crate) fn failed(seed: u64, wrong: &str, trace: &[String]) -> String {
    let tail = &trace[trace.len().saturating_sub(40)..];
    format!(
        "{}\nseed {seed} failed: {wrong}\nagain with\n  cargo run -p latchwork-sim --features rings \
         -- simulate --ring runtime --seed {seed} --trace",
        tail.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that have failed once.
    const SEEDS: &str = include_str!("seeds.txt");
    /// What a plain test run plays beside them.
    const COUNT: u64 = 50;

    fn kept_seeds() -> Vec<u64> {
        let lines = SEEDS.lines().filter(|line| !line.starts_with('#'));
        let first = lines.filter_map(|line| line.split_whitespace().next());
        first.filter_map(|seed| seed.parse().ok()).collect()
    }

    #[test]
    fn whatever_happens_nothing_is_lost_and_nothing_happens_twice() {
        for seed in kept_seeds() {
            let played = play(seed);
            if let Some(wrong) = played.wrong {
                panic!("{}", failed(seed, &wrong, &played.trace));
            }
        }
        let sum = play_all(1..COUNT + 1, 2).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(sum.crashes > 0 && sum.records > 0, "{sum:?}");
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
        let hunted = mutations::named(&names.map(String::from)).unwrap();
        for mutation in hunted {
            let found = mutations::hunt(mutation, 20);
            assert!(found.is_some(), "{mutation:?} is not found");
        }
    }

    #[test]
    fn one_seed_gives_one_trace() {
        for seed in [3, 5, 7, 42] {
            let (first, second) = (play(seed).trace, play(seed).trace);
            let apart = first.iter().zip(&second).position(|(a, b)| a != b);
            assert_eq!(apart.map(|at| (&first[at], &second[at])), None);
            assert_eq!(first.len(), second.len());
        }
    }
}
