//! Services as they are stored and used: names and settings checked, kinds resolved.
//!
//! Durations are milliseconds. A setting that is absent is looked up on the service, then in the
//! server's configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rule::{InputRule, OutputRule};

/// A service that an endpoint offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
    /// Its handlers, in the order of the manifest.
    pub handlers: Vec<Handler>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// Opaque pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Silence after which the request of an attempt is closed, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactivity_timeout: Option<u64>,
    /// Silence after that which breaks the attempt off, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_timeout: Option<u64>,
    /// How long the journal of a finished invocation is kept, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_retention: Option<u64>,
    /// How long the result of a call with an idempotency key is kept, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_retention: Option<u64>,
    /// Whether state is read when needed instead of sent at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_lazy_state: Option<bool>,
    /// Whether only other handlers may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_private: Option<bool>,
    /// The first delay between attempts, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_initial_interval: Option<u64>,
    /// The longest delay between attempts, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_max_interval: Option<u64>,
    /// What each delay is multiplied by to give the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_exponentiation_factor: Option<f64>,
    /// How many attempts there may be, the first included; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_max_attempts: Option<u64>,
    /// What happens after the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_on_max_attempts: Option<OnMaxAttempts>,
}

/// A handler of a service. Its settings win over those of the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handler {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: HandlerKind,
    /// What it takes.
    pub input: InputRule,
    /// What it gives.
    pub output: OutputRule,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// Opaque pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// How long a finished run is kept, in ms; only on a run handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_completion_retention: Option<u64>,
    /// Silence after which the request of an attempt is closed, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactivity_timeout: Option<u64>,
    /// Silence after that which breaks the attempt off, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_timeout: Option<u64>,
    /// How long the journal of a finished invocation is kept, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_retention: Option<u64>,
    /// How long the result of a call with an idempotency key is kept, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_retention: Option<u64>,
    /// Whether state is read when needed instead of sent at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_lazy_state: Option<bool>,
    /// Whether only other handlers may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_private: Option<bool>,
    /// The first delay between attempts, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_initial_interval: Option<u64>,
    /// The longest delay between attempts, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_max_interval: Option<u64>,
    /// What each delay is multiplied by to give the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_exponentiation_factor: Option<f64>,
    /// How many attempts there may be, the first included; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_max_attempts: Option<u64>,
    /// What happens after the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy_on_max_attempts: Option<OnMaxAttempts>,
}

/// What a service is. Manifests write it in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ServiceKind {
    /// No key, no state.
    #[serde(alias = "SERVICE")]
    Service,
    /// State for each key.
    #[serde(alias = "VIRTUAL_OBJECT")]
    VirtualObject,
    /// One run for each key.
    #[serde(alias = "WORKFLOW")]
    Workflow,
}

impl ServiceKind {
    /// Whether a call names a key.
    pub const fn is_keyed(self) -> bool {
        !matches!(self, Self::Service)
    }

    /// The name as manifests and people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "SERVICE",
            Self::VirtualObject => "VIRTUAL_OBJECT",
            Self::Workflow => "WORKFLOW",
        }
    }
}

/// What a handler is, resolved from its own type and that of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandlerKind {
    /// Of a plain service.
    Plain,
    /// Of an object: one at a time for each key, may write state.
    Exclusive,
    /// Of an object: any number at a time, may read state.
    Shared,
    /// Of a workflow: once for each key, may write state.
    WorkflowRun,
    /// Of a workflow: any number at a time, reads state and uses promises.
    WorkflowShared,
}

/// What happens when a retry policy has no attempts left. Manifests write it in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OnMaxAttempts {
    /// The invocation waits for an operator.
    #[serde(alias = "PAUSE")]
    Pause,
    /// The invocation ends with the last failure.
    #[serde(alias = "KILL")]
    Kill,
}
