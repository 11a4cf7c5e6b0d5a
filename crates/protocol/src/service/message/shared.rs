//! Shapes that several messages are made of.

use bytes::Bytes;

/// A payload. Present also when the content is empty: nothing at all would mean no result.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Value {
    /// Opaque to the server.
    #[prost(bytes = "bytes", tag = "1")]
    pub content: Bytes,
}

/// An outcome that is not retried.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Failure {
    /// An HTTP status, or a number of the user's.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Not to be sent in version 5.
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<FailureMetadata>,
}

/// One pair of a failure's metadata.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FailureMetadata {
    /// Name of the pair.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its text.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// "Done, with nothing to tell." Must be present where it is meant.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Void {}

/// One header of a call.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Header {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Names of state entries.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateKeys {
    /// In ascending order.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub keys: Vec<Bytes>,
}

/// One state entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateEntry {
    /// Its name.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// Its content, which may be empty.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// The run of a workflow.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WorkflowTarget {
    /// The service.
    #[prost(string, tag = "1")]
    pub workflow_name: String,
    /// The key, one run each.
    #[prost(string, tag = "2")]
    pub workflow_key: String,
    /// The scope it was submitted in (7).
    #[prost(string, optional, tag = "3")]
    pub scope: Option<String>,
}

/// The invocation that an idempotency key leads to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct IdempotentRequestTarget {
    /// The service.
    #[prost(string, tag = "1")]
    pub service_name: String,
    /// The key of a keyed service.
    #[prost(string, optional, tag = "2")]
    pub service_key: Option<String>,
    /// The handler.
    #[prost(string, tag = "3")]
    pub handler_name: String,
    /// The idempotency key it was called with.
    #[prost(string, tag = "4")]
    pub idempotency_key: String,
    /// The scope it was submitted in (7).
    #[prost(string, optional, tag = "5")]
    pub scope: Option<String>,
}

/// What a handler waits for (7): a tree whose leaves are ids, indexes and names.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Future {
    /// Leaves: completion ids.
    #[prost(uint32, repeated, tag = "1")]
    pub waiting_completions: Vec<u32>,
    /// Leaves: signal indexes.
    #[prost(uint32, repeated, tag = "2")]
    pub waiting_signals: Vec<u32>,
    /// Leaves: signal names.
    #[prost(string, repeated, tag = "3")]
    pub waiting_named_signals: Vec<String>,
    /// Inner nodes.
    #[prost(message, repeated, tag = "4")]
    pub nested_futures: Vec<Future>,
    /// When this node is done.
    #[prost(enumeration = "Combinator", tag = "5")]
    pub combinator_type: i32,
}

/// When a node of a [`Future`] is done, by its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Combinator {
    /// When any child is; the outcome cannot be told from outside.
    Unknown = 0,
    /// When the first child is, with its outcome.
    FirstCompleted = 1,
    /// When all are, successfully.
    AllCompleted = 2,
    /// When one succeeded or all failed.
    FirstSucceededOrAllFailed = 3,
    /// When all succeeded or one failed.
    AllSucceededOrFirstFailed = 4,
}
