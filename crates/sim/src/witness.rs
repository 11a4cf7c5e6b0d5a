//! What the handlers have seen: it lives in the loop's process, so it survives every kill.
//!
//! Handlers report, through `desk.rs`, each execution of a recorded run and each value they are given for
//! one; the witness says at once when that breaks a promise. The rule for runs: the
//! value of a run carries the number of its execution. As soon as any attempt has been
//! given a value for a run, the run is recorded: nobody may be given another value, and
//! no newer attempt may execute it again. An execution whose value nobody was given may
//! have been cut off by the kill, and lawfully happens again.

use crate::auditor::Violation;
use crate::desk::Report;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// After a fork, executions are numbered from the next multiple of this on.
const FORK_STRIDE: u64 = 1_000_000_000;

/// The memory of all handlers.
#[derive(Default)]
pub(crate) struct Witness {
    seen: Mutex<Seen>,
    published: Notify,
}

#[derive(Default, Clone)]
struct Seen {
    /// Counts executions of runs, over all invocations.
    executions: u64,
    /// Which server is alive; what ran under an earlier one counts for nothing here.
    generation: u64,
    invocations: HashMap<String, Invocation>,
    /// Invocation of each child, by task and index: there may only be one.
    children: BTreeMap<(String, u32), String>,
    /// Awakeable of each waiting task.
    awakeables: BTreeMap<String, String>,
    /// Start of each delayed task, in ms since 1970.
    starts: BTreeMap<String, u64>,
    /// Who is inside of which object.
    inside: HashMap<String, Vec<Visit>>,
    /// Tickets given to visitors so far.
    tickets: u64,
    violations: Vec<Violation>,
}

#[derive(Default, Clone)]
struct Invocation {
    attempts: u32,
    recorded: BTreeMap<u32, u64>,
}

/// An invocation that is inside of an object.
#[derive(Clone)]
struct Visit {
    ticket: u64,
    generation: u64,
    invocation: String,
}

/// One attempt of one invocation.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    invocation: String,
    number: u32,
}

impl Witness {
    /// Takes what a handler says, and answers.
    pub(crate) fn hear(&self, report: Report) -> u64 {
        match report {
            Report::Begin { invocation } => return self.begin(&invocation).number.into(),
            Report::Execute {
                invocation,
                attempt: number,
                step,
            } => return self.execute(&Attempt { invocation, number }, step),
            Report::Observe {
                invocation,
                step,
                value,
            } => self.observe(&invocation, step, value),
            Report::Child {
                task,
                index,
                invocation,
            } => self.child(&task, index, &invocation),
            Report::Publish { task, awakeable } => self.publish(&task, &awakeable),
            Report::Start { task, time } => self.start(&task, time),
            Report::Enter { object, invocation } => return self.enter(&object, &invocation),
            Report::Leave { ticket } => self.leave(ticket),
        }
        0
    }

    /// A witness that remembers the same, for another course of things from here on. What is
    /// executed there has other numbers than anything that still happens here.
    pub(crate) fn fork(&self) -> Self {
        let mut seen = self.seen().clone();
        seen.executions = (seen.executions / FORK_STRIDE + 1) * FORK_STRIDE;
        seen.inside.clear();
        Self {
            seen: Mutex::new(seen),
            published: Notify::new(),
        }
    }

    /// A handler was entered.
    fn begin(&self, invocation: &str) -> Attempt {
        let mut seen = self.seen();
        let known = seen.invocations.entry(invocation.into()).or_default();
        known.attempts += 1;
        Attempt {
            invocation: invocation.into(),
            number: known.attempts,
        }
    }

    /// A run is being executed. Returns the number of the execution: its value.
    fn execute(&self, attempt: &Attempt, step: u32) -> u64 {
        let mut seen = self.seen();
        seen.executions += 1;
        let execution = seen.executions;
        let known = seen
            .invocations
            .entry(attempt.invocation.clone())
            .or_default();
        // An attempt that was cut off may still be about to execute what its successor
        // has executed and recorded; its word counts for nothing any more.
        let newest = known.attempts == attempt.number;
        if let Some(recorded) = known.recorded.get(&step).copied().filter(|_| newest) {
            seen.violations.push(Violation::RunRepeated {
                invocation: attempt.invocation.clone(),
                step,
                recorded,
                execution,
            });
        }
        execution
    }

    /// An attempt was given this value for a run, so it is recorded.
    fn observe(&self, invocation: &str, step: u32, value: u64) {
        let mut seen = self.seen();
        let known = seen.invocations.entry(invocation.into()).or_default();
        let recorded = *known.recorded.entry(step).or_insert(value);
        if recorded != value {
            seen.violations.push(Violation::RunChanged {
                invocation: invocation.into(),
                step,
                recorded,
                seen: value,
            });
        }
    }

    /// The values of an invocation's recorded runs, in order.
    pub(crate) fn recorded(&self, invocation: &str) -> Vec<u64> {
        let seen = self.seen();
        let known = seen.invocations.get(invocation);
        known.map_or_else(Vec::new, |known| known.recorded.values().copied().collect())
    }

    /// A child of a task was started.
    fn child(&self, task: &str, index: u32, invocation: &str) {
        let mut seen = self.seen();
        let first = seen
            .children
            .entry((task.into(), index))
            .or_insert_with(|| invocation.into())
            .clone();
        if first != invocation {
            seen.violations.push(Violation::CalledTwice {
                task: task.into(),
                index,
                first,
                second: invocation.into(),
            });
        }
    }

    /// A waiting task has made its awakeable known.
    fn publish(&self, task: &str, awakeable: &str) {
        self.seen().awakeables.insert(task.into(), awakeable.into());
        self.published.notify_waiters();
    }

