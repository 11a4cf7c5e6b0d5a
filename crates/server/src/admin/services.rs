//! Services in their newest revisions, and what operators set for them.

use super::error::AdminError;
use super::{Admin, describe};
use axum::Json;
use axum::extract::{Path, State};
use latchwork_protocol::admin::{
    DurationMs, HandlerList, HandlerMetadata, ServiceList, ServiceMetadata, UpdateService,
};
use latchwork_protocol::service::manifest::ServiceKind;
use latchwork_runtime::registry::{Overrides, Registry, ServiceEntry};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What can be set for a service.
const SETTINGS: [&str; 6] = [
    "public",
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
];

pub(super) async fn list(State(app): State<Arc<Admin>>) -> Json<ServiceList> {
    let registry = app.handle.registry();
    let services = registry.services().values();
    Json(ServiceList {
        services: services
            .map(|entry| described(entry, &entry.overrides))
            .collect(),
    })
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
) -> Result<Json<HandlerList>, AdminError> {
    let registry = app.handle.registry();
    let entry = find(&registry, &service)?;
    let handlers = described(entry, &entry.overrides).handlers;
    Ok(Json(HandlerList { handlers }))
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
    let overrides = laid_over(&entry.overrides, &update);
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
fn read(body: Map<String, Value>) -> Result<UpdateService, AdminError> {
    if let Some(unknown) = body.keys().find(|key| !SETTINGS.contains(&key.as_str())) {
        return Err(AdminError::Body(format!(
            "{unknown:?} cannot be set for a service: what can be is {}",
            SETTINGS.join(", ")
        )));
    }
    serde_json::from_value(Value::Object(body))
        .map_err(|error| AdminError::Body(format!("the settings cannot be read: {error}")))
}

fn laid_over(old: &Overrides, update: &UpdateService) -> Overrides {
    let ms = |new: Option<DurationMs>, old| new.map(|DurationMs(ms)| ms).or(old);
    Overrides {
        public: update.public.or(old.public),
        idempotency_retention: ms(update.idempotency_retention, old.idempotency_retention),
        workflow_completion_retention: ms(
            update.workflow_completion_retention,
            old.workflow_completion_retention,
        ),
        journal_retention: ms(update.journal_retention, old.journal_retention),
        inactivity_timeout: ms(update.inactivity_timeout, old.inactivity_timeout),
        abort_timeout: ms(update.abort_timeout, old.abort_timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            laid_over(&old, &update.unwrap()),
            Overrides {
                abort_timeout: Some(60_000),
                journal_retention: Some(0),
                ..old
            }
        );
    }

    #[test]
    fn settings_that_do_not_exist_are_refused() {
        let refusal = read_json(json!({"retry_policy": {}}))
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("retry_policy") && refusal.contains("abort_timeout"),
            "{refusal}"
        );
        assert!(read_json(json!({"abort_timeout": 5})).is_err());
    }
}
