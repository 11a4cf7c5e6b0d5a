//! One entry of a journal as JSON, as the tools that print journals read it.
//!
//! An entry is stored as its message of the service protocol; `full` gives all of it, `lite`
//! what a timeline shows, without payloads. What cannot be decoded has no JSON.

use super::invocation::type_name;
use bytes::Bytes;
use latchwork_engine::table::journal::{Body, Command, JournalEntry, Notification};
use latchwork_engine::{self as engine, Answer, Identity, TargetKind};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use latchwork_runtime::registry::Registry;
use prost::Message;
use serde_json::{Map, Value, json};

/// An entry, with what it cannot tell by itself.
pub(super) struct Told<'a> {
    pub(super) entry: &'a JournalEntry,
    /// Wire type of the command that it answers.
    pub(super) answers: Option<u32>,
    /// Knows the kinds of handlers that are called.
    pub(super) registry: Option<&'a Registry>,
}

impl Told<'_> {
    /// All of it.
    pub(super) fn full(&self) -> Option<Value> {
        match self.entry.body.as_ref()? {
            Body::Input(input) => {
                let headers: Vec<_> = input.headers.iter().map(header).collect();
                let input = json!({"headers": headers, "payload": bytes(&input.body), "name": ""});
                Some(json!({"Command": {"Input": input}}))
            }
            Body::Command(command) => {
                let mut fields = self.command(command)?;
                fields.insert("name".to_owned(), wire::name(&command.raw).into());
                Some(json!({"Command": {type_name(command.ty): fields}}))
            }
            Body::Notification(notification) => self.notification(notification),
        }
    }

    /// What a timeline shows.
    pub(super) fn lite(&self) -> Option<Value> {
        match self.entry.body.as_ref()? {
            Body::Input(_) => Some(json!({"Command": {"Input": {}}})),
            Body::Command(command) => {
                let mut fields = self.command(command)?;
                lighten(&mut fields);
                let name = wire::name(&command.raw);
                if !name.is_empty() {
                    fields.insert("name".to_owned(), name.into());
                }
                Some(json!({"Command": {type_name(command.ty): fields}}))
            }
            Body::Notification(notification) => {
                let result = match notification.answer.as_ref()? {
                    Answer::Void(_) => "Void",
                    Answer::Value(_) => "Success",
                    Answer::Failure(_) => "Failure",
                    Answer::Invocation(_) => "InvocationId",
                    Answer::StateKeys(_) => "StateKeys",
                };
                let (ty, id) = match notification.identity.as_ref()? {
                    Identity::Completion(id) => (
                        json!({"Completion": self.answered()}),
                        json!({"CompletionId": id}),
                    ),
                    Identity::Signal(index) => (json!("Signal"), json!({"SignalIndex": index})),
                    Identity::NamedSignal(name) => (json!("Signal"), json!({"SignalName": name})),
                };
                Some(json!({"Notification": {"ty": ty, "id": id, "result": result}}))
            }
        }
    }

    /// What a notification answers.
    pub(super) fn answered(&self) -> String {
        let answer = match &self.entry.body {
            Some(Body::Notification(notification)) => notification.answer.as_ref(),
            _ => None,
        };
        match (answer, self.answers) {
            (Some(Answer::Invocation(_)), _) => "CallInvocationId".to_owned(),
            (_, Some(wire_type)) => type_name(wire_type),
            (_, None) => "Signal".to_owned(),
        }
    }

    fn notification(&self, notification: &Notification) -> Option<Value> {
        let answer = notification.answer.as_ref()?;
        let signal =
            |id: Value| json!({"Notification": {"Signal": {"id": id, "result": result(answer)}}});
        let id = match notification.identity.as_ref()? {
            Identity::Signal(index) => return Some(signal(json!({"Index": index}))),
            Identity::NamedSignal(name) => return Some(signal(json!({"Name": name}))),
            Identity::Completion(id) => id,
        };
        let mut fields = Map::new();
        fields.insert("completion_id".to_owned(), (*id).into());
        let wire_type = self
            .answers
            .and_then(|wire_type| u16::try_from(wire_type).ok());
        match answer {
            Answer::Invocation(child) => {
                fields.insert(
                    "invocation_id".to_owned(),
                    invocation_text(&child.to_bytes()).into(),
                );
            }
            Answer::StateKeys(keys) => {
                fields.insert("state_keys".to_owned(), texts(&keys.keys));
            }
            _ if wire_type == Some(ty::SLEEP) => {}
            other => {
                fields.insert("result".to_owned(), result(other));
            }
        }
        Some(json!({"Notification": {"Completion": {self.answered(): fields}}}))
    }

    /// The fields of a command but its name.
    fn command(&self, command: &Command) -> Option<Map<String, Value>> {
        let raw = &command.raw[..];
        let key_and_id = |key: Value, id: u32| json!({"key": key, "completion_id": id});
        let fields = match u16::try_from(command.ty).ok()? {
            ty::OUTPUT => match wire::Output::decode(raw).ok()?.result? {
                wire::Outcome::Value(value) => json!({"result": success(&value)}),
                wire::Outcome::Failure(failure) => json!({"result": failed(&failure)}),
            },
            ty::GET_LAZY_STATE => {
                let get = wire::GetLazyState::decode(raw).ok()?;
                key_and_id(lossy(&get.key), get.result_completion_id)
            }
            ty::SET_STATE => {
                let set = wire::SetState::decode(raw).ok()?;
                json!({"key": lossy(&set.key), "value": bytes(&set.value.unwrap_or_default().content)})
            }
            ty::CLEAR_STATE => {
                json!({"key": lossy(&wire::ClearState::decode(raw).ok()?.key)})
            }
            ty::CLEAR_ALL_STATE => json!({}),
            ty::GET_LAZY_STATE_KEYS => {
                let get = wire::GetLazyStateKeys::decode(raw).ok()?;
                json!({"completion_id": get.result_completion_id})
            }
            ty::GET_EAGER_STATE => {
                let get = wire::GetEagerState::decode(raw).ok()?;
                let result = match get.result? {
                    wire::EagerState::Void(_) => json!("Void"),
                    wire::EagerState::Value(value) => success(&value),
                };
                json!({"key": lossy(&get.key), "result": result})
            }
            ty::GET_EAGER_STATE_KEYS => {
                let get = wire::GetEagerStateKeys::decode(raw).ok()?;
                json!({"state_keys": texts(&get.value.unwrap_or_default().keys)})
            }
            ty::GET_PROMISE | ty::PEEK_PROMISE => {
                let get = wire::GetPromise::decode(raw).ok()?;
                key_and_id(get.key.into(), get.result_completion_id)
            }
            ty::COMPLETE_PROMISE => {
                let complete = wire::CompletePromise::decode(raw).ok()?;
                let value = match complete.completion? {
                    wire::PromiseCompletion::Value(value) => success(&value),
                    wire::PromiseCompletion::Failure(failure) => failed(&failure),
                };
                json!({"key": complete.key, "value": value,
                    "completion_id": complete.result_completion_id})
            }
            ty::SLEEP => {
                let sleep = wire::Sleep::decode(raw).ok()?;
                json!({"wake_up_time": sleep.wake_up_time,
                    "completion_id": sleep.result_completion_id})
            }
            ty::CALL => {
                let call = wire::Call::decode(raw).ok()?;
                json!({
                    "invocation_id_completion_id": call.invocation_id_notification_idx,
                    "result_completion_id": call.result_completion_id,
                    "request": self.request(command, &call),
                })
            }
            ty::ONE_WAY_CALL => {
                let send = wire::OneWayCall::decode(raw).ok()?;
                json!({
                    "invoke_time": send.invoke_time,
                    "invocation_id_completion_id": send.invocation_id_notification_idx,
                    "request": self.request(command, &as_call(send)),
                })
            }
            ty::SEND_SIGNAL => {
                let send = wire::SendSignal::decode(raw).ok()?;
                let signal_id = match send.identity? {
                    wire::SignalIdentity::Index(index) => json!({"Index": index}),
                    wire::SignalIdentity::Name(name) => json!({"Name": name}),
                };
                let result = match send.result? {
                    wire::SignalResult::Void(_) => json!("Void"),
                    wire::SignalResult::Value(value) => success(&value),
                    wire::SignalResult::Failure(failure) => failed(&failure),
                };
                json!({"target_invocation_id": send.target_invocation_id,
                    "signal_id": signal_id, "result": result})
            }
            ty::RUN => {
                json!({"completion_id": wire::Run::decode(raw).ok()?.result_completion_id})
            }
            ty::ATTACH_INVOCATION | ty::GET_INVOCATION_OUTPUT => {
                let attach = wire::AttachInvocation::decode(raw).ok()?;
                json!({"target": attached(attach.target?),
                    "completion_id": attach.result_completion_id})
            }
            ty::COMPLETE_AWAKEABLE => {
                let complete = wire::CompleteAwakeable::decode(raw).ok()?;
                let result = match complete.result? {
                    wire::Completion::Value(value) => success(&value),
                    wire::Completion::Failure(failure) => failed(&failure),
                };
                json!({"id": complete.awakeable_id, "result": result})
            }
            _ => return None,
        };
        match fields {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    fn request(&self, command: &Command, call: &wire::Call) -> Value {
        let settings = self
            .registry
            .and_then(|registry| registry.handler(&call.service_name, &call.handler_name));
        let (completion, journal) = settings.map_or((0, 0), |settings| {
            settings.retention(call.idempotency_key.is_some())
        });
        let headers: Vec<_> = call
            .headers
            .iter()
            .map(|header| json!({"name": header.key, "value": header.value}))
            .collect();
        let mut request = json!({
            "invocation_id": command.child.as_ref().map(|id| invocation_text(&id.to_bytes())),
            "invocation_target": target(call, settings.map(|settings| settings.kind)),
            // Tools expect the place of a trace, also of one that is not kept.
            "span_context": {
                "span_context": {"trace_id": vec![0; 16], "span_id": vec![0; 8], "trace_flags": 0,
                    "is_remote": false, "trace_state": ""},
                "cause": null,
            },
            "parameter": bytes(&call.parameter),
            "headers": headers,
            "idempotency_key": call.idempotency_key,
            "completion_retention_duration": duration(completion),
            "journal_retention_duration": duration(journal),
        });
        if let Some(limit_key) = &call.limit_key {
            request["limit_key"] = limit_key.as_str().into();
        }
        request
    }
}

/// Takes away what is large.
fn lighten(fields: &mut Map<String, Value>) {
    for part in ["payload", "parameter", "headers", "state_keys"] {
        fields.remove(part);
    }
    for part in ["result", "value"] {
        if let Some(value) = fields.get_mut(part) {
            match value {
                Value::Object(outcome) => {
                    let word = outcome.keys().next().cloned();
                    *value = word.map_or(Value::Null, Value::String);
                }
                Value::Array(_) => {
                    fields.remove(part);
                }
                _ => {}
            }
        }
    }
    if let Some(Value::Object(request)) = fields.remove("request") {
        for part in ["invocation_id", "invocation_target"] {
            if let Some(value) = request.get(part) {
                fields.insert(part.to_owned(), value.clone());
            }
        }
    }
}

/// A send with the fields of a call.
fn as_call(send: wire::OneWayCall) -> wire::Call {
    wire::Call {
        service_name: send.service_name,
        handler_name: send.handler_name,
        parameter: send.parameter,
        headers: send.headers,
        key: send.key,
        idempotency_key: send.idempotency_key,
        scope: send.scope,
        limit_key: send.limit_key,
        invocation_id_notification_idx: send.invocation_id_notification_idx,
        result_completion_id: 0,
        name: send.name,
    }
}

fn target(call: &wire::Call, kind: Option<TargetKind>) -> Value {
    // Whatever is registered no more still has a key, or has none.
    let kind = kind.unwrap_or(if call.key.is_empty() {
        TargetKind::Plain
    } else {
        TargetKind::Exclusive
    });
    let keyed = |handler_ty: &str| {
        json!({"name": call.service_name, "key": call.key, "handler": call.handler_name,
            "handler_ty": handler_ty, "scope": call.scope})
    };
    match kind {
        TargetKind::Plain => json!({"Service":
            {"name": call.service_name, "handler": call.handler_name, "scope": call.scope}}),
        TargetKind::Exclusive => json!({"VirtualObject": keyed("Exclusive")}),
        TargetKind::Shared => json!({"VirtualObject": keyed("Shared")}),
        TargetKind::WorkflowRun => json!({"Workflow": keyed("Workflow")}),
        TargetKind::WorkflowShared => json!({"Workflow": keyed("Shared")}),
    }
}

fn attached(target: wire::AttachTarget) -> Value {
    match target {
        wire::AttachTarget::InvocationId(id) => json!({"InvocationId": id}),
        wire::AttachTarget::Idempotent(call) => json!({"IdempotentRequest": {
            "service_name": call.service_name, "service_key": call.service_key,
            "service_handler": call.handler_name, "idempotency_key": call.idempotency_key,
            "scope": call.scope}}),
        wire::AttachTarget::Workflow(run) => json!({"Workflow":
            {"service_name": run.workflow_name, "key": run.workflow_key, "scope": run.scope}}),
    }
}

fn duration(ms: u64) -> Value {
    json!({"secs": ms / 1_000, "nanos": ms % 1_000 * 1_000_000})
}

fn header(header: &engine::Header) -> Value {
    json!({"name": header.name, "value": header.value})
}

fn bytes(bytes: &[u8]) -> Value {
    bytes.iter().copied().collect()
}

fn lossy(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn texts(keys: &[Bytes]) -> Value {
    keys.iter().map(|key| lossy(key)).collect()
}

fn success(value: &wire::Value) -> Value {
    json!({"Success": bytes(&value.content)})
}

fn failed(failure: &wire::Failure) -> Value {
    let pairs = failure.metadata.iter();
    failure_json(
        failure.code,
        &failure.message,
        pairs.map(|pair| (pair.key.as_str(), pair.value.as_str())),
    )
}

fn failure_json<'a>(
    code: u32,
    message: &str,
    metadata: impl Iterator<Item = (&'a str, &'a str)>,
) -> Value {
    let mut failure = json!({"code": code, "message": message});
    let pairs: Vec<_> = metadata
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    if !pairs.is_empty() {
        failure["metadata"] = pairs.into();
    }
    json!({"Failure": failure})
}

fn result(answer: &Answer) -> Value {
    match answer {
        Answer::Value(value) => json!({"Success": bytes(value)}),
        Answer::Failure(failure) => {
            let pairs = failure.metadata.iter();
            failure_json(
                failure.code,
                &failure.message,
                pairs.map(|pair| (pair.key.as_str(), pair.value.as_str())),
            )
        }
        Answer::Void(_) | Answer::Invocation(_) | Answer::StateKeys(_) => json!("Void"),
    }
}

/// The bytes of the user's that a command carries.
pub(super) fn payload(wire_type: u32, raw: &[u8]) -> Option<Bytes> {
    Some(match u16::try_from(wire_type).ok()? {
        ty::OUTPUT => match wire::Output::decode(raw).ok()?.result? {
            wire::Outcome::Value(value) => value.content,
            wire::Outcome::Failure(_) => return None,
        },
        ty::SET_STATE => wire::SetState::decode(raw).ok()?.value?.content,
        ty::GET_EAGER_STATE => match wire::GetEagerState::decode(raw).ok()?.result? {
            wire::EagerState::Value(value) => value.content,
            wire::EagerState::Void(_) => return None,
        },
        ty::COMPLETE_PROMISE => match wire::CompletePromise::decode(raw).ok()?.completion? {
            wire::PromiseCompletion::Value(value) => value.content,
            wire::PromiseCompletion::Failure(_) => return None,
        },
        ty::CALL => wire::Call::decode(raw).ok()?.parameter,
        ty::ONE_WAY_CALL => wire::OneWayCall::decode(raw).ok()?.parameter,
        ty::SEND_SIGNAL => match wire::SendSignal::decode(raw).ok()?.result? {
            wire::SignalResult::Value(value) => value.content,
            _ => return None,
        },
        ty::COMPLETE_AWAKEABLE => match wire::CompleteAwakeable::decode(raw).ok()?.result? {
            wire::Completion::Value(value) => value.content,
            wire::Completion::Failure(_) => return None,
        },
        _ => return None,
    })
}

/// An input as its message of the service protocol.
pub(super) fn input_message(input: &engine::Input) -> wire::Input {
    let header = |header: &engine::Header| wire::Header {
        key: header.name.clone(),
        value: header.value.clone(),
    };
    wire::Input {
        headers: input.headers.iter().map(header).collect(),
        name: String::new(),
        value: Some(wire::Value {
            content: input.body.clone(),
        }),
    }
}

/// A notification as its message of the service protocol.
pub(super) fn notification_message(notification: &Notification) -> wire::Notification {
    use wire::{NotificationIdentity, NotificationResult};
    let identity = notification
        .identity
        .as_ref()
        .map(|identity| match identity {
            Identity::Completion(id) => NotificationIdentity::CompletionId(*id),
            Identity::Signal(index) => NotificationIdentity::SignalIndex(*index),
            Identity::NamedSignal(name) => NotificationIdentity::SignalName(name.clone()),
        });
    let result = notification.answer.as_ref().map(|answer| match answer {
        Answer::Void(_) => NotificationResult::Void(wire::Void {}),
        Answer::Value(value) => NotificationResult::Value(wire::Value {
            content: value.clone(),
        }),
        Answer::Failure(failure) => NotificationResult::Failure(wire::Failure {
            code: failure.code,
            message: failure.message.clone(),
            metadata: failure
                .metadata
                .iter()
                .map(|pair| wire::FailureMetadata {
                    key: pair.key.clone(),
                    value: pair.value.clone(),
                })
                .collect(),
        }),
        Answer::Invocation(child) => {
            NotificationResult::InvocationId(invocation_text(&child.to_bytes()))
        }
        Answer::StateKeys(keys) => NotificationResult::StateKeys(wire::StateKeys {
            keys: keys.keys.clone(),
        }),
    });
    wire::Notification { identity, result }
}
