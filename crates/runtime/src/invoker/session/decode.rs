//! Frames to entries: each message decoded and checked in full.

use super::{Ended, Session, Violation, to_invocation};
use bytes::Bytes;
use latchwork_engine::table::length;
use latchwork_engine::{
    AttachTo, AttemptFailure, Awaited, CANCEL_SIGNAL, Call, CompletePromise, Entry, Failure,
    Future, GetState, Header, Identity, Input, InvocationId, Invoke, Metadata, Next, Op, Output,
    PauseReason, PromiseRead, ProposeRun, SendSignal, SetState, Settled, Sleep, Span, Target,
    TargetKind,
};
use latchwork_protocol::id::{Awakeable, parse_awakeable};
use latchwork_protocol::service::frame::{ACK, Frame, ty};
use latchwork_protocol::service::message as wire;
use latchwork_protocol::service::version::Version;
use latchwork_protocol::{derive, scope};
use prost::Message;

/// How deep futures may be nested.
const FUTURE_DEPTH_MAX: usize = 64;

type Checked<T> = Result<T, Violation>;

fn refuse<T>(why: impl Into<String>) -> Checked<T> {
    Err(Violation(why.into()))
}

fn decode<M: Message + Default>(frame: &Frame) -> Checked<M> {
    M::decode(frame.body.clone()).map_err(|error| {
        let name = ty::name(frame.ty).unwrap_or("message");
        Violation(format!("{name} cannot be decoded: {error}"))
    })
}

/// Where in `raw` a value lies that was decoded from it.
fn span(raw: &Bytes, value: &Bytes) -> Span {
    // Decoding slices its input, so the distance of the two is the offset.
    let at = (value.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize);
    if value.is_empty() || at.saturating_add(value.len()) > raw.len() {
        return Span::default();
    }
    Span {
        at: at as u32,
        len: value.len() as u32,
    }
}

fn failure(failure: wire::Failure) -> Failure {
    Failure {
        code: failure.code,
        message: failure.message,
        metadata: failure
            .metadata
            .into_iter()
            .map(|pair| Metadata {
                key: pair.key,
                value: pair.value,
            })
            .collect(),
    }
}

fn settled_value(raw: &Bytes, value: &wire::Value) -> Settled {
    Settled::Value(span(raw, &value.content))
}

