//! The recorded conversations, from the SDK's side: what the server said is pushed, what the SDK
//! did is done again, and must give the recorded bytes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use latchwork_protocol::service::frame::{self, Decoder, Frame, ty};
use latchwork_protocol::service::message::{self as wire, Combinator};
use latchwork_protocol::service::version::Version;
use prost::Message;
use serde_json::Value;

use super::{AttemptError, Awaited, CallRequest, Leaf, Step, Vm, code};

const VECTORS: &str = include_str!("../../../protocol/src/golden/vectors.json");

#[test]
fn every_recorded_conversation_is_spoken_again() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let mut conversations: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for vector in &vectors {
        match vector["conversation"].as_str() {
            Some(name) if name != "constructed" => {
                conversations.entry(name).or_default().push(vector);
            }
            _ => {}
        }
    }
    for (name, vectors) in &conversations {
        Speaker::new(vectors[0]["protocol_version"].as_u64().unwrap()).speak(name, vectors);
    }
    assert_eq!(conversations.len(), 98);
}

struct Speaker {
    vm: Vm,
    decoder: Decoder,
    said: VecDeque<Frame>,
    /// What the SDK of the recording was waiting for, for the next thing it does.
    awaited: Awaited,
}

impl Speaker {
    fn new(version: u64) -> Self {
        let version = Version::try_from(u32::try_from(version).unwrap()).unwrap();
        Self {
            vm: Vm::new(version),
            decoder: Decoder::new(1 << 20),
            said: VecDeque::new(),
            awaited: Awaited::new(Combinator::Unknown),
        }
    }

    fn speak(&mut self, name: &str, vectors: &[&Value]) {
        // What the server replayed is done again first.
        let mut stored = Vec::new();
        for vector in vectors {
            let from_server = vector["direction"] == "server->sdk";
            let bytes = Bytes::from(unhex(vector["hex"].as_str().unwrap()));
            if vector["kind"] == "event" {
                if from_server {
                    self.vm.end_input();
                } else {
                    assert!(self.vm.is_closed(), "{name}");
                }
                continue;
            }
            let frame = one_frame(&bytes);
            if from_server {
                self.vm.push(bytes);
                if ty::is_command(frame.ty) && frame.ty != ty::INPUT {
                    stored.push(frame);
                }
                continue;
            }
            assert!(self.vm.is_ready() || self.vm.is_closed(), "{name}");
            // But for the handler that takes another path.
            let replayed = stored.drain(..).filter(|_| name != "v7/journal_mismatch");
            replayed.for_each(|frame| self.perform(&frame));
            self.check(name, &frame, &bytes);
        }
    }

    fn check(&mut self, name: &str, frame: &Frame, recorded: &Bytes) {
        let at = format!("{name}: {:?}", ty::name(frame.ty));
        if frame.ty == ty::AWAITING_ON {
            // How often it is said differs; what is said must not.
            let said = wire::AwaitingOn::decode(frame.body.clone()).unwrap();
            self.awaited = tree(&said.awaiting_on.unwrap());
            self.let_pass();
            let ours = self.awaited.clone().or_cancelled().into_future();
            let theirs = wire::AwaitingOn::decode(frame.body.clone()).unwrap();
            assert_eq!(Some(ours), theirs.awaiting_on, "{at}");
            return;
        }
        if frame.ty != ty::END {
            self.perform(frame);
        }
        self.listen();
        let found = self.said.pop_front();
        let found = found.unwrap_or_else(|| panic!("{at} is missing"));
        if frame.ty == ty::ERROR {
            let ours = wire::Error::decode(found.body.clone()).unwrap();
            let theirs = wire::Error::decode(frame.body.clone()).unwrap();
            // What the SDK found wrong itself is said in words of its own.
            if matches!(
                name,
                "v7/journal_mismatch" | "v7/unsolicited_command_ack_breaks_sdk"
            ) {
                assert_eq!(
                    (ours.related_command_index, ours.related_command_type),
                    (theirs.related_command_index, theirs.related_command_type),
                    "{at}"
                );
            } else {
                assert_eq!(ours, theirs, "{at}");
            }
            return;
        }
        if frame.ty == ty::SUSPENSION && self.vm.version() < Version::V7 {
            // Sets, in no particular order.
            let [mut ours, mut theirs] = [&found, frame].map(read::<wire::Suspension>);
            ours.waiting_signals.sort_unstable();
            theirs.waiting_signals.sort_unstable();
            assert_eq!(ours, theirs, "{at}");
            return;
        }
        let mut out = BytesMut::new();
        frame::put_raw(&mut out, found.ty, found.flags, &found.body);
        assert_eq!(out.freeze(), recorded, "{at}");
    }

