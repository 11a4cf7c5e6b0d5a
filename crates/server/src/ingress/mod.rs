//! The way in for callers: HTTP/1.1 and HTTP/2 on one port.
//!
//! ```text
//!   request ──▶ protocol::ingress::parse ──▶ call | attach | awakeable ──▶ runtime::Handle
//!   reply ◀── cors ◀── reply (a result, or a Refusal) ◀──────────────────────┘
//! ```
//!
//! Comes in: connections of callers. Goes out: what their invocations came to. Start at
//! [`serve`], then `answer`. A caller who goes away takes nothing along: what was accepted
//! goes on.
//!
//! Absent on purpose: every decision about an invocation, which is the engine's.

mod attach;
mod awakeable;
mod body;
mod call;
mod cors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod listen;
mod query;
mod reply;
mod secrets;
mod span;

pub use body::Budget;
pub(crate) use listen::serve;
pub use secrets::SecretHeaders;

use crate::access::{Access, Caller, Role};
use crate::error::Refusal;
use crate::health::{Health, HealthProblem};
use crate::listen::Paced;
use crate::metrics::{RequestKind, Requests};
use crate::room::Room;
use http::{Method, Request, StatusCode};
use latchwork_engine::InvocationId;
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::ingress::{HealthReply, Route, parse};
use latchwork_protocol::trace::TraceContext;
use latchwork_runtime::registry::Registry;
use latchwork_runtime::{AskError, Clock, Handle};
use reply::Reply;
use span::RequestSpan;
use std::convert::Infallible;
use std::sync::Arc;

/// What the ingress serves with.
pub struct Ingress {
    /// The partitions.
    pub handle: Handle,
    /// Whether work is done.
    pub health: Arc<Health>,
    /// Whether there is room for new work.
    pub room: Room,
    /// Dates delays.
    pub clock: Arc<dyn Clock>,
    /// Counts what is asked for.
    pub requests: Arc<Requests>,
    /// Who may call.
    pub access: Arc<Access>,
    /// Limits.
    pub settings: IngressSettings,
    /// Room for the bodies that are being received.
    pub receiving: Budget,
}

/// Limits of the ingress.
#[derive(Debug, Clone)]
pub struct IngressSettings {
    /// The largest body that is taken, in bytes.
    pub body_bytes_max: usize,
    /// Headers that handlers get only if they ask for them.
    pub secret_headers: SecretHeaders,
}

impl Default for IngressSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            secret_headers: SecretHeaders::default(),
        }
    }
}

/// Answers one request.
async fn answer(app: Arc<Ingress>, request: Request<Paced>) -> Result<Reply, Infallible> {
    let origin = cors::origin(request.headers());
    let mut reply = if request.method() == Method::OPTIONS {
        cors::preflight(request.headers())
    } else {
        serve_one(&app, request).await
    };
    cors::complete(reply.headers_mut(), origin);
    Ok(reply)
}

/// Answers a request, counts it, and has it traced.
async fn serve_one(app: &Ingress, request: Request<Paced>) -> Reply {
    let registry = app.handle.registry();
    let route = parse(request.uri().path(), &|service| {
        Some(registry.service(service)?.service.kind.is_keyed())
    });
    let kind = route.as_ref().map_or(RequestKind::Unknown, RequestKind::of);
    let mut watching = app.requests.ingress(kind).begin();
    let mut span = RequestSpan::begin(app, kind, route.as_ref().ok(), &request);
    let caller = match route {
        // Whoever watches over the server has no token.
        Ok(Route::Health) => Ok(Caller::Anybody),
        _ => app
            .access
            .admit(request.headers(), Role::Caller, app.clock.wall_ms()),
    };
    let reply = match (caller, route) {
        (Ok(caller), Ok(route)) => {
            dispatch(app, &registry, &caller, route, span.context(), request).await
        }
        (Err(denied), _) => Err(denied.into()),
        (_, Err(error)) => Err(error.into()),
    };
    let reply = reply.unwrap_or_else(|refusal| reply::refusal(&refusal));
    watching.answered(reply.status());
    span.answered(reply.status(), reply.headers());
    reply
}

async fn dispatch(
    app: &Ingress,
    registry: &Registry,
    caller: &Caller,
    route: Route,
    trace: Option<&TraceContext>,
    request: Request<Paced>,
) -> Result<Reply, Refusal> {
    let verbs = route.verbs();
    // Of a call more is checked before its verb.
    if !matches!(route, Route::Call(_) | Route::Send(_)) {
        check_verb(request.method(), verbs)?;
    }
    match &route {
        Route::Call(target) | Route::Send(target) => caller.check_service(&target.service)?,
        Route::Health => {}
        // What an invocation of another service came to, or waits for, is not theirs.
        _ => caller.check_unlimited()?,
    }
    match route {
        Route::Call(target) => call::call(app, registry, target, verbs, trace, request).await,
        Route::Send(target) => call::send(app, registry, target, verbs, trace, request).await,
        Route::Attach(subject) => attach::attach(app, registry, subject.try_into()?).await,
        Route::Output(subject) => attach::output(app, registry, subject.try_into()?).await,
        Route::AttachByBody => {
            let wanted = attach::read(app, request.into_body()).await?;
            attach::attach(app, registry, wanted).await
        }
        Route::OutputByBody => {
            let wanted = attach::read(app, request.into_body()).await?;
            attach::output(app, registry, wanted).await
        }
        Route::Lookup => attach::lookup(app, request.into_body()).await,
        Route::ResolveAwakeable { id } => awakeable::resolve(app, &id, request.into_body()).await,
        Route::RejectAwakeable { id } => awakeable::reject(app, &id, request.into_body()).await,
        Route::Health => Ok(health(&app.health, registry)),
    }
}

fn check_verb(found: &Method, allowed: &'static [&'static str]) -> Result<(), Refusal> {
    if allowed.contains(&found.as_str()) {
        return Ok(());
    }
    Err(Refusal::Verb {
        found: found.clone(),
        allowed,
    })
}

fn health(health: &Health, registry: &Registry) -> Reply {
    let troubles = health.troubles();
    if !troubles.is_empty() {
        let problem = HealthProblem::of(&troubles);
        return reply::json(StatusCode::SERVICE_UNAVAILABLE, &problem);
    }
    let services = registry.services().keys().cloned().collect();
    reply::json(StatusCode::OK, &HealthReply { services })
}

/// Why a question about this invocation got no answer.
fn unanswered(error: AskError, id: InvocationId) -> Refusal {
    match error {
        AskError::Overloaded => Refusal::Overloaded,
        AskError::Stopping => Refusal::Stopped { id: text(id) },
    }
}

fn text(id: InvocationId) -> String {
    invocation_text(&id.to_bytes())
}
