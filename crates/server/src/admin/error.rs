//! Refusals of the admin API: the only place where one becomes a status, a code and a text.

use crate::access::{CHALLENGE, Denied};
use crate::transport::DiscoveryError;
use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchwork_engine::Halt;
use latchwork_engine::table::length::TooLong;
use latchwork_protocol::admin::ErrorBody;
use latchwork_protocol::id::IdError;
use latchwork_protocol::scope::ScopeError;
use latchwork_protocol::service::manifest::ManifestError;
use latchwork_protocol::service::version::VersionError;
use latchwork_runtime::generations::BackupError;
use latchwork_runtime::{AskError, BackupRefusal};

/// Bytes of a plain refusal that are passed on.
const PLAIN_BYTES_MAX: usize = 64 << 10;

/// Why the admin API does not do what a request asks for.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Tables(#[from] Halt),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("{0}")]
    Body(String),
    #[error("nothing is served at {0}: see the admin API's reference for the paths")]
    UnknownPath(String),
    #[error("this verb is not served at {0}")]
    Verb(String),

    #[error("{uri:?} is no address of a deployment: {reason}. Give one such as http://host:9080")]
    Address { uri: String, reason: &'static str },
    #[error("give the \"uri\" of the deployment, such as {{\"uri\": \"http://host:9080\"}}")]
    NoAddress,
    #[error(
        "deployments at an \"arn\" cannot be called by this server: register one with a \"uri\""
    )]
    Function,
    #[error(
        "\"auth\" is not supported by this server: leave it out, or pass the credentials as \"additional_headers\""
    )]
    Auth,
    #[error("additional header {0:?} is refused: names and values must be those of HTTP headers")]
    Header(String),
    #[error(
        "the value of additional header {0:?} is ***, which stands for the one that is stored, and none is: give the value"
    )]
    Masked(String),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the manifest of the endpoint is refused: {0}")]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(
        "service {service} is registered as {old} and would become {new}, which breaks its callers. \
         Give the service another name, or set \"breaking\": true"
    )]
    KindChange {
        service: String,
        old: &'static str,
        new: &'static str,
    },
    #[error(
        "service {service} would lose the handlers {handlers}, which its newest revision (of {deployment}) has: \
         calls to them would be refused, and calls that wait would find no code. Keep them, or set \"breaking\": true"
    )]
    HandlersGone {
        service: String,
        deployment: String,
        handlers: String,
    },
    #[error(
        "{uri} is registered already, as deployment {id}. Set \"force\": true to read it again"
    )]
    Registered { uri: String, id: String },
    #[error(
        "the endpoint speaks service protocol {new_min} to {new_max} and the deployment {old_min} to {old_max}: \
         an update must keep the range. Register the address as a deployment of its own"
    )]
    RangeChange {
        old_min: u32,
        old_max: u32,
        new_min: u32,
        new_max: u32,
    },
    #[error("there is no deployment {0}: GET /deployments lists all")]
    NoDeployment(String),
    #[error("deployment {id} is still needed: {reasons}. {advice}, or add ?force=true to remove it all the same", advice = removal_advice(*is_newest))]
    InUse {
        id: String,
        reasons: String,
        is_newest: bool,
    },
    #[error("{0}")]
    #[cfg(feature = "sql")]
    Asked(String),
    #[cfg(feature = "ui")]
    #[error(transparent)]
    Watchers(#[from] crate::live::Refused),
    #[error("a page has at least one entry: give a \"limit\" of 1 or more, or none for all")]
    Limit,

    #[error("there is no service {0}: GET /services lists all")]
    NoService(String),
    #[error("service {service} has no handler {handler:?}")]
    NoHandler { service: String, handler: String },
    #[error("service {0} is no workflow: workflow_completion_retention is only for workflows")]
    NoWorkflow(String),
    #[error("service {0} has no state: only objects and workflows do")]
    NoState(String),
    #[error(
        "the state of {service}/{key} is not the one of version {expected:?}, its version is {found:?}: \
         read it again and repeat the change"
    )]
    StateVersion {
        service: String,
        key: String,
        expected: String,
        found: String,
    },

    #[error(
        "the key {service}/{key} is held by invocation {holder}, which may be changing its state: \
         wait until it is over (GET /invocations/{holder}/why says what it waits for), or replace \
         the whole state without a version, which is done after what waits for the key"
    )]
    StateHeld {
        service: String,
        key: String,
        holder: String,
    },
    #[error(
        "the state of {service}/{key} is changed by others all the time, and nothing of yours was \
         written: try again, or replace the whole state without a version, which is done after \
         what waits for the key"
    )]
    StateBusy { service: String, key: String },
    #[error("there is no {0} {1:?}: this server has none")]
    NoneOf(&'static str, String),
    #[error("{0}")]
    Absent(&'static str),

    #[error("there is no invocation {0}: it never was, or its retention is over")]
    NoInvocation(String),
    #[error("invocation {id} cannot be {done}: {reason}")]
    State {
        id: String,
        done: &'static str,
        reason: &'static str,
        status: StatusCode,
    },
    #[error("{given:?} cannot be used for {id}: {reason}")]
    OtherDeployment {
        given: String,
        id: String,
        reason: String,
    },
    #[error("{found} ids were given, at most {max} are taken: send several requests", found = .0, max = super::batch::IDS_MAX)]
    BatchTooLarge(usize),
    #[error(
        "{0:?} is no operation: use cancel, kill, pause, resume, purge, purge-journal or restart-as-new"
    )]
    Operation(String),
    #[error("what is to be registered cannot be written: {0}")]
    Document(#[from] serde_json::Error),

    #[error(transparent)]
    Denied(#[from] Denied),

    #[error(transparent)]
    Backup(#[from] BackupRefusal),

    #[cfg(feature = "sql")]
    #[error(transparent)]
    Read(#[from] crate::query::ReadError),
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Query(#[from] crate::query::QueryError),
}

impl AdminError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Ask(AskError::Overloaded) => StatusCode::TOO_MANY_REQUESTS,
            Self::Ask(AskError::Stopping) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Tables(_) | Self::Document(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UnknownPath(_)
            | Self::NoDeployment(_)
            | Self::NoService(_)
            | Self::NoHandler { .. }
            | Self::NoneOf(..)
            | Self::NoInvocation(_) => StatusCode::NOT_FOUND,
            Self::Absent(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Verb(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::KindChange { .. }
            | Self::HandlersGone { .. }
            | Self::Registered { .. }
            | Self::InUse { .. }
            | Self::StateHeld { .. }
            | Self::StateVersion { .. }
            | Self::StateBusy { .. } => StatusCode::CONFLICT,
            Self::Denied(denied) => denied.status(),
            Self::State { status, .. } => *status,
            Self::Backup(refusal) => backup_status(refusal),
            #[cfg(feature = "ui")]
            Self::Watchers(_) => StatusCode::TOO_MANY_REQUESTS,
            #[cfg(feature = "sql")]
            Self::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
            #[cfg(feature = "sql")]
            Self::Query(error) => query_status(error),
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Denied(denied) => Some(denied.code()),
            Self::Discovery(error) => Some(error.code()),
            Self::Manifest(error) => error.code(),
            Self::Version(_) => Some("META0012"),
            Self::KindChange { .. } | Self::HandlersGone { .. } => Some("META0006"),
            Self::RangeChange { .. } => Some("META0016"),
            _ => None,
        }
    }
}

fn removal_advice(is_newest: bool) -> &'static str {
    if is_newest {
        "Register a deployment that offers these services first, then remove this one when GET /deployments/{id} calls it drained"
    } else {
        "Wait until GET /deployments/{id} calls it drained, or resume them on another deployment"
    }
}

fn backup_status(refusal: &BackupRefusal) -> StatusCode {
    match refusal {
        BackupRefusal::Running | BackupRefusal::Backup(BackupError::Busy(_)) => {
            StatusCode::CONFLICT
        }
        BackupRefusal::Ask(_) | BackupRefusal::NoThread(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(feature = "sql")]
fn query_status(error: &crate::query::QueryError) -> StatusCode {
    use crate::query::QueryError;
    match error {
        QueryError::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
        QueryError::Busy | QueryError::Ask(AskError::Overloaded) => StatusCode::TOO_MANY_REQUESTS,
        QueryError::Ask(_) | QueryError::Abandoned | QueryError::Thread(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            tracing::warn!(%status, error = %self, "an admin request failed");
        }
        let mut response = body(status, self.to_string(), self.code());
        if status == StatusCode::UNAUTHORIZED {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}

fn body(status: StatusCode, message: String, code: Option<&str>) -> Response {
    let body = ErrorBody {
        message,
        restate_code: code.map(str::to_owned),
    };
    (status, Json(body)).into_response()
}

/// Gives the refusals of the framework, which are plain text, the shape of all others.
pub(super) async fn one_shape(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|found| found == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers().get(header::ALLOW).cloned();
        let mut refused = AdminError::Verb(path).into_response();
        refused
            .headers_mut()
            .extend(allow.map(|allow| (header::ALLOW, allow)));
        return refused;
    }
    let text = axum::body::to_bytes(response.into_body(), PLAIN_BYTES_MAX)
        .await
        .unwrap_or_default();
    let text = match std::str::from_utf8(&text) {
        Ok(text) if !text.is_empty() => text.to_owned(),
        _ => format!("{path} was refused with status {status}"),
    };
    body(status, text, None)
}