    /// Gathers what was said, but for the hints about waiting.
    fn listen(&mut self) {
        if let Some(bytes) = self.vm.take_output() {
            self.decoder.push(bytes);
        }
        while let Some(frame) = self.decoder.next().unwrap() {
            if frame.ty != ty::AWAITING_ON {
                self.said.push_back(frame);
            }
        }
    }

    /// Lets all that has arrived be noticed, as an await for nothing in particular does.
    fn let_pass(&mut self) {
        while self.vm.advance(|_| true) != Step::Blocked {}
    }

    /// Does what the handler of the recording did.
    fn perform(&mut self, frame: &Frame) {
        let vm = &mut self.vm;
        if frame.ty != ty::PROPOSE_RUN_COMPLETION {
            while vm.advance(|_| true) != Step::Blocked {}
        }
        match frame.ty {
            ty::OUTPUT => {
                let it: wire::Output = read(frame);
                vm.end(match it.result.unwrap() {
                    wire::Outcome::Value(value) => Ok(value.content),
                    wire::Outcome::Failure(failure) => Err(failure),
                });
            }
            ty::GET_LAZY_STATE => {
                let it: wire::GetLazyState = read(frame);
                vm.get_state(text(&it.key));
            }
            ty::GET_EAGER_STATE => {
                let it: wire::GetEagerState = read(frame);
                let leaf = vm.get_state(text(&it.key));
                assert!(vm.take(&leaf).is_some());
            }
            ty::GET_LAZY_STATE_KEYS | ty::GET_EAGER_STATE_KEYS => {
                vm.get_state_keys();
            }
            ty::SET_STATE => {
                let it: wire::SetState = read(frame);
                vm.set_state(text(&it.key), it.value.unwrap().content);
            }
            ty::CLEAR_STATE => {
                let it: wire::ClearState = read(frame);
                vm.clear_state(text(&it.key));
            }
            ty::CLEAR_ALL_STATE => vm.clear_all_state(),
            ty::GET_PROMISE => {
                vm.get_promise(&read::<wire::GetPromise>(frame).key);
            }
            ty::PEEK_PROMISE => {
                vm.peek_promise(&read::<wire::PeekPromise>(frame).key);
            }
            ty::COMPLETE_PROMISE => {
                let it: wire::CompletePromise = read(frame);
                let outcome = match it.completion.unwrap() {
                    wire::PromiseCompletion::Value(value) => Ok(value.content),
                    wire::PromiseCompletion::Failure(failure) => Err(failure),
                };
                vm.complete_promise(&it.key, outcome);
            }
            ty::SLEEP => {
                let it: wire::Sleep = read(frame);
                vm.sleep(&it.name, Duration::from_millis(it.wake_up_time));
            }
            ty::CALL => {
                let it: wire::Call = read(frame);
                vm.call(CallRequest {
                    service: it.service_name,
                    key: it.key,
                    handler: it.handler_name,
                    parameter: it.parameter,
                    headers: it.headers,
                    idempotency_key: it.idempotency_key,
                    scope: it.scope,
                    limit_key: it.limit_key,
                });
            }
            ty::ONE_WAY_CALL => {
                let it: wire::OneWayCall = read(frame);
                let at = (it.invoke_time > 0).then(|| Duration::from_millis(it.invoke_time));
                vm.send(
                    CallRequest {
                        service: it.service_name,
                        key: it.key,
                        handler: it.handler_name,
                        parameter: it.parameter,
                        headers: it.headers,
                        idempotency_key: it.idempotency_key,
                        scope: it.scope,
                        limit_key: it.limit_key,
                    },
                    at,
                );
            }
            ty::SEND_SIGNAL => self.perform_signal(frame),
            ty::RUN => {
                vm.run(&read::<wire::Run>(frame).name);
            }
            ty::PROPOSE_RUN_COMPLETION => {
                let it: wire::ProposeRunCompletion = read(frame);
                let outcome = match it.result.unwrap() {
                    wire::RunOutcome::Value(value) => Ok(value),
                    wire::RunOutcome::Failure(failure) => Err(failure),
                };
                vm.propose(&Leaf::CompletionId(it.result_completion_id), outcome);
            }
            ty::ATTACH_INVOCATION => {
                vm.attach(read::<wire::AttachInvocation>(frame).target.unwrap());
            }
            ty::COMPLETE_AWAKEABLE => {
                let it: wire::CompleteAwakeable = read(frame);
                let outcome = match it.result.unwrap() {
                    wire::Completion::Value(value) => Ok(value.content),
                    wire::Completion::Failure(failure) => Err(failure),
                };
                vm.complete_awakeable(&it.awakeable_id, outcome);
            }
            ty::SUSPENSION => {
                let awaited = if vm.version() >= Version::V7 {
                    tree(&read::<wire::SuspensionV7>(frame).awaiting_on.unwrap())
                } else {
                    let it: wire::Suspension = read(frame);
                    tree(&wire::Future {
                        waiting_completions: it.waiting_completions,
                        waiting_signals: it.waiting_signals,
                        waiting_named_signals: it.waiting_named_signals,
                        nested_futures: Vec::new(),
                        combinator_type: Combinator::FirstCompleted as i32,
                    })
                };
                vm.block(1, false, || awaited);
            }
            ty::ERROR => self.perform_error(frame),
            other => panic!("{other:#06x} is not done here"),
        }
    }