impl Session {
    pub(super) fn frame(&mut self, frame: Frame) -> Checked<()> {
        match frame.ty {
            ty::SUSPENSION => return self.suspension(&frame),
            ty::ERROR => return self.error(&frame),
            ty::END => return self.end(),
            // For display only: it may be stale, and is not remembered.
            ty::AWAITING_ON => return decode::<wire::AwaitingOn>(&frame).map(drop),
            _ => {}
        }
        let raw = &frame.body;
        let mut urgent = true;
        let op = match frame.ty {
            ty::OUTPUT => {
                urgent = false;
                Some(self.output(&frame)?)
            }
            ty::GET_EAGER_STATE => {
                let get: wire::GetEagerState = decode(&frame)?;
                self.check_keyed()?;
                check_state_key(&get.key)?;
                if get.result.is_none() {
                    return refuse("GetEagerState carries neither a value nor void");
                }
                urgent = false;
                None
            }
            ty::GET_EAGER_STATE_KEYS => {
                decode::<wire::GetEagerStateKeys>(&frame)?;
                self.check_keyed()?;
                urgent = false;
                None
            }
            ty::GET_LAZY_STATE => {
                let get: wire::GetLazyState = decode(&frame)?;
                self.check_keyed()?;
                check_state_key(&get.key)?;
                Some(Op::GetState(GetState {
                    key: get.key,
                    completion: self.own(get.result_completion_id, frame.ty)?,
                }))
            }
            ty::GET_LAZY_STATE_KEYS => {
                let get: wire::GetLazyStateKeys = decode(&frame)?;
                self.check_keyed()?;
                Some(Op::GetStateKeys(Awaited {
                    completion: self.own(get.result_completion_id, frame.ty)?,
                }))
            }
            ty::SET_STATE => {
                let set: wire::SetState = decode(&frame)?;
                self.check_writer()?;
                check_state_key(&set.key)?;
                let Some(value) = set.value else {
                    return refuse("SetState carries no value");
                };
                Some(Op::SetState(SetState {
                    key: set.key,
                    value: span(raw, &value.content),
                }))
            }
            ty::CLEAR_STATE => {
                let clear: wire::ClearState = decode(&frame)?;
                self.check_writer()?;
                check_state_key(&clear.key)?;
                Some(Op::ClearState(clear.key))
            }
            ty::CLEAR_ALL_STATE => {
                decode::<wire::ClearAllState>(&frame)?;
                self.check_writer()?;
                Some(Op::ClearAllState(true))
            }
            ty::GET_PROMISE => {
                let get: wire::GetPromise = decode(&frame)?;
                self.check_workflow()?;
                check_length("the name of a promise", get.key.as_bytes())?;
                Some(Op::GetPromise(PromiseRead {
                    name: get.key,
                    completion: self.own(get.result_completion_id, frame.ty)?,
                }))
            }
            ty::PEEK_PROMISE => {
                let peek: wire::PeekPromise = decode(&frame)?;
                self.check_workflow()?;
                check_length("the name of a promise", peek.key.as_bytes())?;
                Some(Op::PeekPromise(PromiseRead {
                    name: peek.key,
                    completion: self.own(peek.result_completion_id, frame.ty)?,
                }))
            }
            ty::COMPLETE_PROMISE => Some(self.complete_promise(&frame)?),
            ty::SLEEP => {
                let sleep: wire::Sleep = decode(&frame)?;
                Some(Op::Sleep(Sleep {
                    wake_up_time: self.time(sleep.wake_up_time),
                    completion: self.own(sleep.result_completion_id, frame.ty)?,
                }))
            }
            ty::CALL => Some(self.call(&frame)?),
            ty::ONE_WAY_CALL => Some(self.one_way_call(&frame)?),
            ty::SEND_SIGNAL => Some(send_signal(&frame)?),
            ty::COMPLETE_AWAKEABLE => Some(complete_awakeable(&frame)?),
            ty::RUN => {
                let run: wire::Run = decode(&frame)?;
                Some(Op::Run(Awaited {
                    completion: self.own(run.result_completion_id, frame.ty)?,
                }))
            }
            ty::PROPOSE_RUN_COMPLETION => Some(self.propose(&frame)?),
            ty::ATTACH_INVOCATION => {
                let attach: wire::AttachInvocation = decode(&frame)?;
                let completion = attach.result_completion_id;
                Some(Op::Attach(self.attach(
                    attach.target,
                    completion,
                    frame.ty,
                )?))
            }
            ty::GET_INVOCATION_OUTPUT => {
                let get: wire::GetInvocationOutput = decode(&frame)?;
                let completion = get.result_completion_id;
                Some(Op::GetOutput(
                    self.attach(get.target, completion, frame.ty)?,
                ))
            }
            other => return refuse(not_for_us(other)),
        };
        self.urgent |= urgent;
        self.recorded_bytes += frame.body.len() as u64;
        self.progressed |= frame.ty != ty::PROPOSE_RUN_COMPLETION;
        self.entries.push(Entry {
            ty: u32::from(frame.ty),
            ack: frame.flags & ACK != 0,
            raw: frame.body,
            op,
        });
        Ok(())
    }

    /// Takes a completion id for a command.
    fn own(&mut self, completion: u32, command: u16) -> Checked<u32> {
        if completion == 0 {
            return refuse("a command has completion id 0; ids count from 1");
        }
        match self.owners.insert(completion, command) {
            None => Ok(completion),
            Some(first) => {
                self.owners.insert(completion, first);
                refuse(format!(
                    "completion id {completion} is used by two commands"
                ))
            }
        }
    }

    fn check_keyed(&self) -> Checked<()> {
        match self.kind {
            TargetKind::Plain => refuse("a plain service has no state; use a virtual object"),
            _ => Ok(()),
        }
    }

    fn check_writer(&self) -> Checked<()> {
        match self.kind {
            TargetKind::Exclusive | TargetKind::WorkflowRun => Ok(()),
            _ => refuse("state can be written by exclusive handlers and workflow runs only"),
        }
    }

    fn check_workflow(&self) -> Checked<()> {
        match self.kind {
            TargetKind::WorkflowRun | TargetKind::WorkflowShared => Ok(()),
            _ => refuse("only the handlers of a workflow have promises"),
        }
    }

