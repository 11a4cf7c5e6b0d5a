//! One exchange with a server over HTTP: a request comes in, a reply or the reason why there is
//! none goes out.
//!
//! Blocking, for a command has nothing else to do. Both ports are spoken to through here;
//! `admin` and `ingress` know what the bodies mean.

use crate::address::Port;
use crate::exit::Exit;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::io::{BufRead, BufReader, ErrorKind};
use std::time::Duration;
use ureq::config::ConfigBuilder;
use ureq::http::{Method, Request, Response};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take that does not wait for an invocation: longer than the server
/// takes to give up on a statement or on an endpoint.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The variable with a token for whoever guards the server. No flag: other users of a machine
/// see those.
pub(crate) const TOKEN: &str = "LATCHWORK_TOKEN";
/// The header that names the invocation.
pub(crate) const ID: &str = "x-restate-id";
/// The header that tells whether a failure is the invocation's own.
pub(crate) const ERROR_SOURCE: &str = "x-restate-error-source";

/// Everything but what a path may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(
        "cannot reach the server at {base}: {reason}. Start one with `latchwork serve`, or say where it is \
         with {flag} or {variable}.",
        flag = port.flag(), variable = port.variable()
    )]
    Unreachable {
        base: String,
        port: Port,
        reason: String,
    },
    #[error("{url} did not answer within {} s. Is the server overloaded?", limit.as_secs())]
    TimedOut { url: String, limit: Duration },
    #[error("the request to {url} cannot be formed: {reason}")]
    Form { url: String, reason: String },
    #[error("{message}")]
    Refused {
        status: u16,
        message: String,
        /// A stable code, where the refusal has one.
        code: Option<String>,
    },
    #[error("{url} answered something else than expected: {reason}. Is a latchwork server there?")]
    Unreadable { url: String, reason: String },
}

impl ClientError {
    /// What a process ends with that came to this.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => Exit::Unreachable,
            Self::Form { .. } => Exit::Usage,
            Self::Refused { status: 404, .. } => Exit::NotFound,
            Self::Refused { .. } | Self::Unreadable { .. } => Exit::Failed,
        }
    }
}

/// A request, apart from where it goes.
pub(crate) struct Wish<'a> {
    pub(crate) method: Method,
    /// Path and query, with a slash at its beginning.
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: Option<Vec<u8>>,
    /// How long the answer may take; nothing: for ever.
    pub(crate) limit: Option<Duration>,
}

/// What a server answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    headers: ureq::http::HeaderMap,
}

impl Reply {
    /// The text of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it tells of success.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as the JSON of something.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Unreadable {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }
}

/// One port of a server.
pub(crate) struct Http {
    agent: Agent,
    base: String,
    port: Port,
    token: Option<String>,
}

impl Http {
    /// In the clear. Nothing is sent yet.
    pub(crate) fn new(base: String, port: Port) -> Self {
        Self::with(base, port, |config| config)
    }

    /// In TLS, with those that are trusted and what is shown. Nothing is sent yet.
    #[cfg(feature = "tls")]
    pub(crate) fn secured(base: String, port: Port, tls: ureq::tls::TlsConfig) -> Self {
        Self::with(base, port, |config| config.tls_config(tls))
    }

    fn with(
        base: String,
        port: Port,
        more: impl FnOnce(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
    ) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .user_agent(concat!("latchwork/", env!("CARGO_PKG_VERSION")))
            // A proxy for the outside world is not on the way to one's own server.
            .proxy(None);
        Self {
            agent: more(config).build().into(),
            base,
            port,
            token: std::env::var(TOKEN).ok().filter(|token| !token.is_empty()),
        }
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request and reads the whole answer, whatever its status is.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) fn exchange(&self, wish: Wish<'_>) -> Result<Reply, ClientError> {
        let limit = wish.limit;
        let (url, answer) = self.send(wish)?;
        whole(&url, answer).map_err(|error| self.unanswered(url, limit, error))
    }

