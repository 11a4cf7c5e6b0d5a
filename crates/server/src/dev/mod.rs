//! What a server has that is run for development, and another has not: it tells each step, and
//! can play tricks with time and with the network.
//!
//! ```text
//!   engine's writes ──▶ the runtime's Steps ──▶ StepSink
//!   timers' table ────▶ time ──────────────────▶ the clock, which runs ahead when nothing else can happen
//! ```
//!
//! Start at [`Dev`]. None of it is a setting: what serves for real cannot be told to do this.

mod time;

pub use latchwork_runtime::trace::{Step, StepKind, StepSink};

pub(crate) use time::{AheadClock, run_ahead};

use std::sync::Arc;
use std::time::Duration;

/// With virtual time, how long an attempt may wait until it is asked to suspend: time stands
/// still while one runs.
const VIRTUAL_INACTIVITY: Duration = Duration::from_millis(20);

/// What a server for development does beside serving.
#[derive(Default)]
pub struct Dev {
    /// Who is told of each step.
    pub steps: Option<Arc<dyn StepSink>>,
    /// Time runs ahead to the next timer whenever nothing but timers can bring work forward.
    pub virtual_time: bool,
    /// Each wait of a handler ends its attempt, and what follows is a replay.
    pub always_replay: bool,
    /// The seed of faults on the way to deployments.
    pub faults: Option<u64>,
}

impl Dev {
    /// How long an attempt may wait at most, if not as long as its handler is set to.
    pub(crate) fn inactivity_max(&self) -> Option<Duration> {
        match (self.always_replay, self.virtual_time) {
            (true, _) => Some(Duration::ZERO),
            (false, true) => Some(VIRTUAL_INACTIVITY),
            (false, false) => None,
        }
    }
}
