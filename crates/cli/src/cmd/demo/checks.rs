//! Decides whether each promise was kept: [`Evidence`] goes in, one [`Verdict`] a task comes out.
//!
//! Nothing here talks to the server. What is compared are two independent accounts: what the handlers
//! counted in the demo's process (`tally`), and what the server gave back as results and state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::handlers::Receipt;
use super::tally::{Counts, Step};

/// Everything that was seen.
pub(super) struct Evidence {
    /// How many sub-tasks the fan-out was told to start.
    pub(super) sub_tasks: u32,
    /// The greeting as answered at once, and as read again after the crash.
    pub(super) greetings: [String; 2],
    /// How long the immediate call took.
    pub(super) greeted_in: Duration,
    /// The delay asked for.
    pub(super) delay: Duration,
    /// From just before the delayed submission to the moment its step began.
    pub(super) delayed_by: Option<Duration>,
    /// The invocation id that each submission with the one idempotency key was given.
    pub(super) charge_ids: Vec<String>,
    /// The execution whose value the charge returned.
    pub(super) charge_execution: u64,
    /// What the fan-out collected.
    pub(super) receipts: Vec<Receipt>,
    /// What the ledger holds.
    pub(super) ledger: Vec<Receipt>,
    /// What the order that waited for a webhook returned, and what it ought to have.
    pub(super) order: [String; 2],
    /// What the handlers counted.
    pub(super) counts: Counts,
}

/// One task: what was promised, what came of it, and what is wrong with that (nothing, one hopes).
pub(super) struct Verdict {
    pub(super) task: &'static str,
    pub(super) promise: &'static str,
    pub(super) outcome: String,
    pub(super) findings: Vec<String>,
}

/// Judges every task, and the count of steps over all of them.
pub(super) fn judge(evidence: &Evidence) -> Vec<Verdict> {
    vec![
        immediate(evidence),
        delayed(evidence),
        same_key(evidence),
        fan_out(evidence),
        webhook(evidence),
        steps(evidence),
    ]
}

fn immediate(evidence: &Evidence) -> Verdict {
    let [first, again] = &evidence.greetings;
    let mut findings = Vec::new();
    if first != again {
        findings.push(format!("read again after the crash, it was \"{again}\""));
    }
    Verdict {
        task: "immediate",
        promise: "answered at once, and kept",
        outcome: format!(
            "\"{first}\" in {:.1?}, the same after the crash",
            evidence.greeted_in
        ),
        findings,
    }
}

fn delayed(evidence: &Evidence) -> Verdict {
    let mut findings = Vec::new();
    let outcome = match evidence.delayed_by {
        Some(after) => {
            if after < evidence.delay {
                findings.push(format!("early by {:.1?}", evidence.delay - after));
            }
            format!("began {:.3} s after it was submitted", after.as_secs_f64())
        }
        None => {
            findings.push("its step was never seen to begin".to_owned());
            "did not run".to_owned()
        }
    };
    Verdict {
        task: "delayed",
        promise: "not before its time",
        outcome,
        findings,
    }
}

fn same_key(evidence: &Evidence) -> Verdict {
    let counts = &evidence.counts;
    let ids: BTreeSet<&String> = evidence.charge_ids.iter().collect();
    let mut findings = Vec::new();
    if ids.len() != 1 {
        findings.push(format!("{} invocations: {ids:?}", ids.len()));
    }
    let executions = counts.begun_of(Step::Charge);
    let recorded = execution_of(counts, Step::Charge);
    if executions != 1 || recorded != Some(evidence.charge_execution) {
        findings.push(format!(
            "{executions} executions; recorded: {recorded:?}; returned: {}",
            evidence.charge_execution
        ));
    }
    Verdict {
        task: "same key",
        promise: "one invocation for one key",
        outcome: format!(
            "{} submissions, {} invocation, {executions} execution",
            evidence.charge_ids.len(),
            ids.len(),
        ),
        findings,
    }
}

fn fan_out(evidence: &Evidence) -> Verdict {
    let mut findings = Vec::new();
    for (place, receipts) in [
        ("results", &evidence.receipts),
        ("ledger", &evidence.ledger),
    ] {
        findings.extend(
            each_once(receipts, evidence.sub_tasks)
                .into_iter()
                .map(|wrong| format!("{place}: {wrong}")),
        );
        for receipt in receipts {
            let recorded = execution_of(&evidence.counts, Step::Work(receipt.task));
            if recorded != Some(receipt.execution) {
                findings.push(format!(
                    "{place}: sub-task {} has the value of execution {}, recorded was {recorded:?}",
                    receipt.task, receipt.execution
                ));
            }
        }
    }
    Verdict {
        task: "fan-out",
        promise: "each sub-task once",
        outcome: format!(
            "{} results collected, {} entries in the ledger",
            evidence.receipts.len(),
            evidence.ledger.len()
        ),
        findings,
    }
}

/// Whether `receipts` has every task of `0..count` exactly once.
fn each_once(receipts: &[Receipt], count: u32) -> Vec<String> {
    let mut seen: BTreeMap<u32, usize> = (0..count).map(|task| (task, 0)).collect();
    for receipt in receipts {
        *seen.entry(receipt.task).or_default() += 1;
    }
    let wrong = seen.into_iter().filter(|&(_, times)| times != 1);
    wrong
        .map(|(task, times)| format!("sub-task {task} is there {times} times"))
        .collect()
}

fn webhook(evidence: &Evidence) -> Verdict {
    let [order, wanted] = &evidence.order;
    let mut findings = Vec::new();
    if order != wanted {
        findings.push(format!("expected \"{wanted}\""));
    }
    Verdict {
        task: "webhook",
        promise: "waits through the crash",
        outcome: format!("\"{order}\", called after the restart"),
        findings,
    }
}

