//! One attempt's conversation, without a socket: bytes of the SDK to entries, what the
//! partition tells to bytes.
//!
//! ```text
//!   Start ──opening──▶ Start, Input, commands and notifications so far ──▶ bytes
//!   bytes ──receive──▶ frames ──check──▶ entries, and at last how it ended
//! ```
//!
//! Everything is checked before it leaves here: no byte of an endpoint can make a record
//! that the engine could not apply. `decode` does that; this file keeps what must be
//! remembered between messages.

mod decode;

use super::Start;
use crate::clock::Clock;
use crate::dice::Dice;
use crate::registry::Registry;
use crate::trace::Passed;
use bytes::{Bytes, BytesMut};
use latchwork_engine::table::journal::{Body, Notification};
use latchwork_engine::{
    Answer, AttemptFailure, Caller, Entry, Failure, Future, Identity, Input, InvocationId, Next,
    TargetKind,
};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::service::frame::{self, Decoder, ty};
use latchwork_protocol::service::message as wire;
use latchwork_protocol::service::version::Version;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Longest message that is accepted, in bytes.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// The SDK said something that it may not say; the attempt fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("protocol violation of the endpoint: {0}")]
pub(super) struct Violation(pub(super) String);

/// How the SDK says that the attempt has ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    /// The invocation is over.
    Completed,
    /// It waits for this.
    Suspended(Future),
    /// The attempt failed.
    Failed {
        /// Why.
        failure: AttemptFailure,
        /// When to try again, if the SDK says so.
        delay_ms: Option<u64>,
        /// What to do in place of the policy, if the SDK says so.
        next: Option<Next>,
    },
}

/// One attempt's conversation.
pub(super) struct Session {
    registry: Arc<Registry>,
    dice: Arc<dyn Dice>,
    clock: Arc<dyn Clock>,
    version: Version,
    caller: Caller,
    /// What is passed on of the attempt's trace.
    trace: Option<Passed>,
    kind: TargetKind,
    text: String,
    decoder: Decoder,
    /// Journal entries of the replay.
    replayed: u32,
    /// Completion ids that are taken, with the type of the command that took them.
    owners: HashMap<u32, u16>,
    /// Completion ids that are answered, or whose answer was proposed.
    answered: HashSet<u32>,
    /// What was received and not yet handed over.
    entries: Vec<Entry>,
    /// Something of it is answered, or acted on: it must not wait for the end.
    urgent: bool,
    /// Messages that were received.
    messages: u64,
    /// Bytes of all entries that were received.
    recorded_bytes: u64,
    progressed: bool,
    has_output: bool,
    ended: bool,
    end: Option<Ended>,
}

