//! Every reason once, from tables that the engine itself has written.

use super::chain::{Chain, follow};
use super::read::facts;
use super::words::{Said, World, say};
use bytes::Bytes;
use latchwork_engine::table::invocation::Invocation;
use latchwork_engine::{
    Answer, AttachTo, AttemptFailure, Call, Caller, Combinator, Command, Complete, End, Entry,
    Failed, Future, Identity, Input, InvocationId, Invoke, Letter, MemoryView, Next, Op, Operate,
    Operation, Output, Partition, PauseReason, Pin, Progress, PromiseRead, Record, Settled, Sleep,
    Span, Suspended, Target, TargetKind, Topology, read,
};
use latchwork_protocol::id::{awakeable_text, invocation_text};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use latchwork_runtime::RunningAttempt;
use latchwork_runtime::registry::{Deployment, Registry};
use prost::Message;
use serde_json::json;
use std::collections::HashMap;

/// The first instant of the tests; ten seconds later it is asked why.
const THEN: u64 = 1_700_000_000_000;
const NOW: u64 = THEN + 10_000;

fn id(number: u8) -> InvocationId {
    InvocationId::from_bytes([number; 24])
}

fn text(number: u8) -> String {
    invocation_text(&[number; 24])
}

/// Deployment `dp_a` offers `S/h`, `O/h` and `S/lost`'s neighbour, nothing else.
fn registry() -> Registry {
    let handler = |kind| {
        json!({
            "name": "h", "kind": kind, "input": "Any",
            "output": {"content_type": null, "set_if_empty": false},
            "retry_policy_max_attempts": 5,
        })
    };
    let deployment: Deployment = serde_json::from_value(json!({
        "id": "dp_a", "uri": "http://a/", "http1": false, "request_response": false,
        "min_protocol_version": 5, "max_protocol_version": 7, "created_at": 1,
        "services": [
            {"revision": 1, "service": {"name": "S", "kind": "Service", "handlers": [handler("Plain")]}},
            {"revision": 1, "service": {"name": "O", "kind": "VirtualObject", "handlers": [handler("Exclusive")]}},
        ],
    }))
    .unwrap();
    Registry::new(vec![deployment], Default::default())
}

/// Tables, and what changes them.
#[derive(Default)]
struct Tables(MemoryView);

impl Tables {
    fn apply(&mut self, command: Command) {
        let record = Record {
            time: THEN,
            command: Some(command),
        };
        let engine = Partition::new(Topology::SINGLE);
        let transition = engine.apply(&self.0, record).unwrap();
        for (key, value) in transition.writes {
            self.0.write(key, value);
        }
    }

    fn invoke_at(&mut self, number: u8, service: &str, handler: &str, start: Option<u64>) {
        let is_object = service == "O";
        let invoke = Invoke {
            id: id(number),
            target: Target {
                service: service.into(),
                handler: handler.into(),
                key: is_object.then(|| "k".into()),
                kind: match is_object {
                    true => TargetKind::Exclusive.into(),
                    false => TargetKind::Plain.into(),
                },
                scope: None,
            },
            input: Input::default(),
            execution_time: start,
            completion_retention_ms: 86_400_000,
            journal_retention_ms: 86_400_000,
            ..Invoke::default()
        };
        self.apply(Letter::Invoke(Box::new(invoke)).into());
    }

    fn invoke(&mut self, number: u8, service: &str) {
        self.invoke_at(number, service, "h", None);
    }

    fn row(&self, number: u8) -> Invocation {
        read::invocation(&self.0, &id(number)).unwrap().unwrap()
    }

    fn progress(&mut self, number: u8, entries: Vec<Entry>, end: Option<End>) {
        let row = self.row(number);
        self.apply(Command::Progress(Progress {
            id: id(number),
            epoch: row.epoch,
            incarnation: row.incarnation,
            pin: Some(Pin {
                deployment: "dp_a".into(),
                version: 7,
            }),
            entries,
            end,
        }));
    }