fn steps(evidence: &Evidence) -> Verdict {
    let counts = &evidence.counts;
    let mut findings = counts.violations.clone();
    let mut expected: BTreeMap<Step, usize> = BTreeMap::new();
    for step in [
        Step::Greet,
        Step::Remind,
        Step::Charge,
        Step::Pack,
        Step::AskForApproval,
        Step::Ship,
    ] {
        expected.insert(step, 0);
    }
    for task in 0..evidence.sub_tasks {
        expected.insert(Step::Work(task), 0);
    }
    for (id, executions) in &counts.steps {
        *expected.entry(id.step).or_default() += 1;
        let Some(recorded) = executions.recorded else {
            findings.push(format!("{id} was never recorded"));
            continue;
        };
        for &number in &executions.begun {
            if number != recorded && number >= counts.killed_before {
                findings.push(format!(
                    "{id}: execution {number} came to nothing although no kill cut it off"
                ));
            }
        }
    }
    for (step, invocations) in expected {
        if invocations != 1 {
            findings.push(format!(
                "step '{step}' belongs to {invocations} invocations"
            ));
        }
    }

    let (begun, recorded) = (counts.begun(), counts.recorded());
    let cut_off = begun.saturating_sub(recorded);
    Verdict {
        task: "steps",
        promise: "never again once recorded",
        outcome: format!(
            "{begun} executed, {recorded} recorded; {cut_off} cut off by the kill before that, and run again"
        ),
        findings,
    }
}

/// The execution recorded for the one run of this name.
fn execution_of(counts: &Counts, step: Step) -> Option<u64> {
    let mut same = counts.steps.iter().filter(|(id, _)| id.step == step);
    same.next().and_then(|(_, executions)| executions.recorded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::demo::tally::{StepId, Tally};

    const SUB_TASKS: u32 = 3;

    /// What a flawless run leaves: every step executed once, except the first sub-task, which the
    /// kill cut off.
    fn flawless() -> Evidence {
        let tally = Tally::new();
        let mut charge_execution = 0;
        let mut receipts = Vec::new();
        tally.begin(&id(Step::Work(0)));
        tally.mark_kill();
        for step in [
            Step::Greet,
            Step::Remind,
            Step::Charge,
            Step::Pack,
            Step::AskForApproval,
            Step::Ship,
            Step::Work(0),
            Step::Work(1),
            Step::Work(2),
        ] {
            let execution = tally.begin(&id(step));
            tally.recorded(&id(step), execution);
            match step {
                Step::Charge => charge_execution = execution,
                Step::Work(task) => receipts.push(Receipt { task, execution }),
                _ => {}
            }
        }
        Evidence {
            sub_tasks: SUB_TASKS,
            greetings: ["hi".to_owned(), "hi".to_owned()],
            greeted_in: Duration::from_millis(3),
            delay: Duration::from_secs(3),
            delayed_by: Some(Duration::from_millis(3001)),
            charge_ids: vec!["inv_c".to_owned(); 3],
            charge_execution,
            ledger: receipts.clone(),
            receipts,
            order: ["shipped".to_owned(), "shipped".to_owned()],
            counts: tally.counts(),
        }
    }

    fn id(step: Step) -> StepId {
        StepId {
            step,
            invocation: format!("inv of {step}"),
        }
    }

    /// The tasks in which something was found wrong after `spoil`.
    fn faulted(spoil: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
        let mut evidence = flawless();
        spoil(&mut evidence);
        let verdicts = judge(&evidence);
        let faulted = verdicts
            .iter()
            .filter(|verdict| !verdict.findings.is_empty());
        faulted.map(|verdict| verdict.task).collect()
    }

    #[test]
    fn a_flawless_run_is_found_flawless() {
        assert!(faulted(|_| {}).is_empty());
        let steps = judge(&flawless()).pop().map(|verdict| verdict.outcome);
        let steps = steps.unwrap_or_default();
        assert!(
            steps.starts_with("10 executed, 9 recorded; 1 cut off"),
            "{steps}"
        );
    }

    #[test]
    fn what_is_doubled_or_missing_is_found() {
        assert_eq!(faulted(|e| e.ledger.push(e.ledger[1])), ["fan-out"]);
        assert_eq!(faulted(|e| e.receipts.truncate(2)), ["fan-out"]);
        assert_eq!(faulted(|e| e.receipts[0].execution += 1), ["fan-out"]);
        assert_eq!(faulted(|e| e.charge_ids[1].push('x')), ["same key"]);
    }

    #[test]
    fn wrong_times_and_results_are_found() {
        let early = Some(Duration::from_millis(2999));
        assert_eq!(faulted(|e| e.delayed_by = early), ["delayed"]);
        assert_eq!(faulted(|e| e.delayed_by = None), ["delayed"]);
        assert_eq!(faulted(|e| e.greetings[1].clear()), ["immediate"]);
        assert_eq!(faulted(|e| e.order[0].clear()), ["webhook"]);
    }

    #[test]
    fn a_step_that_ran_again_without_a_kill_is_found() {
        assert_eq!(faulted(|e| e.counts.killed_before = 0), ["steps"]);
    }

    #[test]
    fn a_step_of_a_second_invocation_is_found() {
        let double = |e: &mut Evidence| {
            let mut other = id(Step::Greet);
            let executions = e.counts.steps[&other].clone();
            other.invocation.push('2');
            e.counts.steps.insert(other, executions);
        };
        assert_eq!(faulted(double), ["steps"]);
    }
}
