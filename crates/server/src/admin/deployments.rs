//! Deployments: registered, listed, changed, removed.
//!
//! Whoever changes the registry holds `registering` from reading it until the change is
//! durable and seen; endpoints are asked what they offer before that.

use super::census::Census;
use super::error::AdminError;
use super::page::Page;
use super::registration::{self, Offer};
use super::remarks;
use super::{Admin, Api, audit, describe, mask};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use latchwork_protocol::admin::{
    self, DeploymentList, RegisterDeployment, RegisterReply, ServiceMetadata, UpdateDeployment,
};
use latchwork_protocol::id::{deployment_text, parse_deployment};
use latchwork_runtime::Dice;
use latchwork_runtime::registry::{Deployment, Registry};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An endpoint that takes longer to say what it offers is not registered.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn list(
    State(app): State<Arc<Admin>>,
    Query(page): Query<Page>,
) -> Result<Json<DeploymentList>, AdminError> {
    let registry = app.handle.registry();
    let age = |deployment: &Deployment| (deployment.created_at, deployment.id.clone());
    let after = page.after().map(|id| find(&registry, id)).transpose()?;
    let after = after.map(|deployment| age(deployment));
    let mut all: Vec<_> = registry
        .deployments()
        .values()
        .filter(|deployment| Some(age(deployment)) > after)
        .collect();
    all.sort_by_key(|deployment| age(deployment));
    let (listed, next) = page.cut(all, |deployment| deployment.id.clone())?;
    let census = Census::take(&app.handle).await?;
    let listed = listed.into_iter().map(|deployment| {
        let mut listed = describe::listed(deployment);
        listed.drain = Some(census.drain(&registry, deployment));
        listed
    });
    Ok(Json(DeploymentList {
        deployments: listed.collect(),
        next,
    }))
}

pub(super) async fn one(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Json<admin::Deployment<ServiceMetadata>>, AdminError> {
    let registry = app.handle.registry();
    let deployment = find(&registry, &id)?;
    let census = Census::take(&app.handle).await?;
    let mut detailed = describe::detailed(&registry, deployment);
    detailed.drain = Some(census.drain(&registry, deployment));
    Ok(Json(detailed))
}

pub(super) async fn register(
    State(app): State<Arc<Admin>>,
    Extension(api): Extension<Api>,
    Json(request): Json<RegisterDeployment>,
) -> Result<Response, AdminError> {
    let address = match (&request.uri, &request.arn) {
        (Some(uri), _) => registration::address(uri)?,
        (None, Some(_)) => return Err(AdminError::Function),
        (None, None) => return Err(AdminError::NoAddress),
    };
    if request.auth.as_ref().is_some_and(|auth| !auth.is_null()) {
        return Err(AdminError::Auth);
    }
    registration::check_headers(
        request
            .additional_headers
            .as_ref()
            .unwrap_or(&BTreeMap::new()),
    )?;
    let force = request.force.unwrap_or(api == Api::V2);
    if !force && let Some(unchanged) = unchanged(&app, api, &address, &request)? {
        return Ok(unchanged);
    }
    let replaced = registration::at(&app.handle.registry(), &address).cloned();
    let http1 = replaced.as_ref().is_some_and(|old| old.http1);
    let http1 = request.use_http_11.unwrap_or(http1);
    let headers = registration::headers(&request, replaced.as_deref())?;
    let offer = discover(&app, &address, http1, &headers).await?;

    let _registering = app.handle.registering().await;
    if !force && let Some(unchanged) = unchanged(&app, api, &address, &request)? {
        return Ok(unchanged);
    }
    let registry = app.handle.registry();
    let replaced = registration::at(&registry, &address);
    let now = app.clock.now_ms();
    let fresh = (deployment_text(new_id(app.handle.dice(), now)), now);
    let deployment = registration::registered(
        &registry,
        &request,
        address,
        offer,
        replaced.map(Arc::as_ref),
        fresh,
        force || request.breaking,
    )?;
    let remarks = remarks::of(&registry, &deployment, replaced.map(Arc::as_ref));
    if !request.dry_run {
        app.handle.register(vec![deployment.document()?]).await?;
    }
    let status = if replaced.is_none() || api == Api::V2 {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut reply = registered(&registry, &deployment);
    reply.info = remarks;
    Ok(located(status, reply))
}

pub(super) async fn update(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
    Json(request): Json<UpdateDeployment>,
) -> Result<Json<admin::Deployment<ServiceMetadata>>, AdminError> {
    if request.arn.is_some() || request.assume_role_arn.is_some() {
        return Err(AdminError::Function);
    }
    if request.auth.is_some() {
        return Err(AdminError::Auth);
    }
    let old = find(&app.handle.registry(), &id)?.clone();
    let changed = |old: &Deployment| -> Result<Deployment, AdminError> {
        let mut new = old.clone();
        if let Some(uri) = &request.uri {
            new.uri = registration::address(uri)?;
        }
        if let Some(headers) = &request.additional_headers {
            registration::check_headers(headers)?;
            new.additional_headers = mask::restored(headers, Some(&old.additional_headers))?;
        }
        if let Some(metadata) = &request.metadata {
            new.metadata.clone_from(metadata);
        }
        new.http1 = request.use_http_11.unwrap_or(old.http1);
        Ok(new)
    };
    let wished = changed(&old)?;
    if wished == *old && !request.overwrite {
        return Ok(Json(describe::detailed(&app.handle.registry(), &old)));
    }
    // What is only for people does not concern the endpoint, which may be down.
    let labels_only = Deployment {
        metadata: old.metadata.clone(),
        ..wished.clone()
    } == *old;
    let offer = match labels_only && !request.overwrite {
        true => None,
        false => Some(discover(&app, &wished.uri, wished.http1, &wished.additional_headers).await?),
    };

    let _registering = app.handle.registering().await;
    let registry = app.handle.registry();
    let old = find(&registry, &id)?;
    let mut new = changed(old)?;
    if let Some(other) = registration::at(&registry, &new.uri).filter(|other| other.id != id) {
        return Err(AdminError::Registered {
            uri: new.uri,
            id: other.id.clone(),
        });
    }
    let mut remarks = Vec::new();
    if let Some(offer) = offer {
        registration::same_range(old, &offer)?;
        new.http1 = offer.http1;
        new.sdk_version = offer.sdk_version;
        new.request_response = offer.request_response;
        if request.overwrite {
            new.services = registration::revisions(&registry, offer.services, true)?;
            remarks = remarks::of(&registry, &new, Some(old));
        }
    }
    if !request.dry_run {
        app.handle.register(vec![new.document()?]).await?;
    }
    let mut detailed = describe::detailed(&registry, &new);
    detailed.info = remarks;
    Ok(Json(detailed))
}

/// What a removal is asked with.
#[derive(Deserialize)]
pub(super) struct Removal {
    #[serde(default)]
    force: bool,
}

pub(super) async fn remove(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(Removal { force }): Query<Removal>,
) -> Result<StatusCode, AdminError> {
    let _registering = app.handle.registering().await;
    let registry = app.handle.registry();
    let deployment = find(&registry, &id)?;
    if !force {
        let census = Census::take(&app.handle).await?;
        let drain = census.drain(&registry, deployment);
        registration::removable(&registry, deployment, &drain)?;
    }
    let removal = Deployment::removal(&deployment.id);
    app.handle.register(vec![removal]).await?;
    Ok(StatusCode::ACCEPTED)
}

/// A deployment by the text of its id.
pub(super) fn find<'a>(
    registry: &'a Registry,
    id: &str,
) -> Result<&'a Arc<Deployment>, AdminError> {
    parse_deployment(id)?;
    let found = registry.deployments().get(id);
    found.ok_or_else(|| AdminError::NoDeployment(id.to_owned()))
}

