//! Scripts: what the server sends and what the handler does in, what the machine says out.
//!
//! `<` is a message of the server, `!` a step of the handler, `?` an await: its outcome is part of
//! what is expected, as are the frames that are sent, each behind `>`.

use std::time::Duration;

use bytes::Bytes;
use latchwork_protocol::service::frame::{self, Decoder, ty};
use latchwork_protocol::service::message as wire;
use latchwork_protocol::service::version::Version;
use prost::Message;
use wire::{Combinator, NotificationIdentity, NotificationResult};

use super::{Awaited, CallRequest, Leaf, Step, Vm};

/// Runs a script and compares all that comes of it.
fn check(version: Version, script: &str, expected: &str) {
    let mut vm = Vm::new(version);
    let mut said = Vec::new();
    for line in script.split('|').map(str::trim) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "<" => server(&mut vm, &words[1..]),
            "!" => handler(&mut vm, &words[1..]),
            "?" => said.push(wait(&mut vm, &words[1..])),
            other => panic!("{other:?} in {line:?}"),
        }
        said.extend(sent(&mut vm));
    }
    assert_eq!(said.join(" | "), expected, "{script}");
}

fn server(vm: &mut Vm, words: &[&str]) {
    let mut out = bytes::BytesMut::new();
    let mut put = |ty, message: Vec<u8>| frame::put_raw(&mut out, ty, 0, &message);
    let notification = |identity, result| {
        wire::Notification {
            identity: Some(identity),
            result: Some(result),
        }
        .encode_to_vec()
    };
    let value = |text: &str| {
        NotificationResult::Value(wire::Value {
            content: bytes_of(text),
        })
    };
    let void = NotificationResult::Void(wire::Void {});
    let completion = |id: &str| NotificationIdentity::CompletionId(number(id));
    match words {
        ["eof"] => return vm.end_input(),
        ["start", entries, rest @ ..] => {
            let mut start = wire::Start {
                id: Bytes::from_static(&[7; 24]),
                known_entries: number(entries),
                random_seed: 5,
                ..wire::Start::default()
            };
            for word in rest {
                match word.split_once('=') {
                    Some(("failures", n)) => {
                        start.retry_count_since_last_stored_entry = number(n);
                    }
                    Some((key, value)) => start.state_map.push(wire::StateEntry {
                        key: bytes_of(key),
                        value: bytes_of(value),
                    }),
                    None => start.partial_state = true,
                }
            }
            put(ty::START, start.encode_to_vec());
        }
        ["input"] => put(ty::INPUT, Vec::new()),
        ["sleep", id, name] => put(
            ty::SLEEP,
            wire::Sleep {
                wake_up_time: 1,
                result_completion_id: number(id),
                name: (*name).to_owned(),
            }
            .encode_to_vec(),
        ),
        ["run", id, name] => put(
            ty::RUN,
            wire::Run {
                result_completion_id: number(id),
                name: (*name).to_owned(),
            }
            .encode_to_vec(),
        ),
        ["read", key, found] => put(
            ty::GET_EAGER_STATE,
            wire::GetEagerState {
                key: bytes_of(key),
                result: Some(wire::EagerState::Value(wire::Value {
                    content: bytes_of(found),
                })),
                name: String::new(),
            }
            .encode_to_vec(),
        ),
        ["void", id] => put(ty::SLEEP_COMPLETION, notification(completion(id), void)),
        ["value", id, text] => put(
            ty::RUN_COMPLETION,
            notification(completion(id), value(text)),
        ),
        ["id", id, text] => put(
            ty::CALL_INVOCATION_ID_COMPLETION,
            notification(
                completion(id),
                NotificationResult::InvocationId((*text).to_owned()),
            ),
        ),
        ["cancel"] => put(
            ty::SIGNAL,
            notification(NotificationIdentity::SignalIndex(1), void),
        ),
        ["signal", name, text] => put(
            ty::SIGNAL,
            notification(
                NotificationIdentity::SignalName((*name).to_owned()),
                value(text),
            ),
        ),
        ["ack", id] => put(
            ty::PROPOSE_RUN_COMPLETION_ACK,
            wire::ProposeRunCompletionAck {
                completion_id: number(id),
            }
            .encode_to_vec(),
        ),
        other => panic!("the server cannot {other:?}"),
    }
    vm.push(out.freeze());
}