    /// The awakeable of a task, once it is known.
    pub(crate) async fn awakeable(&self, task: &str) -> String {
        loop {
            let published = self.published.notified();
            if let Some(awakeable) = self.seen().awakeables.get(task) {
                return awakeable.clone();
            }
            published.await;
        }
    }

    /// A delayed task was started at this time, in ms since 1970. The first start counts.
    fn start(&self, task: &str, time: u64) {
        self.seen().starts.entry(task.into()).or_insert(time);
    }

    /// When a delayed task was first started, in ms since 1970.
    pub(crate) fn started(&self, task: &str) -> Option<u64> {
        self.seen().starts.get(task).copied()
    }

    /// An invocation has entered an object; it is inside until its ticket comes back.
    fn enter(&self, object: &str, invocation: &str) -> u64 {
        let mut seen = self.seen();
        seen.tickets += 1;
        let visit = Visit {
            ticket: seen.tickets,
            generation: seen.generation,
            invocation: invocation.into(),
        };
        let inside = seen.inside.entry(object.into()).or_default();
        // Attempts under a killed server end when their connection does, a moment after
        // it; and an invocation may overtake its own older attempt.
        let other = inside
            .iter()
            .find(|other| other.generation == visit.generation && other.invocation != invocation)
            .map(|other| other.invocation.clone());
        inside.push(visit);
        if let Some(other) = other {
            seen.violations.push(Violation::TwoInside {
                object: object.into(),
                first: other,
                second: invocation.into(),
            });
        }
        seen.tickets
    }

    /// Who has this ticket is outside again.
    pub(crate) fn leave(&self, ticket: u64) {
        for inside in self.seen().inside.values_mut() {
            inside.retain(|visit| visit.ticket != ticket);
        }
    }

    /// Whether anybody is inside of an object.
    #[cfg(test)]
    pub(crate) fn is_inside(&self, object: &str) -> bool {
        let seen = self.seen();
        seen.inside
            .get(object)
            .is_some_and(|inside| !inside.is_empty())
    }

    /// The server was killed; a new one is about to start.
    pub(crate) fn server_killed(&self) {
        self.seen().generation += 1;
    }

    /// Executions of runs so far, and how many of them were recorded.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let seen = self.seen();
        let recorded = seen.invocations.values().map(|known| known.recorded.len());
        (seen.executions, recorded.sum::<usize>() as u64)
    }

    /// Takes what was found since the last time.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        std::mem::take(&mut self.seen().violations)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_cut_off_may_run_again() {
        let witness = Witness::default();
        witness.execute(&witness.begin("i1"), 0);
        let second = witness.begin("i1");
        let value = witness.execute(&second, 0);
        witness.observe("i1", 0, value);
        assert_eq!(witness.violations(), []);
        assert_eq!(witness.counts(), (2, 1));
    }

    #[test]
    fn a_recorded_run_may_not() {
        let witness = Witness::default();
        let first = witness.begin("i1");
        let value = witness.execute(&first, 0);
        witness.observe("i1", 0, value);
        witness.execute(&witness.begin("i1"), 0);
        assert!(matches!(
            witness.violations()[..],
            [Violation::RunRepeated { step: 0, .. }]
        ));
    }

    #[test]
    fn an_attempt_that_was_cut_off_is_not_held_to_it() {
        let witness = Witness::default();
        let (old, new) = (witness.begin("i1"), witness.begin("i1"));
        let value = witness.execute(&new, 0);
        witness.observe("i1", 0, value);
        witness.execute(&old, 0);
        assert_eq!(witness.violations(), []);
    }

    #[test]
    fn a_run_has_one_value_for_all_attempts() {
        let witness = Witness::default();
        witness.observe("i1", 0, 1);
        witness.observe("i1", 0, 2);
        assert!(matches!(
            witness.violations()[..],
            [Violation::RunChanged {
                recorded: 1,
                seen: 2,
                ..
            }]
        ));
    }

    #[test]
    fn an_object_has_one_visitor() {
        let witness = Witness::default();
        let first = witness.enter("o", "i1");
        witness.leave(first);
        witness.enter("o", "i2");
        witness.enter("p", "i3");
        assert_eq!(witness.violations(), []);
        witness.enter("o", "i4");
        assert!(matches!(
            witness.violations()[..],
            [Violation::TwoInside { .. }]
        ));
    }

    #[test]
    fn a_visitor_under_a_killed_server_does_not_count() {
        let witness = Witness::default();
        witness.enter("o", "i1");
        witness.server_killed();
        witness.enter("o", "i2");
        assert_eq!(witness.violations(), []);
    }

    #[test]
    fn a_fork_knows_what_was_recorded_and_numbers_apart() {
        let witness = Witness::default();
        let value = witness.execute(&witness.begin("i1"), 0);
        witness.observe("i1", 0, value);
        let fork = witness.fork();
        let again = fork.execute(&fork.begin("i1"), 0);
        assert_eq!(again, FORK_STRIDE + 1);
        assert!(matches!(
            fork.violations()[..],
            [Violation::RunRepeated { step: 0, .. }]
        ));
        assert_eq!(witness.violations(), []);
    }

    #[test]
    fn a_child_is_called_once() {
        let witness = Witness::default();
        witness.child("t", 0, "i1");
        witness.child("t", 0, "i1");
        witness.child("t", 1, "i2");
        assert_eq!(witness.violations(), []);
        witness.child("t", 1, "i3");
        assert!(matches!(
            witness.violations()[..],
            [Violation::CalledTwice { index: 1, .. }]
        ));
    }
}
