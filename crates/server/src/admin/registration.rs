//! The rules of registering, as pure functions: what is registered and what an endpoint says
//! come in, the deployment to remember comes out, or why not.

use super::error::AdminError;
use super::{mask, remarks};
use crate::transport::Discovered;
use axum::http::{HeaderName, HeaderValue, Uri};
use latchwork_protocol::admin::{Drain, RegisterDeployment};
use latchwork_protocol::service::manifest::{ProtocolMode, Service};
use latchwork_protocol::service::version::Version;
use latchwork_runtime::registry::{Deployment, Registry, Revision, ServiceEntry};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an endpoint offers, checked.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) services: Vec<Service>,
    pub(super) min_protocol_version: u32,
    pub(super) max_protocol_version: u32,
    pub(super) request_response: bool,
    pub(super) http1: bool,
    pub(super) sdk_version: Option<String>,
}

impl TryFrom<Discovered> for Offer {
    type Error = AdminError;

    fn try_from(discovered: Discovered) -> Result<Self, AdminError> {
        let manifest = &discovered.manifest;
        let (min, max) = (manifest.min_protocol_version, manifest.max_protocol_version);
        let services = manifest.validate()?;
        Version::choose(min, max)?;
        Ok(Self {
            services,
            min_protocol_version: min,
            max_protocol_version: max,
            request_response: manifest.protocol_mode == ProtocolMode::RequestResponse,
            http1: discovered.http1,
            sdk_version: discovered.sdk_version,
        })
    }
}

/// The one way to write an address: two texts are the same place if they are equal in it.
pub(super) fn address(uri: &str) -> Result<String, AdminError> {
    let refused = |reason| AdminError::Address {
        uri: uri.to_owned(),
        reason,
    };
    let parsed: Uri = uri.trim().parse().map_err(|_| refused("it is no URI"))?;
    let scheme = parsed
        .scheme_str()
        .ok_or_else(|| refused("it has no scheme"))?
        .to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(refused("its scheme is neither http nor https")),
    };
    let authority = parsed
        .authority()
        .ok_or_else(|| refused("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(refused(
            "it has a user: pass credentials as additional_headers",
        ));
    }
    let host = authority.host().to_ascii_lowercase();
    if host.is_empty() {
        return Err(refused("it has no host"));
    }
    // What is no port is no part of what `port_u16` gives, as 99999.
    let after = &authority.as_str()[host.len()..];
    if !after.is_empty() && authority.port_u16().is_none() {
        return Err(refused("its port is none from 0 to 65535"));
    }
    let port = match authority.port_u16() {
        Some(port) if port != default_port => format!(":{port}"),
        _ => String::new(),
    };
    let path = match parsed.path().trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    let query = parsed
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}{path}{query}"))
}

/// The deployment at an address.
pub(super) fn at<'a>(registry: &'a Registry, address: &str) -> Option<&'a Arc<Deployment>> {
    let all = registry.deployments().values();
    all.filter(|deployment| deployment.uri == address)
        .max_by_key(|deployment| deployment.created_at)
}

/// Refuses what cannot be sent as a header.
pub(super) fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), AdminError> {
    for (name, value) in headers {
        if name.parse::<HeaderName>().is_err() || value.parse::<HeaderValue>().is_err() {
            return Err(AdminError::Header(name.clone()));
        }
    }
    Ok(())
}

/// The services of an offer, each with the next number of its name.
///
/// # Errors
/// If a service changes its type or loses handlers, unless that may be.
pub(super) fn revisions(
    registry: &Registry,
    services: Vec<Service>,
    may_break: bool,
) -> Result<Vec<Revision>, AdminError> {
    services
        .into_iter()
        .map(|service| {
            let newest = registry.service(&service.name);
            if let Some(newest) = newest
                && !may_break
            {
                unbroken(newest, &service)?;
            }
            Ok(Revision {
                revision: newest.map_or(0, |newest| newest.revision) + 1,
                service,
            })
        })
        .collect()
}