fn handler(vm: &mut Vm, words: &[&str]) {
    match words {
        ["sleep", name] => {
            vm.sleep(name, Duration::from_millis(9));
        }
        ["run", name] => {
            vm.run(name);
        }
        ["propose", id, text] => {
            vm.propose(&Leaf::CompletionId(number(id)), Ok(bytes_of(text)));
        }
        ["call", service] => {
            vm.call(CallRequest {
                service: (*service).to_owned(),
                handler: "h".to_owned(),
                ..CallRequest::default()
            });
        }
        ["get", key] => {
            vm.get_state(key);
        }
        ["keys"] => {
            vm.get_state_keys();
        }
        ["set", key, text] => vm.set_state(key, bytes_of(text)),
        ["clear", key] => vm.clear_state(key),
        ["clear-all"] => vm.clear_all_state(),
        ["end", text] => vm.end(Ok(bytes_of(text))),
        other => panic!("the handler cannot {other:?}"),
    }
}

/// Awaits the first of some leaves, `c1` or `sNAME`.
fn wait(vm: &mut Vm, words: &[&str]) -> String {
    let leaves: Vec<Leaf> = words
        .iter()
        .map(|word| match word.split_at(1) {
            ("c", id) => Leaf::CompletionId(number(id)),
            (_, name) => Leaf::SignalName(name.to_owned()),
        })
        .collect();
    loop {
        for (leaf, word) in leaves.iter().zip(words) {
            if let Some(result) = vm.take(leaf) {
                return match result {
                    NotificationResult::Value(value) => {
                        format!("{word} is {}", String::from_utf8_lossy(&value.content))
                    }
                    NotificationResult::StateKeys(keys) => format!("{word} is {:?}", keys.keys),
                    NotificationResult::Failure(failure) => {
                        format!("{word} failed: {}", failure.message)
                    }
                    NotificationResult::Void(_) => format!("{word} is void"),
                    NotificationResult::InvocationId(id) => format!("{word} is {id}"),
                };
            }
        }
        match vm.advance(|leaf| leaves.contains(leaf)) {
            Step::Ready(_) => {}
            Step::Cancelled => return "cancelled".to_owned(),
            Step::Blocked => {
                let mut awaited = Awaited::new(Combinator::Unknown);
                awaited.leaves.clone_from(&leaves);
                vm.block(leaves.len(), false, || awaited);
                return "blocked".to_owned();
            }
        }
    }
}

/// The frames sent since, in a few words.
fn sent(vm: &mut Vm) -> Vec<String> {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(vm.take_output().unwrap_or_default());
    let mut said = Vec::new();
    while let Some(frame) = decoder.next().unwrap() {
        let name = ty::name(frame.ty).unwrap();
        let detail = match frame.ty {
            ty::ERROR => wire::Error::decode(frame.body).map(|it| it.code.to_string()),
            ty::SUSPENSION if vm.version() < Version::V7 => wire::Suspension::decode(frame.body)
                .map(|it| {
                    let (ids, names) = (it.waiting_completions, it.waiting_named_signals);
                    format!("{ids:?} {:?} {names:?}", it.waiting_signals)
                }),
            ty::SEND_SIGNAL => {
                wire::SendSignal::decode(frame.body).map(|it| it.target_invocation_id)
            }
            ty::PROPOSE_RUN_COMPLETION if frame.flags != 0 => Ok("with ack".to_owned()),
            _ => Ok(String::new()),
        };
        let text = format!("> {name} {}", detail.unwrap());
        said.push(text.trim_end().to_owned());
    }
    said
}

fn number(text: &str) -> u32 {
    text.parse().unwrap()
}