    fn output(&mut self, frame: &Frame) -> Checked<Op> {
        let output: wire::Output = decode(frame)?;
        let settled = match output.result {
            Some(wire::Outcome::Value(value)) => settled_value(&frame.body, &value),
            Some(wire::Outcome::Failure(reason)) => Settled::Failure(failure(reason)),
            None => return refuse("Output carries neither a value nor a failure"),
        };
        self.has_output = true;
        Ok(Op::Output(Output {
            settled: Some(settled),
        }))
    }

    fn propose(&mut self, frame: &Frame) -> Checked<Op> {
        let proposal: wire::ProposeRunCompletion = decode(frame)?;
        let completion = proposal.result_completion_id;
        if self.owners.get(&completion) != Some(&ty::RUN) {
            return refuse(format!(
                "a result was proposed for {completion}, which is no run"
            ));
        }
        if !self.answered.insert(completion) {
            return refuse(format!("two results were proposed for run {completion}"));
        }
        let settled = match proposal.result {
            Some(wire::RunOutcome::Value(value)) => Settled::Value(span(&frame.body, &value)),
            Some(wire::RunOutcome::Failure(reason)) => Settled::Failure(failure(reason)),
            None => return refuse("ProposeRunCompletion carries neither a value nor a failure"),
        };
        Ok(Op::ProposeRun(ProposeRun {
            completion,
            settled: Some(settled),
        }))
    }

    fn complete_promise(&mut self, frame: &Frame) -> Checked<Op> {
        let complete: wire::CompletePromise = decode(frame)?;
        self.check_workflow()?;
        check_length("the name of a promise", complete.key.as_bytes())?;
        let settled = match complete.completion {
            Some(wire::PromiseCompletion::Value(value)) => settled_value(&frame.body, &value),
            Some(wire::PromiseCompletion::Failure(reason)) => Settled::Failure(failure(reason)),
            None => return refuse("CompletePromise carries neither a value nor a failure"),
        };
        Ok(Op::CompletePromise(CompletePromise {
            name: complete.key,
            completion: self.own(complete.result_completion_id, frame.ty)?,
            settled: Some(settled),
        }))
    }

    fn call(&mut self, frame: &Frame) -> Checked<Op> {
        let call: wire::Call = decode(frame)?;
        check_unscoped(call.scope.as_deref(), call.limit_key.as_deref())?;
        let invoke = self.invoke(
            call.service_name,
            call.handler_name,
            call.key,
            call.headers,
            call.idempotency_key,
            false,
        )?;
        Ok(Op::Call(Box::new(Call {
            invoke,
            parameter: span(&frame.body, &call.parameter),
            id_completion: self.own(call.invocation_id_notification_idx, frame.ty)?,
            completion: self.own(call.result_completion_id, frame.ty)?,
        })))
    }

    fn one_way_call(&mut self, frame: &Frame) -> Checked<Op> {
        let call: wire::OneWayCall = decode(frame)?;
        check_unscoped(call.scope.as_deref(), call.limit_key.as_deref())?;
        let mut invoke = self.invoke(
            call.service_name,
            call.handler_name,
            call.key,
            call.headers,
            call.idempotency_key,
            true,
        )?;
        invoke.execution_time = (call.invoke_time > 0).then(|| self.time(call.invoke_time));
        Ok(Op::Send(Box::new(Call {
            invoke,
            parameter: span(&frame.body, &call.parameter),
            id_completion: self.own(call.invocation_id_notification_idx, frame.ty)?,
            completion: 0,
        })))
    }

    /// A time that the handler took from its own clock, by ours.
    fn time(&self, theirs: u64) -> u64 {
        theirs.saturating_add(self.clock.ahead_ms())
    }

