//! Counts what the handlers do, from outside the server that is killed.
//!
//! A handler says `begin` inside each run (it gets a number that no other execution has, and that
//! number is the value the journal records) and `recorded` once the server has acknowledged the
//! value. The story waits on the counts; `checks` reads them at the end. The two instants are what
//! makes the count honest: a run that the crash cut off between them may lawfully be executed again,
//! a run whose value was recorded may not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

/// The runs that the demo's handlers consist of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Step {
    Greet,
    Remind,
    Charge,
    Work(u32),
    Pack,
    AskForApproval,
    Ship,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Greet => f.write_str("greet"),
            Step::Remind => f.write_str("remind"),
            Step::Charge => f.write_str("charge"),
            Step::Work(task) => write!(f, "work {task}"),
            Step::Pack => f.write_str("pack"),
            Step::AskForApproval => f.write_str("ask for approval"),
            Step::Ship => f.write_str("ship"),
        }
    }
}

/// One run of one invocation: what may be recorded once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct StepId {
    pub(super) step: Step,
    pub(super) invocation: String,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step '{}' of {}", self.step, self.invocation)
    }
}

/// What is known of one run.
#[derive(Clone, Default, Debug)]
pub(super) struct Executions {
    /// Numbers of the executions, in the order they began.
    pub(super) begun: Vec<u64>,
    /// When the first of them began.
    pub(super) first_at: Option<Instant>,
    /// The execution whose value the server acknowledged.
    pub(super) recorded: Option<u64>,
}

/// Everything counted up to one instant.
#[derive(Clone, Default, Debug)]
pub(super) struct Counts {
    pub(super) steps: BTreeMap<StepId, Executions>,
    /// Executions with a smaller number began before the server was killed; 0 before the kill.
    pub(super) killed_before: u64,
    /// Broken promises that were seen as they happened.
    pub(super) violations: Vec<String>,
    next: u64,
    awakeable: Option<String>,
}

impl Counts {
    /// How many executions have begun.
    pub(super) fn begun(&self) -> usize {
        self.steps.values().map(|step| step.begun.len()).sum()
    }

    /// How many runs have a recorded value.
    pub(super) fn recorded(&self) -> usize {
        self.recorded_where(|_| true)
    }

    /// How many sub-tasks have a recorded value.
    pub(super) fn work_recorded(&self) -> usize {
        self.recorded_where(|step| matches!(step, Step::Work(_)))
    }

    /// Whether a run of this name has a recorded value.
    pub(super) fn has_recorded(&self, step: Step) -> bool {
        self.recorded_where(|other| other == step) > 0
    }

    /// The awakeable that the handler handed out, once its hand-out is recorded.
    pub(super) fn awakeable(&self) -> Option<&str> {
        self.awakeable.as_deref()
    }

    /// When a run of this name first began.
    pub(super) fn began_at(&self, step: Step) -> Option<Instant> {
        let same = self.steps.iter().filter(|(id, _)| id.step == step);
        same.filter_map(|(_, executions)| executions.first_at).min()
    }

    /// How many executions of runs of this name have begun.
    pub(super) fn begun_of(&self, step: Step) -> usize {
        let same = self.steps.iter().filter(|(id, _)| id.step == step);
        same.map(|(_, executions)| executions.begun.len()).sum()
    }

    fn recorded_where(&self, wanted: impl Fn(Step) -> bool) -> usize {
        let recorded = |(id, executions): &(&StepId, &Executions)| {
            wanted(id.step) && executions.recorded.is_some()
        };
        self.steps.iter().filter(recorded).count()
    }
}

/// The counter that all handlers share.
pub(super) struct Tally {
    counts: Mutex<Counts>,
    changed: watch::Sender<()>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            counts: Mutex::new(Counts::default()),
            changed: watch::Sender::new(()),
        }
    }

    /// An execution of a run begins; returns its number, unique in this process.
    pub(super) fn begin(&self, id: &StepId) -> u64 {
        let mut counts = self.lock();
        counts.next += 1;
        let number = counts.next;
        let executions = counts.steps.entry(id.clone()).or_default();
        executions.begun.push(number);
        executions.first_at.get_or_insert_with(Instant::now);
        if let Some(earlier) = executions.recorded {
            counts.violations.push(format!(
                "{id} ran again (execution {number}) although execution {earlier} was recorded"
            ));
        }
        self.changed.send_replace(());
        number
    }

    /// The server has acknowledged the value of a run, or replayed it: the execution's number.
    pub(super) fn recorded(&self, id: &StepId, number: u64) {
        let mut counts = self.lock();
        let executions = counts.steps.entry(id.clone()).or_default();
        let earlier = *executions.recorded.get_or_insert(number);
        if earlier != number {
            counts.violations.push(format!(
                "{id} was recorded twice, by executions {earlier} and {number}"
            ));
        }
        self.changed.send_replace(());
    }

    /// The handler hands out the id of an awakeable, as it would in a mail or a web hook.
    pub(super) fn hand_out(&self, awakeable: String) {
        self.lock().awakeable = Some(awakeable);
        self.changed.send_replace(());
    }

    /// Says that the server has just been killed: executions that begin from here on are later.
    pub(super) fn mark_kill(&self) {
        let mut counts = self.lock();
        counts.killed_before = counts.next + 1;
    }

    /// A copy of the counts.
    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// Waits until `ready` finds what it looks for.
    pub(super) async fn wait_for<T>(&self, ready: impl Fn(&Counts) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            let found = ready(&self.lock());
            if let Some(found) = found {
                return found;
            }
            // The sender lives in `self`, so waiting cannot fail while we borrow it.
            let _ = changes.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // The counts are consistent after each statement, so a panic elsewhere does not spoil them.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: Step) -> StepId {
        StepId {
            step,
            invocation: "inv_1".to_owned(),
        }
    }

    #[test]
    fn a_run_cut_off_before_it_was_recorded_may_run_again() {
        let tally = Tally::new();
        let id = step(Step::Greet);
        tally.begin(&id);
        let second = tally.begin(&id);
        tally.recorded(&id, second);
        // A later attempt replays the value.
        tally.recorded(&id, second);

        let counts = tally.counts();
        assert_eq!((counts.begun(), counts.recorded()), (2, 1));
        assert!(counts.violations.is_empty());
    }

    #[test]
    fn a_recorded_run_may_not_run_again() {
        let tally = Tally::new();
        let id = step(Step::Work(7));
        let first = tally.begin(&id);
        tally.recorded(&id, first);
        let second = tally.begin(&id);
        assert_eq!(tally.counts().violations.len(), 1);
        tally.recorded(&id, second);
        assert_eq!(tally.counts().violations.len(), 2);
    }

    #[tokio::test]
    async fn a_waiter_hears_of_what_it_waits_for() {
        let tally = Tally::new();
        let id = step(Step::Work(0));
        let waited = tally.wait_for(|counts| Some(counts.work_recorded()).filter(|&n| n == 1));
        let acted = async {
            let number = tally.begin(&id);
            tally.recorded(&id, number);
        };
        let (recorded, ()) = tokio::join!(waited, acted);
        assert_eq!(recorded, 1);
    }
}