fn bytes_of(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn the_order_of_the_server_decides_a_race_live_and_replayed() {
    check(
        Version::V6,
        "< start 1 | < input | ! sleep a | ! sleep b | < void 2 | < void 1 | ? c1 c2 | ? c1 c2",
        "> Sleep | > Sleep | c2 is void | c1 is void",
    );
    check(
        Version::V6,
        "< start 5 | < input | < sleep 1 a | < sleep 2 b | < void 2 | < void 1 \
         | ! sleep a | ! sleep b | ? c1 c2 | ? c1 c2 | ! end x",
        "c2 is void | c1 is void | > Output | > End",
    );
}

#[test]
fn what_is_not_there_is_suspended_on_when_the_request_has_ended() {
    check(
        Version::V6,
        "< start 1 | < input | ! sleep a | ? c1 sgo | < eof | ? c1 sgo",
        "> Sleep | blocked | blocked | > Suspension [1] [1] [\"go\"]",
    );
    // Version 7 says what is awaited, once.
    check(
        Version::V7,
        "< start 1 | < input | ! sleep a | ? c1 | ? c1 | < eof | ? c1",
        "> Sleep | blocked | > AwaitingOn | blocked | blocked | > Suspension",
    );
}

#[test]
fn a_run_is_told_by_the_server_or_acknowledged() {
    check(
        Version::V6,
        "< start 1 | < input | ! run r | ? c1 | ! propose 1 v | < value 1 v | ? c1",
        "> Run | blocked | > ProposeRunCompletion | c1 is v",
    );
    check(
        Version::V7,
        "< start 1 | < input | ! run r | ! propose 1 v | ? c1 | < ack 1 | ? c1",
        "> Run | > ProposeRunCompletion with ack | blocked | c1 is v",
    );
    check(
        Version::V7,
        "< start 1 | < input | ! run r | < ack 1",
        "> Run | > Error 571",
    );
}

#[test]
fn signals_of_one_name_queue() {
    check(
        Version::V6,
        "< start 1 | < input | < signal s one | < signal s two | ? ss | ? ss | ? ss",
        "ss is one | ss is two | blocked",
    );
}

#[test]
fn a_cancellation_waits_for_the_ids_of_all_calls() {
    check(
        Version::V6,
        "< start 1 | < input | ! call a | ! call b | < id 1 inv_a | < cancel | ? c2 | < id 3 inv_b | ? c2",
        "> Call | > Call | blocked | cancelled | > SendSignal inv_a | > SendSignal inv_b",
    );
    // Suspended meanwhile, on the missing id.
    check(
        Version::V6,
        "< start 1 | < input | ! call a | < cancel | < eof | ? c2",
        "> Call | blocked | > Suspension [1] [] []",
    );
    // A second cancellation reaches only what came after the first.
    check(
        Version::V6,
        "< start 1 | < input | ! call a | < id 1 inv_a | < cancel | ? c2 | ! sleep s | < cancel | ? c3",
        "> Call | cancelled | > SendSignal inv_a | > Sleep | cancelled",
    );
}

#[test]
fn state_is_answered_from_what_is_known() {
    check(
        Version::V6,
        "< start 1 n=1 | < input | ! get n | ? c1 | ! set n 2 | ! get n | ? c2 | ! get m | ? c3 | ! keys | ? c4",
        "> GetEagerState | c1 is 1 | > SetState | > GetEagerState | c2 is 2 | > GetEagerState \
         | c3 is void | > GetEagerStateKeys | c4 is [b\"n\"]",
    );
    check(
        Version::V6,
        "< start 1 partial | < input | ! get n | ! set m 2 | ! get m | ? c2 | ! keys | ! clear-all | ! keys | ? c4",
        "> GetLazyState | > SetState | > GetEagerState | c2 is 2 | > GetLazyStateKeys \
         | > ClearAllState | > GetEagerStateKeys | c4 is []",
    );
    check(
        Version::V6,
        "< start 1 n=1 | < input | ! clear n | ! get n | ? c1",
        "> ClearState | > GetEagerState | c1 is void",
    );
}

#[test]
fn a_replayed_read_sees_what_was_seen_first() {
    check(
        Version::V6,
        "< start 2 n=9 | < input | < read n 1 | ! get n | ? c1 | ! get n | ? c2",
        "c1 is 1 | > GetEagerState | c2 is 9",
    );
}

#[test]
fn another_path_than_the_journal_is_a_mismatch() {
    for wrong in ["! run a", "! sleep other", "! end x", "? c9"] {
        let mut expected = "> Error 570".to_owned();
        if wrong.starts_with('?') {
            expected = format!("blocked | {expected}");
        }
        let script = format!("< start 2 | < input | < sleep 1 a | {wrong}");
        check(Version::V6, &script, &expected);
    }
    // A journal that goes on behind the output.
    check(
        Version::V6,
        "< start 3 | < input | < sleep 1 a | < sleep 2 b | ! sleep a | ! end x",
        "> Error 570",
    );
}

#[test]
fn nothing_comes_after_the_last_word() {
    check(
        Version::V6,
        "< start 1 | < input | ! end x | ! sleep a | ! end y | ? c1",
        "> Output | > End | blocked",
    );
}

#[test]
fn a_server_that_breaks_the_protocol_is_told() {
    for script in [
        "< input",
        "< start 0",
        "< start 1 | < sleep 1 a",
        "< start 1 | < input | < sleep 1 a",
        "< start 1 | < input | < start 1",
        "< eof",
        "< start 2 | < input | < eof",
    ] {
        check(Version::V6, script, "> Error 571");
    }
}
