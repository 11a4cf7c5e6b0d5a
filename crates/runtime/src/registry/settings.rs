//! Which settings are in force for a handler: the manifest and what an operator has set come
//! in, one value for each setting goes out, with who decided on it.
//!
//! ```text
//!   operator  >  handler  >  service  >  the server's default
//! ```
//!
//! An operator's word outlives the code: it wins over the manifest, and stays when the
//! deployment is registered again. One setting is different: a handler that its code declares
//! private stays private, since to make a *service* public must not open what was never meant
//! to be.

use super::SERVICE_PREFIX;
use latchwork_engine::{Document, TargetKind};
use latchwork_protocol::admin::AttemptsMax;
use latchwork_protocol::service::manifest::{self, Handler, HandlerKind, Service};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What code that wants headers with secrets names them by, in the metadata of a service or a
/// handler. SDKs pass metadata on, and have no place of their own for this.
const KEEP_HEADERS: &str = "latchwork.keep-headers";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const INACTIVITY_MS: u64 = 60_000;
const ABORT_MS: u64 = 600_000;

/// What an operator has set for a service, whatever its manifest says. Durations in ms.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// Whether it can be called from outside.
    pub public: Option<bool>,
    /// How long results of calls with an idempotency key are kept.
    pub idempotency_retention: Option<u64>,
    /// How long results of workflows are kept.
    pub workflow_completion_retention: Option<u64>,
    /// How long journals are kept.
    pub journal_retention: Option<u64>,
    /// How long a handler may be silent before it is asked to suspend.
    pub inactivity_timeout: Option<u64>,
    /// How long it may be silent after that.
    pub abort_timeout: Option<u64>,
    /// When a failed attempt is tried again.
    pub retry: RetryOverrides,
    /// Headers with secrets that its handlers get all the same; names in small letters.
    pub keep_headers: Option<Vec<String>>,
}

/// The part of a retry policy that an operator has set. Durations in ms.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryOverrides {
    /// Before the second attempt.
    pub initial_interval: Option<u64>,
    /// Each interval is so many times the one before.
    pub exponentiation_factor: Option<f64>,
    /// No interval is longer.
    pub max_interval: Option<u64>,
    /// How many attempts, the first included.
    pub max_attempts: Option<AttemptsMax>,
    /// What then.
    pub on_max_attempts: Option<manifest::OnMaxAttempts>,
}

/// What happens when the attempts of the retry policy are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMaxAttempts {
    /// The invocation waits for an operator.
    Pause,
    /// It ends with the last failure.
    Kill,
}

/// When a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Before the second attempt, in ms.
    pub initial_interval_ms: u64,
    /// Each interval is so many times the one before.
    pub exponentiation_factor: f64,
    /// No interval is longer, in ms.
    pub max_interval_ms: Option<u64>,
    /// How many attempts, the first included.
    pub max_attempts: Option<u32>,
    /// What then.
    pub on_max_attempts: OnMaxAttempts,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval_ms: 500,
            exponentiation_factor: 2.0,
            max_interval_ms: Some(60_000),
            max_attempts: Some(70),
            on_max_attempts: OnMaxAttempts::Pause,
        }
    }
}

/// Who decided on a value that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An operator, through the admin API.
    Operator,
    /// The manifest, for the handler.
    Handler,
    /// The manifest, for the whole service.
    Service,
    /// Nobody: it is what the server does unless told otherwise.
    Default,
}

/// A value that is in force, and who decided on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who decided.
    pub source: Source,
}

/// Everything that is in force for a handler, with its sources. Durations in ms.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Whether it can be called from outside.
    pub public: Sourced<bool>,
    /// How long it may be silent before it is asked to suspend.
    pub inactivity_timeout: Sourced<u64>,
    /// How long it may be silent after that.
    pub abort_timeout: Sourced<u64>,
    /// It asks for state when it needs it.
    pub lazy_state: Sourced<bool>,
    /// How long results of calls with an idempotency key are kept.
    pub idempotency_retention: Sourced<u64>,
    /// How long results of the workflow are kept.
    pub workflow_retention: Sourced<u64>,
    /// How long journals are kept.
    pub journal_retention: Sourced<u64>,
    /// When a failed attempt is tried again.
    pub retry: RetryInForce,
    /// Headers with secrets that it gets all the same; names in small letters.
    pub keep_headers: Sourced<Vec<String>>,
}

