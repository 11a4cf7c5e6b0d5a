//! What can be wrong: a promise that was broken, and by what it shows.

use super::Outcome;
use crate::workload::Work;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Violation {
    #[error(
        "run {step} of {invocation} was recorded (execution {recorded}) and executed again \
         (execution {execution})"
    )]
    RunRepeated {
        invocation: String,
        step: u32,
        recorded: u64,
        execution: u64,
    },
    #[error("run {step} of {invocation} was recorded as {recorded}, and later read as {seen}")]
    RunChanged {
        invocation: String,
        step: u32,
        recorded: u64,
        seen: u64,
    },
    #[error("call {index} of task {task} was made twice: {first} and {second}")]
    CalledTwice {
        task: String,
        index: u32,
        first: String,
        second: String,
    },
    #[error("two invocations were inside of object {object} at once: {first} and {second}")]
    TwoInside {
        object: String,
        first: String,
        second: String,
    },
    #[error("task {task} has two invocations: {first} and {second}")]
    TwoInvocations {
        task: String,
        first: String,
        second: String,
    },
    #[error("task {task} was answered as {first}, and later as {second}")]
    AnsweredTwice {
        task: String,
        first: Outcome,
        second: Outcome,
    },
    #[error("task {task} ({work:?}) ended as {outcome}; expected was {expected}")]
    WrongOutcome {
        task: String,
        work: Work,
        outcome: Outcome,
        expected: String,
    },
    #[error("adds {first} and {second} to object {object} both saw the count {count}")]
    CountedTwice {
        object: String,
        count: u64,
        first: String,
        second: String,
    },
    #[error("object {object} counted {count}, after {adds} accepted adds")]
    Miscounted {
        object: String,
        count: u64,
        adds: u64,
    },
    #[error("task {task} started at {started:?} (ms since 1970), and was not due before {due}")]
    Early {
        task: String,
        due: u64,
        started: Option<u64>,
    },
    #[error("task {task} ({what}) was refused: {outcome}")]
    Refused {
        task: String,
        what: String,
        outcome: Outcome,
    },
    #[error("task {task} ({invocation}) was not finished {seconds} s after the round began")]
    Unfinished {
        task: String,
        invocation: String,
        seconds: u64,
    },
}