/// Whether all who call the newest revision of a service can call another one.
fn unbroken(newest: &ServiceEntry, service: &Service) -> Result<(), AdminError> {
    if newest.service.kind != service.kind {
        return Err(AdminError::KindChange {
            service: service.name.clone(),
            old: newest.service.kind.name(),
            new: service.kind.name(),
        });
    }
    let gone = gone(&newest.service, service);
    if !gone.is_empty() {
        return Err(AdminError::HandlersGone {
            service: service.name.clone(),
            deployment: newest.deployment.id.clone(),
            handlers: gone.join(", "),
        });
    }
    Ok(())
}

/// Handlers of one revision of a service that another does not have.
pub(super) fn gone<'a>(old: &'a Service, new: &Service) -> Vec<&'a str> {
    let names = old.handlers.iter().map(|handler| handler.name.as_str());
    names
        .filter(|name| !new.handlers.iter().any(|handler| handler.name == **name))
        .collect()
}

/// What a registration leads to. One that replaces another keeps its id and its age, and
/// what the request does not give anew.
///
/// # Errors
/// If a service changes its type or loses handlers, unless that may be.
pub(super) fn registered(
    registry: &Registry,
    request: &RegisterDeployment,
    address: String,
    offer: Offer,
    replaced: Option<&Deployment>,
    fresh: (String, u64),
    may_break: bool,
) -> Result<Deployment, AdminError> {
    let services = revisions(registry, offer.services, may_break)?;
    let (id, created_at) = replaced.map_or(fresh, |old| (old.id.clone(), old.created_at));
    let metadata = given(Some(&request.metadata));
    Ok(Deployment {
        id,
        uri: address,
        http1: offer.http1,
        request_response: offer.request_response,
        min_protocol_version: offer.min_protocol_version,
        max_protocol_version: offer.max_protocol_version,
        sdk_version: offer.sdk_version,
        additional_headers: headers(request, replaced)?,
        metadata: metadata
            .or(replaced.map(|old| &old.metadata))
            .cloned()
            .unwrap_or_default(),
        created_at,
        services,
    })
}

/// The headers that a registration is sent with: those of the request, else those of what it
/// replaces.
pub(super) fn headers(
    request: &RegisterDeployment,
    replaced: Option<&Deployment>,
) -> Result<BTreeMap<String, String>, AdminError> {
    let stored = replaced.map(|old| &old.additional_headers);
    match given(request.additional_headers.as_ref()) {
        Some(given) => mask::restored(given, stored),
        None => Ok(stored.cloned().unwrap_or_default()),
    }
}

/// Pairs that say something: clients send empty ones for none.
pub(super) fn given(pairs: Option<&BTreeMap<String, String>>) -> Option<&BTreeMap<String, String>> {
    pairs.filter(|pairs| !pairs.is_empty())
}

/// Whether an endpoint can take the place of the one that a deployment has: invocations that are
/// bound to it speak one version for their whole life.
pub(super) fn same_range(old: &Deployment, offer: &Offer) -> Result<(), AdminError> {
    let (old_min, old_max) = (old.min_protocol_version, old.max_protocol_version);
    let (new_min, new_max) = (offer.min_protocol_version, offer.max_protocol_version);
    if (old_min, old_max) != (new_min, new_max) {
        return Err(AdminError::RangeChange {
            old_min,
            old_max,
            new_min,
            new_max,
        });
    }
    Ok(())
}

/// Whether a deployment can go without anybody missing it.
///
/// # Errors
/// If it offers the newest revision of a service, or unfinished invocations are bound to it.
pub(super) fn removable(
    registry: &Registry,
    deployment: &Deployment,
    drain: &Drain,
) -> Result<(), AdminError> {
    let newest: Vec<_> = registry.newest_of(&deployment.id).collect();
    let mut reasons = Vec::new();
    if !newest.is_empty() {
        reasons.push(format!(
            "it offers the newest revision of {} ({}), to which new calls go",
            counted(newest.len(), "service"),
            remarks::some(&newest)
        ));
    }
    if drain.pinned_invocations > 0 {
        reasons.push(format!(
            "{} bound to it would be stranded",
            counted(drain.pinned_invocations, "unfinished invocation")
        ));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(AdminError::InUse {
        id: deployment.id.clone(),
        reasons: reasons.join("; "),
        is_newest: !newest.is_empty(),
    })
}

/// `1 service`, `2 services`.
fn counted<N: std::fmt::Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests;
