//! From a manifest as sent to services as stored: every check that needs the manifest alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ManifestError;
use super::rule::{InputRule, OutputRule};
use super::service::{Handler, HandlerKind, Service, ServiceKind};
use super::wire::{HandlerEntry, HandlerType, InputEntry, Manifest, ServiceEntry, SettingsEntry};

impl Manifest {
    /// The services offered, checked.
    ///
    /// # Errors
    /// For the first thing that makes the manifest unusable.
    pub fn validate(&self) -> Result<Vec<Service>, ManifestError> {
        let (min, max) = (self.min_protocol_version, self.max_protocol_version);
        if min == 0 || min > max {
            return Err(ManifestError::Range { min, max });
        }
        let mut names = BTreeSet::new();
        self.services
            .iter()
            .map(|entry| {
                if names.insert(&entry.name) {
                    entry.clone().check()
                } else {
                    Err(ManifestError::DuplicateService {
                        service: entry.name.clone(),
                    })
                }
            })
            .collect()
    }

    /// The lowest and the highest service protocol that the endpoint speaks.
    ///
    /// `sdk` is the `x-restate-server` header of its answer: early TypeScript SDKs announce more
    /// than they speak.
    pub fn protocol_range(&self, sdk: Option<&str>) -> (u32, u32) {
        const BOASTERS: [&str; 3] = ["1.0.", "1.1.", "1.2."];
        let boasts = sdk
            .and_then(|sdk| sdk.strip_prefix("restate-sdk-typescript/"))
            .is_some_and(|version| BOASTERS.iter().any(|prefix| version.starts_with(prefix)));
        let max = if boasts { 1 } else { self.max_protocol_version };
        (self.min_protocol_version.min(max), max)
    }
}

impl ServiceEntry {
    fn check(self) -> Result<Service, ManifestError> {
        let service = &self.name;
        if !is_name(service, |byte| matches!(byte, b'.' | b'-')) {
            return Err(ManifestError::ServiceName { service: self.name });
        }
        if service == "openapi"
            || service
                .get(..7)
                .is_some_and(|start| start.eq_ignore_ascii_case("restate"))
        {
            return Err(ManifestError::ReservedName { service: self.name });
        }
        self.settings.check(service)?;
        let private = self.settings.ingress_private == Some(true);
        let mut names = BTreeSet::new();
        let mut handlers = Vec::with_capacity(self.handlers.len());
        for handler in self.handlers {
            if !names.insert(handler.name.clone()) {
                return Err(ManifestError::DuplicateHandler {
                    service: self.name,
                    handler: handler.name,
                });
            }
            handlers.push(handler.check(service, self.ty, private)?);
        }
        let SettingsEntry {
            inactivity_timeout,
            abort_timeout,
            journal_retention,
            idempotency_retention,
            enable_lazy_state,
            ingress_private,
            retry_policy_initial_interval,
            retry_policy_max_interval,
            retry_policy_exponentiation_factor,
            retry_policy_max_attempts,
            retry_policy_on_max_attempts,
        } = self.settings;
        Ok(Service {
            name: self.name,
            kind: self.ty,
            handlers,
            documentation: self.documentation,
            metadata: self.metadata.unwrap_or_default(),
            inactivity_timeout,
            abort_timeout,
            journal_retention,
            idempotency_retention,
            enable_lazy_state,
            ingress_private,
            retry_policy_initial_interval,
            retry_policy_max_interval,
            retry_policy_exponentiation_factor,
            retry_policy_max_attempts: retry_policy_max_attempts.map(at_least_one),
            retry_policy_on_max_attempts,
        })
    }
}

impl HandlerEntry {
    fn check(
        self,
        service: &str,
        service_kind: ServiceKind,
        service_is_private: bool,
    ) -> Result<Handler, ManifestError> {
        let handler = &self.name;
        let owned = || (service.to_owned(), handler.clone());
        if !is_name(handler, |_| false) {
            let (service, handler) = owned();
            return Err(ManifestError::HandlerName { service, handler });
        }
        self.settings.check(&format!("{service}/{handler}"))?;
        let kind = kind(service, handler, service_kind, self.ty)?;
        let is_run = kind == HandlerKind::WorkflowRun;
        let misplaced = if self.workflow_completion_retention.is_some() && !is_run {
            Some((
                "workflowCompletionRetention",
                "the WORKFLOW handler of a workflow",
            ))
        } else if self.settings.idempotency_retention.is_some() && is_run {
            Some((
                "idempotencyRetention",
                "handlers other than the WORKFLOW handler",
            ))
        } else {
            None
        };
        if let Some((setting, only_for)) = misplaced {
            let (service, handler) = owned();
            return Err(ManifestError::Setting {
                service,
                handler,
                setting,
                only_for,
            });
        }
        if service_is_private && self.settings.ingress_private == Some(false) {
            let (service, handler) = owned();
            return Err(ManifestError::PublicInPrivate { service, handler });
        }
        let input = input(service, handler, self.input)?;
        let output = match self.output {
            None => OutputRule::default(),
            Some(output) => {
                check_schema(service, handler, "output", output.json_schema.as_ref())?;
                OutputRule {
                    content_type: output.content_type,
                    set_if_empty: output.set_content_type_if_empty,
                    json_schema: output.json_schema,
                }
            }
        };
        let SettingsEntry {
            inactivity_timeout,
            abort_timeout,
            journal_retention,
            idempotency_retention,
            enable_lazy_state,
            ingress_private,
            retry_policy_initial_interval,
            retry_policy_max_interval,
            retry_policy_exponentiation_factor,
            retry_policy_max_attempts,
            retry_policy_on_max_attempts,
        } = self.settings;
        Ok(Handler {
            name: self.name,
            kind,
            input,
            output,
            documentation: self.documentation,
            metadata: self.metadata.unwrap_or_default(),
            workflow_completion_retention: self.workflow_completion_retention,
            inactivity_timeout,
            abort_timeout,
            journal_retention,
            idempotency_retention,
            enable_lazy_state,
            ingress_private,
            retry_policy_initial_interval,
            retry_policy_max_interval,
            retry_policy_exponentiation_factor,
            retry_policy_max_attempts: retry_policy_max_attempts.map(at_least_one),
            retry_policy_on_max_attempts,
        })
    }
}