/// The answer where an address is registered and stays as it is.
fn unchanged(
    app: &Admin,
    api: Api,
    address: &str,
    request: &RegisterDeployment,
) -> Result<Option<Response>, AdminError> {
    let registry = app.handle.registry();
    let Some(deployment) = registration::at(&registry, address) else {
        return Ok(None);
    };
    if api == Api::V2 {
        return Err(AdminError::Registered {
            uri: deployment.uri.clone(),
            id: deployment.id.clone(),
        });
    }
    let mut reply = registered(&registry, deployment);
    reply.info = remarks::ignored(request, deployment);
    Ok(Some(located(StatusCode::OK, reply)))
}

fn registered(registry: &Registry, deployment: &Deployment) -> RegisterReply {
    RegisterReply {
        id: deployment.id.clone(),
        services: describe::services(registry, deployment),
        min_protocol_version: deployment.min_protocol_version,
        max_protocol_version: deployment.max_protocol_version,
        sdk_version: deployment.sdk_version.clone(),
        info: Vec::new(),
    }
}

fn located(status: StatusCode, reply: RegisterReply) -> Response {
    let location = [(header::LOCATION, format!("deployments/{}", reply.id))];
    let named = audit::naming(reply.id.clone());
    (status, location, named, Json(reply)).into_response()
}

async fn discover(
    app: &Admin,
    address: &str,
    http1: bool,
    headers: &BTreeMap<String, String>,
) -> Result<Offer, AdminError> {
    let discovered = app
        .transport
        .discover(address, http1, headers, DISCOVERY_LIMIT)
        .await?;
    discovered.try_into()
}

/// A number that sorts by time, and that nobody else has.
fn new_id(dice: &dyn Dice, now_ms: u64) -> u128 {
    let random = dice.id();
    let mut low = [0; 16];
    low[6..].copy_from_slice(&random[..10]);
    u128::from(now_ms) << 80 | u128::from_be_bytes(low)
}