    /// The child of a call, with what the registry says of its handler just now.
    fn invoke(
        &self,
        service: String,
        handler: String,
        key: String,
        headers: Vec<wire::Header>,
        idempotency_key: Option<String>,
        is_sent: bool,
    ) -> Checked<Invoke> {
        let Some(settings) = self.registry.handler(&service, &handler) else {
            return refuse(format!(
                "a call goes to {service}/{handler}, which no deployment offers; register one, \
                 the call is tried again"
            ));
        };
        if settings.kind == TargetKind::Plain && !key.is_empty() {
            return refuse(format!("a call to the plain service {service} has a key"));
        }
        check_length("the key of a call", key.as_bytes())?;
        if idempotency_key.as_deref() == Some("") {
            return refuse("a call has an empty idempotency key");
        }
        let key = (settings.kind != TargetKind::Plain).then_some(key);
        let id = match (settings.kind, &key, &idempotency_key) {
            (TargetKind::WorkflowRun, Some(key), _) => derive::workflow_run(None, &service, key),
            (_, key, Some(idempotency_key)) => {
                derive::idempotent(None, &service, key.as_deref(), &handler, idempotency_key)
            }
            (_, Some(key), None) => derive::join(
                derive::partition_key(None, &service, key),
                self.dice.unique(),
            ),
            (_, None, None) => self.dice.id(),
        };
        let (completion_retention_ms, journal_retention_ms) =
            settings.retention(idempotency_key.is_some());
        Ok(Invoke {
            incarnation: self.dice.incarnation(),
            id: InvocationId::from_bytes(id),
            target: Target {
                service,
                handler,
                key,
                kind: settings.kind.into(),
                scope: None,
            },
            input: Input {
                headers: headers
                    .into_iter()
                    .map(|header| Header {
                        name: header.key,
                        value: header.value,
                    })
                    .collect(),
                body: Bytes::new(),
            },
            caller: Some(self.caller.clone()),
            idempotency_key,
            execution_time: None,
            completion_retention_ms,
            journal_retention_ms,
            waiter: None,
            limit_key: None,
            trace: self.trace.as_ref().map(|trace| trace.to_child(is_sent)),
        })
    }

    fn attach(
        &mut self,
        target: Option<wire::AttachTarget>,
        completion: u32,
        command: u16,
    ) -> Checked<AttachTo> {
        let to = match target {
            Some(wire::AttachTarget::InvocationId(text)) => to_invocation(&text)?,
            Some(wire::AttachTarget::Idempotent(target)) => {
                check_unscoped(target.scope.as_deref(), None)?;
                InvocationId::from_bytes(derive::idempotent(
                    None,
                    &target.service_name,
                    target.service_key.as_deref(),
                    &target.handler_name,
                    &target.idempotency_key,
                ))
            }
            Some(wire::AttachTarget::Workflow(target)) => {
                check_unscoped(target.scope.as_deref(), None)?;
                let (name, key) = (&target.workflow_name, &target.workflow_key);
                InvocationId::from_bytes(derive::workflow_run(None, name, key))
            }
            None => return refuse("a wish for a result names no invocation"),
        };
        Ok(AttachTo {
            to,
            completion: self.own(completion, command)?,
        })
    }

    fn suspension(&mut self, frame: &Frame) -> Checked<()> {
        let future = if self.version >= Version::V7 {
            let suspension: wire::SuspensionV7 = decode(frame)?;
            to_future(suspension.awaiting_on.unwrap_or_default(), FUTURE_DEPTH_MAX)?
        } else {
            let suspension: wire::Suspension = decode(frame)?;
            Future::any(
                suspension.waiting_completions,
                suspension.waiting_signals,
                suspension.waiting_named_signals,
            )
        };
        if future.is_empty() {
            return refuse("Suspension names nothing to wait for");
        }
        let mut awaited = Vec::new();
        future.all_completions(&mut awaited);
        for id in awaited {
            match self.owners.get(&id) {
                None => {
                    return refuse(format!("Suspension waits for {id}, which no command has"));
                }
                // Only an attempt could ever complete it: waiting would be for ever.
                Some(&ty::RUN) if !self.answered.contains(&id) => {
                    return refuse(format!(
                        "Suspension waits for run {id}, which has no result"
                    ));
                }
                Some(_) => {}
            }
        }
        self.finish(Ended::Suspended(future));
        Ok(())
    }

    fn error(&mut self, frame: &Frame) -> Checked<()> {
        let error: wire::Error = decode(frame)?;
        let next = match error.behavior() {
            wire::ErrorBehavior::Retry => None,
            wire::ErrorBehavior::Pause => Some(Next::Pause(PauseReason::Handler.into())),
            wire::ErrorBehavior::Fail => Some(Next::End(true)),
        };
        self.finish(Ended::Failed {
            delay_ms: error.next_retry_delay,
            next,
            failure: AttemptFailure {
                code: error.code,
                message: error.message,
                stacktrace: error.stacktrace,
                command_index: error.related_command_index,
                command_name: error.related_command_name,
                command_type: error.related_command_type,
                mismatch: None,
            },
        });
        Ok(())
    }

