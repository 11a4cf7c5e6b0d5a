//! The conversation with operators: the JSON of the admin API, as plain values.
//!
//! Requests come in through `Deserialize`, replies go out through `Serialize`; members that are
//! absent are left out, except where a client requires them. Durations are text in JSON and
//! milliseconds inside. Start at [`RegisterDeployment`]. Not here: routes, HTTP, and the checks
//! that need what is registered.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ingress::{duration_text, parse_delay};
use crate::service::manifest::{LambdaCompression, OnMaxAttempts, ProtocolMode, ServiceKind};

/// The oldest admin API spoken.
pub const API_VERSION_MIN: u32 = 2;
/// The newest admin API spoken.
pub const API_VERSION_MAX: u32 = 4;

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For people.
    pub message: String,
    /// A stable code, where the error has one.
    pub restate_code: Option<String>,
}

/// The reply to `GET /version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The body of `POST /deployments`. Either `uri` or `arn` says where the deployment is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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

/// A remark on something registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// A stable code, where the remark has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people.
    pub message: String,
}

/// The body of `PATCH /deployments/{id}`. Absent members stay as they are; unknown ones are an
/// error, since they would look as if they had an effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
pub struct Drain {
    /// Whether it can go.
    pub state: DrainState,
    /// Unfinished invocations that are bound to it, or began on it and may yet bind themselves.
    pub pinned_invocations: u64,
}

/// Whether a deployment can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
pub struct ServiceRevision {
    /// Its name.
    pub name: String,
    /// Which registration of the name it is.
    pub revision: u32,
}

/// The reply to `GET /deployments`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentList {
    /// Deployments, the oldest first.
    pub deployments: Vec<Deployment<ServiceRevision>>,
    /// What to give as `after` for those that follow; absent: there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The newest revision of a service, with what is in force for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceMetadata {
    /// Its name.
    pub name: String,
    /// What it is.
    pub ty: ServiceKind,
    /// Its handlers.
    pub handlers: Vec<HandlerMetadata>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// Opaque pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The deployment that offers it.
    pub deployment_id: String,
    /// Which registration of the name it is.
    pub revision: u32,
    /// Whether it can be called from outside.
    pub public: bool,
    /// How long the result of a call with an idempotency key is kept.
    pub idempotency_retention: DurationMs,
    /// How long a finished run is kept; only on workflows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_completion_retention: Option<DurationMs>,
    /// How long the journal of a finished invocation is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_retention: Option<DurationMs>,
    /// Silence after which the request of an attempt is closed.
    pub inactivity_timeout: DurationMs,
    /// Silence after that which breaks the attempt off.
    pub abort_timeout: DurationMs,
    /// Whether state is read when needed instead of sent at the start.
    pub enable_lazy_state: bool,
    /// When attempts follow each other.
    pub retry_policy: RetryPolicy,
    /// Who decided on the values above, for handlers that say nothing themselves; by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_force: BTreeMap<String, InForce>,
    /// What is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The value, as the API writes it.
    pub value: Value,
    /// Who decided: `operator`, `handler`, `service` or `default`, in this order.
    pub source: String,
}

/// A handler, with what it sets itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandlerMetadata {
    /// Its name.
    pub name: String,
    /// What it is; absent on plain services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ty: Option<HandlerType>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// Opaque pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// As on the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_retention: Option<DurationMs>,
    /// As on the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_retention: Option<DurationMs>,
    /// As on the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactivity_timeout: Option<DurationMs>,
    /// As on the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_timeout: Option<DurationMs>,
    /// As on the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_lazy_state: Option<bool>,
    /// Whether it can be called from outside.
    pub public: bool,
    /// What it takes, in a few words.
    pub input_description: String,
    /// What it gives, in a few words.
    pub output_description: String,
    /// The schema of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_json_schema: Option<Value>,
    /// The schema of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_json_schema: Option<Value>,
    /// What it sets itself; always present.
    pub retry_policy: RetryPolicy,
    /// What it runs under, and who decided; by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_force: BTreeMap<String, InForce>,
    /// What is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

