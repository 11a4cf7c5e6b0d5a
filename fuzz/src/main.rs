//! Fuzzing without help of the compiler: inputs that are kept, changed at random, on any toolchain.
//!
//!     cargo run -p latchwork-fuzz -- --seconds 60 --seed 1
//!     cargo run -p latchwork-fuzz -- session --seconds 600
//!
//! The time is shared by all targets, or is that of the one that is named. A finding is written to
//! `fuzz/findings/`, where every later run and `cargo test` begins with it.

use latchwork_fuzz::corpus::{keep, kept};
use latchwork_fuzz::mutate::{Dice, mutate};
use latchwork_fuzz::{CANARY, TARGETS, Target, target};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// An input that takes longer is a finding: what it was sent to would hang.
const PATIENCE: Duration = Duration::from_secs(5);
/// Inputs of which the canary must have fallen: its word is in its corpus but for one letter.
const CANARY_INPUTS_MAX: u64 = 2_000_000;

fn main() -> ExitCode {
    let wish = match Wish::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(reason) => {
            eprintln!("{reason}\nusage: fuzz [TARGET] [--seconds N] [--seed N]");
            return ExitCode::from(2);
        }
    };
    println!("fuzz: seed {}", wish.seed);
    // The findings are what is to be seen.
    std::panic::set_hook(Box::new(|_| {}));
    if let Err(reason) = canary(wish.seed) {
        println!("fuzz: {reason}");
        return ExitCode::FAILURE;
    }
    let share = wish.time / wish.targets.len() as u32;
    let mut findings = 0;
    for target in wish.targets {
        match fuzz(target, wish.seed, share) {
            Ok(executions) => println!("fuzz: {}: {executions} inputs", target.name),
            Err(finding) => {
                findings += 1;
                println!("fuzz: {}: {finding}", target.name);
            }
        }
    }
    println!("fuzz: {findings} findings");
    ExitCode::from(u8::from(findings > 0))
}

/// What to do.
struct Wish {
    targets: Vec<&'static Target>,
    time: Duration,
    seed: u64,
}

impl Wish {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wish = Self {
            targets: Vec::new(),
            time: Duration::from_secs(60),
            seed: 1,
        };
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse().ok());
                value.ok_or_else(|| format!("{argument} needs a number"))
            };
            match argument.as_str() {
                "--seconds" => wish.time = Duration::from_secs(number()?),
                "--seed" => wish.seed = number()?,
                name => {
                    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                    let unknown = || format!("no target {name}: there are {}", names.join(", "));
                    wish.targets.push(target(name).ok_or_else(unknown)?);
                }
            }
        }
        if wish.targets.is_empty() {
            wish.targets.extend(TARGETS);
        }
        Ok(wish)
    }
}

/// Whether findings are found at all.
fn canary(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let dead = (0..CANARY_INPUTS_MAX).any(|_| {
        let input = mutate(&mut dice, b"a cot", b"a hat");
        catch_unwind(|| (CANARY.body)(&input)).is_err()
    });
    dead.then_some(())
        .ok_or_else(|| "the canary lives: findings are not found any more".to_owned())
}

/// Tries inputs until the time is over; gives how many, or the first finding.
fn fuzz(target: &Target, seed: u64, time: Duration) -> Result<u64, String> {
    let began = Instant::now();
    let kept = kept(target.name).map_err(|error| format!("the corpus cannot be read: {error}"))?;
    if kept.is_empty() {
        return Err("its corpus is empty: put an input into fuzz/corpus".to_owned());
    }
    for input in &kept {
        attempt(target, &input.bytes)
            .map_err(|reason| format!("{}: {reason}", input.path.display()))?;
    }
    let mut dice = Dice::new(seed);
    let mut executions = kept.len() as u64;
    while began.elapsed() < time {
        let one = &kept[dice.below(kept.len())].bytes;
        let other = &kept[dice.below(kept.len())].bytes;
        let input = mutate(&mut dice, one, other);
        executions += 1;
        if let Err(reason) = attempt(target, &input) {
            let name = format!("seed-{seed}-{executions}");
            let path = keep(target.name, &input, &name)
                .map_or_else(|error| error.to_string(), |path| path.display().to_string());
            return Err(format!("{reason}: {path}"));
        }
    }
    Ok(executions)
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    let body = target.body;
    catch_unwind(move || body(input)).map_err(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked, {:.2000}", said.unwrap_or("without a word"))
    })?;
    let took = began.elapsed();
    if took > PATIENCE {
        return Err(format!("took {took:?}"));
    }
    Ok(())
}
