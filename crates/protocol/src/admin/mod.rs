//! The conversation with operators: the JSON of the admin API, as plain values.
//!
//! Requests come in through `Deserialize`, replies go out through `Serialize`; members that are
//! absent are left out, except where a client requires them. Durations are text in JSON and
//! milliseconds inside. Start at [`RegisterDeployment`]; what can be set is in `service`. Not here: routes, HTTP, and the checks
//! that need what is registered.
//!
//! With the feature `schema` each of them has a JSON schema, from which the API's OpenAPI
//! description is made.

mod deployment;
mod service;
mod state;
mod why;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ingress::{duration_text, parse_delay};

pub use deployment::{
    Deployment, DeploymentList, Drain, DrainState, RegisterDeployment, RegisterReply,
    ServiceRevision, UpdateDeployment,
};
pub use service::{
    AttemptsMax, HandlerList, HandlerMetadata, HandlerType, HeaderNames, InForce, RetryPolicy,
    ServiceList, ServiceMetadata, UpdateRetryPolicy, UpdateService,
};
pub use state::{ModifyState, PatchState, ReplaceState, StateBytes, StateReply, state_version};
pub use why::{Why, WhyLink};

/// The oldest admin API spoken.
pub const API_VERSION_MIN: u32 = 2;
/// The newest admin API spoken.
pub const API_VERSION_MAX: u32 = 4;

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// For people.
    pub message: String,
    /// A stable code, where the error has one.
    pub restate_code: Option<String>,
}

/// The reply to `GET /version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionReply {
    /// A semantic version. Clients choose features by it: it must be at least 1.7.3.
    pub version: String,
    /// [`API_VERSION_MIN`].
    pub min_admin_api_version: u32,
    /// [`API_VERSION_MAX`].
    pub max_admin_api_version: u32,
    /// Where callers reach the ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_endpoint: Option<String>,
    /// Switches that clients look at; required, may be empty.
    pub features: BTreeMap<String, bool>,
}

/// A length of time: text like `1m 10s` in JSON, milliseconds inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationMs(pub u64);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for DurationMs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time, such as \"1m 10s\" or \"PT70S\"; days are the longest unit.",
            "examples": ["1d", "1m 10s", "500ms"],
        })
    }
}

impl Serialize for DurationMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration_text(self.0))
    }
}

impl<'de> Deserialize<'de> for DurationMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_delay(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DurationMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration_text(self.0))
    }
}

/// The reply to a restart as new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RestartReply {
    /// The id of the new invocation as text.
    pub new_invocation_id: String,
}

/// A remark on something registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Info {
    /// A stable code, where the remark has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people.
    pub message: String,
}
