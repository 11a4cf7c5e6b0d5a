//! Calls and sends: a request in, an invocation made or found.

use super::query::Query;
use super::reply::{self, Reply};
use super::{Ingress, body, check_verb, text, unanswered};
use crate::error::Refusal;
use crate::listen::Paced;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode, Uri, request};
use latchwork_engine::mutation::Mutation;
use latchwork_engine::table::length::check_length;
use latchwork_engine::{
    Failure, Header, Input, InvocationId, Invoke, Outcome, Reply as Answer, Target, TargetKind,
};
use latchwork_protocol::derive;
use latchwork_protocol::ingress::{
    self, SendReply, SendStatus, header, parse_delay, rfc3339_nanos,
};
use latchwork_protocol::scope::{check_scope, limit_key};
use latchwork_protocol::trace::TraceContext;
use latchwork_runtime::registry::{Registry, Settings};
use latchwork_runtime::trace::to_trace;
use latchwork_runtime::{Dice, Ending};
use std::sync::Arc;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(header::IDEMPOTENCY_KEY);
static LIMIT_KEY: HeaderName = HeaderName::from_static(header::LIMIT_KEY);

/// Calls and waits for the end.
pub(super) async fn call(
    app: &Ingress,
    registry: &Registry,
    target: ingress::Target,
    verbs: &'static [&'static str],
    trace: Option<&TraceContext>,
    request: Request<Paced>,
) -> Result<Reply, Refusal> {
    let settings = check(app, registry, &target, &request, verbs)?;
    let (head, body) = request.into_parts();
    let body = body::read(body, app.settings.body_bytes_max, &app.receiving).await?;
    let invoke = invoke(app, &settings, target, &head, body)?;
    let invoke = Invoke {
        trace: trace.map(to_trace),
        ..invoke
    };
    if invoke.execution_time.is_some() {
        return Err(Refusal::DelayedCall);
    }
    let id = invoke.id;
    let output = &settings.handler.output;
    if settings.kind == TargetKind::WorkflowRun {
        let ending = run(app, invoke).await?;
        return Ok(reply::ending(id, ending, output));
    }
    let end = app.handle.call(invoke).await;
    let end = end.map_err(|error| unanswered(error, id))?;
    Ok(reply::ending(end.id, end.ending, output))
}

/// Calls and says so as soon as that is durable.
pub(super) async fn send(
    app: &Ingress,
    registry: &Registry,
    target: ingress::Target,
    verbs: &'static [&'static str],
    trace: Option<&TraceContext>,
    request: Request<Paced>,
) -> Result<Reply, Refusal> {
    let settings = check(app, registry, &target, &request, verbs)?;
    let (head, body) = request.into_parts();
    let body = body::read(body, app.settings.body_bytes_max, &app.receiving).await?;
    let invoke = invoke(app, &settings, target, &head, body)?;
    let invoke = Invoke {
        trace: trace.map(to_trace),
        ..invoke
    };
    let accepted = accept(app, invoke).await?;
    let invocation_id = text(accepted.id);
    let body = SendReply {
        invocation_id: invocation_id.clone(),
        execution_time: accepted.execution_time.map(rfc3339_nanos),
        status: if accepted.existed {
            SendStatus::PreviouslyAccepted
        } else {
            SendStatus::Accepted
        },
    };
    let mut reply = reply::json(StatusCode::ACCEPTED, &body);
    reply::put_id(reply.headers_mut(), invocation_id);
    Ok(reply)
}

/// An invocation that is durable.
struct Accepted {
    id: InvocationId,
    existed: bool,
    execution_time: Option<u64>,
}

async fn accept(app: &Ingress, invoke: Invoke) -> Result<Accepted, Refusal> {
    let id = invoke.id;
    let answer = app.handle.invoke(invoke).await;
    match answer.map_err(|error| unanswered(error, id))? {
        Answer::Accepted {
            id,
            existed,
            execution_time,
        } => Ok(Accepted {
            id,
            existed,
            execution_time,
        }),
        other => Err(Refusal::Defect(format!("{other:?} to an invocation"))),
    }
}

