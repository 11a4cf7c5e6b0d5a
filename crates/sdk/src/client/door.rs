//! What a client asks of a server, wherever that is.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::ClientError;
use crate::target::{Parameter, Target};

/// An answer on its way.
pub(crate) type Asked<'d, T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send + 'd>>;

/// A server, as far as a client sees it.
pub(crate) trait Door: Send + Sync {
    /// Calls, and waits for the result.
    fn call(&self, order: Order) -> Asked<'_, Bytes>;
    /// Calls, and waits until that is accepted.
    fn send(&self, order: Order, delay: Option<Duration>) -> Asked<'_, Accepted>;
    /// Waits for a result.
    fn attach<'d>(&'d self, reference: &'d Reference) -> Asked<'d, Bytes>;
    /// The result, if there is one.
    fn output<'d>(&'d self, reference: &'d Reference) -> Asked<'d, Option<Bytes>>;
    /// Asks an invocation to stop.
    fn cancel<'d>(&'d self, reference: &'d Reference) -> Asked<'d, ()>;
    /// Completes an awakeable with a value or a reason.
    fn complete<'d>(&'d self, id: &'d str, outcome: Result<Parameter, &'d str>) -> Asked<'d, ()>;
    /// Where it is.
    fn place(&self) -> String;
}

/// A call that is to be made.
pub(crate) struct Order {
    pub(crate) target: Target,
    pub(crate) parameter: Parameter,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) idempotency_key: Option<String>,
}

/// A call that was accepted.
pub(crate) struct Accepted {
    pub(crate) id: String,
    pub(crate) known_before: bool,
}

/// How an invocation is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Id(String),
    Workflow { workflow: String, key: String },
    Idempotent { target: Target, key: String },
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Workflow { workflow, key } => write!(f, "{workflow}/{key}"),
            Self::Idempotent { target, key } => write!(f, "{target}/{key}"),
        }
    }
}
