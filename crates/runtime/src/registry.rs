//! What is registered: deployments, the services they offer, and what operators have set.
//!
//! Lives as documents in the tables of the first partition; this is the reading of them
//! that everybody shares. A new registry replaces the old one as a whole.

use crate::node::Fatal;
use bytes::Bytes;
use latchwork_engine::table::deployment;
use latchwork_engine::{Document, Pin, Target, TargetKind, View};
use latchwork_protocol::service::manifest::{Handler, HandlerKind, Service};
use latchwork_protocol::service::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const SERVICE_PREFIX: &str = "service/";

/// Code registered at an address, with the manifest it gave then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id, as text.
    pub id: String,
    /// Where it listens.
    pub uri: String,
    /// Speak HTTP/1.1 to it.
    pub http1: bool,
    /// It cannot be told anything after the request was sent.
    pub request_response: bool,
    /// Lowest protocol version that it speaks.
    pub min_protocol_version: u32,
    /// Highest protocol version that it speaks.
    pub max_protocol_version: u32,
    /// What its SDK calls itself.
    pub sdk_version: Option<String>,
    /// Sent along with every request, as the operator wished.
    #[serde(default)]
    pub additional_headers: BTreeMap<String, String>,
    /// For people.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// When it was registered, in ms since 1970.
    pub created_at: u64,
    /// What it offers.
    pub services: Vec<Revision>,
}

/// A service as one deployment offers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Counts the registrations of the service.
    pub revision: u32,
    /// What the manifest says.
    pub service: Service,
}

/// What an operator has set for a service, whatever its manifest says. Durations in ms.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
}

/// A service in its newest revision.
#[derive(Debug, Clone)]
pub struct ServiceEntry {
    /// The deployment that offers it.
    pub deployment: Arc<Deployment>,
    /// How often it was registered.
    pub revision: u32,
    /// What its manifest says.
    pub service: Service,
    /// What an operator has set.
    pub overrides: Overrides,
    handlers: HashMap<String, Arc<Settings>>,
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

/// What is in force for one handler: its manifest, over what an operator has set for the
/// service, over the service's manifest, over the defaults.
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
}

/// Where an attempt goes, and under which settings.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// What is in force for the handler.
    pub settings: Arc<Settings>,
}

/// Everything that is registered.
#[derive(Debug, Default)]
pub struct Registry {
    deployments: BTreeMap<String, Arc<Deployment>>,
    services: BTreeMap<String, ServiceEntry>,
    overrides: BTreeMap<String, Overrides>,
}

impl Deployment {
    /// The version to speak with it, if there is one.
    pub fn version(&self) -> Option<Version> {
        Version::choose(self.min_protocol_version, self.max_protocol_version).ok()
    }

    /// Whether the request ends before the response begins.
    pub fn is_request_response(&self) -> bool {
        self.request_response
    }

    /// As a document of the registry.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn document(&self) -> Result<Document, serde_json::Error> {
        Ok(Document {
            name: self.id.clone(),
            body: Some(serde_json::to_vec(self)?.into()),
        })
    }

    /// The document that forgets a deployment.
    pub fn removal(id: &str) -> Document {
        Document {
            name: id.to_owned(),
            body: None,
        }
    }

    fn offers(&self, service: &str) -> Option<&Revision> {
        self.services
            .iter()
            .find(|revision| revision.service.name == service)
    }
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

impl Registry {
    /// Reads all documents.
    pub(crate) fn load(view: &dyn View) -> Result<Self, Fatal> {
        fn parse<T: serde::de::DeserializeOwned>(name: &str, body: &Bytes) -> Result<T, Fatal> {
            serde_json::from_slice(body).map_err(|error| Fatal::Registry {
                name: name.to_owned(),
                reason: error.to_string(),
            })
        }
        let mut deployments = Vec::new();
        let mut overrides = BTreeMap::new();
        let (from, to) = deployment::all();
        for row in view.scan(&from, &to) {
            let (key, body) = row.map_err(latchwork_engine::Halt::Read)?;
            let Some(name) = deployment::parse_key(&key) else {
                continue;
            };
            match name.strip_prefix(SERVICE_PREFIX) {
                Some(service) => {
                    overrides.insert(service.to_owned(), parse(name, &body)?);
                }
                None => deployments.push(parse(name, &body)?),
            }
        }
        Ok(Self::new(deployments, overrides))
    }

    /// From what was registered.
    pub fn new(deployments: Vec<Deployment>, overrides: BTreeMap<String, Overrides>) -> Self {
        let deployments: BTreeMap<_, _> = deployments
            .into_iter()
            .map(|deployment| (deployment.id.clone(), Arc::new(deployment)))
            .collect();
        let mut services = BTreeMap::<String, ServiceEntry>::new();
        for deployment in deployments.values() {
            for Revision { revision, service } in &deployment.services {
                let newest = services.get(&service.name);
                if newest.is_some_and(|newest| newest.revision >= *revision) {
                    continue;
                }
                let overrides = overrides.get(&service.name).cloned().unwrap_or_default();
                let handlers = service
                    .handlers
                    .iter()
                    .map(|handler| {
                        let settings = Settings::of(service, handler, &overrides);
                        (handler.name.clone(), Arc::new(settings))
                    })
                    .collect();
                services.insert(
                    service.name.clone(),
                    ServiceEntry {
                        deployment: deployment.clone(),
                        revision: *revision,
                        service: service.clone(),
                        overrides,
                        handlers,
                    },
                );
            }
        }
        Self {
            deployments,
            services,
            overrides,
        }
    }

