//! Replies: a result or a refusal in, an HTTP response out.

use super::text;
use crate::access::CHALLENGE;
use crate::error::Refusal;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use latchwork_engine::{Failure, InvocationId, Outcome};
use latchwork_protocol::ingress::{ErrorBody, ErrorSource, header as name, rfc3339_millis_offset};
use latchwork_protocol::service::manifest::OutputRule;
use latchwork_runtime::Ending;
use serde::Serialize;
use std::collections::BTreeMap;

/// What goes back to a caller.
pub(super) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ID: HeaderName = HeaderName::from_static(name::ID);
const EXPIRES: HeaderName = HeaderName::from_static(name::IDEMPOTENCY_EXPIRES);
const ERROR_SOURCE: HeaderName = HeaderName::from_static(name::ERROR_SOURCE);

/// How an invocation ended: its value under the handler's content type, or its failure.
pub(super) fn ending(id: InvocationId, ending: Ending, rule: &OutputRule) -> Reply {
    let mut reply = match ending.outcome {
        Outcome::Value(value) => {
            let content_type = rule.content_type(value.is_empty()).and_then(header_value);
            let mut reply = Response::new(Full::new(value));
            if let Some(content_type) = content_type {
                reply
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, content_type);
            }
            reply
        }
        Outcome::Failure(failure) => self::failure(failure),
    };
    put_id(reply.headers_mut(), text(id));
    if let Some(at) = ending.expires_at {
        put(reply.headers_mut(), EXPIRES, rfc3339_millis_offset(at));
    }
    reply
}

/// Why a request is not served.
pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let status = refusal.status();
    let body = ErrorBody {
        code: u32::from(status.as_u16()),
        message: refusal.to_string(),
        metadata: BTreeMap::new(),
        stacktrace: None,
        restate_code: refusal.code().map(str::to_owned),
        source: ErrorSource::Ingress,
    };
    let mut reply = error(status, &body);
    let headers = reply.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    if let Some(id) = refusal.id() {
        put_id(headers, id.to_owned());
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Refusal::Verb { allowed, .. } = refusal {
        put(headers, header::ALLOW, allowed.join(", "));
    }
    reply
}

/// A body of JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Reply {
    // Ours are plain structures of text and numbers: they always can be written.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

/// No body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

/// Names the invocation that a reply is about.
pub(super) fn put_id(headers: &mut HeaderMap, id: String) {
    put(headers, ID, id);
}

fn failure(failure: Failure) -> Reply {
    let status = failure_status(failure.code);
    let metadata = failure.metadata.into_iter();
    let body = ErrorBody {
        code: failure.code,
        message: failure.message,
        metadata: metadata.map(|pair| (pair.key, pair.value)).collect(),
        stacktrace: None,
        restate_code: None,
        source: ErrorSource::Invocation,
    };
    error(status, &body)
}

/// The code that the handler chose, if it is the status of an error: a failure must never look
/// like a success. The body has the code in any case.
fn failure_status(code: u32) -> StatusCode {
    u16::try_from(code)
        .ok()
        .filter(|code| *code >= 400)
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn error(status: StatusCode, body: &ErrorBody) -> Reply {
    let mut reply = json(status, body);
    let source = HeaderValue::from_static(body.source.as_str());
    reply.headers_mut().insert(ERROR_SOURCE, source);
    reply
}

fn header_value(content_type: &str) -> Option<HeaderValue> {
    if content_type == "application/json" {
        return Some(JSON);
    }
    HeaderValue::from_str(content_type).ok()
}

/// Sets a header to a text of ours, which is always ASCII.
fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> InvocationId {
        InvocationId::from_bytes([7; 24])
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.headers().get(name)?.to_str().ok()
    }

    #[test]
    fn a_value_gets_the_content_type_of_its_handler() {
        let typed = OutputRule {
            content_type: Some("text/plain".into()),
            set_if_empty: false,
            json_schema: None,
        };
        for (rule, value, content_type) in [
            (&OutputRule::default(), "1", Some("application/json")),
            (&OutputRule::default(), "", None),
            (&typed, "1", Some("text/plain")),
        ] {
            let outcome = Outcome::Value(Bytes::from_static(value.as_bytes()));
            let stored = Ending {
                outcome,
                expires_at: Some(0),
            };
            let reply = ending(id(), stored, rule);
            assert_eq!(reply.status(), 200);
            assert_eq!(header(&reply, "content-type"), content_type);
            assert_eq!(header(&reply, "x-restate-id"), Some(&*text(id())));
            assert_eq!(
                header(&reply, "idempotency-expires"),
                Some("1970-01-01T00:00:00.000+00:00")
            );
        }
    }

    #[test]
    fn a_failure_never_looks_like_a_success() {
        for (code, status) in [
            (404, 404),
            (418, 418),
            (999, 999),
            (200, 500),
            (0, 500),
            (70_000, 500),
        ] {
            let failed = Ending {
                outcome: Outcome::Failure(Failure::new(code, "no")),
                expires_at: None,
            };
            let reply = ending(id(), failed, &OutputRule::default());
            assert_eq!(reply.status(), status);
            assert_eq!(header(&reply, "x-restate-error-source"), Some("invocation"));
            assert_eq!(header(&reply, "idempotency-expires"), None);
        }
    }

    #[test]
    fn refusals_say_who_they_are_from_and_what_else_would_do() {
        let verb = refusal(&Refusal::Verb {
            found: http::Method::PUT,
            allowed: &["POST", "GET"],
        });
        assert_eq!(verb.status(), 405);
        assert_eq!(header(&verb, "allow"), Some("POST, GET"));
        assert_eq!(header(&verb, "x-restate-error-source"), Some("ingress"));
        let busy = refusal(&Refusal::Overloaded);
        assert_eq!(header(&busy, "retry-after"), Some("1"));
    }
}
