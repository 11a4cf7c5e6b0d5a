//! Messages about an attempt rather than about a step of the handler.

use bytes::Bytes;

use super::shared::{Failure, Future, StateEntry};

/// First message of every attempt.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Start {
    /// The invocation id, 24 bytes, which the SDK builds awakeable ids from.
    #[prost(bytes = "bytes", tag = "1")]
    pub id: Bytes,
    /// The invocation id as text, shown to user code.
    #[prost(string, tag = "2")]
    pub debug_id: String,
    /// How many journal messages follow as replay, the input and notifications included.
    #[prost(uint32, tag = "3")]
    pub known_entries: u32,
    /// State of the key.
    #[prost(message, repeated, tag = "4")]
    pub state_map: Vec<StateEntry>,
    /// Whether a key missing from the map may still exist.
    #[prost(bool, tag = "5")]
    pub partial_state: bool,
    /// The key of the object or workflow; empty for plain services.
    #[prost(string, tag = "6")]
    pub key: String,
    /// Failed attempts since the newest command was stored.
    #[prost(uint32, tag = "7")]
    pub retry_count_since_last_stored_entry: u32,
    /// Milliseconds since the newest entry was stored.
    #[prost(uint64, tag = "8")]
    pub duration_since_last_stored_entry: u64,
    /// Any value that is the same for all attempts (6 and later).
    #[prost(uint64, tag = "9")]
    pub random_seed: u64,
    /// The scope of the invocation (7).
    #[prost(string, optional, tag = "10")]
    pub scope: Option<String>,
    /// Its limit key (7).
    #[prost(string, optional, tag = "11")]
    pub limit_key: Option<String>,
    /// The idempotency key it was submitted with (7).
    #[prost(string, optional, tag = "12")]
    pub idempotency_key: Option<String>,
}

/// Last message of an attempt, versions 5 and 6: wake me on any of these.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Suspension {
    /// Completion ids.
    #[prost(uint32, repeated, tag = "1")]
    pub waiting_completions: Vec<u32>,
    /// Signal indexes.
    #[prost(uint32, repeated, tag = "2")]
    pub waiting_signals: Vec<u32>,
    /// Signal names.
    #[prost(string, repeated, tag = "3")]
    pub waiting_named_signals: Vec<String>,
}

/// Last message of an attempt, version 7: wake me when this is done.
///
/// It shares its message type with [`Suspension`]; the negotiated version tells them apart.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SuspensionV7 {
    /// What the handler waits for.
    #[prost(message, optional, tag = "4")]
    pub awaiting_on: Option<Future>,
}

/// Last message of an attempt: it failed, and may be retried.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Error {
    /// An HTTP status or one of 570 to 573; may be 0.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// May be empty, may be long.
    #[prost(string, tag = "3")]
    pub stacktrace: String,
    /// The command it belongs to, counted among commands, the input being 0.
    #[prost(uint32, optional, tag = "4")]
    pub related_command_index: Option<u32>,
    /// The label of that command.
    #[prost(string, optional, tag = "5")]
    pub related_command_name: Option<String>,
    /// The message type of that command.
    #[prost(uint32, optional, tag = "6")]
    pub related_command_type: Option<u32>,
    /// Milliseconds until the next attempt, in place of the policy's.
    #[prost(uint64, optional, tag = "8")]
    pub next_retry_delay: Option<u64>,
    /// What to do (7).
    #[prost(enumeration = "ErrorBehavior", tag = "9")]
    pub behavior: i32,
}

/// What an [`Error`] asks the server to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ErrorBehavior {
    /// Follow the retry policy.
    Retry = 0,
    /// Pause the invocation.
    Pause = 1,
    /// End the invocation with this failure.
    Fail = 2,
}

/// Last message of an attempt: the output stored before is the result.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct End {}

/// A command that asked for it is durable.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CommandAck {
    /// Counted among commands, the input being 0.
    #[prost(uint32, tag = "1")]
    pub command_index: u32,
}

/// The outcome of a run, for the server to remember.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProposeRunCompletion {
    /// The completion id of the run.
    #[prost(uint32, tag = "1")]
    pub result_completion_id: u32,
    /// What came of it.
    #[prost(oneof = "RunOutcome", tags = "14, 15")]
    pub result: Option<RunOutcome>,
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum RunOutcome {
    /// The payload itself, not wrapped in a [`super::Value`].
    #[prost(bytes = "bytes", tag = "14")]
    Value(Bytes),
    /// It failed for good.
    #[prost(message, tag = "15")]
    Failure(Failure),
}

/// What the handler is blocked on (7). A hint: it may repeat, and may be out of date.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AwaitingOn {
    /// What it waits for.
    #[prost(message, optional, tag = "1")]
    pub awaiting_on: Option<Future>,
    /// Whether runs are executing meanwhile.
    #[prost(bool, tag = "2")]
    pub executing_side_effects: bool,
}

/// A proposed outcome is durable (7).
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ProposeRunCompletionAck {
    /// The completion id of the run.
    #[prost(uint32, tag = "1")]
    pub completion_id: u32,
}
