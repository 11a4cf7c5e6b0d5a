//! What an endpoint offers, as the server is told at registration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::payload::{Decode, Encode};

/// Versions of the manifest that can be written, newest first.
const VERSIONS: [u32; 3] = [4, 3, 2];

/// A service and its handlers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    name: String,
    ty: Kind,
    handlers: Vec<HandlerDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    Service,
    VirtualObject,
    Workflow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum HandlerKind {
    Shared,
    Exclusive,
    Workflow,
}

impl Description {
    /// A plain service.
    pub fn service(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Service)
    }

    /// An object: state for each key, one exclusive handler at a time.
    pub fn object(name: impl Into<String>) -> Self {
        Self::new(name, Kind::VirtualObject)
    }

    /// A workflow: a run, once for each key, and handlers beside it.
    pub fn workflow(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Workflow)
    }

    fn new(name: impl Into<String>, ty: Kind) -> Self {
        Self {
            name: name.into(),
            ty,
            handlers: Vec::new(),
            documentation: None,
            metadata: BTreeMap::new(),
            settings: Settings::default(),
        }
    }

    /// Sets the text for people.
    #[must_use]
    pub fn documentation(mut self, text: impl Into<String>) -> Self {
        self.documentation = Some(text.into());
        self
    }

    /// Adds a pair of metadata.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Sets what applies to all handlers that do not say otherwise.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Adds a handler.
    #[must_use]
    pub fn handler(mut self, handler: HandlerDescription) -> Self {
        self.handlers.push(handler);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_handler(&self, name: &str) -> bool {
        self.handlers.iter().any(|handler| handler.name == name)
    }

    /// The oldest manifest version that can say all of this.
    fn needs_version(&self) -> u32 {
        let handlers = self.handlers.iter().map(|handler| {
            let retention = handler.workflow_completion_retention.is_some();
            handler
                .settings
                .needs_version()
                .max(if retention { 3 } else { 2 })
        });
        handlers
            .max()
            .unwrap_or_default()
            .max(self.settings.needs_version())
    }
}

/// A handler of a service.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandlerDescription {
    name: String,
    ty: HandlerKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Input>,
    output: Output,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<String>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    workflow_completion_retention: Option<Duration>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    required: bool,
    content_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<Value>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    set_content_type_if_empty: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<Value>,
}

impl HandlerDescription {
    /// A handler of a service, or a concurrent one of an object or workflow.
    pub fn shared(name: impl Into<String>) -> Self {
        Self::new(name, HandlerKind::Shared)
    }

    /// A handler of an object that has its key for itself.
    pub fn exclusive(name: impl Into<String>) -> Self {
        Self::new(name, HandlerKind::Exclusive)
    }

    /// The run of a workflow.
    pub fn run(name: impl Into<String>) -> Self {
        Self::new(name, HandlerKind::Workflow)
    }

    fn new(name: impl Into<String>, ty: HandlerKind) -> Self {
        Self {
            name: name.into(),
            ty,
            input: None,
            output: Output {
                content_type: None,
                set_content_type_if_empty: false,
                json_schema: None,
            },
            documentation: None,
            workflow_completion_retention: None,
            settings: Settings::default(),
        }
    }

    /// Sets the type of the input, with its JSON schema if there is one. Without it any input is
    /// let pass.
    #[must_use]
    pub fn input<T: Decode>(mut self, json_schema: Option<Value>) -> Self {
        self.input = Some(Input {
            // What can be read from nothing need not be there.
            required: T::decode(&bytes::Bytes::new()).is_err(),
            content_type: T::accepts(),
            json_schema,
        });
        self
    }

    /// Sets the type of the output, with its JSON schema if there is one.
    #[must_use]
    pub fn output<T: Encode>(mut self, json_schema: Option<Value>) -> Self {
        self.output.content_type = T::content_type();
        self.output.json_schema = json_schema;
        self
    }

    /// Sets the text for people.
    #[must_use]
    pub fn documentation(mut self, text: impl Into<String>) -> Self {
        self.documentation = Some(text.into());
        self
    }

    /// Sets what applies to this handler.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets how long the result and the promises of a workflow are kept.
    #[must_use]
    pub fn workflow_retention(mut self, retention: Duration) -> Self {
        self.workflow_completion_retention = Some(retention);
        self
    }
}

