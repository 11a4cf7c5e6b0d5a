//! A client's connection to the server, made when it is needed and kept for the next request.

use super::fabric::{CLIENTS, Fabric, SERVER};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) const INGRESS_PORT: u16 = 8080;
pub(super) const ADMIN_PORT: u16 = 9070;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: String,
}

impl Question {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            idempotency_key: None,
            body: String::new(),
        }
    }

    pub(super) fn post(path: String, body: String) -> Self {
        Self {
            method: Method::POST,
            body,
            ..Self::get(path)
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A connection to one of the server's ports.
pub(super) struct Line {
    fabric: Arc<Fabric>,
    port: u16,
    http2: bool,
    open: Option<Sender>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Line {
    pub(super) fn new(fabric: &Arc<Fabric>, port: u16, http2: bool) -> Self {
        Self {
            fabric: fabric.clone(),
            port,
            http2,
            open: None,
        }
    }

    /// Asks, and waits no longer than `patience`.
    ///
    /// # Errors
    /// If there is no answer, for whatever reason: nobody knows what became of the question.
    pub(super) async fn ask(
        &mut self,
        question: &Question,
        patience: Duration,
    ) -> Result<Answer, String> {
        let asked = tokio::time::timeout(patience, self.ask_patiently(question)).await;
        let asked = asked.unwrap_or_else(|_| Err("no answer in time".into()));
        if asked.is_err() {
            self.open = None;
        }
        asked
    }

    async fn ask_patiently(&mut self, question: &Question) -> Result<Answer, String> {
        let lost = |error: hyper::Error| error.to_string();
        let mut sender = match self.open.take() {
            Some(sender) => sender,
            None => self.dial().await?,
        };
        let authority = format!("server:{}", self.port);
        let mut request = Request::builder().method(&question.method);
        request = match self.http2 {
            true => request.uri(format!("http://{authority}{}", question.path)),
            false => request.uri(&question.path).header(HOST, &authority),
        };
        if let Some(key) = &question.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if !question.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::from(question.body.clone());
        let request = request.body(body).map_err(|error| error.to_string())?;
        let response = match &mut sender {
            Sender::Http1(sender) => {
                sender.ready().await.map_err(lost)?;
                sender.send_request(request).await.map_err(lost)?
            }
            Sender::Http2(sender) => {
                sender.ready().await.map_err(lost)?;
                sender.send_request(request).await.map_err(lost)?
            }
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(lost)?.to_bytes();
        self.open = Some(sender);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    async fn dial(&self) -> Result<Sender, String> {
        let lost = |error: hyper::Error| error.to_string();
        let address = SocketAddr::new(SERVER, self.port);
        let end = self.fabric.connect(CLIENTS, address).await;
        let io = TokioIo::new(end.map_err(|error| error.to_string())?);
        if self.http2 {
            let handshake = http2::handshake(TokioExecutor::new(), io).await;
            let (sender, connection) = handshake.map_err(lost)?;
            tokio::spawn(connection);
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) = http1::handshake(io).await.map_err(lost)?;
        tokio::spawn(connection);
        Ok(Sender::Http1(sender))
    }
}
