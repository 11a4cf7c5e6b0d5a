//! What is asked of the server: everything here follows from the seed.
//!
//! [`Plan::of`] makes one round: which tasks its clients submit and when, and at which
//! instants the server is killed. The same seed and round give the same plan.

use crate::handlers::{FanInput, Sdk, StepsInput};
use bytes::Bytes;
use fastrand::Rng;
use std::ops::Range;
use std::time::Duration;

/// How many tasks a round submits.
const TASKS: Range<u32> = 20..29;
/// Tasks are submitted within this time; the kill may come a little later.
const SUBMIT_MS_MAX: u64 = 200;
/// The kill comes within this time.
const KILL_MS_MAX: u64 = 300;
/// What an awakeable is resolved with the second time.
pub(crate) const CONTRADICTION: &str = "contradiction";
/// Few objects, so that calls queue up for them.
const OBJECTS: u32 = 4;

/// One round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// What is submitted.
    pub(crate) tasks: Vec<Task>,
    /// When the server is killed, from the start of the round.
    pub(crate) kill_after: Duration,
    /// It is killed again while it recovers: this long after it was started.
    pub(crate) kill_recovery_after: Option<Duration>,
    /// Handlers of these are killed, so long after the start of the round.
    pub(crate) kill_handlers: Option<(Sdk, Duration)>,
}

/// One submission of a client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    /// Idempotency key. Unique in the whole run.
    pub(crate) key: String,
    /// When it is submitted first, from the start of the round.
    pub(crate) submit_after: Duration,
    /// By a call that waits; otherwise by a send, and the outcome is read later.
    pub(crate) waits: bool,
    /// What its handler is written with.
    pub(crate) sdk: Sdk,
    /// What it does.
    pub(crate) work: Work,
}

/// The kinds of tasks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// Recorded runs one after the other, with a durable sleep between them.
    Steps {
        /// How many runs.
        steps: u32,
        /// The sleep between two of them, in ms.
        sleep_ms: u64,
        /// Bytes of input that are only there to be stored.
        ballast: usize,
    },
    /// Adds one to a keyed counter.
    Add {
        /// Key of the object.
        object: String,
    },
    /// Calls children and collects them.
    Fan {
        /// How many children.
        width: u32,
        /// What they are written with.
        leaf: Sdk,
    },
    /// Waits for an awakeable that the client resolves.
    Wait {
        /// What it is resolved with.
        value: String,
        /// It is resolved once more with something else, which must change nothing.
        contradicted: bool,
    },
    /// Starts after a delay.
    Late {
        /// The delay, in ms.
        delay_ms: u64,
    },
}

impl Plan {
    /// The plan of a round, for handlers of these kinds; at least one.
    pub(crate) fn of(seed: u64, round: u32, sdks: &[Sdk]) -> Self {
        // Rounds do not share a generator, so a round's plan does not hang on how
        // much the earlier ones have drawn.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(round));
        let tasks = (0..rng.u32(TASKS))
            .map(|number| Task::draw(&mut rng, format!("s{seed}-r{round}-t{number}"), sdks))
            .collect();
        Self {
            tasks,
            kill_after: Duration::from_millis(rng.u64(0..=KILL_MS_MAX)),
            kill_recovery_after: (rng.u32(0..5) == 0)
                .then(|| Duration::from_millis(rng.u64(0..100))),
            kill_handlers: rng.bool().then(|| {
                let after = Duration::from_millis(rng.u64(0..=KILL_MS_MAX));
                (sdks[rng.usize(..sdks.len())], after)
            }),
        }
    }
}

