//! The ingress port: calls, sends, and what became of them.

use crate::http::{ANSWER_LIMIT, ClientError, ERROR_SOURCE, Http, ID, Reply, Wish, segment};
use latchwork_protocol::ingress::ErrorBody;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use ureq::http::Method;

/// The ingress port of a server.
pub(crate) struct Ingress {
    http: Http,
}

/// Who is called: a service and its handler, and the key if the service has keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) service: String,
    pub(crate) key: Option<String>,
    pub(crate) handler: String,
}

/// What a handler is called with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// Nothing: no input at all, which is not the same as an empty one.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) content_type: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

/// What a send was answered with.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Sent {
    #[serde(alias = "invocationId")]
    pub(crate) invocation_id: String,
    pub(crate) status: String,
    #[serde(alias = "executionTime", skip_serializing_if = "Option::is_none")]
    pub(crate) execution_time: Option<String>,
}

impl Sent {
    /// Whether this send started nothing, because what it names was there before.
    pub(crate) fn was_known(&self) -> bool {
        self.status == "PreviouslyAccepted"
    }
}

/// What became of an invocation.
pub(crate) enum Ending {
    /// Its output.
    Output(Vec<u8>),
    /// What it failed with.
    Failure(ErrorBody),
    /// It goes on.
    NotReady,
}

impl Ingress {
    /// Nothing is sent yet.
    pub(crate) fn over(http: Http) -> Self {
        Self { http }
    }

    /// Whether the server says that it takes calls; the reason if not.
    pub(crate) fn health(&self) -> Result<(), ClientError> {
        let path = "/restate/health";
        let reply = self.http.exchange(get(path, Some(ANSWER_LIMIT)))?;
        if reply.is_success() {
            return Ok(());
        }
        Err(refused(&reply))
    }

    /// Calls, and waits without end. Gives the id of the invocation too.
    pub(crate) fn call(
        &self,
        target: &Target,
        input: &Input,
    ) -> Result<(Option<String>, Ending), ClientError> {
        let path = format!("/restate/call/{target}");
        let reply = self.http.exchange(input.wish(&path, None))?;
        let id = reply.header(ID).map(str::to_owned);
        Ok((id, ending(reply)?))
    }

    /// Sends, to start now or after a delay in the server's own form.
    pub(crate) fn send(
        &self,
        target: &Target,
        input: &Input,
        delay_ms: Option<u64>,
    ) -> Result<Sent, ClientError> {
        let delay = delay_ms.map(|ms| format!("?delay={ms}ms"));
        let path = format!("/restate/send/{target}{}", delay.unwrap_or_default());
        let reply = self.http.exchange(input.wish(&path, Some(ANSWER_LIMIT)))?;
        if reply.is_success() {
            return reply.json();
        }
        Err(refused(&reply))
    }

    /// Waits until an invocation is over, at most for `wait`.
    pub(crate) fn attach(&self, id: &str, wait: Option<Duration>) -> Result<Ending, ClientError> {
        let path = format!("/restate/attach/{}", segment(id));
        match self.http.exchange(get(&path, wait)) {
            Ok(reply) => ending(reply),
            Err(ClientError::TimedOut { .. }) => Ok(Ending::NotReady),
            Err(error) => Err(error),
        }
    }

    /// Asks whether an invocation is over, without waiting.
    pub(crate) fn output(&self, id: &str) -> Result<Ending, ClientError> {
        let path = format!("/restate/output/{}", segment(id));
        ending(self.http.exchange(get(&path, Some(ANSWER_LIMIT)))?)
    }
}

impl std::fmt::Display for Target {
    /// As a path.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/", segment(&self.service))?;
        if let Some(key) = &self.key {
            write!(f, "{}/", segment(key))?;
        }
        write!(f, "{}", segment(&self.handler))
    }
}

impl Input {
    fn wish<'a>(&'a self, path: &'a str, limit: Option<Duration>) -> Wish<'a> {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        headers.extend(
            self.content_type
                .iter()
                .map(|ty| ("content-type", ty.as_str())),
        );
        headers.extend(
            self.idempotency_key
                .iter()
                .map(|key| ("idempotency-key", key.as_str())),
        );
        Wish {
            method: Method::POST,
            path,
            headers,
            body: self.body.clone(),
            limit,
        }
    }
}

fn get(path: &str, limit: Option<Duration>) -> Wish<'_> {
    Wish {
        method: Method::GET,
        path,
        headers: Vec::new(),
        body: None,
        limit,
    }
}

fn ending(reply: Reply) -> Result<Ending, ClientError> {
    if reply.is_success() {
        return Ok(Ending::Output(reply.body));
    }
    if reply.status == 470 {
        return Ok(Ending::NotReady);
    }
    if reply.header(ERROR_SOURCE) == Some("invocation") {
        return Ok(Ending::Failure(reply.json()?));
    }
    Err(refused(&reply))
}

fn refused(reply: &Reply) -> ClientError {
    let (message, code) = match serde_json::from_slice::<ErrorBody>(&reply.body) {
        Ok(body) => (body.message, body.restate_code),
        Err(_) => {
            let text = String::from_utf8_lossy(&reply.body);
            let message = format!("{} answered {}: {text}", reply.url, reply.status);
            (message, None)
        }
    };
    ClientError::Refused {
        status: reply.status,
        message,
        code,
    }
}
