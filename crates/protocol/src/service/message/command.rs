//! Journal entries that an SDK writes, and the input that the server writes.
//!
//! Every command has a `name`, a label that is part of the journal and compared at replay.

use bytes::Bytes;

use super::shared::{
    Failure, Header, IdempotentRequestTarget, StateKeys, Value, Void, WorkflowTarget,
};

/// Entry 0 of every journal, written by the server.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Input {
    /// Headers of the caller, in order.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<Header>,
    /// Unused.
    #[prost(string, tag = "12")]
    pub name: String,
    /// The payload; always present.
    #[prost(message, optional, tag = "14")]
    pub value: Option<Value>,
}

/// The result of the invocation. The last one counts.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Output {
    /// What came of it.
    #[prost(oneof = "Outcome", tags = "14, 15")]
    pub result: Option<Outcome>,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// What came of an invocation.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Outcome {
    /// It succeeded.
    #[prost(message, tag = "14")]
    Value(Value),
    /// It failed for good.
    #[prost(message, tag = "15")]
    Failure(Failure),
}

/// Reads one state entry from the server.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetLazyState {
    /// The entry's name; UTF-8 where this server accepts it.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Writes one state entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetState {
    /// The entry's name; UTF-8 where this server accepts it.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// Its content; must be present.
    #[prost(message, optional, tag = "3")]
    pub value: Option<Value>,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Deletes one state entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClearState {
    /// The entry's name; UTF-8 where this server accepts it.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Deletes all state of the key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClearAllState {
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Reads the names of all state entries from the server.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetLazyStateKeys {
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Records a state entry that the SDK read from the start message.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetEagerState {
    /// The entry's name; UTF-8 where this server accepts it.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// What was there.
    #[prost(oneof = "EagerState", tags = "13, 14")]
    pub result: Option<EagerState>,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// What the SDK found in the state it was given.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum EagerState {
    /// No such entry.
    #[prost(message, tag = "13")]
    Void(Void),
    /// Its content.
    #[prost(message, tag = "14")]
    Value(Value),
}

/// Records the names of state entries that the SDK read from the start message.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetEagerStateKeys {
    /// The names, in ascending order.
    #[prost(message, optional, tag = "14")]
    pub value: Option<StateKeys>,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Waits for a promise of the workflow.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetPromise {
    /// The promise's name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Looks at a promise of the workflow.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PeekPromise {
    /// The promise's name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Completes a promise of the workflow.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CompletePromise {
    /// The promise's name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// With what.
    #[prost(oneof = "PromiseCompletion", tags = "2, 3")]
    pub completion: Option<PromiseCompletion>,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// What completes a promise.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum PromiseCompletion {
    /// Success.
    #[prost(message, tag = "2")]
    Value(Value),
    /// Failure.
    #[prost(message, tag = "3")]
    Failure(Failure),
}

/// Waits for a point in time.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Sleep {
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub wake_up_time: u64,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Calls a handler and waits for its result.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Call {
    /// The service to call.
    #[prost(string, tag = "1")]
    pub service_name: String,
    /// The handler to call.
    #[prost(string, tag = "2")]
    pub handler_name: String,
    /// The payload itself, not wrapped in a [`Value`].
    #[prost(bytes = "bytes", tag = "3")]
    pub parameter: Bytes,
    /// Headers of the new invocation, in order.
    #[prost(message, repeated, tag = "4")]
    pub headers: Vec<Header>,
    /// The key; empty for plain services.
    #[prost(string, tag = "5")]
    pub key: String,
    /// Absent is normal, empty is an error.
    #[prost(string, optional, tag = "6")]
    pub idempotency_key: Option<String>,
    /// The scope to call in (7).
    #[prost(string, optional, tag = "7")]
    pub scope: Option<String>,
    /// The limit key within the scope (7).
    #[prost(string, optional, tag = "8")]
    pub limit_key: Option<String>,
    /// The id of the completion that tells the invocation id.
    #[prost(uint32, tag = "10")]
    pub invocation_id_notification_idx: u32,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Calls a handler, perhaps later, without waiting.
///
/// From field 4 on the numbers differ from those of [`Call`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OneWayCall {
    /// The service to call.
    #[prost(string, tag = "1")]
    pub service_name: String,
    /// The handler to call.
    #[prost(string, tag = "2")]
    pub handler_name: String,
    /// The payload itself, not wrapped in a [`Value`].
    #[prost(bytes = "bytes", tag = "3")]
    pub parameter: Bytes,
    /// When to start, in milliseconds since 1970; 0 is at once.
    #[prost(uint64, tag = "4")]
    pub invoke_time: u64,
    /// Headers of the new invocation, in order.
    #[prost(message, repeated, tag = "5")]
    pub headers: Vec<Header>,
    /// The key; empty for plain services.
    #[prost(string, tag = "6")]
    pub key: String,
    /// Absent is normal, empty is an error.
    #[prost(string, optional, tag = "7")]
    pub idempotency_key: Option<String>,
    /// The scope to call in (7).
    #[prost(string, optional, tag = "8")]
    pub scope: Option<String>,
    /// The limit key within the scope (7).
    #[prost(string, optional, tag = "9")]
    pub limit_key: Option<String>,
    /// The id of the completion that tells the invocation id.
    #[prost(uint32, tag = "10")]
    pub invocation_id_notification_idx: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Sends a signal to another invocation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SendSignal {
    /// The invocation id as text.
    #[prost(string, tag = "1")]
    pub target_invocation_id: String,
    /// Which signal.
    #[prost(oneof = "SignalIdentity", tags = "2, 3")]
    pub identity: Option<SignalIdentity>,
    /// What it carries.
    #[prost(oneof = "SignalResult", tags = "4, 5, 6")]
    pub result: Option<SignalResult>,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub entry_name: String,
}

/// Which signal of an invocation.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum SignalIdentity {
    /// By index; 1 is cancellation.
    #[prost(uint32, tag = "2")]
    Index(u32),
    /// By name.
    #[prost(string, tag = "3")]
    Name(String),
}

/// What a signal carries.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum SignalResult {
    /// Nothing but itself.
    #[prost(message, tag = "4")]
    Void(Void),
    /// A payload.
    #[prost(message, tag = "5")]
    Value(Value),
    /// A failure.
    #[prost(message, tag = "6")]
    Failure(Failure),
}

/// Intends to run user code; its outcome follows as a proposal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Run {
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Waits for the result of another invocation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttachInvocation {
    /// Which invocation.
    #[prost(oneof = "AttachTarget", tags = "1, 3, 4")]
    pub target: Option<AttachTarget>,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Looks at the result of another invocation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetInvocationOutput {
    /// Which invocation.
    #[prost(oneof = "AttachTarget", tags = "1, 3, 4")]
    pub target: Option<AttachTarget>,
    /// The id of the completion that answers this.
    #[prost(uint32, tag = "11")]
    pub result_completion_id: u32,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// Which invocation to attach to.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum AttachTarget {
    /// By its id as text.
    #[prost(string, tag = "1")]
    InvocationId(String),
    /// By the idempotency key it was called with.
    #[prost(message, tag = "3")]
    Idempotent(IdempotentRequestTarget),
    /// The run of a workflow key.
    #[prost(message, tag = "4")]
    Workflow(WorkflowTarget),
}

/// Completes an awakeable of another invocation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CompleteAwakeable {
    /// The id its creator gave away.
    #[prost(string, tag = "1")]
    pub awakeable_id: String,
    /// With what.
    #[prost(oneof = "Completion", tags = "2, 3")]
    pub result: Option<Completion>,
    /// A label, compared at replay.
    #[prost(string, tag = "12")]
    pub name: String,
}

/// What completes an awakeable.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Completion {
    /// Success.
    #[prost(message, tag = "2")]
    Value(Value),
    /// Failure.
    #[prost(message, tag = "3")]
    Failure(Failure),
}
