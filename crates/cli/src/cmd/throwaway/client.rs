//! What is said to the server over plain HTTP, and how the answers are read.
//!
//! One connection a request: a dozen are sent, and a connection kept over a kill would only have
//! to be found broken. [`Ingress`] submits and attaches, [`Admin`] registers the handlers.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Why a request brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cmd) enum ClientError {
    #[error("cannot reach {url}: {source}. Is another process using the port?")]
    Connect { url: String, source: std::io::Error },
    #[error("{url} broke off: {source}. The server's log says why.")]
    Exchange { url: String, source: hyper::Error },
    #[error("cannot form the request to {url}: {source}. Report this as a bug.")]
    Form {
        url: String,
        source: hyper::http::Error,
    },
    #[error("{url} answered {status}: {body}. The server's log may say more.")]
    Refused {
        url: String,
        status: StatusCode,
        body: String,
    },
    #[error("{url} answered something unexpected: {source}. The body was: {body}")]
    Unreadable {
        url: String,
        body: String,
        source: serde_json::Error,
    },
}

/// The answer to a one-way submission.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cmd) struct Submitted {
    pub(in crate::cmd) invocation_id: String,
    status: String,
}

impl Submitted {
    /// Whether this submission started nothing, because its idempotency key was known.
    pub(in crate::cmd) fn was_known(&self) -> bool {
        self.status == "PreviouslyAccepted"
    }
}

/// The port that takes calls.
#[derive(Clone, Copy)]
pub(in crate::cmd) struct Ingress(pub(in crate::cmd) SocketAddr);

impl Ingress {
    /// Whether the server says that it takes calls.
    pub(in crate::cmd) async fn is_healthy(self) -> bool {
        is_success(self.0, "/restate/health").await
    }

    /// Calls a handler and waits; returns the invocation's id with the output.
    pub(in crate::cmd) async fn call<T: DeserializeOwned>(
        self,
        path: &str,
        input: Option<Value>,
    ) -> Result<(Option<String>, T), ClientError> {
        let reply = exchange(self.0, Method::POST, path, None, input).await?;
        Ok((reply.invocation_id.clone(), reply.json()?))
    }

    /// Submits a call to `target` without waiting for its end; it starts `delay` later.
    pub(in crate::cmd) async fn send(
        self,
        target: &str,
        input: Value,
        delay: Duration,
        idempotency_key: Option<&str>,
    ) -> Result<Submitted, ClientError> {
        let mut path = format!("/{target}/send");
        if !delay.is_zero() {
            path.push_str(&format!("?delay={}ms", delay.as_millis()));
        }
        let reply = exchange(self.0, Method::POST, &path, idempotency_key, Some(input)).await?;
        reply.json()
    }

    /// Waits for the end of an invocation and returns its output.
    pub(in crate::cmd) async fn attach<T: DeserializeOwned>(
        self,
        invocation_id: &str,
    ) -> Result<T, ClientError> {
        let path = format!("/restate/attach/{invocation_id}");
        exchange(self.0, Method::GET, &path, None, None)
            .await?
            .json()
    }

    /// Completes an awakeable, as the sender of a web hook would.
    pub(in crate::cmd) async fn resolve(
        self,
        awakeable: &str,
        value: Value,
    ) -> Result<(), ClientError> {
        let path = format!("/restate/awakeables/{awakeable}/resolve");
        exchange(self.0, Method::POST, &path, None, Some(value)).await?;
        Ok(())
    }
}

/// The port for operators.
#[derive(Clone, Copy)]
pub(in crate::cmd) struct Admin(pub(in crate::cmd) SocketAddr);

/// A deployment, as the server describes it after registration.
#[derive(Debug, Deserialize)]
pub(in crate::cmd) struct Registered {
    pub(in crate::cmd) id: String,
    pub(in crate::cmd) services: Vec<RegisteredService>,
}

/// A service that a deployment offers.
#[derive(Debug, Deserialize)]
pub(in crate::cmd) struct RegisteredService {
    pub(in crate::cmd) name: String,
}