/// The first call of a workflow waits for its end; a second is told at once that it is one.
async fn run(app: &Ingress, invoke: Invoke) -> Result<Ending, Refusal> {
    let accepted = accept(app, invoke).await?;
    let id = accepted.id;
    if accepted.existed {
        let conflict = format!(
            "the workflow was started before, and runs once for each key: read its result with \
             GET /restate/attach/{}, or use another key",
            text(id)
        );
        return Ok(Ending {
            outcome: Outcome::Failure(Failure::new(409, conflict)),
            expires_at: None,
        });
    }
    let ending = app.handle.attach(id).await;
    let ending = ending.map_err(|error| unanswered(error, id))?;
    let ending = ending.ok_or_else(|| Refusal::NotFound { id: text(id) })?;
    Ok(Ending {
        // Only later readers are told.
        expires_at: None,
        ..ending
    })
}

/// All that can be known before the body is read.
fn check(
    app: &Ingress,
    registry: &Registry,
    target: &ingress::Target,
    request: &Request<Paced>,
    verbs: &'static [&'static str],
) -> Result<Arc<Settings>, Refusal> {
    let ingress::Target {
        service, handler, ..
    } = target;
    let settings = registry
        .handler(service, handler)
        .ok_or_else(|| Refusal::UnknownHandler {
            service: service.clone(),
            handler: handler.clone(),
        })?;
    if !settings.public {
        return Err(Refusal::Private {
            service: service.clone(),
            handler: handler.clone(),
        });
    }
    if let Some(key) = &target.key {
        check_length("the key in the path", key.as_bytes())?;
    }
    let key = idempotency_key(request.headers())?;
    if key.is_some() && settings.kind == TargetKind::WorkflowRun {
        return Err(Refusal::KeyOnRun);
    }
    if let Some(scope) = &target.scope {
        check_scope(scope)?;
        return Err(Refusal::Scoped {
            scope: scope.clone(),
        });
    }
    check_verb(request.method(), verbs)?;
    if app.handle.is_draining() {
        return Err(Refusal::Draining);
    }
    app.room.check()?;
    Ok(settings.clone())
}

/// What is proposed.
fn invoke(
    app: &Ingress,
    settings: &Settings,
    target: ingress::Target,
    head: &request::Parts,
    body: bytes::Bytes,
) -> Result<Invoke, Refusal> {
    let content_type = head.headers.get(http::header::CONTENT_TYPE);
    let content_type = content_type
        .map(|value| ascii(&http::header::CONTENT_TYPE, value))
        .transpose()?;
    let taken = settings
        .handler
        .input
        .accepts(content_type, body.is_empty());
    taken.map_err(|reason| Refusal::Input {
        service: target.service.clone(),
        handler: target.handler.clone(),
        reason,
    })?;
    let query = Query::of(head.uri.query());
    let delay_ms = query.delay.as_deref().map(parse_delay).transpose()?;
    let delay_ms = delay_ms.filter(|_| !Mutation::RequestDelayIgnored.is_on());
    let limit = match head.headers.get(&LIMIT_KEY) {
        Some(value) => Some(ascii(&LIMIT_KEY, value)?),
        None => query.limit_key.as_deref(),
    };
    let scope = target.scope.as_deref();
    let limit = limit_key(limit.unwrap_or_default(), scope)?.map(str::to_owned);
    let idempotency_key = idempotency_key(&head.headers)?
        .filter(|_| !Mutation::IdempotencyIgnored.is_on())
        .map(str::to_owned);
    let (completion_retention_ms, journal_retention_ms) =
        settings.retention(idempotency_key.is_some());
    let dice = app.handle.dice();
    Ok(Invoke {
        incarnation: dice.incarnation(),
        id: identify(dice, settings.kind, &target, idempotency_key.as_deref()),
        input: Input {
            headers: forwarded(&head.uri, &head.headers, |name| {
                is_kept_back(app, settings, name)
            })?,
            body,
        },
        target: Target {
            service: target.service,
            handler: target.handler,
            key: target.key,
            kind: settings.kind.into(),
            scope: target.scope,
        },
        caller: None,
        idempotency_key,
        execution_time: delay_ms.map(|delay| app.clock.after(delay)),
        completion_retention_ms,
        journal_retention_ms,
        waiter: None,
        limit_key: limit,
        trace: None,
    })
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    headers
        .get(&IDEMPOTENCY_KEY)
        .map(|value| ascii(&IDEMPOTENCY_KEY, value))
        .transpose()
}

fn ascii<'a>(name: &HeaderName, value: &'a HeaderValue) -> Result<&'a str, Refusal> {
    value.to_str().map_err(|_| Refusal::Header {
        name: name.as_str().to_owned(),
    })
}

