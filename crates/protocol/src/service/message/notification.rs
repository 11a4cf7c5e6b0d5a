//! What completes an entry: one layout for all completions and signals.

use super::shared::{Failure, StateKeys, Value, Void};

/// A completion or a signal. Exactly one identity and one result are present.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Notification {
    /// What it answers.
    #[prost(oneof = "NotificationIdentity", tags = "1, 2, 3")]
    pub identity: Option<NotificationIdentity>,
    /// What happened.
    #[prost(oneof = "NotificationResult", tags = "4, 5, 6, 16, 17")]
    pub result: Option<NotificationResult>,
}

/// What a notification answers. The three spaces are disjoint.
#[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
pub enum NotificationIdentity {
    /// The command with this completion id.
    #[prost(uint32, tag = "1")]
    CompletionId(u32),
    /// The signal of this index.
    #[prost(uint32, tag = "2")]
    SignalIndex(u32),
    /// The signal of this name.
    #[prost(string, tag = "3")]
    SignalName(String),
}

/// What happened.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum NotificationResult {
    /// It is done, or there is nothing.
    #[prost(message, tag = "4")]
    Void(Void),
    /// It succeeded.
    #[prost(message, tag = "5")]
    Value(Value),
    /// It failed for good.
    #[prost(message, tag = "6")]
    Failure(Failure),
    /// The called invocation exists under this id.
    #[prost(string, tag = "16")]
    InvocationId(String),
    /// The names of the state entries.
    #[prost(message, tag = "17")]
    StateKeys(StateKeys),
}
