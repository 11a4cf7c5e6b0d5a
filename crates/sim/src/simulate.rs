//! The commands of the rings: play seeds, and hunt deliberate bugs.

use crate::ring::{self, Ring};
use clap::Parser;

/// How to play seeds.
#[derive(Parser)]
pub(crate) struct Simulate {
    /// Which ring.
    #[arg(long, value_enum, default_value_t = Ring::Runtime)]
    ring: Ring,
    /// The first seed; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Threads that play them.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Prints all that happened in the first seed.
    #[arg(long)]
    trace: bool,
}

/// How to hunt bugs.
#[derive(Parser)]
pub(crate) struct Mutations {
    /// Those to hunt; all, if none is named.
    names: Vec<String>,
    /// Which ring hunts.
    #[arg(long, value_enum, default_value_t = Ring::Runtime)]
    ring: Ring,
    /// Seeds after which a bug counts as not found.
    #[arg(long, default_value_t = 500)]
    seeds_max: u64,
}

pub(crate) fn simulate(arguments: &Simulate) -> Result<(), String> {
    let ring = arguments.ring;
    println!("seed {}", arguments.seed);
    if arguments.trace {
        let played = ring.play(arguments.seed);
        println!("{}", played.trace.join("\n"));
        return match played.wrong {
            Some(wrong) => Err(format!("seed {} failed: {wrong}", arguments.seed)),
            None => Ok(()),
        };
    }
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.count);
    let sum = ring::play_all(ring, seeds, arguments.threads)?;
    let per_minute = sum.seeds as f64 * 60.0 / sum.took.as_secs_f64();
    println!(
        "{} seeds in {:.1} s ({per_minute:.0} a minute): {} records, {} connections, {} crashes, nothing \
         wrong",
        sum.seeds,
        sum.took.as_secs_f64(),
        sum.records,
        sum.connections,
        sum.crashes
    );
    Ok(())
}

pub(crate) fn mutations(arguments: &Mutations) -> Result<(), String> {
    let mut missed = Vec::new();
    println!("| mutation | what it does | seeds | seen as |");
    println!("| --- | --- | --- | --- |");
    for mutation in ring::mutations::named(arguments.ring, &arguments.names)? {
        let (name, what) = mutation.words();
        match ring::mutations::hunt(arguments.ring, mutation, arguments.seeds_max) {
            Some(found) => {
                let seen: String = found.wrong.chars().take(90).collect();
                println!("| {name} | {what} | {} | {seen} |", found.seeds);
            }
            None => {
                println!("| {name} | {what} | not in {} | |", arguments.seeds_max);
                missed.push(name);
            }
        }
    }
    match missed.is_empty() {
        true => Ok(()),
        false => Err(format!("not found: {}", missed.join(", "))),
    }
}