    /// Sends a request and gives each line of the answer away as it comes. An answer that is no
    /// success is returned whole instead.
    ///
    /// # Errors
    /// If there is no answer, or it breaks off.
    pub(crate) fn lines(
        &self,
        wish: Wish<'_>,
        each: &mut dyn FnMut(&str),
    ) -> Result<Option<Reply>, ClientError> {
        let limit = wish.limit;
        let (url, answer) = self.send(wish)?;
        if !answer.status().is_success() {
            let reply = whole(&url, answer).map_err(|error| self.unanswered(url, limit, error))?;
            return Ok(Some(reply));
        }
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            match line {
                Ok(line) => each(&line),
                Err(error) => return Err(self.unanswered(url, limit, error.into())),
            }
        }
        Ok(None)
    }

    /// Sends a request; gives where it went, and the answer without its body.
    fn send(&self, wish: Wish<'_>) -> Result<(String, Response<Body>), ClientError> {
        let url = format!("{}{}", self.base, wish.path);
        // Without a body, but with a length: else an empty one would be sent in chunks.
        let sends = [Method::POST, Method::PATCH, Method::PUT].contains(&wish.method);
        let mut request = Request::builder().method(wish.method).uri(&url);
        for (name, value) in wish.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let form = |error: ureq::http::Error| ClientError::Form {
            url: url.clone(),
            reason: error.to_string(),
        };
        let answer = match wish.body.or(sends.then(Vec::new)) {
            Some(body) => {
                let request = request.body(body).map_err(form)?;
                let request = self.agent.configure_request(request);
                self.agent.run(request.timeout_global(wish.limit).build())
            }
            None => {
                let request = request.body(()).map_err(form)?;
                let request = self.agent.configure_request(request);
                self.agent.run(request.timeout_global(wish.limit).build())
            }
        };
        match answer {
            Ok(answer) => Ok((url, answer)),
            Err(error) => Err(self.unanswered(url, wish.limit, error)),
        }
    }

    fn unanswered(&self, url: String, limit: Option<Duration>, error: ureq::Error) -> ClientError {
        use ureq::{Error, Timeout};
        match (error, limit) {
            (Error::Timeout(Timeout::Connect | Timeout::Resolve), _)
            | (Error::Timeout(_), None) => self.unreachable(format!(
                "no connection within {} s",
                CONNECT_LIMIT.as_secs()
            )),
            (Error::Timeout(_), Some(limit)) => ClientError::TimedOut { url, limit },
            (Error::HostNotFound, _) => self.unreachable("there is no such host".to_owned()),
            #[cfg(feature = "tls")]
            (Error::Rustls(error), _) => {
                self.unreachable(format!("{error}{}", crate::tls::advice(&error)))
            }
            (Error::Io(error), _) => self.unreachable(self.broken(&error)),
            (Error::Protocol(error), _) => {
                let hint = match self.base.starts_with("http://") {
                    true => ", perhaps in TLS: then say https://",
                    false => "",
                };
                ClientError::Unreadable {
                    url,
                    reason: format!("{error}{hint}"),
                }
            }
            (other, _) => self.unreachable(other.to_string()),
        }
    }

    /// Why a connection does not come about, or ends.
    fn broken(&self, error: &std::io::Error) -> String {
        #[cfg(feature = "tls")]
        if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref()) {
            return format!("{error}{}", crate::tls::advice(error));
        }
        let may_refuse = match self.base.starts_with("https://") {
            true => "If it asks for a certificate, show one with --cert-file and --key-file",
            false => "If it speaks TLS, say https://",
        };
        match error.kind() {
            ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                format!("it closed the connection. {may_refuse}")
            }
            _ => error.to_string(),
        }
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Unreachable {
            base: self.base.clone(),
            port: self.port,
            reason,
        }
    }
}

fn whole(url: &str, mut reply: Response<Body>) -> Result<Reply, ureq::Error> {
    let body = reply
        .body_mut()
        .with_config()
        .limit(u64::MAX)
        .read_to_vec()?;
    Ok(Reply {
        status: reply.status().as_u16(),
        url: url.to_owned(),
        body,
        headers: reply.headers().clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one_segment() {
        assert_eq!(segment("a/b c€?#").to_string(), "a%2Fb%20c%E2%82%AC%3F%23");
        assert_eq!(segment("inv_1-.~").to_string(), "inv_1-.~");
    }

    #[test]
    fn nobody_there_is_told_apart_from_a_refusal() {
        // Bound and dropped: nobody listens there for now.
        let free = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let http = Http::new(format!("http://{free}"), Port::Admin);
        let wish = Wish {
            method: Method::GET,
            path: "/health",
            headers: Vec::new(),
            body: None,
            limit: Some(ANSWER_LIMIT),
        };
        let Err(error) = http.exchange(wish) else {
            panic!("somebody answered");
        };
        assert_eq!(error.exit(), Exit::Unreachable);
        let text = error.to_string();
        assert!(
            text.contains("nothing listens there") && text.contains("--admin"),
            "{text}"
        );
    }
}
