//! The manifest as an endpoint sends it, field by field. Durations are milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::service::{OnMaxAttempts, ServiceKind};

/// What an endpoint offers, as it was sent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// How the endpoint converses.
    pub protocol_mode: ProtocolMode,
    /// The oldest service protocol it speaks, at least 1.
    pub min_protocol_version: u32,
    /// The newest service protocol it speaks.
    pub max_protocol_version: u32,
    /// How bodies may be compressed on Lambda.
    pub lambda_compression: Option<LambdaCompression>,
    #[serde(default)]
    pub(super) services: Vec<ServiceEntry>,
}

/// Whether the request of an attempt stays open while the handler runs.
///
/// Manifests write it in capitals, the admin API as it is named here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProtocolMode {
    /// It stays open and carries completions as they happen.
    #[serde(alias = "BIDI_STREAM")]
    BidiStream,
    /// It ends after the replay.
    #[serde(alias = "REQUEST_RESPONSE")]
    RequestResponse,
}

/// A compression of Lambda bodies.
///
/// Manifests write it in small letters, the admin API as it is named here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LambdaCompression {
    /// Zstandard.
    #[serde(alias = "zstd")]
    Zstd,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ServiceEntry {
    pub(super) name: String,
    pub(super) ty: ServiceKind,
    #[serde(default)]
    pub(super) handlers: Vec<HandlerEntry>,
    pub(super) documentation: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    pub(super) settings: SettingsEntry,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandlerEntry {
    pub(super) name: String,
    pub(super) ty: Option<HandlerType>,
    pub(super) input: Option<InputEntry>,
    pub(super) output: Option<OutputEntry>,
    pub(super) documentation: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) workflow_completion_retention: Option<u64>,
    #[serde(flatten)]
    pub(super) settings: SettingsEntry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum HandlerType {
    Exclusive,
    Shared,
    Workflow,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InputEntry {
    #[serde(default)]
    pub(super) required: bool,
    pub(super) content_type: Option<String>,
    pub(super) json_schema: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputEntry {
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) set_content_type_if_empty: bool,
    pub(super) json_schema: Option<Value>,
}

/// What services and handlers may both set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsEntry {
    pub(super) inactivity_timeout: Option<u64>,
    pub(super) abort_timeout: Option<u64>,
    pub(super) journal_retention: Option<u64>,
    pub(super) idempotency_retention: Option<u64>,
    pub(super) enable_lazy_state: Option<bool>,
    pub(super) ingress_private: Option<bool>,
    pub(super) retry_policy_initial_interval: Option<u64>,
    pub(super) retry_policy_max_interval: Option<u64>,
    pub(super) retry_policy_exponentiation_factor: Option<f64>,
    pub(super) retry_policy_max_attempts: Option<u64>,
    pub(super) retry_policy_on_max_attempts: Option<OnMaxAttempts>,
}
