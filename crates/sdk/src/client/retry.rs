//! When a request is made again, and when that is of no use.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::vm::RetryPolicy;

/// The tries of one request.
pub(super) struct Patience<'p> {
    policy: &'p RetryPolicy,
    begun: Instant,
    tries: u32,
}

impl<'p> Patience<'p> {
    pub(super) fn new(policy: &'p RetryPolicy) -> Self {
        Self {
            policy,
            begun: Instant::now(),
            tries: 0,
        }
    }

    /// How long to wait before the next try, or nothing if that was the last. The other side may
    /// ask for more than the policy has, up to its longest pause.
    pub(super) fn pause(&mut self, asked_for: Option<Duration>) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        let pause = self.policy.delay_after(self.tries, self.begun.elapsed())?;
        let asked_for = asked_for.unwrap_or_default().min(self.policy.max_delay);
        Some(pause.max(asked_for))
    }
}

/// Whether a connection failed for a reason that stays: TLS that does not trust, or is not spoken.
pub(super) fn is_for_good(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        // An error of I/O that holds another is silent about it: its source is that one's source.
        cause = match io.and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_longer_pause_gets_it_within_the_limit() {
        let policy = RetryPolicy::default()
            .initial_delay(Duration::from_millis(10))
            .max_delay(Duration::from_secs(1))
            .max_attempts(4);
        let mut patience = Patience::new(&policy);
        assert_eq!(patience.pause(None), Some(Duration::from_millis(10)));
        let asked_for = Some(Duration::from_millis(500));
        assert_eq!(patience.pause(asked_for), asked_for);
        let asked_for = Some(Duration::from_secs(60));
        assert_eq!(patience.pause(asked_for), Some(Duration::from_secs(1)));
        assert_eq!(patience.pause(None), None);
    }
}
