//! Deployments: how they are registered, changed, listed, and what still needs them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Info, ServiceMetadata};
use crate::service::manifest::{LambdaCompression, ProtocolMode};

/// The body of `POST /deployments`. Either `uri` or `arn` says where the deployment is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegisterDeployment {
    /// The address of an HTTP endpoint, with scheme and authority.
    pub uri: Option<String>,
    /// The address of a function, with version or alias.
    pub arn: Option<String>,
    /// The role to take on to call the function.
    pub assume_role_arn: Option<String>,
    /// Sent with discovery and every attempt.
    pub additional_headers: Option<BTreeMap<String, String>>,
    /// Opaque pairs.
    pub metadata: BTreeMap<String, String>,
    /// Whether to speak HTTP/1.1 to the endpoint; absent: as before, for a new one HTTP/2.
    pub use_http_11: Option<bool>,
    /// Whether a service may change its type, and lose handlers.
    pub breaking: bool,
    /// Whether a deployment of the same address is overwritten; what absence means depends on the
    /// API version.
    pub force: Option<bool>,
    /// Whether to check only.
    pub dry_run: bool,
    /// Credentials of another platform, which this server has no use for.
    pub auth: Option<Value>,
}

/// The reply to `POST /deployments`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegisterReply {
    /// The deployment id as text.
    pub id: String,
    /// What it offers.
    pub services: Vec<ServiceMetadata>,
    /// The oldest service protocol it speaks.
    pub min_protocol_version: u32,
    /// The newest service protocol it speaks.
    pub max_protocol_version: u32,
    /// Name and version of its SDK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk_version: Option<String>,
    /// What is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

/// The body of `PATCH /deployments/{id}`. Absent members stay as they are; unknown ones are an
/// error, since they would look as if they had an effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateDeployment {
    /// A new address.
    pub uri: Option<String>,
    /// A new address of a function.
    pub arn: Option<String>,
    /// Another role.
    pub assume_role_arn: Option<String>,
    /// Replaces all additional headers.
    pub additional_headers: Option<BTreeMap<String, String>>,
    /// Replaces all metadata.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Whether to speak HTTP/1.1.
    pub use_http_11: Option<bool>,
    /// Whether to read the services again, breaking changes allowed.
    pub overwrite: bool,
    /// Whether to check only.
    pub dry_run: bool,
    /// Credentials of another platform, which this server has no use for.
    pub auth: Option<Value>,
}

/// What still keeps a deployment in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drain {
    /// Whether it can go.
    pub state: DrainState,
    /// Unfinished invocations that are bound to it, or began on it and may yet bind themselves.
    pub pinned_invocations: u64,
}

/// Whether a deployment can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DrainState {
    /// It offers the newest revision of a service: new invocations go there.
    Active,
    /// It gets nothing new, and has invocations that are not over.
    Draining,
    /// Nothing needs it any more.
    Drained,
}

/// A deployment; `S` is [`ServiceRevision`] in lists and [`ServiceMetadata`] on its own.
///
/// One with a `uri` is an HTTP endpoint and has the members that speak of HTTP; one with an `arn` is
/// a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deployment<S> {
    /// Its id as text.
    pub id: String,
    /// Its address, with a trailing `/` when the path is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How it converses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_type: Option<ProtocolMode>,
    /// `HTTP/2.0` or `HTTP/1.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<String>,
    /// The address of a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The role to take on to call the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role_arn: Option<String>,
    /// How bodies of the function are compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<LambdaCompression>,
    /// Sent with discovery and every attempt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub additional_headers: BTreeMap<String, String>,
    /// Opaque pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When it was registered, as of [`crate::ingress::rfc3339_nanos`].
    pub created_at: String,
    /// The oldest service protocol it speaks.
    pub min_protocol_version: u32,
    /// The newest service protocol it speaks.
    pub max_protocol_version: u32,
    /// Name and version of its SDK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk_version: Option<String>,
    /// What it offers.
    pub services: Vec<S>,
    /// What still needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// What is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

/// A service of a deployment in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceRevision {
    /// Its name.
    pub name: String,
    /// Which registration of the name it is.
    pub revision: u32,
}

/// The reply to `GET /deployments`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeploymentList {
    /// Deployments, the oldest first.
    pub deployments: Vec<Deployment<ServiceRevision>>,
    /// What to give as `after` for those that follow; absent: there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_registration_needs_only_an_address() {
        let request: RegisterDeployment =
            from_value(json!({"uri": "http://a:9080", "force": null, "novelty": 1})).unwrap();
        assert_eq!(
            request,
            RegisterDeployment {
                uri: Some("http://a:9080".to_owned()),
                ..RegisterDeployment::default()
            }
        );
        assert!(from_value::<RegisterDeployment>(json!({"metadata": {"a": 1}})).is_err());
    }

    #[test]
    fn members_that_would_have_no_effect_are_refused() {
        assert!(from_value::<UpdateDeployment>(json!({"url": "http://a"})).is_err());
    }
}
