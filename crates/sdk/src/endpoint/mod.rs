//! Services behind HTTP: requests of a server in, responses out, over whatever brings them.
//!
//! ```text
//!   GET  /discover                   ─▶ the manifest of all bound services
//!   POST /invoke/{service}/{handler} ─▶ an attempt, streamed both ways
//!   GET  /health                     ─▶ 200
//! ```
//!
//! Start at [`Endpoint`]. [`Endpoint::handle`] takes a request and gives a response, and needs no
//! socket; `serve` puts HTTP/1.1 and HTTP/2 on one port in front of it, and as a
//! [`tower_service::Service`] it fits into axum. A path before these is let pass: an endpoint may
//! be mounted anywhere.

mod body;
mod identity;
#[cfg(feature = "lambda")]
mod lambda;
#[cfg(feature = "server")]
mod serve;
mod tower;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version as HttpVersion};
use http_body::Body;
use latchwork_protocol::service::version::Version;

pub use body::ResponseBody;
pub use identity::IdentityKeyError;

use crate::attempt::Attempt;
use crate::clock::Clock;
use crate::handler::{BoundHandler, Service};
use crate::manifest::{Description, ManifestError, ProtocolMode, manifest};
use body::DataStream;
use identity::Keys;

/// How the endpoint calls itself.
const SERVER_HEADER: &str = "x-restate-server";
const SERVER: &str = concat!("latchwork-sdk/", env!("CARGO_PKG_VERSION"));

/// Services that a server can reach. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    services: BTreeMap<String, Bound>,
    keys: Keys,
    clock: Clock,
    request_response: bool,
}

struct Bound {
    description: Description,
    service: Arc<dyn Service>,
}

/// Puts an [`Endpoint`] together.
pub struct EndpointBuilder {
    inner: Inner,
}

impl Endpoint {
    /// An endpoint without services.
    pub fn builder() -> EndpointBuilder {
        EndpointBuilder {
            inner: Inner {
                services: BTreeMap::new(),
                keys: Keys::default(),
                clock: Clock::System,
                request_response: false,
            },
        }
    }

