//! The values that commands, tables and effects have in common.

use crate::id::InvocationId;
use bytes::Bytes;

/// What is called: a handler of a service, with a key if the service is keyed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Target {
    /// Name of the service.
    #[prost(string, tag = "1")]
    pub service: String,
    /// Name of the handler.
    #[prost(string, tag = "2")]
    pub handler: String,
    /// Key of the object or workflow; absent for plain services.
    #[prost(string, optional, tag = "3")]
    pub key: Option<String>,
    /// Which rules apply to it.
    #[prost(enumeration = "TargetKind", tag = "4")]
    pub kind: i32,
    /// Scope that all its identities live in, if any.
    #[prost(string, optional, tag = "5")]
    pub scope: Option<String>,
}

/// The rules that a handler runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TargetKind {
    /// Any number at a time, no key.
    Plain = 0,
    /// One at a time for each key, in order of arrival; may write state.
    Exclusive = 1,
    /// Any number at a time; reads the state of its key.
    Shared = 2,
    /// Once for each key; may write state.
    WorkflowRun = 3,
    /// Any number beside the run; reads state, uses promises.
    WorkflowShared = 4,
}

/// A header of the caller, in the order it came.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Header {
    /// Lower-case name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// What an invocation is started with.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Input {
    /// Headers of the caller.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<Header>,
    /// The payload.
    #[prost(bytes = "bytes", tag = "2")]
    pub body: Bytes,
}

/// One pair of free text that travels with a failure.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Metadata {
    /// Name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A terminal failure: a result like any other, never retried.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Failure {
    /// In the style of HTTP; any number that the handler chose.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// What went wrong.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Free text of the handler.
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<Metadata>,
}

impl Failure {
    /// A failure without metadata.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            metadata: Vec::new(),
        }
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With this value.
    Value(Bytes),
    /// With this failure.
    Failure(Failure),
}

/// The part of an entry's bytes that holds a value: so the log carries the value once.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Span {
    /// Offset of the first byte.
    #[prost(uint32, tag = "1")]
    pub at: u32,
    /// Number of bytes.
    #[prost(uint32, tag = "2")]
    pub len: u32,
}

impl Span {
    /// The bytes meant, or nothing if the span does not fit into `raw`.
    pub fn of(self, raw: &Bytes) -> Bytes {
        let from = (self.at as usize).min(raw.len());
        let to = from.saturating_add(self.len as usize).min(raw.len());
        raw.slice(from..to)
    }
}

/// A value inside an entry's bytes, a failure, or nothing.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Settled {
    /// Completed without a value.
    #[prost(bool, tag = "20")]
    Void(bool),
    /// The value, within the entry's bytes.
    #[prost(message, tag = "21")]
    Value(Span),
    /// The failure.
    #[prost(message, tag = "22")]
    Failure(Failure),
}

impl Settled {
    /// As a notification's result, with the value cut out of `raw`.
    pub fn to_answer(&self, raw: &Bytes) -> Answer {
        match self {
            Self::Void(_) => Answer::Void(true),
            Self::Value(span) => Answer::Value(span.of(raw)),
            Self::Failure(failure) => Answer::Failure(failure.clone()),
        }
    }
}

/// Which entry a notification completes.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Identity {
    /// A completion, by the id that the command gave.
    #[prost(uint32, tag = "1")]
    Completion(u32),
    /// A signal by index: 1 is cancellation, awakeables start at 17.
    #[prost(uint32, tag = "2")]
    Signal(u32),
    /// A signal by name.
    #[prost(string, tag = "3")]
    NamedSignal(String),
}

/// The signal that asks an invocation to stop.
pub const CANCEL_SIGNAL: u32 = 1;

/// What a notification says.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Answer {
    /// Done, without a value.
    #[prost(bool, tag = "4")]
    Void(bool),
    /// Done, with this value.
    #[prost(bytes = "bytes", tag = "5")]
    Value(Bytes),
    /// Failed for good.
    #[prost(message, tag = "6")]
    Failure(Failure),
    /// The id of a child.
    #[prost(message, tag = "7")]
    Invocation(InvocationId),
    /// The keys of the state, in order.
    #[prost(message, tag = "8")]
    StateKeys(StateKeys),
}

/// Keys of state.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateKeys {
    /// In ascending order.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub keys: Vec<Bytes>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Value(value) => Self::Value(value),
            Outcome::Failure(failure) => Self::Failure(failure),
        }
    }
}

/// A caller that waits for a result: the invocation, and the completion id it waits on.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Waiter {
    /// Who waits.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// On what.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
    /// Tells it from an earlier bearer of its id.
    #[prost(fixed32, tag = "3")]
    pub incarnation: u32,
}

/// Where an invocation stands among those that led to it, for those who trace. No decision
/// depends on it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Trace {
    /// Upper half of the id of the trace.
    #[prost(fixed64, tag = "1")]
    pub high: u64,
    /// Lower half of the id of the trace.
    #[prost(fixed64, tag = "2")]
    pub low: u64,
    /// The span that led to it.
    #[prost(fixed64, tag = "3")]
    pub span: u64,
    /// Whether the trace is recorded.
    #[prost(bool, tag = "4")]
    pub sampled: bool,
    /// What other tracing systems have added, as it came.
    #[prost(string, optional, tag = "5")]
    pub state: Option<String>,
    /// It begins a trace of its own, which points to that span: whoever sent it does not wait.
    #[prost(bool, tag = "6")]
    pub linked: bool,
}

/// Deployment and protocol version that an invocation is bound to once it has made progress.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Pin {
    /// Id of the deployment, as text.
    #[prost(string, tag = "1")]
    pub deployment: String,
    /// Version of the service protocol.
    #[prost(uint32, tag = "2")]
    pub version: u32,
}