impl SettingsEntry {
    /// `place` names the service or handler in the error.
    fn check(&self, place: &str) -> Result<(), ManifestError> {
        match self.retry_policy_exponentiation_factor {
            Some(factor) if factor < 1.0 => Err(ManifestError::RetryFactor {
                place: place.to_owned(),
                factor,
            }),
            _ => Ok(()),
        }
    }
}

fn kind(
    service: &str,
    handler: &str,
    service_kind: ServiceKind,
    ty: Option<HandlerType>,
) -> Result<HandlerKind, ManifestError> {
    use HandlerType::{Exclusive, Shared, Workflow};
    let wanted = match (service_kind, ty) {
        (ServiceKind::Service, None | Some(Shared)) => return Ok(HandlerKind::Plain),
        (ServiceKind::VirtualObject, None | Some(Exclusive)) => return Ok(HandlerKind::Exclusive),
        (ServiceKind::VirtualObject, Some(Shared)) => return Ok(HandlerKind::Shared),
        (ServiceKind::Workflow, Some(Workflow)) => return Ok(HandlerKind::WorkflowRun),
        (ServiceKind::Workflow, None | Some(Shared)) => return Ok(HandlerKind::WorkflowShared),
        (ServiceKind::Service, _) => "SHARED, or none",
        (ServiceKind::VirtualObject, _) => "EXCLUSIVE or SHARED",
        (ServiceKind::Workflow, _) => "WORKFLOW or SHARED",
    };
    Err(ManifestError::HandlerKind {
        service: service.to_owned(),
        handler: handler.to_owned(),
        kind: service_kind.name(),
        found: match ty {
            None => "none",
            Some(Exclusive) => "EXCLUSIVE",
            Some(Shared) => "SHARED",
            Some(Workflow) => "WORKFLOW",
        },
        wanted,
    })
}

fn input(
    service: &str,
    handler: &str,
    entry: Option<InputEntry>,
) -> Result<InputRule, ManifestError> {
    let Some(entry) = entry else {
        return Ok(InputRule::Any);
    };
    check_schema(service, handler, "input", entry.json_schema.as_ref())?;
    let content_type = match (entry.content_type, &entry.json_schema) {
        (Some(content_type), _) => content_type,
        (None, Some(_)) => "application/json".to_owned(),
        (None, None) if entry.required => "*/*".to_owned(),
        (None, None) => return Ok(InputRule::Empty),
    };
    let valid = match content_type.split_once('/') {
        Some(("*", subtype)) => subtype == "*",
        Some((major, subtype)) => !major.is_empty() && !subtype.is_empty(),
        None => false,
    };
    if !valid {
        return Err(ManifestError::ContentTypePattern {
            service: service.to_owned(),
            handler: handler.to_owned(),
            pattern: content_type,
        });
    }
    Ok(InputRule::Typed {
        content_type,
        required: entry.required,
        json_schema: entry.json_schema,
    })
}

fn check_schema(
    service: &str,
    handler: &str,
    part: &'static str,
    schema: Option<&Value>,
) -> Result<(), ManifestError> {
    let reason = match schema {
        None | Some(Value::Bool(_)) => return Ok(()),
        Some(schema @ Value::Object(_)) => match foreign_reference(schema) {
            None => return Ok(()),
            Some(reference) => {
                format!("it refers to {reference:?}, another document; include what it needs")
            }
        },
        Some(_) => "it is neither an object nor a boolean; give one of them".to_owned(),
    };
    Err(ManifestError::Schema {
        service: service.to_owned(),
        handler: handler.to_owned(),
        part,
        reason,
    })
}

/// The first `$ref` that leads out of the document.
///
/// A property may be called `$ref`: it is a reference only when its value is a text.
fn foreign_reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(members) => members.iter().find_map(|(name, member)| match member {
            Value::String(reference) if name == "$ref" && !reference.starts_with('#') => {
                Some(reference.as_str())
            }
            _ => foreign_reference(member),
        }),
        Value::Array(items) => items.iter().find_map(foreign_reference),
        _ => None,
    }
}

/// A letter, or `_` and a letter or digit; then letters, digits, `_` and what `more` allows.
/// Bytes of a name: it becomes part of what is stored for each key.
const NAME_BYTES_MAX: usize = 1024;

fn is_name(name: &str, more: impl Fn(u8) -> bool) -> bool {
    let bytes = name.as_bytes();
    let begins = match bytes {
        [first, ..] if first.is_ascii_alphabetic() => true,
        [b'_', second, ..] => second.is_ascii_alphanumeric(),
        _ => false,
    };
    begins
        && bytes.len() <= NAME_BYTES_MAX
        && bytes
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || more(byte))
}

/// A policy of no attempts at all means no retries.
fn at_least_one(attempts: u64) -> u64 {
    attempts.max(1)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
