//! What a client may observe: a naive model of the promises.
//!
//! Clients report each acknowledgement and each outcome that they read. A task has one
//! invocation and one outcome, however often and wherever it is read, and the outcome is
//! what the work gives. Whatever differs is a [`Violation`].

use crate::witness::Witness;
use crate::workload::{Task, Work};
use bytes::Bytes;
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};

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

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Status of the reply.
    pub(crate) status: StatusCode,
    /// The value, or the failure as JSON.
    pub(crate) body: Bytes,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {body}", self.status.as_u16())
    }
}

/// The model.
#[derive(Default)]
pub(crate) struct Auditor {
    tasks: BTreeMap<String, Known>,
    /// The add that saw each count, by object.
    counts: BTreeMap<String, BTreeMap<u64, String>>,
    violations: Vec<Violation>,
}

struct Known {
    task: Task,
    /// When it was first submitted, in ms since 1970.
    submitted: u64,
    invocation: Option<String>,
    outcome: Option<Outcome>,
}

impl Auditor {
    /// A task is about to be submitted for the first time, at this time in ms since 1970.
    pub(crate) fn submitted(&mut self, task: &Task, time: u64) {
        let known = Known {
            task: task.clone(),
            submitted: time,
            invocation: None,
            outcome: None,
        };
        self.tasks.insert(task.key.clone(), known);
    }

    /// The server has said that a task is this invocation.
    pub(crate) fn accepted(&mut self, task: &Task, invocation: &str) {
        let Some(known) = self.tasks.get_mut(&task.key) else {
            return;
        };
        let first = known.invocation.get_or_insert_with(|| invocation.into());
        if first != invocation {
            self.violations.push(Violation::TwoInvocations {
                task: task.key.clone(),
                first: first.clone(),
                second: invocation.into(),
            });
        }
    }

    /// A client has read the outcome of a task.
    pub(crate) fn answered(&mut self, task: &Task, outcome: Outcome, witness: &Witness) {
        let Some(known) = self.tasks.get_mut(&task.key) else {
            return;
        };
        if let Some(first) = &known.outcome {
            if *first != outcome {
                self.violations.push(Violation::AnsweredTwice {
                    task: task.key.clone(),
                    first: first.clone(),
                    second: outcome,
                });
            }
            return;
        }
        known.outcome = Some(outcome.clone());
        let invocation = known.invocation.clone().unwrap_or_default();
        if let Work::Late { delay_ms } = task.work {
            let (due, started) = (known.submitted + delay_ms, witness.started(&task.key));
            if started.is_none_or(|started| started < due) {
                let task = task.key.clone();
                self.violations
                    .push(Violation::Early { task, due, started });
            }
        }
        if let Err(expected) = self.check(task, &invocation, &outcome, witness) {
            self.violations.push(Violation::WrongOutcome {
                task: task.key.clone(),
                work: task.work.clone(),
                outcome,
                expected,
            });
        }
    }