/// The id that follows from what is called, or a new one. All of one key are in one partition.
pub(super) fn identify(
    dice: &dyn Dice,
    kind: TargetKind,
    target: &ingress::Target,
    idempotency_key: Option<&str>,
) -> InvocationId {
    let (scope, service) = (target.scope.as_deref(), &target.service);
    let key = target.key.as_deref();
    let bytes = match (kind, key, idempotency_key) {
        (TargetKind::WorkflowRun, Some(key), _) if !Mutation::WorkflowNotKnown.is_on() => {
            derive::workflow_run(scope, service, key)
        }
        (_, _, Some(idempotency_key)) => {
            derive::idempotent(scope, service, key, &target.handler, idempotency_key)
        }
        (_, key, None) => {
            let mut bytes = dice.id();
            if let Some(key) = key {
                let home = derive::partition_key(scope, service, key);
                bytes[..8].copy_from_slice(&home.to_be_bytes());
            }
            bytes
        }
    };
    InvocationId::from_bytes(bytes)
}

/// Whether a header must not get to the handler, and into the journal. The token by which the
/// server knew the caller never does; other secrets do if the handler asks for them.
fn is_kept_back(app: &Ingress, settings: &Settings, name: &str) -> bool {
    let is_token = app.access.is_guarded() && name == http::header::AUTHORIZATION;
    let is_secret = app.settings.secret_headers.has(name);
    is_token || (is_secret && !settings.keep_headers.iter().any(|kept| kept == name))
}

/// The headers that the handler sees: where the request came in, then those of the caller, in
/// the order in which they came, but for those that are kept back.
pub(super) fn forwarded(
    uri: &Uri,
    headers: &HeaderMap,
    is_kept_back: impl Fn(&str) -> bool,
) -> Result<Vec<Header>, Refusal> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut all = Vec::with_capacity(headers.len() + 1);
    all.push(Header {
        name: header::INGRESS_PATH.to_owned(),
        value: path.to_owned(),
    });
    for (name, value) in headers {
        if !header::is_withheld(name.as_str()) && !is_kept_back(name.as_str()) {
            all.push(Header {
                name: name.as_str().to_owned(),
                value: ascii(name, value)?.to_owned(),
            });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_runtime::SystemDice;

    fn target(key: Option<&str>) -> ingress::Target {
        ingress::Target {
            scope: None,
            service: "S".into(),
            key: key.map(str::to_owned),
            handler: "h".into(),
        }
    }

    #[test]
    fn handlers_see_the_path_and_every_value_but_not_what_is_withheld() {
        let uri = Uri::from_static("/S/h?x=1");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "h"),
            ("x-two", "1"),
            ("idempotency-key", "k"),
            ("x-two", "2"),
            ("authorization", "Bearer t"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let seen = forwarded(&uri, &headers, |name| name == "authorization").expect("all ASCII");
        let seen: Vec<_> = seen.iter().map(|h| (&*h.name, &*h.value)).collect();
        assert_eq!(
            seen,
            [
                ("x-restate-ingress-path", "/S/h?x=1"),
                ("x-two", "1"),
                ("x-two", "2"),
            ]
        );
    }

    #[test]
    fn a_header_that_is_not_ascii_is_refused_by_name() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes("ü".as_bytes()).expect("a header value");
        headers.insert("x-name", value);
        let refusal =
            forwarded(&Uri::from_static("/S/h"), &headers, |_| false).expect_err("not ASCII");
        assert!(refusal.to_string().contains("x-name"), "{refusal}");
    }

    #[test]
    fn ids_repeat_exactly_where_an_identity_does() {
        let plain = target(None);
        let keyed = target(Some("k"));
        let once = |kind, target, key| identify(&SystemDice, kind, target, key);
        let twice = |kind, target, key| (once(kind, target, key), once(kind, target, key));
        let (first, second) = twice(TargetKind::Plain, &plain, None);
        assert_ne!(first, second);
        let (first, second) = twice(TargetKind::Plain, &plain, Some("i"));
        assert_eq!(first, second);
        let (first, second) = twice(TargetKind::WorkflowRun, &keyed, None);
        assert_eq!(first, second);
        let (first, second) = twice(TargetKind::Exclusive, &keyed, None);
        assert_ne!(first, second);
        assert_eq!(first.partition_key, second.partition_key);
    }
}