/// A retry policy, each part with its source. Durations in ms.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryInForce {
    /// Before the second attempt.
    pub initial_interval: Sourced<u64>,
    /// Each interval is so many times the one before.
    pub exponentiation_factor: Sourced<f64>,
    /// No interval is longer.
    pub max_interval: Sourced<Option<u64>>,
    /// How many attempts, the first included; none: without end.
    pub max_attempts: Sourced<Option<u32>>,
    /// What then.
    pub on_max_attempts: Sourced<OnMaxAttempts>,
}

/// What is in force for one handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The rules it runs under.
    pub kind: TargetKind,
    /// Whether it can be called from outside.
    pub public: bool,
    /// What the manifest says of it.
    pub handler: Handler,
    /// How long it may be silent before it is asked to suspend; zero: it cannot be told anything.
    pub inactivity_timeout: Duration,
    /// How long it may be silent after that.
    pub abort_timeout: Duration,
    /// It asks for state when it needs it.
    pub lazy_state: bool,
    /// When a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// How long results of calls with an idempotency key are kept, in ms.
    pub idempotency_retention_ms: u64,
    /// How long results of the workflow are kept, in ms.
    pub workflow_retention_ms: u64,
    /// How long journals are kept, in ms.
    pub journal_retention_ms: u64,
    /// Headers with secrets that it gets all the same; names in small letters.
    pub keep_headers: Vec<String>,
}

impl Overrides {
    /// As a document of the registry.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn document(&self, service: &str) -> Result<Document, serde_json::Error> {
        Ok(Document {
            name: format!("{SERVICE_PREFIX}{service}"),
            body: Some(serde_json::to_vec(self)?.into()),
        })
    }
}

/// What code says in its metadata of headers that it wants although they hold secrets.
fn kept_headers(metadata: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let names = metadata.get(KEEP_HEADERS)?.split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    Some(names.map(str::to_ascii_lowercase).collect())
}

/// The first word that was said, by rank.
fn pick<T>(operator: Option<T>, handler: Option<T>, service: Option<T>, default: T) -> Sourced<T> {
    let said = |value, source| Sourced { value, source };
    operator
        .map(|value| said(value, Source::Operator))
        .or_else(|| handler.map(|value| said(value, Source::Handler)))
        .or_else(|| service.map(|value| said(value, Source::Service)))
        .unwrap_or_else(|| said(default, Source::Default))
}

impl InForce {
    /// For a handler; without one, for what the service says of handlers that are silent.
    pub fn of(service: &Service, handler: Option<&Handler>, overrides: &Overrides) -> Self {
        let durations = |operator, of_handler: fn(&Handler) -> Option<u64>, of_service, default| {
            pick(operator, handler.and_then(of_handler), of_service, default)
        };
        let public_service = pick(
            overrides.public,
            None,
            service.ingress_private.map(|private| !private),
            true,
        );
        let is_private = handler.is_some_and(|handler| handler.ingress_private == Some(true));
        Self {
            public: match is_private {
                true => Sourced {
                    value: false,
                    source: Source::Handler,
                },
                false => public_service,
            },
            inactivity_timeout: durations(
                overrides.inactivity_timeout,
                |handler| handler.inactivity_timeout,
                service.inactivity_timeout,
                INACTIVITY_MS,
            ),
            abort_timeout: durations(
                overrides.abort_timeout,
                |handler| handler.abort_timeout,
                service.abort_timeout,
                ABORT_MS,
            ),
            lazy_state: pick(
                None,
                handler.and_then(|handler| handler.enable_lazy_state),
                service.enable_lazy_state,
                false,
            ),
            idempotency_retention: durations(
                overrides.idempotency_retention,
                |handler| handler.idempotency_retention,
                service.idempotency_retention,
                DAY_MS,
            ),
            workflow_retention: durations(
                overrides.workflow_completion_retention,
                |handler| handler.workflow_completion_retention,
                None,
                DAY_MS,
            ),
            journal_retention: durations(
                overrides.journal_retention,
                |handler| handler.journal_retention,
                service.journal_retention,
                DAY_MS,
            ),
            retry: RetryInForce::of(service, handler, &overrides.retry),
            keep_headers: pick(
                overrides.keep_headers.clone(),
                handler.and_then(|handler| kept_headers(&handler.metadata)),
                kept_headers(&service.metadata),
                Vec::new(),
            ),
        }
    }
}

