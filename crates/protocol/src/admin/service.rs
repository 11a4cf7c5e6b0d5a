//! Services and handlers: what is in force for them, and what operators set.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{DurationMs, Info};
use crate::service::manifest::{OnMaxAttempts, ServiceKind};

/// The newest revision of a service, with what is in force for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Headers with secrets that its handlers get all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_headers: Vec<String>,
    /// Who decided on the values above, for handlers that say nothing themselves; by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_force: BTreeMap<String, InForce>,
    /// What is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InForce {
    /// The value, as the API writes it.
    pub value: Value,
    /// Who decided: `operator`, `handler`, `service` or `default`, in this order.
    pub source: String,
}

/// A handler, with what it sets itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceList {
    /// The newest revision of each service, in order of name.
    pub services: Vec<ServiceMetadata>,
    /// What to give as `after` for those that follow; absent: there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The reply to `GET /services/{service}/handlers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Headers with secrets that its handlers get all the same.
    pub keep_headers: Option<HeaderNames>,
    /// Names of settings that are to be again as the code says.
    pub reset: Vec<String>,
}

/// Names of headers, in small letters: a list in JSON, or one text with commas between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HeaderNames(pub Vec<String>);

impl<'de> Deserialize<'de> for HeaderNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "names of headers must be a list, or a text with commas"
        )]
        enum Written {
            List(Vec<String>),
            Text(String),
        }
        let names = match Written::deserialize(deserializer)? {
            Written::List(names) => names,
            Written::Text(text) => text.split(',').map(str::to_owned).collect(),
        };
        let names = names.iter().map(|name| name.trim());
        names
            .filter(|name| !name.is_empty())
            .map(|name| {
                let is_name = name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte));
                match is_name {
                    true => Ok(name.to_ascii_lowercase()),
                    false => Err(serde::de::Error::custom(format!(
                        "{name:?} is no name of a header"
                    ))),
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for HeaderNames {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderNames".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let name = r"^[A-Za-z0-9!#$%&'+.^_`|~-]+$";
        schemars::json_schema!({
            "description": "Names of headers, as a list, or as one text with commas between them",
            "anyOf": [
                {"type": "array", "items": {"type": "string", "pattern": name}},
                {"type": "string", "pattern": r"^[A-Za-z0-9!#$%&'+.^_`|~, -]*$"},
            ],
        })
    }
}

/// The part of a retry policy that an operator sets. Absent members stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

#[cfg(feature = "schema")]
impl schemars::JsonSchema for AttemptsMax {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AttemptsMax".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A bound of attempts, the first included.",
            "oneOf": [{"type": "integer", "minimum": 1}, {"const": "unlimited"}],
        })
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

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
    fn names_of_headers_are_a_list_or_a_text() {
        let read = |value| from_value::<HeaderNames>(value);
        let both = HeaderNames(vec!["authorization".into(), "x-a".into()]);
        for written in [
            json!(["Authorization", "x-a"]),
            json!("authorization, X-A,"),
        ] {
            assert_eq!(read(written).unwrap(), both);
        }
        assert_eq!(read(json!("")).unwrap(), HeaderNames::default());
        for bad in [json!(["a b"]), json!("x-*"), json!(7)] {
            let refusal = read(bad.clone()).unwrap_err().to_string();
            assert!(refusal.contains("header"), "{bad}: {refusal}");
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
        assert!(from_value::<UpdateService>(json!({"retention": "1d"})).is_err());
        assert!(from_value::<UpdateRetryPolicy>(json!({"attempts": 1})).is_err());
    }
}
