//! Services in their newest revisions, and what operators set for them.

use super::error::AdminError;
use super::page::Page;
use super::{Admin, describe, service_openapi};
use axum::Json;
use axum::extract::{Path, Query, State};
use latchwork_protocol::admin::{
    DurationMs, HandlerList, HandlerMetadata, HeaderNames, ServiceList, ServiceMetadata,
    UpdateService,
};
use latchwork_protocol::service::manifest::{Handler, ServiceKind};
use latchwork_runtime::registry::{InForce, Overrides, Registry, RetryOverrides, ServiceEntry};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What can be set for a service.
const SETTINGS: [&str; 8] = [
    "public",
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
    "retry_policy",
    "keep_headers",
];
/// Names those of them that are to be again as the code says.
const RESET: &str = "reset";

pub(super) async fn list(
    State(app): State<Arc<Admin>>,
    Query(page): Query<Page>,
) -> Result<Json<ServiceList>, AdminError> {
    let registry = app.handle.registry();
    let services = registry
        .services()
        .iter()
        .filter(|(name, _)| Some(name.as_str()) > page.after())
        .map(|(_, entry)| described(entry, &entry.overrides));
    let (services, next) = page.cut(services, |service| service.name.clone())?;
    Ok(Json(ServiceList { services, next }))
}

pub(super) async fn one(
    State(app): State<Arc<Admin>>,
    Path(service): Path<String>,
) -> Result<Json<ServiceMetadata>, AdminError> {
    let registry = app.handle.registry();
    let entry = find(&registry, &service)?;
    Ok(Json(described(entry, &entry.overrides)))
}

pub(super) async fn handlers(
    State(app): State<Arc<Admin>>,
    Path(service): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<HandlerList>, AdminError> {
    let registry = app.handle.registry();
    let entry = find(&registry, &service)?;
    let mut handlers = described(entry, &entry.overrides).handlers;
    handlers.retain(|handler| Some(handler.name.as_str()) > page.after());
    handlers.sort_by(|one, other| one.name.cmp(&other.name));
    let (handlers, next) = page.cut(handlers, |handler| handler.name.clone())?;
    Ok(Json(HandlerList { handlers, next }))
}

pub(super) async fn handler(
    State(app): State<Arc<Admin>>,
    Path((service, handler)): Path<(String, String)>,
) -> Result<Json<HandlerMetadata>, AdminError> {
    let registry = app.handle.registry();
    let entry = find(&registry, &service)?;
    let found = entry
        .service
        .handlers
        .iter()
        .find(|one| one.name == handler);
    let found = found.ok_or(AdminError::NoHandler { service, handler })?;
    Ok(Json(describe::handler(
        &entry.service,
        found,
        &entry.overrides,
    )))
}

pub(super) async fn openapi(
    State(app): State<Arc<Admin>>,
    Path(service): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let registry = app.handle.registry();
    let entry = find(&registry, &service)?;
    let is_public = |handler: &Handler| {
        let in_force = InForce::of(&entry.service, Some(handler), &entry.overrides);
        in_force.public.value
    };
    Ok(Json(service_openapi::document(
        &entry.service,
        entry.revision,
        is_public,
        &app.ingress_url,
        app.access.is_guarded(),
    )))
}

pub(super) async fn update(
    State(app): State<Arc<Admin>>,
    Path(service): Path<String>,
    Json(body): Json<Map<String, Value>>,
) -> Result<Json<ServiceMetadata>, AdminError> {
    let update = read(body)?;
    let _registering = app.handle.registering().await;
    let registry = app.handle.registry();
    let entry = find(&registry, &service)?;
    let is_workflow = entry.service.kind == ServiceKind::Workflow;
    if update.workflow_completion_retention.is_some() && !is_workflow {
        return Err(AdminError::NoWorkflow(service));
    }
    let overrides = laid_over(entry.overrides.clone(), &update)?;
    app.handle
        .register(vec![overrides.document(&service)?])
        .await?;
    Ok(Json(described(entry, &overrides)))
}

/// A service by its name.
pub(super) fn find<'a>(
    registry: &'a Registry,
    service: &str,
) -> Result<&'a ServiceEntry, AdminError> {
    let found = registry.service(service);
    found.ok_or_else(|| AdminError::NoService(service.to_owned()))
}

fn described(entry: &ServiceEntry, overrides: &Overrides) -> ServiceMetadata {
    describe::service(&entry.service, entry.revision, overrides, &entry.deployment)
}