impl RetryInForce {
    fn of(service: &Service, handler: Option<&Handler>, set: &RetryOverrides) -> Self {
        let defaults = RetryPolicy::default();
        let counted = |attempts: u64| Some(u32::try_from(attempts).unwrap_or(u32::MAX));
        let then = |then| match then {
            manifest::OnMaxAttempts::Pause => OnMaxAttempts::Pause,
            manifest::OnMaxAttempts::Kill => OnMaxAttempts::Kill,
        };
        Self {
            initial_interval: pick(
                set.initial_interval,
                handler.and_then(|handler| handler.retry_policy_initial_interval),
                service.retry_policy_initial_interval,
                defaults.initial_interval_ms,
            ),
            exponentiation_factor: pick(
                set.exponentiation_factor,
                handler.and_then(|handler| handler.retry_policy_exponentiation_factor),
                service.retry_policy_exponentiation_factor,
                defaults.exponentiation_factor,
            ),
            max_interval: pick(
                set.max_interval.map(Some),
                handler
                    .and_then(|handler| handler.retry_policy_max_interval)
                    .map(Some),
                service.retry_policy_max_interval.map(Some),
                defaults.max_interval_ms,
            ),
            max_attempts: pick(
                set.max_attempts.map(|attempts| match attempts {
                    AttemptsMax::Limited(attempts) => counted(attempts),
                    AttemptsMax::Unlimited => None,
                }),
                handler
                    .and_then(|handler| handler.retry_policy_max_attempts)
                    .map(counted),
                service.retry_policy_max_attempts.map(counted),
                defaults.max_attempts,
            ),
            on_max_attempts: pick(
                set.on_max_attempts.map(then),
                handler
                    .and_then(|handler| handler.retry_policy_on_max_attempts)
                    .map(then),
                service.retry_policy_on_max_attempts.map(then),
                defaults.on_max_attempts,
            ),
        }
    }

    fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            initial_interval_ms: self.initial_interval.value,
            exponentiation_factor: self.exponentiation_factor.value,
            max_interval_ms: self.max_interval.value,
            max_attempts: self.max_attempts.value,
            on_max_attempts: self.on_max_attempts.value,
        }
    }
}

impl Settings {
    /// The rules that a kind of handler runs under.
    pub fn kind_of(handler: HandlerKind) -> TargetKind {
        match handler {
            HandlerKind::Plain => TargetKind::Plain,
            HandlerKind::Exclusive => TargetKind::Exclusive,
            HandlerKind::Shared => TargetKind::Shared,
            HandlerKind::WorkflowRun => TargetKind::WorkflowRun,
            HandlerKind::WorkflowShared => TargetKind::WorkflowShared,
        }
    }

    /// What is in force for a handler.
    pub fn of(service: &Service, handler: &Handler, overrides: &Overrides) -> Self {
        let in_force = InForce::of(service, Some(handler), overrides);
        Self {
            kind: Self::kind_of(handler.kind),
            public: in_force.public.value,
            handler: handler.clone(),
            inactivity_timeout: Duration::from_millis(in_force.inactivity_timeout.value),
            abort_timeout: Duration::from_millis(in_force.abort_timeout.value),
            lazy_state: in_force.lazy_state.value,
            retry: in_force.retry.policy(),
            idempotency_retention_ms: in_force.idempotency_retention.value,
            workflow_retention_ms: in_force.workflow_retention.value,
            journal_retention_ms: in_force.journal_retention.value,
            keep_headers: in_force.keep_headers.value,
        }
    }

