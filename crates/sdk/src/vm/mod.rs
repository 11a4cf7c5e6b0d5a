//! The SDK's end of one attempt, without I/O: bytes in, bytes out.
//!
//! ```text
//!   chunks ─▶ push ─▶ Start, journal ─▶ replay.rs   what commands are compared with
//!                     notifications  ─▶ awaiting.rs what awaits are answered from, in order
//!   what the handler does: command.rs, state.rs, run.rs
//!          ├─ replaying  ─▶ compared with the journal, nothing is sent
//!          └─ processing ─▶ a frame for the server
//!   take_output ◀─ frames
//! ```
//!
//! Start at [`Vm`]. A handler's next step may depend only on its input and on the notifications it
//! was given, in their order; so [`Vm::advance`] hands them over one at a time, only when the
//! handler is blocked, and in the order that the server stored them. The same prefix of the journal
//! then leads to the same commands, however the bytes arrive.
//!
//! Deliberately absent: async, clocks, random numbers, sockets and serialization. Times are
//! arguments, values are bytes.

mod awaiting;
mod command;
mod replay;
mod run;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use latchwork_protocol::service::frame::{self, Decoder, Frame, ty};
use latchwork_protocol::service::message::{
    self as wire, ErrorBehavior, Header, Input, NotificationIdentity, NotificationResult, Start,
};
use latchwork_protocol::service::version::Version;
use prost::Message;

pub use awaiting::{Awaited, Step};
pub use command::{CallLeaves, CallRequest};
pub use run::RetryPolicy;

use replay::Replay;
use run::RunEntry;
use state::EagerState;

/// What an await waits for: a completion or a signal.
pub type Leaf = NotificationIdentity;

/// The longest message that is accepted, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The signal that cancels an invocation.
const CANCEL: Leaf = Leaf::SignalIndex(1);

/// Error codes that the protocol gives a meaning.
pub mod code {
    /// The handler failed in a way that may pass.
    pub const INTERNAL: u32 = 500;
    /// The handler was cancelled.
    pub const CANCELLED: u32 = 409;
    /// The handler took another path than its journal.
    pub const JOURNAL_MISMATCH: u32 = 570;
    /// The other side broke the protocol.
    pub const PROTOCOL_VIOLATION: u32 = 571;
    /// The protocol version in use lacks what the handler asks for.
    pub const UNSUPPORTED: u32 = 573;
}

/// One attempt's conversation with the server.
///
/// Four kinds of methods: [`push`](Self::push) and [`end_input`](Self::end_input) take what the
/// server says; the commands of a handler (`sleep`, `call`, …) return what to await;
/// [`take`](Self::take), [`advance`](Self::advance) and [`block`](Self::block) are the awaiting;
/// [`take_output`](Self::take_output) gives the bytes to send. Once the machine is closed, by a
/// result, a suspension or a failure, commands do nothing and nothing becomes ready any more: drop
/// the handler.
pub struct Vm {
    version: Version,
    decoder: Decoder,
    out: BytesMut,
    phase: Phase,
    input_ended: bool,
    start: Start,
    input: Input,
    replay: Replay,
    /// Notifications that no await has taken notice of yet, in the server's order.
    queue: VecDeque<(Leaf, NotificationResult)>,
    /// How many of the queue belong to the replay.
    queue_replayed: usize,
    ready: HashMap<Leaf, VecDeque<NotificationResult>>,
    next_completion: u32,
    next_signal: u32,
    runs: BTreeMap<u32, RunEntry>,
    /// Id completions of the calls made so far that no cancellation has reached.
    calls: Vec<u32>,
    /// Invocation ids that are known, by completion.
    call_ids: HashMap<u32, String>,
    cancelling: bool,
    state: EagerState,
    announced: Option<Awaited>,
    announced_width: usize,
    failed: Option<Box<AttemptError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    AwaitStart,
    AwaitJournal { missing: u32 },
    Running,
    Closed,
}

/// What ends an attempt without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptError {
    /// See [`code`].
    pub code: u32,
    /// For people.
    pub message: String,
    /// More for people; may be long.
    pub details: String,
    /// Overrides the next delay of the server's retry policy.
    pub retry_after: Option<Duration>,
    /// Pause the invocation instead of trying again (protocol 7; ignored before).
    pub pause: bool,
    /// The command it belongs to.
    pub command: Option<CommandRef>,
}

