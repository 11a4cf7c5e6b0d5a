//! Runs: user code whose outcome the journal remembers.
//!
//! The command says that code will run; its outcome is proposed when it has, and counts once the
//! server has stored it. Up to protocol 6 the server sends the outcome back; from 7 on it only
//! acknowledges, and the value held here is used.

use std::time::Duration;

use bytes::Bytes;
use latchwork_protocol::service::frame::{self, ACK, ty};
use latchwork_protocol::service::message::{
    self as wire, Failure, NotificationResult, ProposeRunCompletion, ProposeRunCompletionAck,
    RunOutcome, Value,
};
use latchwork_protocol::service::version::Version;

use super::{AttemptError, CommandRef, Leaf, Vm, code, violation};

/// A run that has no outcome yet.
#[derive(Debug)]
pub(super) struct RunEntry {
    command: CommandRef,
    /// An earlier attempt has begun it.
    stored: bool,
    proposed: Option<RunOutcome>,
}

/// How often, and with which pauses, a run is tried before its failure becomes its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// The pause after the first failure.
    pub initial_delay: Duration,
    /// By which each pause is longer than the one before.
    pub factor: f64,
    /// The longest pause.
    pub max_delay: Duration,
    /// The number of tries, the first included; nothing: no limit.
    pub max_attempts: Option<u32>,
    /// How long after the first try another may begin; nothing: no limit.
    pub max_duration: Option<Duration>,
}

impl Default for RetryPolicy {
    /// 100 ms, doubling up to 10 s, without limit.
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_millis(100),
            factor: 2.0,
            max_delay: Duration::from_secs(10),
            max_attempts: None,
            max_duration: None,
        }
    }
}

impl RetryPolicy {
    /// One try, no more.
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// Sets the pause after the first failure.
    #[must_use]
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// Sets by which each pause is longer than the one before; less than 1 counts as 1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the longest pause.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets the number of tries, the first included; 0 counts as 1.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Sets how long after the first try another may begin.
    #[must_use]
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = Some(duration);
        self
    }

    /// The pause after try number `attempt`, or nothing when that was the last.
    pub(crate) fn delay_after(&self, attempt: u32, elapsed: Duration) -> Option<Duration> {
        let out_of_attempts = self.max_attempts.is_some_and(|max| attempt >= max.max(1));
        if out_of_attempts || self.max_duration.is_some_and(|max| elapsed >= max) {
            return None;
        }
        let factor = if self.factor > 1.0 { self.factor } else { 1.0 };
        let grown = factor.powf(f64::from(attempt.saturating_sub(1)));
        let delay = self.initial_delay.as_secs_f64() * grown;
        // Too large for a duration, or no number: the limit.
        let delay = Duration::try_from_secs_f64(delay).unwrap_or(self.max_delay);
        Some(delay.min(self.max_delay))
    }
}

impl Vm {
    /// Announces a run. Await the leaf; when [`advance`](Self::advance) has nothing for it,
    /// execute the code and [`propose`](Self::propose) its outcome.
    pub fn run(&mut self, name: &str) -> Leaf {
        let id = self.next_completion_id();
        let command = wire::Run {
            result_completion_id: id,
            name: name.to_owned(),
        };
        if let Some(command) = self.pass(command) {
            let entry = RunEntry {
                command: self.command_ref(&command),
                stored: self.was_stored(),
                proposed: None,
            };
            self.runs.insert(id, entry);
        }
        Leaf::CompletionId(id)
    }

    /// Proposes the outcome of the run that `leaf` stands for.
    pub fn propose(&mut self, leaf: &Leaf, outcome: Result<Bytes, Failure>) {
        let Leaf::CompletionId(id) = *leaf else {
            return;
        };
        let version = self.version;
        if self.is_closed() {
            return;
        }
        let Some(run) = self.runs.get_mut(&id) else {
            return;
        };
        let outcome = match outcome {
            Ok(value) => RunOutcome::Value(value),
            Err(failure) => RunOutcome::Failure(for_version(failure, version)),
        };
        let flags = if version >= Version::V7 { ACK } else { 0 };
        run.proposed = Some(outcome.clone());
        let message = ProposeRunCompletion {
            result_completion_id: id,
            result: Some(outcome),
        };
        frame::put(&mut self.out, ty::PROPOSE_RUN_COMPLETION, flags, &message);
    }

    /// The code of a run failed in a way that may pass. By `policy` either the attempt fails, to
    /// be repeated after a pause, or the failure becomes the outcome. Without a policy the
    /// server's decides.
    pub fn run_failed(
        &mut self,
        leaf: &Leaf,
        mut error: AttemptError,
        policy: Option<&RetryPolicy>,
        executed_for: Duration,
    ) {
        let Leaf::CompletionId(id) = *leaf else {
            return;
        };
        let Some(run) = self.runs.get(&id) else {
            return;
        };
        error.command = Some(run.command.clone());
        if let Some(policy) = policy
            && error.retry_after.is_none()
            && !error.pause
        {
            let (failures, since) = if run.stored {
                let start = &self.start;
                (
                    start.retry_count_since_last_stored_entry,
                    Duration::from_millis(start.duration_since_last_stored_entry),
                )
            } else {
                (0, Duration::ZERO)
            };
            let attempt = failures.saturating_add(1);
            match policy.delay_after(attempt, since.saturating_add(executed_for)) {
                Some(delay) => error.retry_after = Some(delay),
                None => {
                    let failure = Failure {
                        code: match error.code {
                            0 => code::INTERNAL,
                            code => code,
                        },
                        message: error.message,
                        metadata: Vec::new(),
                    };
                    self.propose(leaf, Err(failure));
                    return;
                }
            }
        }
        self.fail(error);
    }

    pub(super) fn is_proposed(&self, id: u32) -> bool {
        self.runs.get(&id).is_some_and(|run| run.proposed.is_some())
    }

    /// The outcome of a run has reached the handler's side.
    pub(super) fn settle_run(&mut self, id: u32) {
        self.runs.remove(&id);
    }

    pub(super) fn receive_ack(&mut self, ack: ProposeRunCompletionAck) -> Result<(), AttemptError> {
        let id = ack.completion_id;
        let proposed = self.runs.get_mut(&id).and_then(|run| run.proposed.take());
        let result = match proposed {
            Some(RunOutcome::Value(content)) => NotificationResult::Value(Value { content }),
            Some(RunOutcome::Failure(failure)) => NotificationResult::Failure(failure),
            None => {
                return Err(violation(format!(
                    "the server acknowledged the outcome of run {id}, which was not proposed in this attempt"
                )));
            }
        };
        self.queue.push_back((Leaf::CompletionId(id), result));
        Ok(())
    }
}

/// A failure as the version can carry it: protocol 5 has no metadata.
pub(super) fn for_version(mut failure: Failure, version: Version) -> Failure {
    if version < Version::V6 {
        failure.metadata.clear();
    }
    failure
}