    /// Answers a request. The response of an attempt is driven by whoever reads it: dropping it
    /// breaks the attempt off.
    pub fn handle<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path().trim_end_matches('/');
        let mut from_end = path.rsplit('/');
        let last = from_end.next().unwrap_or_default();
        if last == "health" {
            return text(StatusCode::OK, "ok");
        }
        let now = self.inner.clock.now().as_secs();
        if let Err(refusal) = self.inner.keys.check(&head.headers, path, now) {
            tracing::warn!(path, %refusal, "a request is refused");
            return text(StatusCode::UNAUTHORIZED, refusal.to_string());
        }
        let header = |name| {
            let value = head.headers.get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        if last == "discover" {
            if head.method != Method::GET {
                return text(StatusCode::METHOD_NOT_ALLOWED, "discovery is a GET");
            }
            return self.discover(header(ACCEPT), head.version);
        }
        let (handler, service) = (last, from_end.next().unwrap_or_default());
        if from_end.next() != Some("invoke") {
            let message = format!(
                "there is nothing at {path}; this is an endpoint with /discover, \
                 /invoke/SERVICE/HANDLER and /health. Register its address without a path, or with \
                 the path that it is mounted at."
            );
            return text(StatusCode::NOT_FOUND, message);
        }
        if head.method != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "an invocation is a POST");
        }
        self.invoke(service, handler, header(CONTENT_TYPE), body)
    }

    /// The manifest in its newest version, with its media type.
    #[cfg(feature = "embedded")]
    pub(crate) fn manifest(&self) -> Result<(String, Vec<u8>), ManifestError> {
        let services = self.inner.services.values();
        manifest(
            latchwork_protocol::service::manifest::ACCEPT,
            ProtocolMode::BidiStream,
            services.map(|bound| &bound.description),
        )
    }

    /// Whether requests and responses do not overlap.
    #[cfg(feature = "embedded")]
    pub(crate) fn is_request_response(&self) -> bool {
        self.inner.request_response
    }

    /// The lowest and the highest protocol version that are spoken.
    #[cfg(feature = "embedded")]
    pub(crate) fn protocol_range() -> (u32, u32) {
        (Version::OLDEST.number(), Version::NEWEST.number())
    }

    /// What it calls itself.
    #[cfg(feature = "embedded")]
    pub(crate) fn sdk() -> &'static str {
        SERVER
    }

    fn discover(&self, accept: &str, version: HttpVersion) -> Response<ResponseBody> {
        // Over HTTP/1.1 not every client can read and write at once.
        let mode = if self.inner.request_response || version < HttpVersion::HTTP_2 {
            ProtocolMode::RequestResponse
        } else {
            ProtocolMode::BidiStream
        };
        let services = self.inner.services.values();
        match manifest(accept, mode, services.map(|bound| &bound.description)) {
            Ok((media_type, body)) => respond(StatusCode::OK, &media_type, body.into()),
            Err(error @ ManifestError::NotAccepted) => {
                text(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string())
            }
            Err(error @ ManifestError::TooOld { .. }) => {
                text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }

    fn invoke<B>(
        &self,
        service: &str,
        handler: &str,
        content_type: &str,
        body: B,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let Some(bound) = self.inner.services.get(service) else {
            let known: Vec<&str> = self.inner.services.keys().map(String::as_str).collect();
            let known = known.join(", ");
            let message = format!(
                "there is no service {service:?} here, but {known}. Register this address again, or \
                 deploy the code that has the service."
            );
            return text(StatusCode::NOT_FOUND, message);
        };
        if !bound.description.has_handler(handler) {
            let message = format!(
                "service {service} has no handler {handler:?} here. Register this address again, or \
                 deploy the code that has the handler."
            );
            return text(StatusCode::NOT_FOUND, message);
        }
        let Some(version) = Version::from_content_type(content_type) else {
            let message = format!(
                "{content_type:?} is not spoken here: this endpoint speaks \
                 application/vnd.restate.invocation.v5 to v7"
            );
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        };
        let handler = BoundHandler {
            service: Arc::clone(&bound.service),
            service_name: service.to_owned(),
            handler: handler.to_owned(),
        };
        let clock = self.inner.clock.clone();
        let attempt = Attempt::new(DataStream::new(body), version, handler, clock);
        let mut response = Response::new(ResponseBody::stream(attempt));
        let headers = response.headers_mut();
        headers.insert(SERVER_HEADER, HeaderValue::from_static(SERVER));
        let content_type = HeaderValue::from_static(version.content_type());
        headers.insert(CONTENT_TYPE, content_type);
        response
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("services", &self.inner.services.keys())
            .finish_non_exhaustive()
    }
}

impl EndpointBuilder {
    /// Adds a service. One of the same name takes the place of an earlier one.
    #[must_use]
    pub fn bind(mut self, service: impl Service) -> Self {
        let description = service.describe();
        let bound = Bound {
            service: Arc::new(service),
            description,
        };
        let name = bound.description.name().to_owned();
        self.inner.services.insert(name, bound);
        self
    }

    /// Takes only requests that the server with this public key has signed; of several keys any.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn identity_key(mut self, public_key: &str) -> Result<Self, IdentityKeyError> {
        self.inner.keys.add(public_key)?;
        Ok(self)
    }

    /// Announces that requests and responses do not overlap: for whatever lies in between and
    /// cannot stream. Over HTTP/1.1 that is announced anyway.
    #[must_use]
    pub fn request_response(mut self) -> Self {
        self.inner.request_response = true;
        self
    }

    /// Takes the time from elsewhere: sleeps and delays count from it, and what retries of a step
    /// have taken is measured by it.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.inner.clock = Clock::Given(Arc::new(now));
        self
    }

    /// The endpoint.
    pub fn build(self) -> Endpoint {
        Endpoint {
            inner: Arc::new(self.inner),
        }
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<ResponseBody> {
    respond(status, "text/plain; charset=utf-8", text.into())
}

fn respond(status: StatusCode, content_type: &str, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER_HEADER, HeaderValue::from_static(SERVER));
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    response
}