    /// All deployments, by id.
    pub fn deployments(&self) -> &BTreeMap<String, Arc<Deployment>> {
        &self.deployments
    }

    /// All services in their newest revisions, by name.
    pub fn services(&self) -> &BTreeMap<String, ServiceEntry> {
        &self.services
    }

    /// One service in its newest revision.
    pub fn service(&self, name: &str) -> Option<&ServiceEntry> {
        self.services.get(name)
    }

    /// What operators have set for a service, registered or not.
    pub fn overrides(&self, service: &str) -> Overrides {
        self.overrides.get(service).cloned().unwrap_or_default()
    }

    /// What is in force for a handler in the newest revision of its service.
    pub fn handler(&self, service: &str, handler: &str) -> Option<&Arc<Settings>> {
        self.services.get(service)?.handlers.get(handler)
    }

    /// Where an attempt goes: where it is pinned, else the newest.
    pub fn serving(&self, target: &Target, pin: Option<&Pin>) -> Option<Serving> {
        let newest = self.services.get(&target.service);
        let Some(pin) = pin else {
            let newest = newest?;
            return Some(Serving {
                deployment: newest.deployment.clone(),
                settings: newest.handlers.get(&target.handler)?.clone(),
            });
        };
        if let Some(newest) = newest
            && newest.deployment.id == pin.deployment
            && let Some(settings) = newest.handlers.get(&target.handler)
        {
            return Some(Serving {
                deployment: newest.deployment.clone(),
                settings: settings.clone(),
            });
        }
        let deployment = self.deployments.get(&pin.deployment)?;
        let service = &deployment.offers(&target.service)?.service;
        let handler = service
            .handlers
            .iter()
            .find(|handler| handler.name == target.handler)?;
        let settings = Settings::of(service, handler, &self.overrides(&target.service));
        Some(Serving {
            deployment: deployment.clone(),
            settings: Arc::new(settings),
        })
    }
}

impl ServiceEntry {
    /// Whether it can be called from outside.
    pub fn public(&self) -> bool {
        self.overrides
            .public
            .unwrap_or(!self.service.ingress_private.unwrap_or(false))
    }
}

impl Settings {
    /// What is in force for a handler.
    pub fn of(service: &Service, handler: &Handler, overrides: &Overrides) -> Self {
        let pick = |handler: Option<u64>, set: Option<u64>, service: Option<u64>, default: u64| {
            handler.or(set).or(service).unwrap_or(default)
        };
        let private = handler.ingress_private.unwrap_or(false)
            || !overrides
                .public
                .unwrap_or(!service.ingress_private.unwrap_or(false));
        let defaults = RetryPolicy::default();
        let on_max_attempts = handler
            .retry_policy_on_max_attempts
            .or(service.retry_policy_on_max_attempts);
        Self {
            kind: match handler.kind {
                HandlerKind::Plain => TargetKind::Plain,
                HandlerKind::Exclusive => TargetKind::Exclusive,
                HandlerKind::Shared => TargetKind::Shared,
                HandlerKind::WorkflowRun => TargetKind::WorkflowRun,
                HandlerKind::WorkflowShared => TargetKind::WorkflowShared,
            },
            public: !private,
            handler: handler.clone(),
            inactivity_timeout: Duration::from_millis(pick(
                handler.inactivity_timeout,
                overrides.inactivity_timeout,
                service.inactivity_timeout,
                60_000,
            )),
            abort_timeout: Duration::from_millis(pick(
                handler.abort_timeout,
                overrides.abort_timeout,
                service.abort_timeout,
                600_000,
            )),
            lazy_state: handler
                .enable_lazy_state
                .or(service.enable_lazy_state)
                .unwrap_or(false),
            retry: RetryPolicy {
                initial_interval_ms: handler
                    .retry_policy_initial_interval
                    .or(service.retry_policy_initial_interval)
                    .unwrap_or(defaults.initial_interval_ms),
                exponentiation_factor: handler
                    .retry_policy_exponentiation_factor
                    .or(service.retry_policy_exponentiation_factor)
                    .unwrap_or(defaults.exponentiation_factor),
                max_interval_ms: handler
                    .retry_policy_max_interval
                    .or(service.retry_policy_max_interval)
                    .or(defaults.max_interval_ms),
                max_attempts: handler
                    .retry_policy_max_attempts
                    .or(service.retry_policy_max_attempts)
                    .map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX))
                    .or(defaults.max_attempts),
                on_max_attempts: match on_max_attempts {
                    Some(latchwork_protocol::service::manifest::OnMaxAttempts::Kill) => {
                        OnMaxAttempts::Kill
                    }
                    _ => OnMaxAttempts::Pause,
                },
            },
            idempotency_retention_ms: pick(
                handler.idempotency_retention,
                overrides.idempotency_retention,
                service.idempotency_retention,
                DAY_MS,
            ),
            workflow_retention_ms: pick(
                handler.workflow_completion_retention,
                overrides.workflow_completion_retention,
                None,
                DAY_MS,
            ),
            journal_retention_ms: pick(
                handler.journal_retention,
                overrides.journal_retention,
                service.journal_retention,
                DAY_MS,
            ),
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
