//! Browsers: any page may call, and may read the headers that matter.

use super::reply::{Reply, empty};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

const TRUE: HeaderValue = HeaderValue::from_static("true");
const VARY: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-restate-id, idempotency-expires, x-restate-error-source, retry-after",
);

/// The page that a request comes from, if it comes from one.
pub(super) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ORIGIN).cloned()
}

/// The answer to a browser that asks what it may do: whatever it asks for.
pub(super) fn preflight(asked: &HeaderMap) -> Reply {
    let mut reply = empty(StatusCode::OK);
    for (wish, leave) in [
        (
            header::ACCESS_CONTROL_REQUEST_METHOD,
            header::ACCESS_CONTROL_ALLOW_METHODS,
        ),
        (
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
        ),
    ] {
        if let Some(wish) = asked.get(wish) {
            reply.headers_mut().insert(leave, wish.clone());
        }
    }
    reply
}

/// Adds what every reply says to browsers.
pub(super) fn complete(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(header::VARY, VARY);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