    fn end(&mut self) -> Checked<()> {
        if !self.has_output {
            return refuse("End came without an Output");
        }
        self.finish(Ended::Completed);
        Ok(())
    }

    fn finish(&mut self, ended: Ended) {
        self.ended = true;
        self.end = Some(ended);
    }
}

/// What becomes part of a row's key has a length that the store takes.
fn check_length(what: &'static str, text: &[u8]) -> Checked<()> {
    length::check_length(what, text).map_err(|error| Violation(error.to_string()))
}

fn check_state_key(key: &Bytes) -> Checked<()> {
    check_length("a state key", key)?;
    match std::str::from_utf8(key) {
        Ok(_) => Ok(()),
        Err(_) => refuse("a state key is not UTF-8"),
    }
}

fn check_unscoped(scope: Option<&str>, limit_key: Option<&str>) -> Checked<()> {
    let limit_key = scope::limit_key(limit_key.unwrap_or_default(), scope)
        .map_err(|error| Violation(error.to_string()))?;
    if scope.is_some() || limit_key.is_some() {
        return refuse("scopes and limit keys are not enabled on this server");
    }
    Ok(())
}

fn send_signal(frame: &Frame) -> Checked<Op> {
    let signal: wire::SendSignal = decode(frame)?;
    let identity = match signal.identity {
        Some(wire::SignalIdentity::Index(index)) => Identity::Signal(index),
        Some(wire::SignalIdentity::Name(name)) if !name.is_empty() => Identity::NamedSignal(name),
        Some(wire::SignalIdentity::Name(_)) => return refuse("a signal has an empty name"),
        None => return refuse("SendSignal names no signal"),
    };
    let settled = match signal.result {
        Some(wire::SignalResult::Void(_)) => Settled::Void(true),
        Some(wire::SignalResult::Value(value)) => settled_value(&frame.body, &value),
        Some(wire::SignalResult::Failure(reason)) => Settled::Failure(failure(reason)),
        None if identity == Identity::Signal(CANCEL_SIGNAL) => Settled::Void(true),
        None => return refuse("SendSignal carries no result"),
    };
    Ok(Op::Signal(SendSignal {
        to: to_invocation(&signal.target_invocation_id)?,
        identity: Some(identity),
        settled: Some(settled),
    }))
}

fn complete_awakeable(frame: &Frame) -> Checked<Op> {
    let complete: wire::CompleteAwakeable = decode(frame)?;
    let awakeable =
        parse_awakeable(&complete.awakeable_id).map_err(|error| Violation(error.to_string()))?;
    let (to, index) = match awakeable {
        Awakeable::Signal { invocation, index } => (invocation, index),
        Awakeable::Legacy { invocation, .. } => (invocation, u32::MAX),
    };
    let settled = match complete.result {
        Some(wire::Completion::Value(value)) => settled_value(&frame.body, &value),
        Some(wire::Completion::Failure(reason)) => Settled::Failure(failure(reason)),
        None => return refuse("CompleteAwakeable carries neither a value nor a failure"),
    };
    Ok(Op::Signal(SendSignal {
        to: InvocationId::from_bytes(to),
        identity: Some(Identity::Signal(index)),
        settled: Some(settled),
    }))
}

fn to_future(future: wire::Future, depth: usize) -> Checked<Future> {
    if depth == 0 {
        return refuse(format!("futures are nested deeper than {FUTURE_DEPTH_MAX}"));
    }
    let combinator = future.combinator_type;
    let nested = future.nested_futures.into_iter();
    Ok(Future {
        completions: future.waiting_completions,
        signals: future.waiting_signals,
        named_signals: future.waiting_named_signals,
        nested: nested
            .map(|nested| to_future(nested, depth - 1))
            .collect::<Checked<_>>()?,
        combinator,
        ..Future::default()
    })
}

fn not_for_us(other: u16) -> String {
    match ty::name(other) {
        Some(name) => format!("{name} may not be sent by an endpoint"),
        None => format!("message type {other:#06x} is unknown"),
    }
}