/// Names a command of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRef {
    /// Counted among commands; the input is 0.
    pub index: u32,
    /// The message type.
    pub ty: u16,
    /// The label, which may be empty.
    pub name: String,
}

impl AttemptError {
    /// An error with a code and a text.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: String::new(),
            retry_after: None,
            pause: false,
            command: None,
        }
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("version", &self.version)
            .field("phase", &self.phase)
            .field("invocation", &self.start.debug_id)
            .field("next_command", &self.replay.next_index())
            .finish_non_exhaustive()
    }
}

impl Vm {
    /// A machine that speaks `version`.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            decoder: Decoder::new(MESSAGE_BYTES_MAX),
            out: BytesMut::new(),
            phase: Phase::AwaitStart,
            input_ended: false,
            start: Start::default(),
            input: Input::default(),
            replay: Replay::default(),
            queue: VecDeque::new(),
            queue_replayed: 0,
            ready: HashMap::new(),
            next_completion: 1,
            next_signal: latchwork_protocol::id::AWAKEABLE_INDEX_MIN,
            runs: BTreeMap::new(),
            calls: Vec::new(),
            call_ids: HashMap::new(),
            cancelling: false,
            state: EagerState::default(),
            announced: None,
            announced_width: 0,
            failed: None,
        }
    }

    /// Takes the next chunk of what the server sends. What is wrong with it closes the machine.
    pub fn push(&mut self, chunk: Bytes) {
        if self.is_closed() {
            return;
        }
        self.decoder.push(chunk);
        while !self.is_closed() {
            match self.decoder.next() {
                Ok(None) => return,
                Ok(Some(frame)) => {
                    if let Err(error) = self.receive(frame) {
                        self.fail(error);
                    }
                }
                Err(error) => {
                    self.fail(AttemptError::new(
                        code::PROTOCOL_VIOLATION,
                        error.to_string(),
                    ));
                }
            }
        }
    }

    /// The server will send nothing more: what is not there yet has to be suspended on.
    pub fn end_input(&mut self) {
        self.input_ended = true;
        let whole = self.decoder.is_between_frames();
        match self.phase {
            Phase::Closed => {}
            Phase::AwaitStart => self.fail(violation("the request ended before its first message")),
            Phase::AwaitJournal { missing } => self.fail(violation(format!(
                "the request ended {missing} entries before the end of the journal that its start announced"
            ))),
            Phase::Running if !whole => {
                self.fail(violation("the request ended in the middle of a message"));
            }
            Phase::Running => {}
        }
    }

    /// The bytes to send, if there are any.
    pub fn take_output(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// Whether the whole journal has arrived and the handler may start.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether the last message of the attempt was written.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// What ended the attempt without a result, if it did end so.
    pub fn error(&self) -> Option<&AttemptError> {
        self.failed.as_deref()
    }

    /// Whether the handler is still where an earlier attempt has been.
    pub fn is_replaying(&self) -> bool {
        !self.replay.is_done() || self.queue_replayed > 0
    }

    /// Whether the server has said all it will say in this attempt.
    pub fn is_input_ended(&self) -> bool {
        self.input_ended
    }

    /// The protocol version that is spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The invocation id as text.
    pub fn invocation_id(&self) -> &str {
        &self.start.debug_id
    }

    /// The key of the object or workflow; empty for plain services.
    pub fn key(&self) -> &str {
        &self.start.key
    }

    /// The first message: scope, limit key, idempotency key, counters.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// The caller's payload.
    pub fn input(&self) -> Bytes {
        let value = self.input.value.as_ref();
        value.map(|value| value.content.clone()).unwrap_or_default()
    }

    /// The caller's headers, in order.
    pub fn headers(&self) -> &[Header] {
        &self.input.headers
    }

    /// A number that is the same in all attempts of this invocation, and in no other.
    pub fn random_seed(&self) -> u64 {
        if self.version >= Version::V6 {
            return self.start.random_seed;
        }
        // Protocol 5 sends none. The last 16 bytes of an id are random or a hash.
        self.start
            .id
            .chunks(8)
            .skip(1)
            .map(|part| {
                let mut word = [0; 8];
                word[..part.len()].copy_from_slice(part);
                u64::from_le_bytes(word)
            })
            .fold(0, |seed, word| seed ^ word)
    }

    /// Ends the attempt without a result. What was sent before counts.
    pub fn fail(&mut self, error: AttemptError) {
        if self.is_closed() {
            return;
        }
        self.failed = Some(Box::new(error.clone()));
        let pause = error.pause && self.version >= Version::V7;
        let (index, name, command) = match error.command {
            None => (None, None, None),
            Some(it) => (Some(it.index), Some(it.name), Some(u32::from(it.ty))),
        };
        let message = wire::Error {
            code: error.code,
            message: error.message,
            stacktrace: error.details,
            related_command_index: index,
            related_command_name: name.filter(|name| !name.is_empty()),
            related_command_type: command,
            next_retry_delay: error.retry_after.map(millis),
            behavior: if pause {
                ErrorBehavior::Pause as i32
            } else {
                ErrorBehavior::Retry as i32
            },
        };
        frame::put(&mut self.out, ty::ERROR, 0, &message);
        self.phase = Phase::Closed;
    }

    fn receive(&mut self, frame: Frame) -> Result<(), AttemptError> {
        match self.phase {
            Phase::AwaitStart => self.receive_start(&frame),
            Phase::AwaitJournal { missing } => {
                self.receive_entry(frame)?;
                self.phase = match missing - 1 {
                    0 => Phase::Running,
                    missing => Phase::AwaitJournal { missing },
                };
                Ok(())
            }
            Phase::Running => self.receive_live(&frame),
            Phase::Closed => Ok(()),
        }
    }

    fn receive_start(&mut self, frame: &Frame) -> Result<(), AttemptError> {
        if frame.ty != ty::START {
            return Err(unexpected(frame, "a start"));
        }
        self.start = decode(frame)?;
        if self.start.known_entries == 0 {
            return Err(violation(
                "the start announces a journal without entries; there is at least the input",
            ));
        }
        let entries = std::mem::take(&mut self.start.state_map);
        self.state = EagerState::new(entries, self.start.partial_state);
        self.phase = Phase::AwaitJournal {
            missing: self.start.known_entries,
        };
        Ok(())
    }

    fn receive_entry(&mut self, frame: Frame) -> Result<(), AttemptError> {
        let first = self.replay.is_empty();
        match frame.ty {
            ty::INPUT if first => {
                self.input = decode(&frame)?;
                self.replay.input();
            }
            _ if first => return Err(unexpected(&frame, "the input")),
            ty if ty::is_command(ty) => self.replay.push(ty, frame.body),
            ty if ty::is_notification(ty) => {
                self.queue_replayed += 1;
                self.receive_notification(&frame)?;
            }
            _ => return Err(unexpected(&frame, "an entry of the journal")),
        }
        Ok(())
    }

    fn receive_live(&mut self, frame: &Frame) -> Result<(), AttemptError> {
        match frame.ty {
            ty if ty::is_notification(ty) => self.receive_notification(frame),
            ty::PROPOSE_RUN_COMPLETION_ACK => self.receive_ack(decode(frame)?),
            _ => Err(unexpected(frame, "a notification")),
        }
    }

    fn receive_notification(&mut self, frame: &Frame) -> Result<(), AttemptError> {
        let notification: wire::Notification = decode(frame)?;
        let (Some(identity), Some(result)) = (notification.identity, notification.result) else {
            let name = ty::name(frame.ty).unwrap_or("a notification");
            return Err(violation(format!(
                "the server sent {name} without an identity or without a result"
            )));
        };
        self.queue.push_back((identity, result));
        Ok(())
    }
}

fn decode<M: Message + Default>(frame: &Frame) -> Result<M, AttemptError> {
    M::decode(frame.body.clone()).map_err(|error| {
        let name = ty::name(frame.ty).unwrap_or("message");
        violation(format!(
            "the server sent a {name} that cannot be read: {error}"
        ))
    })
}

fn unexpected(frame: &Frame, wanted: &str) -> AttemptError {
    let found = match ty::name(frame.ty) {
        Some(name) => name.to_owned(),
        None => format!("an unknown message 0x{:04X}", frame.ty),
    };
    violation(format!(
        "the server sent {found} where {wanted} belongs. It may be newer than this SDK: \
         upgrade latchwork-sdk, or report it."
    ))
}

fn violation(message: impl Into<String>) -> AttemptError {
    AttemptError::new(code::PROTOCOL_VIOLATION, message)
}

/// Milliseconds, at most what 64 bits hold.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
