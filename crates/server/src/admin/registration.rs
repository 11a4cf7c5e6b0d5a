//! The rules of registering, as pure functions: what is registered and what an endpoint says
//! come in, the deployment to remember comes out, or why not.

use super::error::AdminError;
use crate::transport::Discovered;
use axum::http::{HeaderName, HeaderValue, Uri};
use latchwork_protocol::admin::{Info, RegisterDeployment};
use latchwork_protocol::service::manifest::{ProtocolMode, Service};
use latchwork_protocol::service::version::Version;
use latchwork_runtime::registry::{Deployment, Registry, Revision};
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
/// If a service changes its type, unless that may be.
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
                && newest.service.kind != service.kind
                && !may_break
            {
                return Err(AdminError::KindChange {
                    old: newest.service.kind.name(),
                    new: service.kind.name(),
                    service: service.name,
                });
            }
            Ok(Revision {
                revision: newest.map_or(0, |newest| newest.revision) + 1,
                service,
            })
        })
        .collect()
}

/// What a registration leads to. One that replaces another keeps its id and its age, and
/// what the request does not give anew.
///
/// # Errors
/// If a service changes its type, unless that may be.
pub(super) fn registered(
    registry: &Registry,
    request: &RegisterDeployment,
    address: String,
    offer: Offer,
    replaced: Option<&Deployment>,
    fresh: (String, u64),
) -> Result<Deployment, AdminError> {
    let may_break = request.breaking || replaced.is_some();
    let services = revisions(registry, offer.services, may_break)?;
    let (id, created_at) = replaced.map_or(fresh, |old| (old.id.clone(), old.created_at));
    let metadata = Some(&request.metadata).filter(|metadata| !metadata.is_empty());
    let headers = request.additional_headers.as_ref();
    Ok(Deployment {
        id,
        uri: address,
        http1: offer.http1,
        request_response: offer.request_response,
        min_protocol_version: offer.min_protocol_version,
        max_protocol_version: offer.max_protocol_version,
        sdk_version: offer.sdk_version,
        additional_headers: headers
            .or(replaced.map(|old| &old.additional_headers))
            .cloned()
            .unwrap_or_default(),
        metadata: metadata
            .or(replaced.map(|old| &old.metadata))
            .cloned()
            .unwrap_or_default(),
        created_at,
        services,
    })
}