impl Session {
    pub(super) fn new(
        registry: Arc<Registry>,
        dice: Arc<dyn Dice>,
        clock: Arc<dyn Clock>,
        start: &Start,
        version: Version,
    ) -> Self {
        Self {
            registry,
            dice,
            clock,
            version,
            caller: Caller {
                id: start.id,
                target: start.row.target.clone(),
            },
            trace: start.trace.clone(),
            kind: start.row.target.kind(),
            text: invocation_text(&start.id.to_bytes()),
            decoder: Decoder::new(MESSAGE_BYTES_MAX),
            replayed: start.journal.len() as u32,
            owners: HashMap::new(),
            answered: HashSet::new(),
            entries: Vec::new(),
            urgent: false,
            messages: 0,
            recorded_bytes: 0,
            progressed: false,
            has_output: start.row.output_index.is_some(),
            ended: false,
            end: None,
        }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn invocation_text(&self) -> &str {
        &self.text
    }

    pub(super) fn replayed(&self) -> u32 {
        self.replayed
    }

    /// Start, and the journal so far.
    pub(super) fn opening(&mut self, start: &Start, now: u64) -> Bytes {
        let row = &start.row;
        let v6 = self.version >= Version::V6;
        let v7 = self.version >= Version::V7;
        let message = wire::Start {
            id: Bytes::copy_from_slice(&start.id.to_bytes()),
            debug_id: self.text.clone(),
            known_entries: self.replayed,
            state_map: start
                .state
                .iter()
                .map(|(key, value)| wire::StateEntry {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
            partial_state: start.partial_state,
            key: row.target.key.clone().unwrap_or_default(),
            retry_count_since_last_stored_entry: row.retry_count,
            duration_since_last_stored_entry: now.saturating_sub(row.last_entry_at),
            // The same in every attempt, and another for every invocation.
            random_seed: if v6 { start.id.low } else { 0 },
            scope: row.target.scope.clone().filter(|_| v7),
            limit_key: row.limit_key.clone().filter(|_| v7),
            idempotency_key: row.idempotency_key.clone().filter(|_| v7),
        };
        let mut out = BytesMut::with_capacity(256);
        frame::put(&mut out, ty::START, 0, &message);
        for entry in &start.journal {
            match &entry.body {
                Some(Body::Input(input)) => {
                    frame::put(&mut out, ty::INPUT, 0, &to_wire_input(input));
                }
                Some(Body::Command(command)) => {
                    let command_ty = command.ty as u16;
                    for completion in &command.completions {
                        self.owners.insert(*completion, command_ty);
                    }
                    frame::put_raw(&mut out, command_ty, 0, &command.raw);
                }
                Some(Body::Notification(notification)) => {
                    self.put_notification(notification, &mut out);
                }
                None => {}
            }
        }
        out.freeze()
    }

    /// Takes bytes of the SDK. What follows the last message of an attempt is ignored.
    pub(super) fn receive(&mut self, bytes: Bytes) -> Result<(), Violation> {
        self.decoder.push(bytes);
        while !self.ended {
            let next = self.decoder.next();
            match next.map_err(|error| Violation(error.to_string()))? {
                Some(frame) => {
                    self.messages += 1;
                    self.frame(frame)?;
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Tells the SDK of a notification, unless it was in the replay.
    pub(super) fn notification(
        &mut self,
        index: u32,
        notification: &Notification,
        proposed: bool,
        out: &mut BytesMut,
    ) {
        if index < self.replayed {
            return;
        }
        if proposed && let Some(Identity::Completion(completion_id)) = notification.identity {
            let ack = wire::ProposeRunCompletionAck { completion_id };
            frame::put(out, ty::PROPOSE_RUN_COMPLETION_ACK, 0, &ack);
            return;
        }
        self.put_notification(notification, out);
    }

    /// Tells the SDK that its command is durable.
    pub(super) fn acknowledge(&self, command_index: u32, out: &mut BytesMut) {
        frame::put(out, ty::COMMAND_ACK, 0, &wire::CommandAck { command_index });
    }

    /// Whether what was received must be recorded without waiting for the end.
    pub(super) fn must_record(&self) -> bool {
        self.urgent
    }

    /// Whether something was received and not yet handed over.
    pub(super) fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    /// How many messages were received in this attempt.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of all entries that were received in this attempt.
    pub(super) fn recorded_bytes(&self) -> u64 {
        self.recorded_bytes
    }

    /// Whether the SDK has said its last word.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether this attempt has stored a new command: retries begin anew then.
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed
    }

    pub(super) fn take_end(&mut self) -> Option<Ended> {
        self.end.take()
    }

    pub(super) fn take_entries(&mut self) -> Vec<Entry> {
        self.urgent = false;
        std::mem::take(&mut self.entries)
    }

    fn put_notification(&mut self, notification: &Notification, out: &mut BytesMut) {
        let (Some(identity), Some(answer)) = (&notification.identity, &notification.answer) else {
            return;
        };
        let mut notification_ty = ty::SIGNAL;
        let identity = match identity {
            Identity::Completion(id) => {
                self.answered.insert(*id);
                let command = self.owners.get(id).copied().unwrap_or(ty::RUN);
                // The completion of command 0x04NN is 0x80NN, but for the id of a child.
                notification_ty = match answer {
                    Answer::Invocation(_) => ty::CALL_INVOCATION_ID_COMPLETION,
                    _ => 0x8000 | (command & 0x03FF),
                };
                wire::NotificationIdentity::CompletionId(*id)
            }
            Identity::Signal(index) => wire::NotificationIdentity::SignalIndex(*index),
            Identity::NamedSignal(name) => wire::NotificationIdentity::SignalName(name.clone()),
        };
        let result = match answer {
            Answer::Void(_) => wire::NotificationResult::Void(wire::Void {}),
            Answer::Value(content) => wire::NotificationResult::Value(wire::Value {
                content: content.clone(),
            }),
            Answer::Failure(failure) => {
                wire::NotificationResult::Failure(to_wire_failure(failure, self.version))
            }
            Answer::Invocation(id) => {
                wire::NotificationResult::InvocationId(invocation_text(&id.to_bytes()))
            }
            Answer::StateKeys(keys) => wire::NotificationResult::StateKeys(wire::StateKeys {
                keys: keys.keys.clone(),
            }),
        };
        let message = wire::Notification {
            identity: Some(identity),
            result: Some(result),
        };
        frame::put(out, notification_ty, 0, &message);
    }
}

fn to_wire_input(input: &Input) -> wire::Input {
    wire::Input {
        headers: input
            .headers
            .iter()
            .map(|header| wire::Header {
                key: header.name.clone(),
                value: header.value.clone(),
            })
            .collect(),
        name: String::new(),
        value: Some(wire::Value {
            content: input.body.clone(),
        }),
    }
}

/// Version 5 has no metadata: an SDK that met it would fail.
fn to_wire_failure(failure: &Failure, version: Version) -> wire::Failure {
    let metadata = failure.metadata.iter().filter(|_| version >= Version::V6);
    wire::Failure {
        code: failure.code,
        message: failure.message.clone(),
        metadata: metadata
            .map(|pair| wire::FailureMetadata {
                key: pair.key.clone(),
                value: pair.value.clone(),
            })
            .collect(),
    }
}

/// The invocation that a text names.
fn to_invocation(text: &str) -> Result<InvocationId, Violation> {
    latchwork_protocol::id::parse_invocation(text)
        .map(InvocationId::from_bytes)
        .map_err(|error| Violation(format!("{text} names no invocation: {error}")))
}
