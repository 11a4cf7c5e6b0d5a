//! The state of an object, replaced by an operator.

use super::error::AdminError;
use super::{Admin, services};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use latchwork_engine::table::Address;
use latchwork_engine::{PatchState, StateEntry, read};
use latchwork_protocol::admin::{ModifyState, state_version};
use latchwork_protocol::derive;
use latchwork_protocol::scope::check_scope;
use std::sync::Arc;

/// Replaces the whole state, after what waits for the key. A version is compared at once: a
/// call that comes between may still change the state.
pub(super) async fn modify(
    State(app): State<Arc<Admin>>,
    Path(service): Path<String>,
    Json(request): Json<ModifyState>,
) -> Result<StatusCode, AdminError> {
    let registry = app.handle.registry();
    match services::find(&registry, &service) {
        Ok(entry) if !entry.service.kind.is_keyed() => return Err(AdminError::NoState(service)),
        // The state of a service that is gone can still be cleared.
        Err(_) if request.new_state.is_empty() => {}
        found => drop(found?),
    }
    if let Some(scope) = &request.scope {
        check_scope(scope)?;
    }
    let ModifyState {
        version,
        object_key: key,
        scope,
        new_state,
    } = request;
    if let Some(expected) = version {
        let address = Address {
            service: service.clone(),
            scope: scope.clone(),
            key: key.clone(),
        };
        let found = current_version(&app, address).await?;
        if found != expected {
            return Err(AdminError::StateVersion {
                service,
                key,
                expected,
                found,
            });
        }
    }
    let state = new_state.into_iter().map(|(key, value)| StateEntry {
        key: key.into_bytes().into(),
        value: value.0.into(),
    });
    let patch = PatchState {
        partition_key: derive::partition_key(scope.as_deref(), &service, &key),
        state: state.collect(),
        service,
        scope,
        key,
    };
    app.handle.patch_state(patch).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn current_version(app: &Admin, address: Address) -> Result<String, AdminError> {
    let partitions = app
        .handle
        .read(move |view| read::state(view, &address))
        .await?;
    let mut entries = Vec::new();
    for of_one in partitions {
        entries.extend(of_one?);
    }
    Ok(state_version(
        entries.iter().map(|(key, value)| (&key[..], &value[..])),
    ))
}