/// What services and handlers may set. What is not set is the server's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// After which silence the server asks a handler to suspend.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    pub inactivity_timeout: Option<Duration>,
    /// How long after that it breaks the attempt off.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    pub abort_timeout: Option<Duration>,
    /// How long the journal of an ended invocation is kept.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    pub journal_retention: Option<Duration>,
    /// How long the result of a call with an idempotency key is kept.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    pub idempotency_retention: Option<Duration>,
    /// Whether state is sent only when it is read, entry by entry.
    #[serde(rename = "enableLazyState", skip_serializing_if = "Option::is_none")]
    pub lazy_state: Option<bool>,
    /// Whether only other handlers may call it.
    #[serde(rename = "ingressPrivate", skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// The pause after the first failed attempt.
    #[serde(
        rename = "retryPolicyInitialInterval",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    pub retry_initial_delay: Option<Duration>,
    /// The longest pause.
    #[serde(
        rename = "retryPolicyMaxInterval",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_millis"
    )]
    pub retry_max_delay: Option<Duration>,
    /// By which each pause is longer than the one before.
    #[serde(
        rename = "retryPolicyExponentiationFactor",
        skip_serializing_if = "Option::is_none"
    )]
    pub retry_factor: Option<f64>,
    /// The number of attempts, the first included.
    #[serde(
        rename = "retryPolicyMaxAttempts",
        skip_serializing_if = "Option::is_none"
    )]
    pub retry_max_attempts: Option<u64>,
    /// What happens after the last.
    #[serde(
        rename = "retryPolicyOnMaxAttempts",
        skip_serializing_if = "Option::is_none"
    )]
    pub retry_then: Option<AfterRetries>,
}

/// What happens when an invocation has used up its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AfterRetries {
    /// It waits for an operator.
    Pause,
    /// It ends with the last error.
    Kill,
}

impl Settings {
    fn needs_version(&self) -> u32 {
        let Self {
            inactivity_timeout,
            abort_timeout,
            journal_retention,
            idempotency_retention,
            lazy_state,
            private,
            retry_initial_delay,
            retry_max_delay,
            retry_factor,
            retry_max_attempts,
            retry_then,
        } = self;
        let of_4 = retry_initial_delay.is_some()
            || retry_max_delay.is_some()
            || retry_factor.is_some()
            || retry_max_attempts.is_some()
            || retry_then.is_some();
        let of_3 = inactivity_timeout.is_some()
            || abort_timeout.is_some()
            || journal_retention.is_some()
            || idempotency_retention.is_some()
            || lazy_state.is_some()
            || private.is_some();
        match (of_4, of_3) {
            (true, _) => 4,
            (false, true) => 3,
            (false, false) => 2,
        }
    }
}

fn optional_millis<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let millis = duration.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(serializer)
}

/// How an endpoint converses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ProtocolMode {
    BidiStream,
    RequestResponse,
}

/// Why a manifest cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error(
        "the request accepts none of application/vnd.restate.endpointmanifest.v4+json, v3 and v2"
    )]
    NotAccepted,
    #[error(
        "service {service:?} uses settings that manifest version {offered} cannot express; it needs \
         {needed}. Upgrade the server, or leave out {what}."
    )]
    TooOld {
        service: String,
        offered: u32,
        needed: u32,
        what: &'static str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    protocol_mode: ProtocolMode,
    min_protocol_version: u32,
    max_protocol_version: u32,
    services: Vec<&'a Description>,
}

/// The manifest in the newest version that the `accept` header allows, with its media type.
pub(crate) fn manifest<'a>(
    accept: &str,
    mode: ProtocolMode,
    services: impl Iterator<Item = &'a Description>,
) -> Result<(String, Vec<u8>), ManifestError> {
    use latchwork_protocol::service::version::Version;

    let offers = |version: &u32| accept.contains(&media_type(*version));
    let version = VERSIONS.into_iter().find(offers);
    let version = version.ok_or(ManifestError::NotAccepted)?;
    let services: Vec<&Description> = services.collect();
    for service in &services {
        let needed = service.needs_version();
        if needed > version {
            return Err(ManifestError::TooOld {
                service: service.name.clone(),
                offered: version,
                needed,
                what: if needed == 4 {
                    "its retry policies"
                } else {
                    "timeouts, retentions, lazy state and private"
                },
            });
        }
    }
    let manifest = Manifest {
        protocol_mode: mode,
        min_protocol_version: Version::OLDEST.number(),
        max_protocol_version: Version::NEWEST.number(),
        services,
    };
    let body = serde_json::to_vec(&manifest).expect("a manifest has only texts and numbers");
    Ok((media_type(version), body))
}

fn media_type(version: u32) -> String {
    format!("application/vnd.restate.endpointmanifest.v{version}+json")
}

/// Finds the JSON schema of a type: nothing where the feature `schemars` is off or the type has
/// none. Generated code uses it, with [`WithoutSchema`] in scope.
pub struct Schema<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Schema<T> {
    /// To ask for the schema.
    pub const OF: Self = Self(std::marker::PhantomData);
}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema> Schema<T> {
    /// The schema.
    pub fn json_schema(&self) -> Option<Value> {
        Some(schemars::schema_for!(T).to_value())
    }
}

/// The answer of [`Schema`] for types without one.
pub trait WithoutSchema {
    /// Nothing.
    fn json_schema(&self) -> Option<Value> {
        None
    }
}

impl<T> WithoutSchema for Schema<T> {}

#[cfg(all(test, feature = "schemars"))]
mod tests {
    use super::*;

    struct Plain;

    #[test]
    fn a_schema_is_found_where_there_is_one() {
        let text = Schema::<String>::OF.json_schema().unwrap();
        assert_eq!(text["type"], "string");
        assert_eq!(Schema::<Plain>::OF.json_schema(), None);
    }
}
