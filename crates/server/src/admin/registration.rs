//! The rules of registering, as pure functions: what is registered and what an endpoint says
//! come in, the deployment to remember comes out, or why not.

use super::error::AdminError;
use crate::transport::Discovered;
use axum::http::{HeaderName, HeaderValue, Uri};
use latchwork_protocol::admin::{Drain, Info, RegisterDeployment};
use latchwork_protocol::service::manifest::{ProtocolMode, Service};
use latchwork_protocol::service::version::Version;
use latchwork_runtime::registry::{Deployment, Registry, Revision, ServiceEntry};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many services are named in a text; the rest is counted.
const NAMED_MAX: usize = 5;

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
fn gone<'a>(old: &'a Service, new: &Service) -> Vec<&'a str> {
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
        additional_headers: headers(request, replaced),
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
) -> BTreeMap<String, String> {
    given(request.additional_headers.as_ref())
        .or(replaced.map(|old| &old.additional_headers))
        .cloned()
        .unwrap_or_default()
}

/// Pairs that say something: clients send empty ones for none.
fn given(pairs: Option<&BTreeMap<String, String>>) -> Option<&BTreeMap<String, String>> {
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
            "it offers the newest revision of {} service(s) ({}), to which new calls go",
            newest.len(),
            some(&newest)
        ));
    }
    if drain.pinned_invocations > 0 {
        reasons.push(format!(
            "{} unfinished invocation(s) are bound to it and would be stranded",
            drain.pinned_invocations
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

/// The first of some names, and how many more there are.
fn some(names: &[&str]) -> String {
    match names.get(NAMED_MAX..) {
        Some(more) if !more.is_empty() => {
            format!("{} and {} more", names[..NAMED_MAX].join(", "), more.len())
        }
        _ => names.join(", "),
    }
}

/// What an operator should know of a registration: what is no longer offered, and what offers
/// nothing.
pub(super) fn remarks(
    registry: &Registry,
    deployment: &Deployment,
    replaced: Option<&Deployment>,
) -> Vec<Info> {
    let mut remarks = Vec::new();
    if deployment.services.is_empty() {
        remarks.push(
            "the endpoint offers no services, so that nothing can be called there: bind services \
             to it, and register it again with \"force\": true"
                .to_owned(),
        );
    }
    for Revision { service, .. } in &deployment.services {
        let name = &service.name;
        if service.handlers.is_empty() {
            remarks.push(format!(
                "service {name} has no handlers, so that nothing of it can be called"
            ));
        }
        let newest = registry.service(name);
        for handler in newest.map_or_else(Vec::new, |newest| gone(&newest.service, service)) {
            remarks.push(format!(
                "{name}/{handler} is no longer offered: new calls to it are refused, and those \
                 that have not started wait until a deployment offers it again"
            ));
        }
    }
    for Revision { service, .. } in replaced.map_or(&[][..], |old| &old.services) {
        let name = &service.name;
        if deployment.offers(name).is_some() {
            continue;
        }
        let elsewhere = registry
            .deployments()
            .values()
            .any(|other| other.id != deployment.id && other.offers(name).is_some());
        remarks.push(format!(
            "service {name} is no longer offered by {}: unfinished invocations that are bound to \
             it there wait until it is offered again, or are resumed on another deployment; {}",
            deployment.id,
            if elsewhere {
                "new calls go to another deployment that offers it"
            } else {
                "new calls are refused, since no other deployment offers it"
            }
        ));
    }
    remarks
        .into_iter()
        .map(|message| Info {
            code: None,
            message,
        })
        .collect()
}

/// What a request says of a deployment that is registered already, and that is not taken over
/// since nothing is changed without force.
pub(super) fn ignored(request: &RegisterDeployment, deployment: &Deployment) -> Vec<Info> {
    let headers = given(request.additional_headers.as_ref())
        .is_some_and(|given| *given != deployment.additional_headers);
    let metadata =
        given(Some(&request.metadata)).is_some_and(|given| *given != deployment.metadata);
    let http1 = request
        .use_http_11
        .is_some_and(|given| given && !deployment.http1);
    let names: Vec<_> = [
        (headers, "additional_headers"),
        (metadata, "metadata"),
        (http1, "use_http_11"),
    ]
    .into_iter()
    .filter_map(|(differs, name)| differs.then_some(name))
    .collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![Info {
        code: None,
        message: format!(
            "{} is registered already, as {}, and stays as it is: what the request gives as {} \
             differs and was NOT taken over. Set \"force\": true to register it anew, or change \
             it with PATCH /deployments/{}",
            deployment.uri,
            deployment.id,
            names.join(" and "),
            deployment.id,
        ),
    }]
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
            false,
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
            true,
        )
        .unwrap();
        assert_eq!((new.id.as_str(), new.created_at), ("dp_old", 7));
        assert_eq!(
            (&new.metadata, &new.additional_headers),
            (&pairs("old"), &pairs("new"))
        );
        assert_eq!(new.services[0].revision, 2);
        let remarks = remarks(&registry, &new, Some(&old));
        assert_eq!(remarks.len(), 1);
        assert!(remarks[0].message.starts_with("S/a "), "{remarks:?}");
    }

    #[test]
    fn a_service_keeps_its_handlers_unless_it_may_break() {
        let registry = registry(vec![deployment(
            "dp_a",
            "http://a/",
            1,
            offer(json!([service("S", "SERVICE", &["a", "b", "c"])])),
        )]);
        let fewer = || offer(json!([service("S", "SERVICE", &["b", "d"])])).services;
        let refusal = revisions(&registry, fewer(), false)
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("a, c") && refusal.contains("breaking"),
            "{refusal}"
        );
        assert_eq!(revisions(&registry, fewer(), true).unwrap()[0].revision, 2);
    }

    #[test]
    fn what_is_needed_cannot_go_and_the_refusal_counts_why() {
        let offered = || offer(json!([service("S", "SERVICE", &["a"])]));
        let old = deployment("dp_old", "http://a/", 1, offered());
        let new = deployment("dp_new", "http://b/", 2, offered());
        let registry = registry(vec![old.clone(), new.clone()]);
        let drain = |pinned_invocations| Drain {
            state: latchwork_protocol::admin::DrainState::Draining,
            pinned_invocations,
        };
        assert!(removable(&registry, &old, &drain(0)).is_ok());
        let refusal = |deployment, pinned| {
            let refused = removable(&registry, deployment, &drain(pinned));
            refused.unwrap_err().to_string()
        };
        let stranded = refusal(&old, 3);
        assert!(
            stranded.contains("3 unfinished") && stranded.contains("Wait"),
            "{stranded}"
        );
        let newest = refusal(&new, 0);
        assert!(
            newest.contains("(S)") && newest.contains("Register"),
            "{newest}"
        );
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        assert_eq!(some(&["a"; 5]), "a, a, a, a, a");
        assert_eq!(some(&["a"; 7]), "a, a, a, a, a and 2 more");
    }

    #[test]
    fn what_offers_nothing_is_remarked() {
        let said = |services| {
            let new = deployment("dp_a", "http://a/", 1, offer(services));
            let remarks = remarks(&Registry::default(), &new, None);
            remarks
                .into_iter()
                .map(|info| info.message)
                .collect::<String>()
        };
        assert!(said(json!([])).contains("no services"));
        assert!(said(json!([service("S", "SERVICE", &[])])).contains("S has no handlers"));
        assert_eq!(said(json!([service("S", "SERVICE", &["a"])])), "");
    }

    #[test]
    fn a_service_that_is_gone_is_remarked_with_who_still_offers_it() {
        let both = || {
            json!([
                service("S", "SERVICE", &["a"]),
                service("T", "SERVICE", &["a"])
            ])
        };
        let old = deployment("dp_a", "http://a/", 1, offer(both()));
        let new = deployment(
            "dp_a",
            "http://a/",
            2,
            offer(json!([service("T", "SERVICE", &["a"])])),
        );
        let said = |others: Vec<Deployment>| {
            let remarks = remarks(&registry(others), &new, Some(&old));
            assert_eq!(remarks.len(), 1, "{remarks:?}");
            remarks[0].message.clone()
        };
        assert!(said(vec![old.clone()]).contains("new calls are refused"));
        let other = deployment("dp_b", "http://b/", 1, offer(both()));
        assert!(said(vec![old.clone(), other]).contains("another deployment"));
    }

    #[test]
    fn what_is_not_taken_over_is_said() {
        let mut there = deployment("dp_a", "http://a/", 1, offer(json!([])));
        there.metadata = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let same = RegisterDeployment {
            metadata: there.metadata.clone(),
            additional_headers: Some(BTreeMap::new()),
            use_http_11: Some(false),
            ..RegisterDeployment::default()
        };
        assert_eq!(ignored(&same, &there), []);
        let other = RegisterDeployment {
            metadata: BTreeMap::from([("k".to_owned(), "other".to_owned())]),
            ..same
        };
        let remarks = ignored(&other, &there);
        assert!(
            remarks[0].message.contains("metadata differs") && remarks[0].message.contains("force"),
            "{remarks:?}"
        );
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
