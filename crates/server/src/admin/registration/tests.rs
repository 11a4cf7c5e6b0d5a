//! The rules of registering, on small registries.

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
        "http://:9080",
        "http://host:99999",
        "http://host:",
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
    let remarks = remarks::of(&registry, &new, Some(&old));
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
    assert_eq!(remarks::some(&["a"; 5]), "a, a, a, a, a");
    assert_eq!(remarks::some(&["a"; 7]), "a, a, a, a, a and 2 more");
}

#[test]
fn what_offers_nothing_is_remarked() {
    let said = |services| {
        let new = deployment("dp_a", "http://a/", 1, offer(services));
        let remarks = remarks::of(&Registry::default(), &new, None);
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
        let remarks = remarks::of(&registry(others), &new, Some(&old));
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
    assert_eq!(remarks::ignored(&same, &there), []);
    let other = RegisterDeployment {
        metadata: BTreeMap::from([("k".to_owned(), "other".to_owned())]),
        ..same
    };
    let remarks = remarks::ignored(&other, &there);
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
