//! The auditor sees what is wrong, and nothing else.

use super::*;
use crate::desk::Report;
use std::time::Duration;

fn observe(witness: &Witness, step: u32, value: u64) {
    let invocation = "i1".into();
    witness.hear(Report::Observe {
        invocation,
        step,
        value,
    });
}

fn start(witness: &Witness, task: &str, time: u64) {
    let task = task.into();
    witness.hear(Report::Start { task, time });
}

fn task(key: &str, work: Work) -> Task {
    Task {
        key: key.into(),
        submit_after: Duration::ZERO,
        waits: true,
        sdk: Sdk::Rust,
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
    observe(&witness, 0, 4);
    observe(&witness, 1, 9);
    let steps = task(
        "a",
        Work::Steps {
            steps: 2,
            sleep_ms: 0,
            ballast: 0,
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
    observe(&witness, 0, 1);
    start(&witness, "early", 1049);
    start(&witness, "due", 1050);
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
    auditor.counted("RustCounter/o", 2);
    assert_eq!(auditor.violations(), []);
    auditor.counted("RustCounter/o", 3);
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
    let fan = task(
        "a",
        Work::Fan {
            width: 2,
            leaf: Sdk::Rust,
        },
    );
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