    /// Whether the outcome is what the work gives; otherwise says what that is.
    fn check(
        &mut self,
        task: &Task,
        invocation: &str,
        outcome: &Outcome,
        witness: &Witness,
    ) -> Result<(), String> {
        if outcome.status != StatusCode::OK {
            return Err("success".into());
        }
        match &task.work {
            Work::Steps { steps, .. } => {
                let recorded = witness.recorded(invocation);
                let values: Vec<u64> = read(outcome)?;
                if values != recorded || values.len() != *steps as usize {
                    return Err(format!("the {steps} recorded values: {recorded:?}"));
                }
            }
            Work::Late { .. } => {
                let recorded = witness.recorded(invocation);
                if recorded != [read::<u64>(outcome)?] {
                    return Err(format!("the one recorded value: {recorded:?}"));
                }
            }
            Work::Fan { width } => {
                let values: Vec<u64> = read(outcome)?;
                let distinct: BTreeSet<u64> = values.iter().copied().collect();
                if values.len() != *width as usize || distinct.len() != values.len() {
                    return Err(format!("{width} different values"));
                }
            }
            Work::Wait { value, .. } => {
                if read::<String>(outcome)? != *value {
                    return Err(format!("{value:?}"));
                }
            }
            Work::Add { object } => {
                let count: u64 = read(outcome)?;
                let counts = self.counts.entry(object.clone()).or_default();
                if let Some(first) = counts.insert(count, task.key.clone()) {
                    self.violations.push(Violation::CountedTwice {
                        object: object.clone(),
                        count,
                        first,
                        second: task.key.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The server would not take a task, or would not give its outcome.
    pub(crate) fn refused(&mut self, task: &str, what: &str, outcome: Outcome) {
        self.violations.push(Violation::Refused {
            task: task.into(),
            what: what.into(),
            outcome,
        });
    }

    /// Time is up: whatever has no outcome will not get one.
    pub(crate) fn out_of_time(&mut self, seconds: u64) {
        let unfinished = self.tasks.values().filter(|known| known.outcome.is_none());
        let found = unfinished.map(|known| Violation::Unfinished {
            task: known.task.key.clone(),
            invocation: known
                .invocation
                .clone()
                .unwrap_or_else(|| "never acknowledged".into()),
            seconds,
        });
        self.violations.extend(found.collect::<Vec<_>>());
    }

    /// The tasks that have an outcome and were submitted at this time (in ms since 1970) or
    /// later, with their invocation.
    pub(crate) fn finished(&self, since: u64) -> Vec<(Task, String)> {
        let finished = |known: &&Known| known.outcome.is_some() && known.submitted >= since;
        self.tasks
            .values()
            .filter(finished)
            .filter_map(|known| Some((known.task.clone(), known.invocation.clone()?)))
            .collect()
    }

    /// The objects that were added to.
    pub(crate) fn objects(&self) -> Vec<String> {
        self.counts.keys().cloned().collect()
    }

    /// An object says that it has counted this far, and no add is on its way.
    pub(crate) fn counted(&mut self, object: &str, count: u64) {
        let seen = self.counts.get(object);
        let adds = seen.map_or(0, |counts| counts.len() as u64);
        let last = seen.and_then(|counts| counts.keys().next_back().copied());
        if count != adds || last.unwrap_or(0) != adds {
            self.violations.push(Violation::Miscounted {
                object: object.into(),
                count,
                adds,
            });
        }
    }

    /// Takes what was found since the last time.
    pub(crate) fn violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }
}

fn read<T: serde::de::DeserializeOwned>(outcome: &Outcome) -> Result<T, String> {
    serde_json::from_slice(&outcome.body)
        .map_err(|_| format!("JSON of a {}", std::any::type_name::<T>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn task(key: &str, work: Work) -> Task {
        Task {
            key: key.into(),
            submit_after: Duration::ZERO,
            waits: true,
            work,
        }
    }

    fn ok(body: &'static str) -> Outcome {
        Outcome {
            status: StatusCode::OK,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    /// What the auditor finds when these answers come, each task being submitted at 1000.
    fn audit(answers: &[(&Task, &str, Outcome)], witness: &Witness) -> Vec<Violation> {
        let mut auditor = Auditor::default();
        for (task, ..) in answers {
            auditor.submitted(task, 1000);
        }
        for (task, invocation, outcome) in answers {
            auditor.accepted(task, invocation);
            auditor.answered(task, outcome.clone(), witness);
        }
        auditor.violations()
    }

    #[test]
    fn one_invocation_and_one_outcome() {
        let mut auditor = Auditor::default();
        let wait = task(
            "a",
            Work::Wait {
                value: "x".into(),
                contradicted: false,
            },
        );
        auditor.submitted(&wait, 0);
        auditor.accepted(&wait, "i1");
        auditor.accepted(&wait, "i1");
        auditor.answered(&wait, ok("\"x\""), &Witness::default());
        auditor.answered(&wait, ok("\"x\""), &Witness::default());
        assert_eq!(auditor.violations(), []);
        auditor.accepted(&wait, "i2");
        auditor.answered(&wait, ok("\"y\""), &Witness::default());
        assert!(matches!(
            auditor.violations()[..],
            [
                Violation::TwoInvocations { .. },
                Violation::AnsweredTwice { .. }
            ]
        ));
    }

    #[test]
    fn an_outcome_is_made_of_the_recorded_values() {
        let witness = Witness::default();
        let attempt = witness.begin("i1");
        witness.observe(&attempt, 0, 4);
        witness.observe(&attempt, 1, 9);
        let steps = task(
            "a",
            Work::Steps {
                steps: 2,
                sleep_ms: 0,
            },
        );
        assert_eq!(audit(&[(&steps, "i1", ok("[4,9]"))], &witness), []);
        assert!(matches!(
            audit(&[(&steps, "i1", ok("[4,8]"))], &witness)[..],
            [Violation::WrongOutcome { .. }]
        ));
    }

    #[test]
    fn a_delayed_task_is_never_early() {
        let witness = Witness::default();
        witness.observe(&witness.begin("i1"), 0, 1);
        witness.start("early", 1049);
        witness.start("due", 1050);
        let late = |key| task(key, Work::Late { delay_ms: 50 });
        assert_eq!(audit(&[(&late("due"), "i1", ok("1"))], &witness), []);
        assert!(matches!(
            audit(&[(&late("early"), "i1", ok("1"))], &witness)[..],
            [Violation::Early { due: 1050, .. }]
        ));
    }

    #[test]
    fn every_add_counts_once() {
        let add = |key| task(key, Work::Add { object: "o".into() });
        let (first, second) = (add("a"), add("b"));
        let mut auditor = Auditor::default();
        let witness = Witness::default();
        for (task, body) in [(&first, "1"), (&second, "2")] {
            auditor.submitted(task, 0);
            auditor.answered(task, ok(body), &witness);
        }
        auditor.counted("o", 2);
        assert_eq!(auditor.violations(), []);
        auditor.counted("o", 3);
        assert!(matches!(
            auditor.violations()[..],
            [Violation::Miscounted {
                count: 3,
                adds: 2,
                ..
            }]
        ));
        let twice = audit(
            &[(&first, "i1", ok("1")), (&second, "i2", ok("1"))],
            &witness,
        );
        assert!(matches!(
            twice[..],
            [Violation::CountedTwice { count: 1, .. }]
        ));
    }

    #[test]
    fn an_accepted_task_must_finish() {
        let mut auditor = Auditor::default();
        let fan = task("a", Work::Fan { width: 2 });
        auditor.submitted(&fan, 0);
        auditor.accepted(&fan, "i1");
        auditor.out_of_time(30);
        assert!(matches!(
            &auditor.violations()[..],
            [Violation::Unfinished { invocation, .. }] if invocation == "i1"
        ));
        auditor.answered(&fan, ok("[1,2]"), &Witness::default());
        auditor.out_of_time(30);
        assert_eq!(auditor.violations(), []);
    }
}
