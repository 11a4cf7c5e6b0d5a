//! Why an invocation is not moving: one answer for people and for programs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The reply to `GET /invocations/{id}/why`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Why {
    /// The id of the invocation.
    pub id: String,
    /// What is called: service, key if it has one, handler.
    pub target: String,
    /// Where it stands, as in `sys_invocation.status`; `ready` where it waits for a slot.
    pub status: String,
    /// Why it is not moving: a stable code.
    pub reason: String,
    /// Since when this is so, at the latest; as of [`crate::ingress::rfc3339_nanos`].
    pub since: String,
    /// The same for people: why, since when, and what must change.
    pub sentence: String,
    /// What the sentence says, and more, one by one. The members depend on the reason.
    pub details: Map<String, Value>,
    /// Who it waits for, who that waits for, and so on, down to who blocks them all.
    pub chain: Vec<WhyLink>,
    /// The chain leads back to where it was before: they wait for each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub circle: bool,
}

/// One invocation that others wait for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyLink {
    /// Its id.
    pub id: String,
    /// What is called.
    pub target: String,
    /// Where it stands.
    pub status: String,
    /// Why it is not moving.
    pub reason: String,
    /// Since when, at the latest.
    pub since: String,
    /// The same for people.
    pub sentence: String,
}
