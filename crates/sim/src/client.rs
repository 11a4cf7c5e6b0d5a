//! HTTP towards the server: one request, one whole reply, or nothing.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;

/// Keeps connections open between requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
}

/// A reply, complete.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: StatusCode,
    /// The invocation that it speaks of.
    pub(crate) invocation: Option<String>,
    /// The failure is the handler's, not the server's.
    pub(crate) from_invocation: bool,
    /// Its body.
    pub(crate) body: Bytes,
}

/// No whole reply came: whether the server has heard the request is not known.
#[derive(Debug, thiserror::Error)]
#[error("no whole reply from the server")]
pub(crate) struct Lost;

impl Client {
    /// A client without connections yet.
    pub(crate) fn new() -> Self {
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { http }
    }

    /// Reads.
    pub(crate) async fn get(&self, server: SocketAddr, path: &str) -> Result<Reply, Lost> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("http://{server}{path}"));
        self.send(request.body(Full::default())).await
    }

    /// Sends JSON or nothing, with an idempotency key or without.
    pub(crate) async fn post(
        &self,
        server: SocketAddr,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Reply, Lost> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{server}{path}"));
        // A handler without input takes no content type either.
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Full::new(body))).await
    }

    async fn send(&self, request: http::Result<Request<Full<Bytes>>>) -> Result<Reply, Lost> {
        let request = request.map_err(|_| Lost)?;
        let reply = self.http.request(request).await.map_err(|_| Lost)?;
        let (head, body) = reply.into_parts();
        let header = |name: &str| {
            let value = head.headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Ok(Reply {
            status: head.status,
            invocation: header("x-restate-id"),
            from_invocation: header("x-restate-error-source").as_deref() == Some("invocation"),
            body: body.collect().await.map_err(|_| Lost)?.to_bytes(),
        })
    }
}
