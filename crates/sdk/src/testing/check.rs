//! One test in many worlds.

use std::ops::Range;

use super::{Builder, World};

/// Seeds that [`check`] plays.
const SEEDS: u64 = 32;
/// The variable that names a single one.
const VARIABLE: &str = "LATCHWORK_SEED";

/// Plays a test in 32 worlds: without faults, with forced replay at each await, and with the faults
/// of seeds from 2 on, every other one with forced replay too. The first that panics ends it, and
/// says how that one is repeated: `LATCHWORK_SEED=7 cargo test NAME`.
///
/// # Panics
/// When the test does; if `LATCHWORK_SEED` is set and is no number.
pub fn check<T: Future<Output = ()>>(test: impl Fn(Builder) -> T) {
    check_seeds(0..SEEDS, test);
}

/// [`check`] with other seeds: many more before a release, for instance. Where `LATCHWORK_SEED` is
/// set, that one only.
///
/// # Panics
/// As [`check`].
pub fn check_seeds<T: Future<Output = ()>>(seeds: Range<u64>, test: impl Fn(Builder) -> T) {
    let seeds = match std::env::var(VARIABLE) {
        Err(_) => seeds,
        Ok(text) => match text.parse::<u64>() {
            Ok(seed) => seed..seed.saturating_add(1),
            Err(_) => panic!("{VARIABLE} is {text:?}, which is no number of a seed"),
        },
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(test(builder(seed))),
            Err(error) => panic!("there is no runtime to play seed {seed} on: {error}"),
        }
    }
}

/// What the world of a seed is like.
fn builder(seed: u64) -> Builder {
    let world = match seed {
        0 => World::builder(),
        1 => World::builder().always_replay(),
        seed if seed % 2 == 1 => World::builder().faults(seed).always_replay(),
        seed => World::builder().faults(seed),
    };
    let thread = std::thread::current();
    // A test runs in a thread of its name, unless there is only one.
    let name = thread.name().filter(|name| *name != "main");
    let command = format!("{VARIABLE}={seed} cargo test {}", name.unwrap_or_default());
    world.repeated_by(command.trim_end().to_owned())
}
