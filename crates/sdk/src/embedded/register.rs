//! The bound services as a deployment of the registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use latchwork_protocol::id::deployment_text;
use latchwork_protocol::service::manifest::{Service, parse};
use latchwork_runtime::registry::{Deployment, Registry, Revision};
use latchwork_runtime::{Dice, Handle};

use super::StartError;
use crate::endpoint::Endpoint;

/// The address of what is in this process.
pub(super) const ADDRESS: &str = "embedded:";

/// Registers the services of an endpoint, unless the registry has them just so.
pub(crate) async fn register(handle: &Handle, endpoint: &Endpoint) -> Result<(), StartError> {
    let wrong = |error: &dyn std::fmt::Display| StartError::Services(error.to_string());
    let (media_type, body) = endpoint.manifest().map_err(|error| wrong(&error))?;
    let manifest = parse(&media_type, &body).map_err(|error| wrong(&error))?;
    let services = manifest.validate().map_err(|error| wrong(&error))?;
    let _turn = handle.registering().await;
    let registry = handle.registry();
    let known = registry.deployments().values();
    let known = known.into_iter().find(|it| it.uri == ADDRESS);
    let deployment = deployment(handle.dice(), &registry, known, services, endpoint)?;
    if known.is_some_and(|known| **known == deployment) {
        return Ok(());
    }
    let document = deployment.document().map_err(|error| wrong(&error))?;
    handle.register(vec![document]).await?;
    Ok(())
}

/// The deployment there is to be. It keeps its id, so that what is under way goes on with the code
/// that is bound now: there is no other.
fn deployment(
    dice: &dyn Dice,
    registry: &Registry,
    known: Option<&Arc<Deployment>>,
    services: Vec<Service>,
    endpoint: &Endpoint,
) -> Result<Deployment, StartError> {
    let services = services
        .into_iter()
        .map(|service| revision(registry, known, service))
        .collect::<Result<_, _>>()?;
    let (id, created_at) = match known {
        Some(known) => (known.id.clone(), known.created_at),
        None => {
            let mut id = [0; 16];
            id.copy_from_slice(&dice.id()[..16]);
            let since = UNIX_EPOCH.elapsed().unwrap_or_default();
            let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            (deployment_text(u128::from_be_bytes(id)), now)
        }
    };
    let (min_protocol_version, max_protocol_version) = Endpoint::protocol_range();
    Ok(Deployment {
        id,
        uri: ADDRESS.to_owned(),
        http1: false,
        request_response: endpoint.is_request_response(),
        min_protocol_version,
        max_protocol_version,
        sdk_version: Some(Endpoint::sdk().to_owned()),
        additional_headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        created_at,
        services,
    })
}

fn revision(
    registry: &Registry,
    known: Option<&Arc<Deployment>>,
    service: Service,
) -> Result<Revision, StartError> {
    let Some(newest) = registry.service(&service.name) else {
        return Ok(Revision {
            revision: 1,
            service,
        });
    };
    if newest.service.kind != service.kind {
        return Err(StartError::KindChange {
            old: newest.service.kind.name(),
            new: service.kind.name(),
            service: service.name,
        });
    }
    let ours = known.is_some_and(|known| known.id == newest.deployment.id);
    let same = ours && newest.service == service;
    let revision = newest.revision + u32::from(!same);
    Ok(Revision { revision, service })
}
