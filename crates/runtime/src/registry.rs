//! What is registered: deployments, the services they offer, and what operators have set.
//!
//! ```text
//!   documents in the tables ──load──▶ Registry ──serving──▶ where an attempt goes, under which Settings
//!   (deployments, overrides)              ▲ replaced as a whole when a document changes
//! ```
//!
//! Lives as documents in the tables of the first partition; this is the reading of them
//! that everybody shares. Several deployments may offer a service: calls that begin go to the
//! newest revision, those that have made progress stay where they are. Start at [`Registry`];
//! which of several settings is in force is said in `settings`.

mod settings;

pub use settings::{
    InForce, OnMaxAttempts, Overrides, RetryInForce, RetryOverrides, RetryPolicy, Settings, Source,
    Sourced,
};

use crate::node::Fatal;
use bytes::Bytes;
use latchwork_engine::table::deployment;
use latchwork_engine::{Document, Pin, Target, View};
use latchwork_protocol::service::manifest::Service;
use latchwork_protocol::service::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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
    /// When it was first registered, in ms since 1970.
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

    /// A service as it offers it.
    pub fn offers(&self, service: &str) -> Option<&Revision> {
        self.services
            .iter()
            .find(|revision| revision.service.name == service)
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

    /// The services whose newest revision a deployment offers, in order of name.
    pub fn newest_of<'a>(&'a self, deployment: &'a str) -> impl Iterator<Item = &'a str> {
        self.services
            .iter()
            .filter(move |(_, entry)| entry.deployment.id == deployment)
            .map(|(name, _)| name.as_str())
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
