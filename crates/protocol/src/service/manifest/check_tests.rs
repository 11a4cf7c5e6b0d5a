//! Manifests as SDKs send them, and as they must not be.

use serde_json::{Value, json};

use super::super::{
    HandlerKind, InputRule, Manifest, ManifestError, OnMaxAttempts, Service, parse,
};

const V4: &str = "application/vnd.restate.endpointmanifest.v4+json";

fn manifest(services: Value) -> Manifest {
    let body = json!({
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": services,
        "fromTheFuture": {"a": 1},
    });
    parse(V4, body.to_string().as_bytes()).unwrap()
}

/// A service of one handler, both with more members.
fn one(ty: &str, service: Value, handler: Value) -> Result<Vec<Service>, ManifestError> {
    let mut handler_entry = json!({"name": "h"});
    merge(&mut handler_entry, handler);
    let mut entry = json!({"name": "S", "ty": ty, "handlers": [handler_entry]});
    merge(&mut entry, service);
    manifest(json!([entry])).validate()
}

fn merge(into: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        into[name] = value.clone();
    }
}

#[test]
fn a_whole_manifest_is_read() {
    let services = one(
        "VIRTUAL_OBJECT",
        json!({
            "documentation": "counts", "metadata": {"team": "a"},
            "inactivityTimeout": 1, "abortTimeout": 2, "journalRetention": 3,
            "idempotencyRetention": 4, "enableLazyState": true, "ingressPrivate": true,
            "retryPolicyInitialInterval": 5, "retryPolicyMaxInterval": 6,
            "retryPolicyExponentiationFactor": 2, "retryPolicyMaxAttempts": 0,
            "retryPolicyOnMaxAttempts": "KILL", "novelty": [],
        }),
        json!({
            "ty": "SHARED", "retryPolicyMaxAttempts": 9,
            "input": {"required": true, "contentType": "application/json"},
            "output": {"contentType": "text/plain", "setContentTypeIfEmpty": true},
        }),
    )
    .unwrap();
    let service = &services[0];
    assert_eq!(
        [
            service.inactivity_timeout,
            service.abort_timeout,
            service.journal_retention,
            service.idempotency_retention,
            service.retry_policy_initial_interval,
            service.retry_policy_max_interval,
            service.retry_policy_max_attempts,
        ],
        [
            Some(1),
            Some(2),
            Some(3),
            Some(4),
            Some(5),
            Some(6),
            Some(1)
        ]
    );
    assert_eq!(service.retry_policy_exponentiation_factor, Some(2.0));
    assert_eq!(
        service.retry_policy_on_max_attempts,
        Some(OnMaxAttempts::Kill)
    );
    assert_eq!(service.metadata["team"], "a");
    let handler = &service.handlers[0];
    assert_eq!(handler.kind, HandlerKind::Shared);
    assert_eq!(handler.retry_policy_max_attempts, Some(9));
    assert_eq!(handler.output.content_type(true), Some("text/plain"));

    let stored = serde_json::to_string(&services).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Service>>(&stored).unwrap(),
        services
    );
}

#[test]
fn handler_kinds_follow_from_both_types() {
    use HandlerKind::{Exclusive, Plain, Shared, WorkflowRun, WorkflowShared};
    for (service, handler, kind) in [
        ("SERVICE", None, Some(Plain)),
        ("SERVICE", Some("SHARED"), Some(Plain)),
        ("SERVICE", Some("EXCLUSIVE"), None),
        ("SERVICE", Some("WORKFLOW"), None),
        ("VIRTUAL_OBJECT", None, Some(Exclusive)),
        ("VIRTUAL_OBJECT", Some("EXCLUSIVE"), Some(Exclusive)),
        ("VIRTUAL_OBJECT", Some("SHARED"), Some(Shared)),
        ("VIRTUAL_OBJECT", Some("WORKFLOW"), None),
        ("WORKFLOW", Some("WORKFLOW"), Some(WorkflowRun)),
        ("WORKFLOW", Some("SHARED"), Some(WorkflowShared)),
        ("WORKFLOW", None, Some(WorkflowShared)),
        ("WORKFLOW", Some("EXCLUSIVE"), None),
    ] {
        let found = one(service, json!({}), json!({"ty": handler}));
        match kind {
            Some(kind) => assert_eq!(found.unwrap()[0].handlers[0].kind, kind),
            None => assert!(
                matches!(found, Err(ManifestError::HandlerKind { .. })),
                "{service} {handler:?}"
            ),
        }
    }
}