    fn suspend(&mut self, number: u8, entries: Vec<Entry>, future: Future) {
        let suspended = Suspended {
            future,
            replayed: 1,
        };
        self.progress(number, entries, Some(End::Suspended(suspended)));
    }

    fn fail(&mut self, number: u8, next: Next) {
        let failed = Failed {
            failure: AttemptFailure {
                code: 500,
                message: "it broke".into(),
                ..AttemptFailure::default()
            },
            counts: true,
            uses_policy: true,
            next: Some(next),
        };
        self.progress(number, Vec::new(), Some(End::Failed(failed)));
    }

    fn say(&self, number: u8) -> Said {
        self.say_with(number, &registry(), &[])
    }

    /// With attempts of these that have run from the start.
    fn say_with(&self, number: u8, registry: &Registry, running: &[u8]) -> Said {
        let attempts: HashMap<_, _> = running
            .iter()
            .map(|number| {
                let attempt = RunningAttempt {
                    id: id(*number),
                    epoch: 1,
                    since: THEN,
                    deployment: Some("dp_a".into()),
                };
                (attempt.id, attempt)
            })
            .collect();
        let world = World {
            registry,
            attempts: &attempts,
            attempts_max: 1,
            now: NOW,
        };
        say(&facts(&self.0, id(number)).unwrap().unwrap(), &world)
    }
}

fn entry(ty: u16, raw: impl Message, op: Op) -> Entry {
    Entry {
        ty: ty.into(),
        raw: raw.encode_to_vec().into(),
        ack: false,
        op: Some(op),
    }
}

fn sleep(due: u64, completion: u32) -> Entry {
    let raw = wire::Sleep {
        wake_up_time: due,
        result_completion_id: completion,
        name: "nap".into(),
    };
    let op = Sleep {
        wake_up_time: due,
        completion,
    };
    entry(ty::SLEEP, raw, Op::Sleep(op))
}

fn promise(completion: u32) -> Entry {
    let raw = wire::GetPromise {
        key: "verdict".into(),
        ..Default::default()
    };
    let op = PromiseRead {
        name: "verdict".into(),
        completion,
    };
    entry(ty::GET_PROMISE, raw, Op::GetPromise(op))
}

/// A call of `O/k/h` by `by`, as the invocation `child`.
fn call(by: u8, child: u8, completion: u32) -> Entry {
    let target = Target {
        service: "O".into(),
        handler: "h".into(),
        key: Some("k".into()),
        kind: TargetKind::Exclusive.into(),
        scope: None,
    };
    let raw = wire::Call {
        service_name: "O".into(),
        handler_name: "h".into(),
        key: "k".into(),
        ..Default::default()
    };
    let op = Call {
        invoke: Invoke {
            id: id(child),
            caller: Some(Caller {
                id: id(by),
                target: target.clone(),
            }),
            target,
            ..Invoke::default()
        },
        parameter: Span::default(),
        id_completion: completion,
        completion: completion + 1,
    };
    entry(ty::CALL, raw, Op::Call(Box::new(op)))
}

fn attach(to: u8, completion: u32) -> Entry {
    let raw = wire::AttachInvocation {
        target: Some(wire::AttachTarget::InvocationId(text(to))),
        ..Default::default()
    };
    let op = AttachTo {
        to: id(to),
        completion,
    };
    entry(ty::ATTACH_INVOCATION, raw, Op::Attach(op))
}

fn assert_said(said: &Said, status: &str, reason: &str, words: &[&str]) {
    assert_eq!((said.status, said.reason), (status, reason), "{said:?}");
    for word in words {
        assert!(
            said.sentence.contains(word),
            "{word:?} in {:?}",
            said.sentence
        );
    }
}