impl Admin {
    /// Whether the server says that it can be administered.
    pub(in crate::cmd) async fn is_healthy(self) -> bool {
        is_success(self.0, "/health").await
    }

    /// Has the server ask the endpoint at `uri` what it offers, and take it on.
    pub(in crate::cmd) async fn register(self, uri: &str) -> Result<Registered, ClientError> {
        let body = json!({ "uri": uri });
        exchange(self.0, Method::POST, "/deployments", None, Some(body))
            .await?
            .json()
    }
}

/// A successful answer.
struct Reply {
    url: String,
    invocation_id: Option<String>,
    body: Bytes,
}

impl Reply {
    fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|source| ClientError::Unreadable {
            url: self.url.clone(),
            body: text(&self.body),
            source,
        })
    }
}

async fn is_success(address: SocketAddr, path: &str) -> bool {
    exchange(address, Method::GET, path, None, None)
        .await
        .is_ok()
}

/// One request on a connection of its own; anything but 2xx is an error.
async fn exchange(
    address: SocketAddr,
    method: Method,
    path: &str,
    idempotency_key: Option<&str>,
    body: Option<Value>,
) -> Result<Reply, ClientError> {
    let url = format!("http://{address}{path}");
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string());
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
    let request = match request.body(Full::new(body)) {
        Ok(request) => request,
        Err(source) => return Err(ClientError::Form { url, source }),
    };

    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(source) => return Err(ClientError::Connect { url, source }),
    };
    let answered = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let respond = async {
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes()))
        };
        tokio::pin!(connection);
        tokio::pin!(respond);
        // The connection moves the bytes; its own end is of interest only through the response.
        tokio::select! {
            answer = &mut respond => answer,
            _ = &mut connection => respond.await,
        }
    };
    let (head, body) = match answered.await {
        Ok(answer) => answer,
        Err(source) => return Err(ClientError::Exchange { url, source }),
    };

    if !head.status.is_success() {
        let (status, body) = (head.status, text(&body));
        return Err(ClientError::Refused { url, status, body });
    }
    let invocation_id = head.headers.get("x-restate-id");
    Ok(Reply {
        url,
        invocation_id: invocation_id.and_then(|id| Some(id.to_str().ok()?.to_owned())),
        body,
    })
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with `answer` and returns the head of the request.
    async fn serve_one(listener: TcpListener, answer: &str) -> std::io::Result<String> {
        let (mut stream, _) = listener.accept().await?;
        let mut seen = Vec::new();
        while !seen.ends_with(b"\"tea\"") && stream.read_buf(&mut seen).await? > 0 {}
        stream.write_all(answer.as_bytes()).await?;
        Ok(text(&seen))
    }

    async fn remind_with_answer(answer: &str) -> (Result<Submitted, ClientError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ingress = Ingress(listener.local_addr().expect("its address"));
        let delay = Duration::from_secs(3);
        let send = ingress.send("Tasks/remind", json!("tea"), delay, Some("k"));
        let (sent, seen) = tokio::join!(send, serve_one(listener, answer));
        (sent, seen.expect("the request arrives"))
    }

    #[tokio::test]
    async fn a_submission_carries_delay_and_key() {
        let body = r#"{"invocationId":"inv_1","status":"PreviouslyAccepted"}"#;
        let len = body.len();
        let answer = format!("HTTP/1.1 202 Accepted\r\ncontent-length: {len}\r\n\r\n{body}");
        let (sent, seen) = remind_with_answer(&answer).await;
        let sent = sent.expect("accepted");
        assert_eq!(sent.invocation_id, "inv_1");
        assert!(sent.was_known());
        assert!(
            seen.starts_with("POST /Tasks/remind/send?delay=3000ms "),
            "{seen}"
        );
        assert!(seen.contains("idempotency-key: k\r\n"), "{seen}");
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_server_said() {
        let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\nno service";
        let (sent, _) = remind_with_answer(answer).await;
        let refused = sent.expect_err("refused").to_string();
        assert!(
            refused.contains("404") && refused.contains("no service"),
            "{refused}"
        );
    }
}