/// What a handler with a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandlerType {
    /// One at a time for each key.
    Exclusive,
    /// Any number at a time.
    Shared,
    /// The run of a workflow.
    Workflow,
}

/// When attempts follow each other. On a service all members that have a value are present; on a
/// handler those that it sets itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The first delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_interval: Option<DurationMs>,
    /// What each delay is multiplied by to give the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exponentiation_factor: Option<f64>,
    /// How many attempts there may be, the first included; none on a service is without end.
    pub max_attempts: Option<u64>,
    /// The longest delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_interval: Option<DurationMs>,
    /// What happens after the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_max_attempts: Option<OnMaxAttempts>,
}

/// The reply to `GET /services`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceList {
    /// The newest revision of each service, in order of name.
    pub services: Vec<ServiceMetadata>,
    /// What to give as `after` for those that follow; absent: there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The reply to `GET /services/{service}/handlers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandlerList {
    /// Handlers of the service, in order of name.
    pub handlers: Vec<HandlerMetadata>,
    /// What to give as `after` for those that follow; absent: there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The body of `PATCH /services/{service}`. Absent members stay as they are; unknown ones are an
/// error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateService {
    /// Whether it can be called from outside.
    pub public: Option<bool>,
    /// How long the result of a call with an idempotency key is kept.
    pub idempotency_retention: Option<DurationMs>,
    /// How long a finished run is kept; only for workflows.
    pub workflow_completion_retention: Option<DurationMs>,
    /// How long the journal of a finished invocation is kept.
    pub journal_retention: Option<DurationMs>,
    /// Silence after which the request of an attempt is closed.
    pub inactivity_timeout: Option<DurationMs>,
    /// Silence after that which breaks the attempt off.
    pub abort_timeout: Option<DurationMs>,
    /// When a failed attempt is tried again.
    pub retry_policy: Option<UpdateRetryPolicy>,
    /// Names of settings that are to be again as the code says.
    pub reset: Vec<String>,
}

/// The part of a retry policy that an operator sets. Absent members stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateRetryPolicy {
    /// The first delay.
    pub initial_interval: Option<DurationMs>,
    /// What each delay is multiplied by to give the next; at least 1.
    pub exponentiation_factor: Option<f64>,
    /// The longest delay.
    pub max_interval: Option<DurationMs>,
    /// How many attempts there may be, the first included.
    pub max_attempts: Option<AttemptsMax>,
    /// What happens after the last of them.
    pub on_max_attempts: Option<OnMaxAttempts>,
}

/// A bound of attempts: a number of at least 1 in JSON, or the text `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptsMax {
    /// So many, the first included.
    Limited(u64),
    /// Any number.
    Unlimited,
}

impl Serialize for AttemptsMax {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Limited(attempts) => serializer.serialize_u64(*attempts),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for AttemptsMax {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64().filter(|attempts| *attempts > 0),
            Value::String(text) if text == "unlimited" => return Ok(Self::Unlimited),
            _ => None,
        }
        .map(Self::Limited)
        .ok_or_else(|| {
            serde::de::Error::custom("max_attempts is a number of at least 1, or \"unlimited\"")
        })
    }
}

/// The body of `POST /services/{service}/state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyState {
    /// The state that must be there, as of [`state_version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The key of the object or workflow.
    pub object_key: String,
    /// Its scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Replaces the whole state.
    pub new_state: BTreeMap<String, StateBytes>,
}

/// The content of a state entry: an array of numbers in JSON, or a text that stands for its UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateBytes(pub Vec<u8>);

impl<'de> Deserialize<'de> for StateBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a state value is an array of numbers from 0 to 255, or a text"
        )]
        enum Written {
            Bytes(Vec<u8>),
            Text(String),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => bytes,
            Written::Text(text) => text.into_bytes(),
        }))
    }
}

