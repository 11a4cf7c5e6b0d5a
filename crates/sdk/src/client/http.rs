//! Requests to one address, and what the answers mean.

use std::fmt::Write;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::error::{AddressError, ClientError};
use crate::error::Failure;
use crate::target::Parameter;

/// Who an error comes from.
const ERROR_SOURCE: &str = "x-restate-error-source";
/// The status of a result that is not there yet.
const NOT_READY: u16 = 470;

/// Connections to one address.
pub(super) struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A request that is being put together.
pub(super) struct Outgoing<'h> {
    http: &'h Http,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What came back.
pub(super) struct Answer {
    base: String,
    request: String,
    status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Http {
    pub(super) fn new(address: &str) -> Result<Self, AddressError> {
        let wrong = |reason| AddressError {
            address: address.to_owned(),
            reason,
        };
        let uri: Uri = address
            .parse()
            .map_err(|_| wrong("write it as http://host:port"))?;
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return Err(wrong(
                "this client speaks no TLS; use http://, through a proxy if need be",
            ));
        }
        if uri.scheme() != Some(&Scheme::HTTP) || uri.host().is_none() {
            return Err(wrong("write it as http://host:port"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn request(&self, method: Method, path: &str) -> Outgoing<'_> {
        Outgoing {
            http: self,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

impl Outgoing<'_> {
    /// Sets the body to a value.
    pub(super) fn parameter(mut self, parameter: Parameter) -> Result<Self, ClientError> {
        self.body = parameter.bytes?;
        if let Some(content_type) = parameter.content_type {
            let value = HeaderValue::from_static(content_type);
            self.headers.insert(CONTENT_TYPE, value);
        }
        Ok(self)
    }

    /// Sets the body to a text.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.body = Bytes::copy_from_slice(text.as_bytes());
        let value = HeaderValue::from_static("text/plain");
        self.headers.insert(CONTENT_TYPE, value);
        self
    }

    /// Adds headers, given as texts.
    pub(super) fn headers(mut self, headers: &[(String, String)]) -> Result<Self, ClientError> {
        for (name, value) in headers {
            let pair = HeaderName::try_from(name.as_str())
                .ok()
                .zip(HeaderValue::try_from(value.as_str()).ok());
            let Some((name, value)) = pair else {
                return Err(ClientError::Refused {
                    base: self.http.base.clone(),
                    request: self.name(),
                    status: 400,
                    message: format!(
                        "{name:?}: {value:?} cannot be a header; it was not sent. Headers are ASCII."
                    ),
                });
            };
            self.headers.append(name, value);
        }
        Ok(self)
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) async fn send(self) -> Result<Answer, ClientError> {
        let base = self.http.base.clone();
        let request_name = self.name();
        let unreachable = |reason: String| ClientError::Unreachable {
            base: base.clone(),
            request: request_name.clone(),
            reason,
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("{}{}", self.http.base, self.path))
            .body(Full::new(self.body))
            .map_err(|error| unreachable(error.to_string()))?;
        *request.headers_mut() = self.headers;
        let response = self.http.client.request(request).await;
        let response = response.map_err(|error| unreachable(with_causes(&error)))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| unreachable(with_causes(&error)))?;
        Ok(Answer {
            base,
            request: request_name,
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

/// An error of the server, as JSON.
#[derive(Deserialize)]
struct ErrorBody {
    code: Option<u32>,
    message: String,
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, String>,
}

impl Answer {
    /// The answer if the server did as it was told; else its error.
    pub(super) fn success(self) -> Result<Self, ClientError> {
        let source = self.headers.get(ERROR_SOURCE);
        if self.status.is_success() && source.is_none() {
            return Ok(self);
        }
        let error = serde_json::from_slice::<ErrorBody>(&self.body).ok();
        if source.is_some_and(|source| source == "invocation") {
            let Some(error) = error else {
                let reason = "an error of an invocation is no JSON";
                return Err(self.unreadable(reason));
            };
            let code = error.code.unwrap_or(self.status.as_u16().into());
            let metadata = error.metadata.into_iter();
            let failure = metadata.fold(
                Failure::new(error.message).code(code),
                |failure, (key, value)| failure.metadata(key, value),
            );
            return Err(failure.into());
        }
        let message = match error {
            Some(error) => error.message,
            None => String::from_utf8_lossy(&self.body).into_owned(),
        };
        Err(ClientError::Refused {
            base: self.base,
            request: self.request,
            status: self.status.as_u16(),
            message,
        })
    }

    /// [`success`](Self::success), or nothing if the result is not there yet.
    pub(super) fn success_or_not_ready(self) -> Result<Option<Self>, ClientError> {
        if self.status.as_u16() == NOT_READY {
            return Ok(None);
        }
        self.success().map(Some)
    }

    pub(super) fn unreadable(self, reason: impl Into<String>) -> ClientError {
        ClientError::Unreadable {
            base: self.base,
            request: self.request,
            reason: reason.into(),
        }
    }
}

/// An error with what caused it: that of a connection says little by itself.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
