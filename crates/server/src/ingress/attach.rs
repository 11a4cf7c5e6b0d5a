//! Attach, output, lookup: an invocation named in any way in, its result or its id out.

use super::reply::{self, Reply};
use super::{Ingress, body, text, unanswered};
use crate::error::Refusal;
use crate::listen::Paced;
use http::StatusCode;
use latchwork_engine::mutation::Mutation;
use latchwork_engine::{InvocationId, Target, read as tables};
use latchwork_protocol::derive;
use latchwork_protocol::id::parse_invocation;
use latchwork_protocol::ingress::{LookupReply, Subject, TargetBody};
use latchwork_protocol::scope::check_scope;
use latchwork_protocol::service::manifest::{HandlerKind, OutputRule};
use latchwork_runtime::registry::Registry;
use latchwork_runtime::{Ending, OutputState};

/// A body that names an invocation is small.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Which invocation is meant, and what is known of its handler from how it is named.
pub(super) struct Wanted {
    id: InvocationId,
    named: Named,
}

enum Named {
    ById,
    Handler { service: String, handler: String },
    Workflow { service: String },
}

/// Waits for the end.
pub(super) async fn attach(
    app: &Ingress,
    registry: &Registry,
    wanted: Wanted,
) -> Result<Reply, Refusal> {
    let id = wanted.id;
    let rule = output_rule(app, registry, wanted).await?;
    let ending = app.handle.attach(id).await;
    match ending.map_err(|error| unanswered(error, id))? {
        Some(ending) => Ok(reply(id, ending, rule)),
        None => Err(Refusal::NotFound { id: text(id) }),
    }
}

/// The end, if it is there.
pub(super) async fn output(
    app: &Ingress,
    registry: &Registry,
    wanted: Wanted,
) -> Result<Reply, Refusal> {
    let id = wanted.id;
    let rule = output_rule(app, registry, wanted).await?;
    let state = app.handle.output(id).await;
    match state.map_err(|error| unanswered(error, id))? {
        OutputState::Ready(ending) => Ok(reply(id, ending, rule)),
        OutputState::Pending(_) if Mutation::PendingIsEmpty.is_on() => {
            Ok(reply::empty(StatusCode::OK))
        }
        OutputState::Pending(status) => Err(Refusal::NotReady {
            id: text(id),
            status,
        }),
        OutputState::Unknown => Err(Refusal::NotFound { id: text(id) }),
    }
}

/// The id that a target leads to, whether or not there is such an invocation.
pub(super) async fn lookup(app: &Ingress, body: Paced) -> Result<Reply, Refusal> {
    let id = read(app, body).await?.id;
    let found = LookupReply {
        invocation_id: text(id),
    };
    let mut reply = reply::json(StatusCode::OK, &found);
    reply::put_id(reply.headers_mut(), found.invocation_id);
    Ok(reply)
}

/// What a body names.
pub(super) async fn read(app: &Ingress, body: Paced) -> Result<Wanted, Refusal> {
    let limit = app.settings.body_bytes_max.min(BODY_BYTES_MAX);
    let body = body::read(body, limit, &app.receiving).await?;
    let target: TargetBody = serde_json::from_slice(&body).map_err(Refusal::TargetBody)?;
    target.try_into()
}

impl TryFrom<Subject> for Wanted {
    type Error = Refusal;

    fn try_from(subject: Subject) -> Result<Self, Refusal> {
        match subject {
            Subject::Invocation(text) => by_id(&text),
            Subject::Idempotent {
                service,
                key,
                handler,
                idempotency_key,
            } => Ok(idempotent(
                None,
                service,
                key.as_deref(),
                handler,
                &idempotency_key,
            )),
            Subject::Workflow { workflow, key } => Ok(workflow_run(None, workflow, &key)),
        }
    }
}

impl TryFrom<TargetBody> for Wanted {
    type Error = Refusal;

    fn try_from(body: TargetBody) -> Result<Self, Refusal> {
        match body {
            TargetBody::Invocation { invocation_id } => by_id(&invocation_id),
            TargetBody::IdempotentInvocation {
                service,
                key,
                handler,
                idempotency_key,
                scope,
            } => {
                scope.as_deref().map_or(Ok(()), check_scope)?;
                Ok(idempotent(
                    scope.as_deref(),
                    service,
                    key.as_deref(),
                    handler,
                    &idempotency_key,
                ))
            }
            TargetBody::Workflow {
                workflow_name,
                workflow_key,
                scope,
            } => {
                scope.as_deref().map_or(Ok(()), check_scope)?;
                Ok(workflow_run(scope.as_deref(), workflow_name, &workflow_key))
            }
        }
    }
}

