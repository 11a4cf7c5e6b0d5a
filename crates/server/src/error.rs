//! Refusals of the ingress: why a request is not served, with its status and its text.
//!
//! The only place where one becomes an HTTP status. What an invocation failed with is no
//! refusal: that is a result.

use crate::access::Denied;
use crate::listen::BodyError;
use crate::room::Full;
use http::{Method, StatusCode};
use latchwork_engine::table::invocation::Status;
use latchwork_engine::table::length::TooLong;
use latchwork_protocol::id::IdError;
use latchwork_protocol::ingress::{DelayError, NOT_READY, RouteError};
use latchwork_protocol::scope::ScopeError;

/// Why the ingress does not do what a request asks for.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Whoever asks may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The path asks for nothing that is there.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The service has no such handler.
    #[error(
        "service {service} has no handler {handler:?}: check the name, or register the deployment \
         that offers it"
    )]
    UnknownHandler {
        /// The service.
        service: String,
        /// The handler as sent.
        handler: String,
    },
    /// Only other handlers may call it.
    #[error(
        "{service}/{handler} is private: only other handlers may call it. Make it public in its \
         definition or through the admin API if callers from outside are meant to"
    )]
    Private {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
    },
    /// The verb is not one of the path's.
    #[error("{found} is not served here: use {}", allowed.join(" or "))]
    Verb {
        /// The verb of the request.
        found: Method,
        /// What would be right.
        allowed: &'static [&'static str],
    },
    /// A header cannot be passed on.
    #[error("the value of header {name} is not visible ASCII: encode it, or leave it out")]
    Header {
        /// Its name.
        name: String,
    },
    /// A run has its workflow key for identity.
    #[error(
        "an idempotency-key is not taken by a workflow's run handler, which runs once for each \
         workflow key anyway: leave the header out"
    )]
    KeyOnRun,
    /// The scope or limit key is malformed.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// Calls within a scope are not served.
    #[error("calls within a scope are not served by this version: call without /scope/{scope}")]
    Scoped {
        /// The scope as sent.
        scope: String,
    },
    /// The body is too large.
    #[error(
        "the body is larger than {limit} bytes: send less, or send a reference to where the data \
         is; operators can raise the limit"
    )]
    TooLarge {
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// The body ended before its end, or does not come.
    #[error("the body of the request could not be read: {0}")]
    Body(BodyError),
    /// The handler does not take this input.
    #[error("{service}/{handler} refuses the request: {reason}")]
    Input {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The delay cannot be read.
    #[error(transparent)]
    Delay(#[from] DelayError),
    /// A call cannot be delayed.
    #[error(
        "a delay is only for sends, since a call waits for its result: send to \
         /restate/send/..., then attach"
    )]
    DelayedCall,
    /// A key is longer than a store takes.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The id is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The body names no invocation.
    #[error(
        "the body names no invocation ({0}): send JSON like \
         {{\"target\":\"invocation\",\"invocationId\":\"inv_1...\"}}, with target workflow, \
         idempotentInvocation or invocation"
    )]
    TargetBody(serde_json::Error),
    /// There is no such invocation.
    #[error("invocation {id} not found: it never was, or it is completed and no longer retained")]
    NotFound {
        /// Its id as text.
        id: String,
    },
    /// It is not over.
    #[error("invocation {id} is not completed, it is {}: ask later, or attach to it", status_text(*status))]
    NotReady {
        /// Its id as text.
        id: String,
        /// Where it stands.
        status: Status,
    },
    /// More waits to be written than should.
    #[error("the server is overloaded and did not accept the request: try again in a second")]
    Overloaded,
    /// The disk has too little room for new work.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server takes no new work.
    #[error(
        "the server is stopping and did not accept the request: try again when it is back, or \
         elsewhere"
    )]
    Draining,
    /// The server stopped while somebody waited.
    #[error(
        "the server stopped before invocation {id} was completed. If it was accepted, it goes on \
         when the server is back: read its result with GET /restate/attach/{id}"
    )]
    Stopped {
        /// Its id as text.
        id: String,
    },
    /// The server stopped before it could confirm something that may be repeated.
    #[error(
        "the server stopped before it could confirm the request: send it again when the server \
         is back, which does no harm if it was taken"
    )]
    Unconfirmed,
    /// The partition has given an answer that does not belong to the question.
    #[error("the server misunderstood itself, which is a defect of it; please report this: {0}")]
    Defect(String),
}

impl Refusal {
    /// The HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Denied(denied) => denied.status(),
            Self::Route(error) => known(error.status()),
            Self::UnknownHandler { .. } | Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Verb { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::NotReady { .. } => known(NOT_READY),
            Self::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            Self::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Draining | Self::Stopped { .. } | Self::Unconfirmed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Defect(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Private { .. }
            | Self::Header { .. }
            | Self::KeyOnRun
            | Self::Scope(_)
            | Self::Scoped { .. }
            | Self::Body(BodyError::Broken(_) | BodyError::Cut)
            | Self::Input { .. }
            | Self::Delay(_)
            | Self::DelayedCall
            | Self::Id(_)
            | Self::TooLong(_)
            | Self::TargetBody(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Its code among the errors, if it has one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Denied(denied) => Some(denied.code()),
            _ => None,
        }
    }

    /// The invocation that it is about, as text.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::NotFound { id } | Self::NotReady { id, .. } | Self::Stopped { id } => Some(id),
            _ => None,
        }
    }

    /// Seconds after which a repetition may succeed, and does not start the work twice.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Full(_) => Some(10),
            Self::Overloaded | Self::Draining | Self::Unconfirmed => Some(1),
            _ => None,
        }
    }
}

/// The status of this number. All that are asked for have three digits.
fn known(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "scheduled for later",
        Status::Inboxed => "waiting for others of its key",
        Status::Running => "running",
        Status::Suspended => "suspended until what it awaits is there",
        Status::BackingOff => "waiting to be tried again after a failure",
        Status::Paused => "paused until an operator resumes it",
        Status::Completed => "completed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_carry_the_status_that_clients_act_on() {
        let id = || "inv_1x".to_owned();
        for (refusal, status, seconds) in [
            (Refusal::Overloaded, 429, Some(1)),
            (Refusal::Draining, 503, Some(1)),
            (Refusal::Stopped { id: id() }, 503, None),
            (Refusal::Unconfirmed, 503, Some(1)),
            (Refusal::TooLarge { limit: 1 }, 413, None),
            (Refusal::NotFound { id: id() }, 404, None),
            (
                Refusal::NotReady {
                    id: id(),
                    status: Status::Paused,
                },
                470,
                None,
            ),
            (
                Refusal::Route(RouteError::NotFound { path: "/".into() }),
                404,
                None,
            ),
        ] {
            assert_eq!(refusal.status().as_u16(), status, "{refusal}");
            assert_eq!(refusal.retry_after_seconds(), seconds, "{refusal}");
        }
    }

    #[test]
    fn who_waited_for_a_server_that_stopped_is_told_how_to_go_on() {
        let text = Refusal::Stopped {
            id: "inv_1x".into(),
        }
        .to_string();
        assert!(text.contains("GET /restate/attach/inv_1x"), "{text}");
    }
}
