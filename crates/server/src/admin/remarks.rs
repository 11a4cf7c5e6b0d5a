//! What an operator should know of a registration, in words: what is registered and what was asked
//! for come in, remarks go out.

use super::mask;
use super::registration::{given, gone};
use latchwork_protocol::admin::{Info, RegisterDeployment};
use latchwork_runtime::registry::{Deployment, Registry, Revision};

/// So many services are named in a text; the rest is counted.
const NAMED_MAX: usize = 5;

/// What an operator should know of a registration: what is no longer offered, and what offers
/// nothing.
pub(super) fn of(
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
        .and_then(|given| mask::restored(given, Some(&deployment.additional_headers)).ok())
        .is_some_and(|given| given != deployment.additional_headers);
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

/// The first of some names, and how many more there are.
pub(super) fn some(names: &[&str]) -> String {
    match names.get(NAMED_MAX..) {
        Some(more) if !more.is_empty() => {
            format!("{} and {} more", names[..NAMED_MAX].join(", "), more.len())
        }
        _ => names.join(", "),
    }
}
