//! What time it is for handlers, and how long their steps take.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where an endpoint has its time from.
#[derive(Clone)]
pub(crate) enum Clock {
    /// The machine.
    System,
    /// Whoever made the endpoint: such time may stand still, or leap.
    Given(Arc<dyn Fn() -> SystemTime + Send + Sync>),
}

/// The beginning of something that is measured.
#[derive(Clone, Copy)]
pub(crate) enum Started {
    /// By a clock that nobody sets.
    Steady(Instant),
    /// Time since 1970 by a given clock.
    Given(Duration),
}

impl Clock {
    /// Time since 1970.
    pub(crate) fn now(&self) -> Duration {
        let now = match self {
            Self::System => SystemTime::now(),
            Self::Given(now) => now(),
        };
        now.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Begins to measure.
    pub(crate) fn start(&self) -> Started {
        match self {
            Self::System => Started::Steady(Instant::now()),
            Self::Given(_) => Started::Given(self.now()),
        }
    }

    /// How long it has been.
    pub(crate) fn elapsed(&self, started: Started) -> Duration {
        match started {
            Started::Steady(instant) => instant.elapsed(),
            Started::Given(since) => self.now().saturating_sub(since),
        }
    }
}
