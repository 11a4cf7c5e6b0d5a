//! Which deployment an operator means, and whether an invocation can go on there: a text, the
//! invocation's row and the registry come in, a deployment with the version to speak goes out, or
//! why not.

use super::Admin;
use super::error::AdminError;
use super::invocations::{look, text};
use latchwork_engine::table::invocation::Invocation;
use latchwork_engine::{InvocationId, Pin, read};
use latchwork_protocol::service::version::Version;
use latchwork_runtime::registry::{Deployment, Registry, Settings};

/// Which deployment an operator means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    Keep,
    Latest,
    Id(&'a str),
}

impl<'a> Choice<'a> {
    /// From its text: `keep`, `latest` or an id.
    pub(super) fn of(text: &'a str) -> Self {
        match text {
            "keep" | "Keep" => Self::Keep,
            "latest" | "Latest" => Self::Latest,
            id => Self::Id(id),
        }
    }
}

/// The deployment and version that a choice comes to; nothing if the invocation has none and
/// keeps it, or goes to the newest as it is. What keeps a journal must go on in the version that it was written in.
pub(super) async fn chosen(
    app: &Admin,
    id: InvocationId,
    choice: Choice<'_>,
    keeps_journal: bool,
) -> Result<Option<Pin>, AdminError> {
    let row = look(app, &text(id), read::invocation).await?;
    pin(&app.handle.registry(), id, &row, choice, keeps_journal)
}

