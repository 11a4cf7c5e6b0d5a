//! Requests to one address, and what the answers mean.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::error::{ClientError, SetupError};
use super::retry::{Patience, is_for_good};
use super::tls::{Connector, Tls, connector};
use crate::error::Failure;
use crate::target::Parameter;
use crate::vm::RetryPolicy;

/// Who an error comes from.
const ERROR_SOURCE: &str = "x-restate-error-source";
/// The status of a result that is not there yet.
const NOT_READY: u16 = 470;

/// Connections to one address.
pub(super) struct Http {
    base: String,
    client: Client<Connector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
    retry: RetryPolicy,
}

/// A request that is being put together.
pub(super) struct Outgoing<'h> {
    http: &'h Http,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// Twice is as good as once.
    repeatable: bool,
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
    pub(super) fn new(
        address: &str,
        tls: &Tls,
        authorization: Option<HeaderValue>,
        retry: &RetryPolicy,
    ) -> Result<Self, SetupError> {
        let uri = address.parse::<Uri>().ok();
        let uri = uri.filter(|uri| uri.host().is_some());
        let secure = match uri.as_ref().and_then(Uri::scheme) {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => {
                let address = address.to_owned();
                return Err(SetupError::Address { address });
            }
        };
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector(tls, secure)?),
            authorization,
            retry: retry.clone(),
        })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    pub(super) fn request(&self, method: Method, path: &str) -> Outgoing<'_> {
        Outgoing {
            http: self,
            method,
            path: path.to_owned(),
            headers: self
                .authorization
                .iter()
                .map(|it| (AUTHORIZATION, it.clone()))
                .collect(),
            body: Bytes::new(),
            repeatable: false,
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

    /// Says whether to make it twice is as good as once: then it is repeated after a connection
    /// broke, by the policy of the client.
    pub(super) fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    pub(super) async fn send(self) -> Result<Answer, ClientError> {
        let mut patience = Patience::new(&self.http.retry);
        loop {
            let (outcome, asks_for) = match self.once().await {
                Ok(answer) => match answer.may_be_repeated(self.repeatable) {
                    true => {
                        let asks_for = answer.retry_after();
                        (Ok(answer), asks_for)
                    }
                    false => return Ok(answer),
                },
                Err(Broken { error, again }) => match again && self.may_follow(&error) {
                    true => (Err(error), None),
                    false => return Err(error),
                },
            };
            match patience.pause(asks_for) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return outcome,
            }
        }
    }

    /// Whether another try may follow upon this error.
    fn may_follow(&self, error: &ClientError) -> bool {
        self.repeatable || matches!(error, ClientError::Unreachable { .. })
    }

    async fn once(&self) -> Result<Answer, Broken> {
        let base = self.http.base.clone();
        let request_name = self.name();
        let unanswered = |reason: String| ClientError::Unanswered {
            base: base.clone(),
            request: request_name.clone(),
            reason,
        };
        let request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{}{}", self.http.base, self.path))
            .body(Full::new(self.body.clone()));
        let mut request = request.map_err(|error| Broken {
            error: unanswered(error.to_string()),
            again: false,
        })?;
        *request.headers_mut() = self.headers.clone();
        let response = self.http.client.request(request).await;
        let response = response.map_err(|error: Error| Broken {
            again: !is_for_good(&error),
            error: match error.is_connect() {
                true => ClientError::Unreachable {
                    base: base.clone(),
                    request: request_name.clone(),
                    reason: with_causes(&error),
                },
                false => unanswered(with_causes(&error)),
            },
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| Broken {
            error: unanswered(with_causes(&error)),
            again: true,
        })?;
        Ok(Answer {
            base,
            request: request_name,
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

/// A request without an answer.
struct Broken {
    error: ClientError,
    /// Another try may fare better.
    again: bool,
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

    /// Whether it is a refusal upon which the request may be made again: the server says that it has
    /// not taken it; or it stopped, or something before it does not reach it, and twice is as good
    /// as once.
    fn may_be_repeated(&self, repeatable: bool) -> bool {
        let source = self.headers.get(ERROR_SOURCE);
        match source {
            Some(source) if source == "invocation" => false,
            Some(_) if self.headers.contains_key(RETRY_AFTER) => true,
            _ => repeatable && is_out_of_service(self.status.as_u16()),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse();
        seconds.ok().map(Duration::from_secs)
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

/// Whether a status says that no server was there, or that it went away.
pub(super) fn is_out_of_service(status: u16) -> bool {
    matches!(status, 502..=504)
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