impl Task {
    fn draw(rng: &mut Rng, key: String, sdks: &[Sdk]) -> Self {
        let any = |rng: &mut Rng| sdks[rng.usize(..sdks.len())];
        let work = match rng.u32(0..20) {
            0..7 => Work::Steps {
                steps: rng.u32(1..6),
                sleep_ms: rng.u64(0..25),
                ballast: 0,
            },
            7..13 => Work::Add {
                object: format!("o{}", rng.u32(0..OBJECTS)),
            },
            13..15 => Work::Fan {
                width: rng.u32(2..17),
                leaf: any(rng),
            },
            15..17 => Work::Wait {
                value: format!("v{}", rng.u32(..)),
                contradicted: rng.bool(),
            },
            _ => Work::Late {
                delay_ms: rng.u64(1..300),
            },
        };
        let waits = rng.bool() && !matches!(work, Work::Late { .. });
        Self {
            key,
            submit_after: Duration::from_millis(rng.u64(0..SUBMIT_MS_MAX)),
            waits,
            sdk: any(rng),
            work,
        }
    }

    /// The handler that does it.
    pub(crate) fn path(&self) -> String {
        let prefix = self.sdk.prefix();
        match &self.work {
            Work::Steps { .. } => format!("/{prefix}Steps/run"),
            Work::Late { .. } => format!("/{prefix}Steps/late"),
            Work::Add { object } => format!("/{prefix}Counter/{object}/add"),
            Work::Fan { .. } => format!("/{prefix}Fan/fan"),
            Work::Wait { .. } => format!("/{prefix}Wait/wait"),
        }
    }

    /// What the handler is given.
    pub(crate) fn input(&self) -> Bytes {
        use serde_json::json;
        let input = match &self.work {
            Work::Steps {
                steps,
                sleep_ms,
                ballast,
            } => json!(StepsInput {
                steps: *steps,
                sleep_ms: *sleep_ms,
                ballast: "b".repeat(*ballast),
            }),
            Work::Late { .. } | Work::Wait { .. } => json!(self.key),
            Work::Add { .. } => return Bytes::new(),
            Work::Fan { width, leaf } => json!(FanInput {
                task: self.key.clone(),
                width: *width,
                leaf: format!("{}Leaf", leaf.prefix()),
            }),
        };
        Bytes::from(input.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Sdk] = &[Sdk::Rust, Sdk::TypeScript];

    #[test]
    fn a_seed_has_one_plan_and_rounds_differ() {
        assert_eq!(Plan::of(7, 3, BOTH), Plan::of(7, 3, BOTH));
        assert_ne!(Plan::of(7, 3, BOTH), Plan::of(7, 4, BOTH));
        assert_ne!(
            Plan::of(7, 3, BOTH).kill_after,
            Plan::of(8, 3, BOTH).kill_after
        );
    }

    #[test]
    fn every_kind_of_task_and_both_kinds_of_kill_come_up() {
        let plans: Vec<Plan> = (0..50).map(|round| Plan::of(1, round, BOTH)).collect();
        let tasks = || plans.iter().flat_map(|plan| &plan.tasks);
        let count = |kind: fn(&Work) -> bool| tasks().filter(|task| kind(&task.work)).count();
        assert!(count(|work| matches!(work, Work::Steps { .. })) > 100);
        assert!(count(|work| matches!(work, Work::Add { .. })) > 100);
        assert!(count(|work| matches!(work, Work::Fan { .. })) > 30);
        assert!(count(|work| matches!(work, Work::Wait { .. })) > 30);
        assert!(count(|work| matches!(work, Work::Late { .. })) > 30);
        assert!(count_sdk(&plans, Sdk::Rust) > 400);
        assert!(count_sdk(&plans, Sdk::TypeScript) > 400);
        let again = plans
            .iter()
            .filter(|plan| plan.kill_recovery_after.is_some());
        assert!((3..25).contains(&again.count()));
    }

    fn count_sdk(plans: &[Plan], sdk: Sdk) -> usize {
        let tasks = plans.iter().flat_map(|plan| &plan.tasks);
        tasks.filter(|task| task.sdk == sdk).count()
    }

    #[test]
    fn keys_are_unique_in_a_run() {
        let mut keys: Vec<String> = (0..20)
            .flat_map(|round| Plan::of(1, round, BOTH).tasks)
            .map(|task| task.key)
            .collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