/// What an operator should know of a registration: handlers that are gone.
pub(super) fn remarks(registry: &Registry, deployment: &Deployment) -> Vec<Info> {
    let mut remarks = Vec::new();
    for Revision { service, .. } in &deployment.services {
        let Some(newest) = registry.service(&service.name) else {
            continue;
        };
        for handler in &newest.service.handlers {
            if !service.handlers.iter().any(|new| new.name == handler.name) {
                remarks.push(Info {
                    code: None,
                    message: format!(
                        "{}/{} is no longer offered: new calls to it are refused, and those that \
                         have not started wait until a deployment offers it again",
                        service.name, handler.name
                    ),
                });
            }
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_protocol::service::manifest::{Manifest, parse};
    use serde_json::{Value, json};

    fn manifest(services: Value) -> Manifest {
        let body = json!({
            "protocolMode": "BIDI_STREAM", "minProtocolVersion": 5, "maxProtocolVersion": 7,
            "services": services,
        });
        let content_type = "application/vnd.restate.endpointmanifest.v4+json";
        parse(content_type, body.to_string().as_bytes()).unwrap()
    }

    fn service(name: &str, ty: &str, handlers: &[&str]) -> Value {
        let handlers: Vec<_> = handlers.iter().map(|name| json!({"name": name})).collect();
        json!({"name": name, "ty": ty, "handlers": handlers})
    }

    fn offer(services: Value) -> Offer {
        Discovered {
            manifest: manifest(services),
            sdk_version: None,
            http1: false,
        }
        .try_into()
        .unwrap()
    }

    fn deployment(id: &str, uri: &str, revision: u32, offer: Offer) -> Deployment {
        let request = RegisterDeployment::default();
        let fresh = (id.to_owned(), 7);
        let mut deployment = registered(
            &Registry::default(),
            &request,
            uri.into(),
            offer,
            None,
            fresh,
        )
        .unwrap();
        for offered in &mut deployment.services {
            offered.revision = revision;
        }
        deployment
    }

    fn registry(deployments: Vec<Deployment>) -> Registry {
        Registry::new(deployments, BTreeMap::new())
    }

    #[test]
    fn one_place_is_one_address() {
        for (written, meant) in [
            ("http://Host:9080", "http://host:9080/"),
            ("http://host:80/", "http://host/"),
            ("https://host:443/a/b/", "https://host/a/b"),
            ("http://host/a?b=c", "http://host/a?b=c"),
            ("http://[::1]:9080", "http://[::1]:9080/"),
        ] {
            assert_eq!(address(written).unwrap(), meant);
            assert_eq!(address(meant).unwrap(), meant);
        }
        assert_ne!(
            address("http://host/").unwrap(),
            address("https://host/").unwrap()
        );
        for bad in [
            "not a uri",
            "host:9080",
            "/a",
            "ftp://host",
            "http://me@host",
            "",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn revisions_count_on_from_the_newest() {
        let echo = || {
            offer(json!([
                service("Echo", "SERVICE", &["a"]),
                service("New", "SERVICE", &[])
            ]))
        };
        let registry = registry(vec![
            deployment(
                "dp_a",
                "http://a/",
                3,
                offer(json!([service("Echo", "SERVICE", &["a"])])),
            ),
            deployment(
                "dp_b",
                "http://b/",
                5,
                offer(json!([service("Echo", "SERVICE", &["a"])])),
            ),
        ]);
        let next = revisions(&registry, echo().services, false).unwrap();
        let numbers: Vec<_> = next
            .iter()
            .map(|r| (r.service.name.as_str(), r.revision))
            .collect();
        assert_eq!(numbers, [("Echo", 6), ("New", 1)]);
    }

    #[test]
    fn a_service_keeps_its_type_unless_it_may_break() {
        let registry = registry(vec![deployment(
            "dp_a",
            "http://a/",
            1,
            offer(json!([service("S", "SERVICE", &["a"])])),
        )]);
        let changed = || offer(json!([service("S", "VIRTUAL_OBJECT", &["a"])])).services;
        let refusal = revisions(&registry, changed(), false).unwrap_err();
        assert!(
            matches!(refusal, AdminError::KindChange { .. }),
            "{refusal}"
        );
        assert_eq!(
            revisions(&registry, changed(), true).unwrap()[0].revision,
            2
        );
    }

    #[test]
    fn an_overwrite_keeps_identity_and_what_is_not_given() {
        let pairs = |value: &str| BTreeMap::from([("k".to_owned(), value.to_owned())]);
        let mut old = deployment(
            "dp_old",
            "http://a/",
            1,
            offer(json!([service("S", "SERVICE", &["a"])])),
        );
        old.metadata = pairs("old");
        old.additional_headers = pairs("old");
        let registry = registry(vec![old.clone()]);
        let request = RegisterDeployment {
            additional_headers: Some(pairs("new")),
            ..RegisterDeployment::default()
        };
        let new = registered(
            &registry,
            &request,
            "http://a/".into(),
            offer(json!([service("S", "VIRTUAL_OBJECT", &["b"])])),
            Some(&old),
            ("dp_fresh".into(), 9),
        )
        .unwrap();
        assert_eq!((new.id.as_str(), new.created_at), ("dp_old", 7));
        assert_eq!(
            (&new.metadata, &new.additional_headers),
            (&pairs("old"), &pairs("new"))
        );
        assert_eq!(new.services[0].revision, 2);
        let remarks = remarks(&registry, &new);
        assert_eq!(remarks.len(), 1);
        assert!(remarks[0].message.starts_with("S/a "), "{remarks:?}");
    }

    #[test]
    fn protocols_that_are_not_spoken_are_refused() {
        let mut manifest = manifest(json!([]));
        (manifest.min_protocol_version, manifest.max_protocol_version) = (8, 9);
        let discovered = Discovered {
            manifest,
            sdk_version: None,
            http1: false,
        };
        let refusal = Offer::try_from(discovered).unwrap_err();
        assert!(matches!(refusal, AdminError::Version(_)), "{refusal}");
    }
}