fn by_id(text: &str) -> Result<Wanted, Refusal> {
    Ok(Wanted {
        id: InvocationId::from_bytes(parse_invocation(text)?),
        named: Named::ById,
    })
}

fn idempotent(
    scope: Option<&str>,
    service: String,
    key: Option<&str>,
    handler: String,
    idempotency_key: &str,
) -> Wanted {
    let id = derive::idempotent(scope, &service, key, &handler, idempotency_key);
    Wanted {
        id: InvocationId::from_bytes(id),
        named: Named::Handler { service, handler },
    }
}

fn workflow_run(scope: Option<&str>, service: String, key: &str) -> Wanted {
    let id = derive::workflow_run(scope, &service, key);
    Wanted {
        id: InvocationId::from_bytes(id),
        named: Named::Workflow { service },
    }
}

/// The rule that the handler gives its output; nothing if it is registered no more.
async fn output_rule(
    app: &Ingress,
    registry: &Registry,
    wanted: Wanted,
) -> Result<Option<OutputRule>, Refusal> {
    let id = wanted.id;
    let (service, handler) = match wanted.named {
        Named::Handler { service, handler } => (service, handler),
        Named::Workflow { service } => {
            let entry = registry.service(&service);
            let run = entry.and_then(|entry| {
                let mut handlers = entry.service.handlers.iter();
                handlers.find(|handler| handler.kind == HandlerKind::WorkflowRun)
            });
            return Ok(run.map(|run| run.output.clone()));
        }
        Named::ById => match target(app, id).await? {
            Some(target) => (target.service, target.handler),
            None => return Ok(None),
        },
    };
    let settings = registry.handler(&service, &handler);
    Ok(settings.map(|settings| settings.handler.output.clone()))
}

/// What an invocation called, if it is there.
async fn target(app: &Ingress, id: InvocationId) -> Result<Option<Target>, Refusal> {
    let found = app.handle.read(move |view| {
        // Tables that cannot be read stop their partition, which the next question hears of.
        let row = tables::invocation(view, &id).ok().flatten();
        row.map(|row| row.target)
    });
    let found = found.await.map_err(|error| unanswered(error, id))?;
    Ok(found.into_iter().flatten().next())
}

fn reply(id: InvocationId, ending: Ending, rule: Option<OutputRule>) -> Reply {
    reply::ending(id, ending, &rule.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(body: &str) -> Result<InvocationId, Refusal> {
        let target: TargetBody = serde_json::from_str(body).map_err(Refusal::TargetBody)?;
        Ok(Wanted::try_from(target)?.id)
    }

    #[test]
    fn paths_and_bodies_lead_to_the_same_invocation() {
        let by_path = Wanted::try_from(Subject::Idempotent {
            service: "S".into(),
            key: Some("k".into()),
            handler: "h".into(),
            idempotency_key: "i".into(),
        });
        let by_body = id(
            r#"{"target":"idempotentInvocation","service":"S","key":"k","handler":"h","idempotencyKey":"i"}"#,
        );
        assert_eq!(by_path.expect("a subject").id, by_body.expect("a target"));
    }

    #[test]
    fn a_scope_is_part_of_the_identity_and_is_checked() {
        let body = |scope: &str| {
            format!(
                r#"{{"target":"workflow","workflowName":"W","workflowKey":"k","scope":"{scope}"}}"#
            )
        };
        let unscoped = id(r#"{"target":"workflow","workflowName":"W","workflowKey":"k"}"#);
        assert_ne!(
            unscoped.expect("a target"),
            id(&body("s")).expect("a target")
        );
        assert!(matches!(id(&body("a/b")), Err(Refusal::Scope(_))));
    }

    #[test]
    fn what_names_nothing_is_the_mistake_of_the_caller() {
        for body in ["", "{}", r#"{"target":"invocation","invocationId":"x"}"#] {
            let refusal = id(body).expect_err("names nothing");
            assert_eq!(refusal.status(), 400, "{refusal}");
        }
    }
}