#[test]
fn one_that_is_over_says_how_it_ended() {
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    let output = Output {
        settled: Some(Settled::Value(Span::default())),
    };
    let output = entry(ty::OUTPUT, wire::Output::default(), Op::Output(output));
    tables.progress(1, vec![output], Some(End::Completed(true)));
    assert_said(&tables.say(1), "completed", "completed", &["succeeded"]);
    tables.invoke(2, "S");
    tables.fail(2, Next::End(true));
    let said = tables.say(2);
    assert_said(&said, "completed", "completed", &["[500] it broke"]);
    assert_eq!(said.details["result"], "failure");
}

#[test]
fn a_scheduled_one_waits_for_its_time() {
    let mut tables = Tables::default();
    tables.invoke_at(1, "S", "h", Some(NOW + 90_000));
    assert_said(&tables.say(1), "scheduled", "scheduled", &["in 1m 30s"]);
}

#[test]
fn one_that_waits_for_a_key_says_who_holds_it_and_its_place() {
    let mut tables = Tables::default();
    for number in 1..=3 {
        tables.invoke(number, "O");
    }
    let second = tables.say(2);
    assert_said(
        &second,
        "pending",
        "waiting_for_key",
        &["O/k", &text(1), "next in the queue"],
    );
    let third = tables.say(3);
    assert_said(
        &third,
        "pending",
        "waiting_for_key",
        &["1 other comes before it", "for 10s"],
    );
    assert_eq!(third.details["place_in_queue"], 2);
    assert_eq!(third.follow, [id(1)]);
}

#[test]
fn one_without_an_attempt_waits_for_a_slot() {
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    tables.invoke(2, "S");
    let said = tables.say_with(2, &registry(), &[1]);
    assert_said(&said, "ready", "waiting_for_slot", &["one of 1 slots"]);
    let free = tables.say(2);
    assert_said(&free, "ready", "waiting_for_slot", &["as soon as"]);
}

#[test]
fn a_running_one_says_where_since_when_and_how_long_it_is_silent() {
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    let said = tables.say_with(1, &registry(), &[1]);
    let words = ["Attempt 1", "dp_a", "nothing for 10s", "own code"];
    assert_said(&said, "running", "running", &words);

    tables.progress(1, vec![call(1, 2, 1)], None);
    let said = tables.say_with(1, &registry(), &[1]);
    assert_said(
        &said,
        "running",
        "running",
        &["its call of O/k/h", &text(2)],
    );
    assert_eq!(said.follow, [id(2)]);
    assert_eq!(said.details["open"][0]["kind"], "call");

    let run = wire::Run {
        result_completion_id: 3,
        name: "pay".into(),
    };
    let op = latchwork_engine::Awaited { completion: 3 };
    tables.invoke(4, "S");
    tables.progress(4, vec![entry(ty::RUN, run, Op::Run(op))], None);
    let said = tables.say_with(4, &registry(), &[4]);
    assert_said(
        &said,
        "running",
        "running",
        &["it executes its run \"pay\""],
    );
}

#[test]
fn one_that_backs_off_says_until_when_after_what() {
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    tables.fail(1, Next::RetryAt(NOW + 2_000));
    let said = tables.say(1);
    let words = [
        "1 of 5 attempts has failed since the last progress",
        "in 2s",
        "[500] it broke",
    ];
    assert_said(&said, "backing-off", "backing_off", &words);
    assert_eq!(said.details["max_attempts"], 5);
}

#[test]
fn a_suspended_one_says_what_it_waits_for() {
    for (entry, future, reason, words) in [
        (
            Some(sleep(NOW + 60_000, 1)),
            Future::any(vec![1], vec![1], vec![]),
            "waiting_for_timer",
            vec!["\"nap\"".to_owned(), "in 1m".to_owned()],
        ),
        (
            Some(call(1, 9, 1)),
            Future::any(vec![2], vec![1], vec![]),
            "waiting_for_call",
            vec!["O/k/h".to_owned(), text(9)],
        ),
        (
            Some(attach(8, 1)),
            Future::any(vec![1], vec![1], vec![]),
            "waiting_for_attach",
            vec![text(8)],
        ),
        (
            Some(promise(1)),
            Future::any(vec![1], vec![1], vec![]),
            "waiting_for_promise",
            vec!["\"verdict\"".to_owned()],
        ),
        (
            None,
            Future::any(vec![], vec![1, 17], vec![]),
            "waiting_for_awakeable",
            vec![awakeable_text(&[1; 24], 17)],
        ),
        (
            None,
            Future::any(vec![], vec![1], vec!["go".into()]),
            "waiting_for_signal",
            vec!["\"go\"".to_owned()],
        ),
    ] {
        let mut tables = Tables::default();
        // What it latches on to is there and not over.
        tables.invoke_at(8, "S", "h", Some(NOW + 1));
        tables.invoke(1, "S");
        tables.suspend(1, entry.into_iter().collect(), future);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        assert_said(&tables.say(1), "suspended", reason, &words);
    }
}