    /// A cancellation that reached the machine has told the calls by itself.
    fn perform_signal(&mut self, frame: &Frame) {
        let it: wire::SendSignal = read(frame);
        if !self.vm.out.is_empty() {
            return;
        }
        match it.identity.unwrap() {
            wire::SignalIdentity::Index(1) => self.vm.cancel(&it.target_invocation_id),
            wire::SignalIdentity::Index(index) => panic!("signal {index}"),
            wire::SignalIdentity::Name(name) => {
                let outcome = match it.result.unwrap() {
                    wire::SignalResult::Void(_) => None,
                    wire::SignalResult::Value(value) => Some(Ok(value.content)),
                    wire::SignalResult::Failure(failure) => Some(Err(failure)),
                };
                self.vm
                    .send_signal(&it.target_invocation_id, &name, outcome);
            }
        }
    }

    fn perform_error(&mut self, frame: &Frame) {
        let it: wire::Error = read(frame);
        if it.code == code::JOURNAL_MISMATCH {
            // The recording's handler ran something where it had slept.
            self.vm.run(&it.related_command_name.unwrap());
        } else {
            let mut error = AttemptError::new(it.code, it.message);
            error.details = it.stacktrace;
            error.retry_after = it.next_retry_delay.map(Duration::from_millis);
            error.pause = it.behavior == wire::ErrorBehavior::Pause as i32;
            match it.related_command_index {
                Some(_) => {
                    let leaf = Leaf::CompletionId(1);
                    self.vm.run_failed(&leaf, error, None, Duration::ZERO);
                }
                None => self.vm.fail(error),
            }
        }
    }
}

/// A future of the recording, without the cancellation that every SDK adds.
fn tree(future: &wire::Future) -> Awaited {
    fn plain(future: &wire::Future) -> Awaited {
        let mut awaited = Awaited::new(future.combinator_type());
        awaited.nested = future.nested_futures.iter().map(plain).collect();
        awaited.leaves = leaves(future);
        awaited
    }
    let mut root = plain(future);
    root.leaves.retain(|leaf| *leaf != Leaf::SignalIndex(1));
    if root.leaves.is_empty() && root.nested.len() == 1 {
        return root.nested.remove(0);
    }
    root
}

fn leaves(future: &wire::Future) -> Vec<Leaf> {
    let completions = future.waiting_completions.iter();
    let signals = future.waiting_signals.iter();
    let names = future.waiting_named_signals.iter();
    completions
        .map(|id| Leaf::CompletionId(*id))
        .chain(signals.map(|index| Leaf::SignalIndex(*index)))
        .chain(names.map(|name| Leaf::SignalName(name.clone())))
        .collect()
}

fn read<M: Message + Default>(frame: &Frame) -> M {
    M::decode(frame.body.clone()).unwrap()
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn one_frame(bytes: &Bytes) -> Frame {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(bytes.clone());
    decoder.next().unwrap().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