/// The version of a state: equal for equal entries. `entries` are in ascending order of key.
pub fn state_version<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (at, (key, value)) in (0u64..).zip(entries) {
        hash.update(at.to_be_bytes());
        hash.update([1]);
        hash.update(key);
        hash.update([2]);
        hash.update(value);
        hash.update([3]);
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// The reply to a restart as new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartReply {
    /// The id of the new invocation as text.
    pub new_invocation_id: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

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
    fn a_handler_always_has_a_retry_policy_with_max_attempts() {
        let handler = HandlerMetadata {
            name: "h".to_owned(),
            ty: Some(HandlerType::Exclusive),
            documentation: None,
            metadata: BTreeMap::new(),
            idempotency_retention: None,
            journal_retention: None,
            inactivity_timeout: Some(DurationMs(70_000)),
            abort_timeout: None,
            enable_lazy_state: None,
            public: true,
            input_description: "*/*".to_owned(),
            output_description: "none".to_owned(),
            input_json_schema: None,
            output_json_schema: None,
            retry_policy: RetryPolicy::default(),
            in_force: BTreeMap::new(),
            info: Vec::new(),
        };
        let written = to_value(&handler).unwrap();
        assert_eq!(
            written,
            json!({
                "name": "h", "ty": "Exclusive", "inactivity_timeout": "1m 10s", "public": true,
                "input_description": "*/*", "output_description": "none",
                "retry_policy": {"max_attempts": null},
            })
        );
        assert_eq!(from_value::<HandlerMetadata>(written).unwrap(), handler);
    }

    #[test]
    fn durations_are_text_and_nothing_else() {
        let read = |value| from_value::<UpdateService>(json!({"abort_timeout": value}));
        assert_eq!(
            read(json!("P1DT2H")).unwrap().abort_timeout,
            Some(DurationMs(93_600_000))
        );
        assert_eq!(read(json!(null)).unwrap().abort_timeout, None);
        for bad in [json!(5), json!("-1s"), json!("1y")] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn attempts_are_a_number_or_without_end() {
        let read = |value| from_value::<AttemptsMax>(value);
        for (written, meant) in [
            (json!(3), AttemptsMax::Limited(3)),
            (json!("unlimited"), AttemptsMax::Unlimited),
        ] {
            assert_eq!(read(written.clone()).unwrap(), meant);
            assert_eq!(to_value(meant).unwrap(), written);
        }
        for bad in [json!(0), json!(-1), json!(1.5), json!("many"), json!(null)] {
            let refusal = read(bad.clone()).unwrap_err().to_string();
            assert!(refusal.contains("unlimited"), "{bad}: {refusal}");
        }
    }

    #[test]
    fn members_that_would_have_no_effect_are_refused() {
        assert!(from_value::<UpdateDeployment>(json!({"url": "http://a"})).is_err());
        assert!(from_value::<UpdateService>(json!({"retention": "1d"})).is_err());
        assert!(from_value::<UpdateRetryPolicy>(json!({"attempts": 1})).is_err());
    }

    #[test]
    fn state_is_read_from_numbers_and_from_text() {
        let read =
            |state| from_value::<ModifyState>(json!({"object_key": "k", "new_state": state}));
        let state = read(json!({"a": [104, 105], "b": "hi"})).unwrap().new_state;
        assert_eq!(state["a"], state["b"]);
        assert!(read(json!({"a": [256]})).is_err());
        assert!(read(json!(null)).is_err());
    }

    #[test]
    fn state_versions_are_those_that_clients_compute() {
        for (entries, version) in [
            (&[][..], "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
            (
                &[(&b"count"[..], &b"2"[..])],
                "oDVelX9rZfK0jIls7uLnmmv6QXU_3amVenCuAnBsZaQ",
            ),
            (
                &[(&b"name"[..], &b"bob"[..])],
                "tDqA04Lj3_qJ-PgNPTecXDGZgpwy6jm2Ni2BYqJIthM",
            ),
        ] {
            assert_eq!(state_version(entries.iter().copied()), version);
        }
    }
}