#[test]
fn of_several_it_says_whether_one_is_enough() {
    let entries = || vec![sleep(NOW + 60_000, 1), promise(2)];
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    tables.suspend(1, entries(), Future::any(vec![1, 2], vec![1], vec![]));
    let said = tables.say(1);
    assert_said(
        &said,
        "suspended",
        "waiting_for_several",
        &["whichever comes first", " or "],
    );

    let all = Future {
        completions: vec![1, 2],
        combinator: Combinator::AllCompleted.into(),
        ..Future::default()
    };
    let or_cancelled = Future {
        nested: vec![all.clone()],
        ..Future::any(vec![], vec![1], vec![])
    };
    for (number, future) in [(2, all), (3, or_cancelled)] {
        tables.invoke(number, "S");
        tables.suspend(number, entries(), future);
        assert_said(
            &tables.say(number),
            "suspended",
            "waiting_for_several",
            &["all of", " and "],
        );
    }
}

#[test]
fn what_has_come_is_not_waited_for() {
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    let all = Future {
        completions: vec![1, 2],
        combinator: Combinator::AllCompleted.into(),
        ..Future::default()
    };
    tables.suspend(1, vec![sleep(NOW + 60_000, 1), promise(2)], all);
    let complete = Complete {
        id: id(1),
        completion: 2,
        incarnation: tables.row(1).incarnation,
        answer: Some(Answer::Value(Bytes::new())),
    };
    tables.apply(Letter::Complete(complete).into());
    assert_said(&tables.say(1), "suspended", "waiting_for_timer", &["nap"]);
}

#[test]
fn a_paused_one_says_who_paused_it_and_what_to_do() {
    for (reason, code, words) in [
        (
            PauseReason::RetriesExhausted,
            "paused_retries_exhausted",
            "it broke",
        ),
        (PauseReason::Handler, "paused_by_handler", "asked for it"),
        (
            PauseReason::JournalMismatch,
            "paused_journal_mismatch",
            "another path",
        ),
        (
            PauseReason::OverBudget,
            "paused_over_budget",
            "invocation_bytes_max",
        ),
    ] {
        let mut tables = Tables::default();
        tables.invoke(1, "S");
        tables.fail(1, Next::Pause(reason.into()));
        assert_said(&tables.say(1), "paused", code, &[words, "for 10s"]);
    }
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    tables.apply(Command::Operate(Operate {
        id: id(1),
        operation: Operation::Pause.into(),
        deployment: None,
    }));
    assert_said(&tables.say(1), "paused", "paused_by_operator", &["Resume"]);
}

#[test]
fn one_that_nobody_can_run_says_so() {
    let mut tables = Tables::default();
    tables.invoke_at(1, "S", "lost", None);
    assert_said(
        &tables.say(1),
        "ready",
        "no_deployment",
        &["no deployment offers S/lost"],
    );

    tables.invoke(2, "S");
    tables.progress(2, vec![sleep(NOW + 1, 1)], None);
    tables.fail(2, Next::RetryAt(NOW));
    let gone = tables.say_with(2, &Registry::default(), &[]);
    assert_said(
        &gone,
        "backing-off",
        "deployment_removed",
        &["dp_a", "was removed"],
    );

    tables.invoke(3, "S");
    tables.suspend(3, vec![promise(1)], Future::any(vec![1], vec![], vec![]));
    let later = tables.say_with(3, &Registry::default(), &[]);
    assert_said(
        &later,
        "suspended",
        "waiting_for_promise",
        &["cannot go on all the same"],
    );
}

