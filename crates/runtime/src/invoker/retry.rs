//! What follows a failed attempt: the retry policy, applied.

use crate::registry::{OnMaxAttempts, RetryPolicy};
use latchwork_engine::{Next, PauseReason};

/// Upper bound of the jitter, as a share of the interval.
const JITTER: f64 = 0.3;

/// What follows, and whether it uses up an attempt of the policy.
///
/// `attempts` counts the failures since the last progress that used up an attempt, this
/// one included. `asked` is a delay that the handler, or whoever answered in its place,
/// asks for: it overrides the interval and uses nothing up. `random` is in 0..1.
pub(super) fn next(
    policy: &RetryPolicy,
    attempts: u32,
    asked_ms: Option<u64>,
    now: u64,
    random: f64,
) -> (Next, bool) {
    if let Some(delay) = asked_ms {
        return (Next::RetryAt(now.saturating_add(delay)), false);
    }
    if policy
        .max_attempts
        .is_some_and(|max| attempts >= max.max(1))
    {
        let next = match policy.on_max_attempts {
            OnMaxAttempts::Pause => Next::Pause(PauseReason::RetriesExhausted.into()),
            OnMaxAttempts::Kill => Next::End(true),
        };
        return (next, true);
    }
    let exponent = attempts.saturating_sub(1).min(1_000) as i32;
    let interval = policy.initial_interval_ms as f64 * policy.exponentiation_factor.powi(exponent);
    let longest = policy.max_interval_ms.unwrap_or(u64::MAX) as f64;
    let delay = interval.min(longest) * (1.0 + JITTER * random);
    (Next::RetryAt(now.saturating_add(delay as u64)), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(max_attempts: Option<u32>, on_max_attempts: OnMaxAttempts) -> RetryPolicy {
        RetryPolicy {
            initial_interval_ms: 100,
            exponentiation_factor: 2.0,
            max_interval_ms: Some(350),
            max_attempts,
            on_max_attempts,
        }
    }

    #[test]
    fn intervals_grow_up_to_the_longest() {
        let policy = policy(None, OnMaxAttempts::Pause);
        let delays: Vec<_> = (1..5)
            .map(|attempts| next(&policy, attempts, None, 1_000, 0.0).0)
            .collect();
        assert_eq!(delays, [1_100, 1_200, 1_350, 1_350].map(Next::RetryAt));
    }

    #[test]
    fn the_first_attempt_counts() {
        let policy = policy(Some(1), OnMaxAttempts::Kill);
        assert_eq!(next(&policy, 1, None, 0, 0.0).0, Next::End(true));
    }

    #[test]
    fn a_delay_that_is_asked_for_uses_nothing_up() {
        let policy = policy(Some(1), OnMaxAttempts::Pause);
        assert_eq!(next(&policy, 1, Some(7), 1, 0.9), (Next::RetryAt(8), false));
    }

    #[test]
    fn jitter_only_adds() {
        let policy = policy(None, OnMaxAttempts::Pause);
        assert_eq!(next(&policy, 1, None, 0, 1.0).0, Next::RetryAt(130));
    }
}