/// A member that has no effect would look as if it had one.
pub(super) fn read(body: Map<String, Value>) -> Result<UpdateService, AdminError> {
    let known = |key: &&String| !SETTINGS.contains(&key.as_str()) && key.as_str() != RESET;
    if let Some(unknown) = body.keys().find(known) {
        return Err(AdminError::Body(format!(
            "{unknown:?} cannot be set for a service: what can be is {}; and {RESET:?} names \
             those that are to be again as the code says",
            SETTINGS.join(", ")
        )));
    }
    let update: UpdateService = serde_json::from_value(Value::Object(body))
        .map_err(|error| AdminError::Body(format!("the settings cannot be read: {error}")))?;
    let factor = update
        .retry_policy
        .as_ref()
        .and_then(|retry| retry.exponentiation_factor);
    match factor {
        Some(factor) if factor < 1.0 => Err(AdminError::Body(format!(
            "exponentiation_factor is {factor}: delays must not become shorter, give a number \
             of at least 1"
        ))),
        _ => Ok(update),
    }
}

/// What is in force after an update: first what is reset, then what is set.
fn laid_over(mut old: Overrides, update: &UpdateService) -> Result<Overrides, AdminError> {
    for name in &update.reset {
        match name.as_str() {
            "public" => old.public = None,
            "idempotency_retention" => old.idempotency_retention = None,
            "workflow_completion_retention" => old.workflow_completion_retention = None,
            "journal_retention" => old.journal_retention = None,
            "inactivity_timeout" => old.inactivity_timeout = None,
            "abort_timeout" => old.abort_timeout = None,
            "retry_policy" => old.retry = RetryOverrides::default(),
            "keep_headers" => old.keep_headers = None,
            _ => {
                return Err(AdminError::Body(format!(
                    "{name:?} cannot be reset: what can be is {}",
                    SETTINGS.join(", ")
                )));
            }
        }
    }
    let ms = |new: Option<DurationMs>, old| new.map(|DurationMs(ms)| ms).or(old);
    let retry = update.retry_policy.clone().unwrap_or_default();
    Ok(Overrides {
        public: update.public.or(old.public),
        idempotency_retention: ms(update.idempotency_retention, old.idempotency_retention),
        workflow_completion_retention: ms(
            update.workflow_completion_retention,
            old.workflow_completion_retention,
        ),
        journal_retention: ms(update.journal_retention, old.journal_retention),
        inactivity_timeout: ms(update.inactivity_timeout, old.inactivity_timeout),
        abort_timeout: ms(update.abort_timeout, old.abort_timeout),
        retry: RetryOverrides {
            initial_interval: ms(retry.initial_interval, old.retry.initial_interval),
            exponentiation_factor: retry
                .exponentiation_factor
                .or(old.retry.exponentiation_factor),
            max_interval: ms(retry.max_interval, old.retry.max_interval),
            max_attempts: retry.max_attempts.or(old.retry.max_attempts),
            on_max_attempts: retry.on_max_attempts.or(old.retry.on_max_attempts),
        },
        keep_headers: update
            .keep_headers
            .as_ref()
            .map(|HeaderNames(names)| names.clone())
            .or(old.keep_headers),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_protocol::admin::AttemptsMax;
    use serde_json::json;

    fn read_json(body: Value) -> Result<UpdateService, AdminError> {
        read(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn what_is_not_given_stays() {
        let old = Overrides {
            public: Some(false),
            abort_timeout: Some(5),
            ..Overrides::default()
        };
        let update =
            read_json(json!({"public": null, "abort_timeout": "1m", "journal_retention": "0s"}));
        assert_eq!(
            laid_over(old.clone(), &update.unwrap()).unwrap(),
            Overrides {
                abort_timeout: Some(60_000),
                journal_retention: Some(0),
                ..old
            }
        );
    }

    #[test]
    fn settings_that_do_not_exist_are_refused() {
        let refusal = read_json(json!({"retries": 3})).unwrap_err().to_string();
        assert!(
            refusal.contains("retries") && refusal.contains("abort_timeout"),
            "{refusal}"
        );
        for bad in [
            json!({"abort_timeout": 5}),
            json!({"retry_policy": {"attempts": 3}}),
            json!({"retry_policy": {"exponentiation_factor": 0.5}}),
        ] {
            assert!(read_json(bad.clone()).is_err(), "{bad}");
        }
        let reset = read_json(json!({"reset": ["abort"]})).unwrap();
        assert!(laid_over(Overrides::default(), &reset).is_err());
    }

    #[test]
    fn a_retry_policy_is_set_part_by_part_and_reset_as_a_whole() {
        let apply = |old, body| laid_over(old, &read_json(body).unwrap()).unwrap();
        let set = apply(
            Overrides::default(),
            json!({"retry_policy": {"max_attempts": "unlimited", "on_max_attempts": "Kill"}}),
        );
        let set = apply(set, json!({"retry_policy": {"initial_interval": "1s"}}));
        assert_eq!(set.retry.max_attempts, Some(AttemptsMax::Unlimited));
        assert_eq!(set.retry.initial_interval, Some(1_000));
        let mixed = json!({"reset": ["retry_policy"], "retry_policy": {"max_attempts": 2}});
        assert_eq!(
            apply(set, mixed).retry,
            RetryOverrides {
                max_attempts: Some(AttemptsMax::Limited(2)),
                ..RetryOverrides::default()
            }
        );
    }
}