#[test]
fn an_unknown_id_has_no_facts() {
    assert_eq!(facts(&Tables::default().0, id(1)).unwrap(), None);
}

#[test]
fn what_was_answered_by_a_signal_is_still_named() {
    let mut tables = Tables::default();
    tables.invoke(1, "S");
    let future = Future {
        signals: vec![17, 18],
        combinator: Combinator::AllCompleted.into(),
        ..Future::default()
    };
    tables.suspend(1, Vec::new(), future);
    let signal = latchwork_engine::Signal {
        id: id(1),
        identity: Some(Identity::Signal(17)),
        answer: Some(Answer::Void(true)),
    };
    tables.apply(Letter::Signal(signal).into());
    let said = tables.say(1);
    assert_said(
        &said,
        "suspended",
        "waiting_for_awakeable",
        &[&awakeable_text(&[1; 24], 18)],
    );
    assert!(!said.sentence.contains(&awakeable_text(&[1; 24], 17)));
}

/// Follows from one, where nothing runs.
async fn chain_of(tables: &Tables, number: u8) -> Chain {
    let registry = registry();
    let attempts = HashMap::new();
    let world = World {
        registry: &registry,
        attempts: &attempts,
        attempts_max: 1,
        now: NOW,
    };
    let first = tables.say(number);
    let look = |id| async move { facts(&tables.0, id) };
    let chain = follow(id(number), first.follow, &world, look).await;
    chain.unwrap()
}

fn ids(chain: &Chain) -> Vec<InvocationId> {
    chain.links.iter().map(|(facts, _)| facts.id).collect()
}

#[tokio::test]
async fn a_chain_goes_down_to_the_one_that_blocks() {
    let mut tables = Tables::default();
    // 9 has the key and is paused; 2 waits for the key, 1 for 2.
    tables.invoke(9, "O");
    tables.fail(9, Next::Pause(PauseReason::RetriesExhausted.into()));
    tables.invoke(1, "S");
    tables.suspend(
        1,
        vec![call(1, 2, 1)],
        Future::any(vec![2], vec![1], vec![]),
    );
    let chain = chain_of(&tables, 1).await;
    assert_eq!(ids(&chain), [id(2), id(9)]);
    let reasons: Vec<_> = chain.links.iter().map(|(_, said)| said.reason).collect();
    assert_eq!(reasons, ["waiting_for_key", "paused_retries_exhausted"]);
    assert!(!chain.circle);
}

#[tokio::test]
async fn of_several_it_follows_the_one_that_does_not_move_by_itself() {
    let mut tables = Tables::default();
    tables.invoke_at(2, "S", "h", Some(NOW + 1));
    tables.invoke(3, "S");
    tables.fail(3, Next::Pause(PauseReason::Handler.into()));
    tables.invoke(4, "S");
    tables.invoke(1, "S");
    let entries = vec![attach(2, 1), attach(3, 2), attach(4, 3)];
    tables.suspend(1, entries, Future::any(vec![1, 2, 3], vec![1], vec![]));
    assert_eq!(ids(&chain_of(&tables, 1).await), [id(3)]);
}

#[tokio::test]
async fn a_circle_is_called_one_and_left() {
    let mut tables = Tables::default();
    for number in [1, 2, 3] {
        tables.invoke(number, "S");
    }
    for (number, next) in [(1, 2), (2, 3), (3, 1)] {
        let wait = Future::any(vec![1], vec![1], vec![]);
        tables.suspend(number, vec![attach(next, 1)], wait);
    }
    let chain = chain_of(&tables, 1).await;
    assert_eq!(ids(&chain), [id(2), id(3)]);
    assert!(chain.circle);
}
