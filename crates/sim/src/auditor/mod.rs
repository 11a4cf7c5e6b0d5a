//! What a client may observe: a naive model of the promises.
//!
//! Clients report each acknowledgement and each outcome that they read. A task has one
//! invocation and one outcome, however often and wherever it is read, and the outcome is
//! what the work gives. Whatever differs is a [`Violation`].

mod counts;
#[cfg(test)]
mod tests;
mod violation;

pub(crate) use counts::Counts;
pub(crate) use violation::Violation;

use crate::handlers::Sdk;
use crate::witness::Witness;
use crate::workload::{CONTRADICTION, Task, Work};
use bytes::Bytes;
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};

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
    counts_heard: Counts,
    tasks: BTreeMap<String, Known>,
    /// The add that saw each count, by object.
    counts: BTreeMap<String, BTreeMap<u64, String>>,
    violations: Vec<Violation>,
}

/// A task, and what was heard of it.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) task: Task,
    /// When it was first submitted, in ms since 1970.
    submitted: u64,
    pub(crate) invocation: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    /// The server has taken the resolution that it waits for.
    pub(crate) is_resolved: bool,
}

impl Auditor {
    /// A task is about to be submitted for the first time, at this time in ms since 1970.
    pub(crate) fn submitted(&mut self, task: &Task, time: u64) {
        let known = Known {
            task: task.clone(),
            submitted: time,
            invocation: None,
            outcome: None,
            is_resolved: false,
        };
        self.tasks.insert(task.key.clone(), known);
    }

    /// An auditor that knows the same, for another course of things from here on.
    pub(crate) fn fork(&self) -> Self {
        Self {
            counts_heard: Counts::default(),
            tasks: self.tasks.clone(),
            counts: self.counts.clone(),
            violations: Vec::new(),
        }
    }

    /// What was heard so far, since the beginning or the fork.
    pub(crate) fn heard(&self) -> Counts {
        self.counts_heard
    }

    /// All tasks.
    pub(crate) fn known(&self) -> Vec<Known> {
        self.tasks.values().cloned().collect()
    }

    /// The server has taken the first resolution of a task's awakeable.
    pub(crate) fn resolved(&mut self, task: &Task) {
        self.counts_heard.resolved += 1;
        if let Some(known) = self.tasks.get_mut(&task.key) {
            known.is_resolved = true;
        }
    }

    /// The server has said that a task is this invocation.
    pub(crate) fn accepted(&mut self, task: &Task, invocation: &str) {
        self.counts_heard.accepted += 1;
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
        self.counts_heard.outcomes += 1;
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
            Work::Fan { width, .. } => {
                let values: Vec<u64> = read(outcome)?;
                let distinct: BTreeSet<u64> = values.iter().copied().collect();
                if values.len() != *width as usize || distinct.len() != values.len() {
                    return Err(format!("{width} different values"));
                }
            }
            Work::Wait {
                value,
                contradicted,
            } => {
                let seen = read::<String>(outcome)?;
                // A server keeps both, in order. Which of two that came before it was read
                // counts is the SDK's affair, and the one for TypeScript takes the last.
                let may_be_last = *contradicted && task.sdk == Sdk::TypeScript;
                if seen != *value && !(may_be_last && seen == CONTRADICTION) {
                    return Err(format!("{value:?}"));
                }
            }
            Work::Add { object } => {
                let count: u64 = read(outcome)?;
                let object = format!("{}Counter/{object}", task.sdk.prefix());
                let counts = self.counts.entry(object.clone()).or_default();
                if let Some(first) = counts.insert(count, task.key.clone()) {
                    self.violations.push(Violation::CountedTwice {
                        object,
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

    /// The objects that were added to, as `SERVICE/KEY`.
    pub(crate) fn objects(&self) -> Vec<String> {
        self.counts.keys().cloned().collect()
    }

    /// An object says that it has counted this far, and no add is on its way.
    pub(crate) fn counted(&mut self, object: &str, count: u64) {
        self.counts_heard.states += 1;
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