fn pin(
    registry: &Registry,
    id: InvocationId,
    row: &Invocation,
    choice: Choice<'_>,
    keeps_journal: bool,
) -> Result<Option<Pin>, AdminError> {
    let refused = |given: &str, reason: String| {
        Err(AdminError::OtherDeployment {
            given: given.to_owned(),
            id: text(id),
            reason,
        })
    };
    let target = &row.target;
    let (given, deployment): (&str, &Deployment) = match choice {
        Choice::Keep => match &row.pin {
            None => return Ok(None),
            Some(pin) => match registry.deployments().get(&pin.deployment) {
                Some(deployment) => ("keep", deployment),
                None => {
                    let gone = &pin.deployment;
                    let reason = format!("{gone}, which it is bound to, is no longer registered");
                    return refused("keep", reason);
                }
            },
        },
        Choice::Latest => match registry.service(&target.service) {
            Some(entry) => ("latest", &entry.deployment),
            None => return refused("latest", format!("no deployment offers {}", target.service)),
        },
        Choice::Id(given) => match registry.deployments().get(given) {
            Some(deployment) => (given, deployment),
            None => {
                let reason = "there is no such deployment; GET /deployments lists all, and \
                              \"keep\" and \"latest\" are understood too";
                return refused(given, reason.to_owned());
            }
        },
    };
    let offered = deployment.offers(&target.service);
    let handler = offered.and_then(|offered| {
        let mut handlers = offered.service.handlers.iter();
        handlers.find(|handler| handler.name == target.handler)
    });
    let (service, name) = (&target.service, &target.handler);
    match handler {
        None => {
            let reason = format!("{} does not offer {service}/{name}", deployment.id);
            return refused(given, reason);
        }
        Some(handler) if Settings::kind_of(handler.kind) != target.kind() => {
            let reason = format!(
                "{service}/{name} is another type of handler on {}, with other rules for its key",
                deployment.id
            );
            return refused(given, reason);
        }
        Some(_) => {}
    }
    if choice == Choice::Latest && keeps_journal && row.pin.is_none() {
        // It goes to the newest anyway, and is bound when it has stored something there.
        return Ok(None);
    }
    let (min, max) = (
        deployment.min_protocol_version,
        deployment.max_protocol_version,
    );
    let version = match &row.pin {
        Some(pin) if keeps_journal && !(min..=max).contains(&pin.version) => {
            let reason = format!(
                "its journal was written in service protocol {}, and {} speaks {min} to {max}",
                pin.version, deployment.id
            );
            return refused(given, reason);
        }
        Some(pin) if keeps_journal => pin.version,
        _ => Version::choose(min, max)?.number(),
    };
    Ok(Some(Pin {
        deployment: deployment.id.clone(),
        version,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use latchwork_engine::{Target, TargetKind};
    use serde_json::json;

    /// Two deployments of a service: the older speaks 5 to 6, the newer 6 to 7.
    fn registry() -> Registry {
        let deployment = |id: &str, revision, min, max| {
            serde_json::from_value(json!({
                "id": id, "uri": format!("http://{id}/"), "http1": false, "request_response": false,
                "min_protocol_version": min, "max_protocol_version": max, "created_at": revision,
                "services": [{"revision": revision, "service": {
                    "name": "S", "kind": "Service", "handlers": [{
                        "name": "h", "kind": "Plain", "input": "Any",
                        "output": {"content_type": null, "set_if_empty": false},
                    }],
                }}],
            }))
            .unwrap()
        };
        let both = vec![deployment("dp_old", 1, 5, 6), deployment("dp_new", 2, 6, 7)];
        Registry::new(both, Default::default())
    }

    fn row(handler: &str, pinned: Option<(&str, u32)>) -> Invocation {
        Invocation {
            target: Target {
                service: "S".into(),
                handler: handler.into(),
                ..Target::default()
            },
            pin: pinned.map(|(deployment, version)| Pin {
                deployment: deployment.into(),
                version,
            }),
            ..Invocation::default()
        }
    }

    fn choose(row: &Invocation, choice: &str, keeps_journal: bool) -> Result<String, String> {
        match pin(
            &registry(),
            InvocationId::default(),
            row,
            Choice::of(choice),
            keeps_journal,
        ) {
            Ok(pin) => Ok(pin.map_or_else(
                || "none".to_owned(),
                |pin| format!("{} in {}", pin.deployment, pin.version),
            )),
            Err(refusal) => {
                let text = refusal.to_string();
                assert_eq!(refusal.into_response().status(), StatusCode::BAD_REQUEST);
                Err(text)
            }
        }
    }

    #[test]
    fn a_deployment_is_kept_named_or_the_latest() {
        let old = row("h", Some(("dp_old", 6)));
        for (choice, expected) in [
            ("Keep", "dp_old in 6"),
            ("latest", "dp_new in 6"),
            ("dp_new", "dp_new in 6"),
        ] {
            assert_eq!(
                choose(&old, choice, true).as_deref(),
                Ok(expected),
                "{choice}"
            );
        }
        let unbound = row("h", None);
        for (choice, keeps_journal, expected) in [
            ("keep", true, "none"),
            ("latest", true, "none"),
            ("latest", false, "dp_new in 7"),
            ("dp_old", true, "dp_old in 6"),
        ] {
            let chosen = choose(&unbound, choice, keeps_journal);
            assert_eq!(chosen.as_deref(), Ok(expected), "{choice}");
        }
    }

    #[test]
    fn a_journal_goes_on_in_the_version_it_was_written_in() {
        let old = row("h", Some(("dp_old", 5)));
        let refusal = choose(&old, "latest", true).unwrap_err();
        assert!(
            refusal.contains("protocol 5") && refusal.contains("6 to 7"),
            "{refusal}"
        );
        // The input alone is of no version.
        assert_eq!(choose(&old, "dp_new", false).as_deref(), Ok("dp_new in 7"));
    }

    #[test]
    fn what_cannot_serve_the_handler_is_refused_with_the_reason() {
        for (row, choice, said) in [
            (row("h", None), "dp_none", "no such deployment"),
            (row("gone", None), "latest", "dp_new does not offer S/gone"),
            (
                row("h", Some(("dp_gone", 5))),
                "keep",
                "dp_gone, which it is bound to",
            ),
            (
                Invocation {
                    target: Target {
                        kind: TargetKind::Exclusive.into(),
                        ..row("h", None).target
                    },
                    ..Invocation::default()
                },
                "latest",
                "another type of handler",
            ),
        ] {
            let refusal = choose(&row, choice, true).unwrap_err();
            assert!(refusal.contains(said), "{refusal}");
        }
    }
}