    /// How long the result and the journal of an invocation are kept, in ms.
    pub fn retention(&self, has_idempotency_key: bool) -> (u64, u64) {
        let result = if self.kind == TargetKind::WorkflowRun {
            self.workflow_retention_ms
        } else if has_idempotency_key {
            self.idempotency_retention_ms
        } else {
            return (self.journal_retention_ms, self.journal_retention_ms);
        };
        (result, result.min(self.journal_retention_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A service that says something, with a handler that says more.
    fn service() -> Service {
        let handler = |name, more: serde_json::Value| {
            let mut handler = json!({
                "name": name, "kind": "Plain", "input": "Any",
                "output": {"content_type": null, "set_if_empty": false},
            });
            handler
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            handler
        };
        serde_json::from_value(json!({
            "name": "S", "kind": "Service",
            "abort_timeout": 3, "journal_retention": 3, "retry_policy_max_attempts": 3,
            "handlers": [
                handler("loud", json!({"abort_timeout": 2, "journal_retention": 2, "ingress_private": true})),
                handler("silent", json!({})),
                handler("asking", json!({"metadata": {"latchwork.keep-headers": "Cookie, x-key,"}})),
            ],
            "metadata": {"latchwork.keep-headers": "authorization"},
        }))
        .unwrap()
    }

    #[test]
    fn operator_handler_service_default() {
        let service = service();
        let overrides = Overrides {
            abort_timeout: Some(1),
            ..Overrides::default()
        };
        let loud = InForce::of(&service, Some(&service.handlers[0]), &overrides);
        let said = |value, source| Sourced { value, source };
        assert_eq!(loud.abort_timeout, said(1, Source::Operator));
        assert_eq!(loud.journal_retention, said(2, Source::Handler));
        assert_eq!(
            loud.retry.max_attempts,
            Sourced {
                value: Some(3),
                source: Source::Service
            }
        );
        assert_eq!(
            loud.inactivity_timeout,
            said(INACTIVITY_MS, Source::Default)
        );
        let silent = InForce::of(&service, Some(&service.handlers[1]), &overrides);
        assert_eq!(silent.journal_retention, said(3, Source::Service));
    }

    #[test]
    fn a_public_service_does_not_open_its_private_handlers() {
        let service = service();
        for (set, silent_is_public) in [(None, true), (Some(true), true), (Some(false), false)] {
            let overrides = Overrides {
                public: set,
                ..Overrides::default()
            };
            let public =
                |at: usize| Settings::of(&service, &service.handlers[at], &overrides).public;
            assert_eq!((public(0), public(1)), (false, silent_is_public), "{set:?}");
        }
    }

    #[test]
    fn code_asks_for_headers_in_its_metadata_and_an_operator_has_the_last_word() {
        let service = service();
        let mut overrides = Overrides::default();
        let kept = |at: usize, overrides: &Overrides| {
            Settings::of(&service, &service.handlers[at], overrides).keep_headers
        };
        assert_eq!(kept(1, &overrides), ["authorization"]);
        assert_eq!(kept(2, &overrides), ["cookie", "x-key"]);
        overrides.keep_headers = Some(Vec::new());
        assert_eq!(kept(2, &overrides), [""; 0]);
    }

    #[test]
    fn an_operator_can_lift_the_bound_of_attempts() {
        let service = service();
        let overrides = Overrides {
            retry: RetryOverrides {
                max_attempts: Some(AttemptsMax::Unlimited),
                ..RetryOverrides::default()
            },
            ..Overrides::default()
        };
        let retry = Settings::of(&service, &service.handlers[0], &overrides).retry;
        assert_eq!(retry.max_attempts, None);
    }

    #[test]
    fn documents_of_before_there_were_retry_settings_are_read() {
        let read: Overrides = serde_json::from_str(r#"{"public":null,"abort_timeout":7}"#).unwrap();
        assert_eq!(read.abort_timeout, Some(7));
        assert_eq!(read.retry, RetryOverrides::default());
    }
}