#[test]
fn names_match_their_patterns() {
    for (name, accepted) in [
        ("S", true),
        ("_1.a-b", true),
        ("a.b-c_d", true),
        ("", false),
        ("_", false),
        ("_-", false),
        ("1a", false),
        ("a/b", false),
        ("é", false),
    ] {
        let found = one("SERVICE", json!({"name": name}), json!({}));
        assert_eq!(found.is_ok(), accepted, "service {name:?}");
    }
    for (name, accepted) in [("h_1", true), ("_h", true), ("a.b", false), ("a-b", false)] {
        let found = one("SERVICE", json!({}), json!({"name": name}));
        assert_eq!(found.is_ok(), accepted, "handler {name:?}");
    }
    for name in ["openapi", "restate", "ReState_x"] {
        let refusal = one("SERVICE", json!({"name": name}), json!({})).unwrap_err();
        assert_eq!(refusal.code(), Some("META0005"), "{refusal}");
    }
}

#[test]
fn misplaced_settings_are_refused() {
    let retention = json!({"workflowCompletionRetention": 1});
    let found = one("SERVICE", json!({}), retention.clone());
    assert!(matches!(found, Err(ManifestError::Setting { .. })));
    let mut run = json!({"ty": "WORKFLOW"});
    merge(&mut run, retention);
    assert!(one("WORKFLOW", json!({}), run.clone()).is_ok());
    run["idempotencyRetention"] = json!(1);
    let found = one("WORKFLOW", json!({}), run);
    assert!(matches!(found, Err(ManifestError::Setting { .. })));

    let private = json!({"ingressPrivate": true});
    let found = one("SERVICE", private.clone(), json!({"ingressPrivate": false}));
    assert!(matches!(found, Err(ManifestError::PublicInPrivate { .. })));
    assert!(one("SERVICE", json!({}), private).is_ok());

    let found = one(
        "SERVICE",
        json!({"retryPolicyExponentiationFactor": 0.5}),
        json!({}),
    );
    assert!(matches!(found, Err(ManifestError::RetryFactor { .. })));
}

#[test]
fn inputs_become_rules() {
    let rule = |input: Value| {
        one("SERVICE", json!({}), json!({"input": input}))
            .map(|services| services[0].handlers[0].input.clone())
    };
    assert_eq!(rule(json!(null)).unwrap(), InputRule::Any);
    assert_eq!(rule(json!({})).unwrap(), InputRule::Empty);
    assert_eq!(
        rule(json!({"contentType": "a/*"})).unwrap().description(),
        "a/*"
    );
    for pattern in ["*/x", "json", "/x", "x/"] {
        let found = rule(json!({"contentType": pattern}));
        assert!(
            matches!(found, Err(ManifestError::ContentTypePattern { .. })),
            "{pattern}"
        );
    }
    let schema = |schema: Value| rule(json!({"contentType": "a/b", "jsonSchema": schema}));
    assert!(schema(json!({"$ref": "#/$defs/x", "$defs": {"x": true}})).is_ok());
    assert!(schema(json!({"properties": {"$ref": {"type": "string"}}})).is_ok());
    for bad in [json!("x"), json!({"items": [{"$ref": "http://x/y.json"}]})] {
        let found = schema(bad.clone());
        assert!(matches!(found, Err(ManifestError::Schema { .. })), "{bad}");
    }
}

#[test]
fn names_are_given_once() {
    let service = json!({"name": "S", "ty": "SERVICE", "handlers": []});
    let found = manifest(json!([service, service])).validate();
    assert!(matches!(found, Err(ManifestError::DuplicateService { .. })));
    let handlers = json!({"handlers": [{"name": "h"}, {"name": "h"}]});
    let found = one("SERVICE", handlers, json!({}));
    assert!(matches!(found, Err(ManifestError::DuplicateHandler { .. })));
}

#[test]
fn content_types_are_those_offered() {
    let body =
        br#"{"protocolMode":"REQUEST_RESPONSE","minProtocolVersion":1,"maxProtocolVersion":2}"#;
    for version in 1..=4 {
        let offered = format!("application/vnd.restate.endpointmanifest.v{version}+json");
        assert!(parse(&offered, body).is_ok(), "{offered}");
    }
    for other in [
        "",
        "application/json",
        "application/vnd.restate.endpointmanifest.v5+json",
    ] {
        assert!(matches!(
            parse(other, body),
            Err(ManifestError::ContentType { .. })
        ));
    }
    assert!(matches!(parse(V4, b"{}"), Err(ManifestError::Json(_))));
}

#[test]
fn ranges_are_checked_and_early_sdks_are_not_believed() {
    let mut offer = manifest(json!([]));
    assert_eq!(
        offer.protocol_range(Some("restate-sdk-typescript/1.17.2")),
        (5, 7)
    );
    assert_eq!(
        offer.protocol_range(Some("restate-sdk-typescript/1.2.0")),
        (1, 1)
    );
    offer.max_protocol_version = 4;
    assert!(matches!(
        offer.validate(),
        Err(ManifestError::Range { min: 5, max: 4 })
    ));
}
