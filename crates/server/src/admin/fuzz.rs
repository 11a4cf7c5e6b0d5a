//! Bodies of requests and offers of endpoints, without a connection.

use super::{backup, batch, describe, registration, service_openapi, services};
use latchwork_protocol::admin::{
    ModifyState, PatchState, RegisterDeployment, ReplaceState, UpdateDeployment,
};
use latchwork_protocol::service::manifest::Service;
use latchwork_runtime::registry::{Deployment, Overrides, Registry, Revision};
use std::collections::BTreeMap;

pub(crate) fn body(choice: u8, body: &[u8]) {
    match choice % 8 {
        0 => {
            if let Ok(request) = serde_json::from_slice::<RegisterDeployment>(body)
                && let Some(uri) = &request.uri
                && let Ok(address) = registration::address(uri)
            {
                let again = registration::address(&address).ok();
                assert_eq!(again, Some(address), "an address has one spelling");
            }
        }
        1 => {
            if let Ok(request) = serde_json::from_slice::<UpdateDeployment>(body)
                && let Some(headers) = &request.additional_headers
            {
                drop(registration::check_headers(headers));
            }
        }
        2 => {
            if let Ok(settings) = serde_json::from_slice(body) {
                drop(services::read(settings));
            }
        }
        3 => drop(serde_json::from_slice::<ModifyState>(body)),
        4 => drop(serde_json::from_slice::<ReplaceState>(body)),
        5 => drop(serde_json::from_slice::<PatchState>(body)),
        6 => drop(serde_json::from_slice::<batch::Batch>(body)),
        _ => drop(serde_json::from_slice::<backup::MakeBackup>(body)),
    }
}

pub(crate) fn registered(services: Vec<Service>) {
    let revisions = services.into_iter().map(|service| Revision {
        revision: 1,
        service,
    });
    let deployment = Deployment {
        id: "dp_1".to_owned(),
        uri: "http://a/".to_owned(),
        http1: false,
        request_response: false,
        min_protocol_version: 5,
        max_protocol_version: 7,
        sdk_version: None,
        additional_headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        created_at: 0,
        services: revisions.collect(),
    };
    let document = deployment.document().expect("it can be stored").body;
    let stored = serde_json::from_slice::<Deployment>(&document.unwrap_or_default());
    assert_eq!(
        stored.ok().as_ref(),
        Some(&deployment),
        "it is read again as it was"
    );
    let registry = Registry::new(
        vec![deployment.clone()],
        BTreeMap::<String, Overrides>::new(),
    );
    describe::detailed(&registry, &deployment);
    for entry in registry.services().values() {
        service_openapi::document(&entry.service, 1, |_| true, "http://a/", true);
    }
}
