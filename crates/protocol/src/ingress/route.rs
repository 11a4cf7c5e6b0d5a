//! Paths: the raw path of a request in, what it asks for out.
//!
//! A path is split while still encoded; only keys and scopes are decoded. Whether a call has a key
//! in it depends on the service, so the parser asks for it.

/// What a path asks for. Which verbs it may be asked with says [`Route::verbs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Call and wait for the result.
    Call(Target),
    /// Call without waiting.
    Send(Target),
    /// Wait for the result of an invocation.
    Attach(Subject),
    /// The result of an invocation if it is there.
    Output(Subject),
    /// The same by a [`super::TargetBody`].
    AttachByBody,
    /// The same by a [`super::TargetBody`].
    OutputByBody,
    /// The id that a [`super::TargetBody`] leads to.
    Lookup,
    /// Complete an awakeable with the body.
    ResolveAwakeable {
        /// The id as sent.
        id: String,
    },
    /// Fail an awakeable with the body as message.
    RejectAwakeable {
        /// The id as sent.
        id: String,
    },
    /// Whether the server is up.
    Health,
}

/// What is called. The service is known; the handler is as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The scope, decoded and not yet checked.
    pub scope: Option<String>,
    /// The service.
    pub service: String,
    /// The key, decoded; present exactly if the service is keyed.
    pub key: Option<String>,
    /// The handler.
    pub handler: String,
}

/// Which invocation a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// By its id, as sent.
    Invocation(String),
    /// By the idempotency key it was called with.
    Idempotent {
        /// The service, which is known.
        service: String,
        /// The key, decoded; present exactly if the service is keyed.
        key: Option<String>,
        /// The handler.
        handler: String,
        /// The idempotency key, as sent.
        idempotency_key: String,
    },
    /// The run of a workflow key.
    Workflow {
        /// The service, which need not be known.
        workflow: String,
        /// The key, decoded.
        key: String,
    },
}

/// Why a path asks for nothing we have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The wrong number of segments, or the wrong word in one.
    #[error("path {path:?} does not have the right shape: use {expected}.")]
    Shape {
        /// The path as sent.
        path: String,
        /// The shape it should have.
        expected: &'static str,
    },
    /// A key or scope that is not UTF-8 once decoded.
    #[error("the {part} in the path, {text:?}, is not UTF-8 once decoded: encode its UTF-8 bytes.")]
    Encoding {
        /// "key" or "scope".
        part: &'static str,
        /// The segment as sent.
        text: String,
    },
    /// No such service is registered.
    #[error(
        "service {service:?} is not registered: check the name, or register the deployment that offers it."
    )]
    UnknownService {
        /// The name.
        service: String,
    },
    /// Nothing is at this path.
    #[error(
        "nothing is served at {path:?}: calls are at {CALL} and, for services with a key, {CALL_KEYED}."
    )]
    NotFound {
        /// The path as sent.
        path: String,
    },
}

impl RouteError {
    /// The HTTP status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Shape { .. } | Self::Encoding { .. } => 400,
            Self::UnknownService { .. } | Self::NotFound { .. } => 404,
        }
    }
}

impl Route {
    /// The verbs it may be asked with; any other is answered with 405.
    pub const fn verbs(&self) -> &'static [&'static str] {
        match self {
            Self::Call(_) | Self::Send(_) => &["POST", "GET"],
            Self::Attach(_) | Self::Output(_) | Self::Health => &["GET"],
            Self::AttachByBody
            | Self::OutputByBody
            | Self::Lookup
            | Self::ResolveAwakeable { .. }
            | Self::RejectAwakeable { .. } => &["POST"],
        }
    }
}

const CALL: &str = "/{service}/{handler}";
const CALL_KEYED: &str = "/{service}/{key}/{handler}";
const ANY_CALL: &str =
    "/{service}/{handler} or /{service}/{key}/{handler}, and /send after it to not wait";
const AWAKEABLE: &str = "/restate/awakeables/{id}/resolve or /restate/awakeables/{id}/reject";
const INVOCATION: &str = "/restate/invocation/{id}/attach or /restate/invocation/{service}/{handler}/{idempotencyKey}/attach, \
     with /{key} after the service if it has keys, and /output to not wait";
const WORKFLOW: &str =
    "/restate/workflow/{workflow}/{key}/attach or /restate/workflow/{workflow}/{key}/output";

/// How a call is written, for each of its forms and kinds of service.
struct CallShape {
    plain: &'static str,
    keyed: &'static str,
}

const LEGACY: CallShape = CallShape {
    plain: "/{service}/{handler} to call, /{service}/{handler}/send to send",
    keyed: "/{service}/{key}/{handler} to call, /{service}/{key}/{handler}/send to send",
};
const CURRENT: CallShape = CallShape {
    plain: "/restate/call/{service}/{handler} or /restate/send/{service}/{handler}",
    keyed: "/restate/call/{service}/{key}/{handler} or /restate/send/{service}/{key}/{handler}",
};
const SCOPED: CallShape = CallShape {
    plain: "/restate/scope/{scope}/call/{service}/{handler} or /restate/scope/{scope}/send/{service}/{handler}",
    keyed: "/restate/scope/{scope}/call/{service}/{key}/{handler} or /restate/scope/{scope}/send/{service}/{key}/{handler}",
};
const ANY_SCOPED: &str = "/restate/scope/{scope}/call/ or /restate/scope/{scope}/send/, then service, key if it has keys, and handler";

/// What a path, without its query, asks for.
///
/// `is_keyed` says whether the newest registration of a service has keys, and nothing when there
/// is none.
///
/// # Errors
/// When the shape of the path is wrong (400), or what it names is not there (404).
pub fn parse(path: &str, is_keyed: &dyn Fn(&str) -> Option<bool>) -> Result<Route, RouteError> {
    let parser = Parser { path, is_keyed };
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let Some(rest) = trimmed.strip_prefix('/') else {
        return Err(parser.shape(ANY_CALL));
    };
    let segments: Vec<&str> = rest.split('/').collect();
    if !(2..=7).contains(&segments.len()) {
        return Err(parser.shape(ANY_CALL));
    }
    match segments[0] {
        "restate" => parser.restate(&segments[1..]),
        "openapi" => Err(parser.not_found()),
        _ => parser.legacy_call(&segments),
    }
}

struct Parser<'a> {
    path: &'a str,
    is_keyed: &'a dyn Fn(&str) -> Option<bool>,
}

impl Parser<'_> {
    fn restate(&self, segments: &[&str]) -> Result<Route, RouteError> {
        match *segments {
            ["call", ref call @ ..] => self.target(None, call, &CURRENT).map(Route::Call),
            ["send", ref call @ ..] => self.target(None, call, &CURRENT).map(Route::Send),
            ["scope", scope, "call", ref call @ ..] => {
                self.target(Some(scope), call, &SCOPED).map(Route::Call)
            }
            ["scope", scope, "send", ref call @ ..] => {
                self.target(Some(scope), call, &SCOPED).map(Route::Send)
            }
            ["scope", ..] => Err(self.shape(ANY_SCOPED)),
            ["attach"] => Ok(Route::AttachByBody),
            ["output"] => Ok(Route::OutputByBody),
            ["lookup"] => Ok(Route::Lookup),
            ["attach", id] => Ok(Route::Attach(Subject::Invocation(id.to_owned()))),
            ["output", id] => Ok(Route::Output(Subject::Invocation(id.to_owned()))),
            ["attach", ..] => Err(self.shape("/restate/attach/{invocationId}")),
            ["output", ..] => Err(self.shape("/restate/output/{invocationId}")),
            ["lookup", ..] => Err(self.shape("/restate/lookup")),
            ["invocation", ref subject @ .., verb] => self.invocation(subject, verb),
            ["workflow", workflow, key, verb] => {
                let key = decode("key", key)?;
                let workflow = workflow.to_owned();
                self.result(Subject::Workflow { workflow, key }, verb)
            }
            ["workflow", ..] => Err(self.shape(WORKFLOW)),
            ["awakeables" | "a", id, verb] => {
                let id = id.to_owned();
                match verb {
                    "resolve" => Ok(Route::ResolveAwakeable { id }),
                    "reject" => Ok(Route::RejectAwakeable { id }),
                    _ => Err(self.not_found()),
                }
            }
            ["awakeables" | "a", ..] => Err(self.shape(AWAKEABLE)),
            ["health", ..] => Ok(Route::Health),
            _ => Err(self.not_found()),
        }
    }

    fn invocation(&self, subject: &[&str], verb: &str) -> Result<Route, RouteError> {
        let subject = match *subject {
            [] => return Err(self.shape(INVOCATION)),
            [id] => Subject::Invocation(id.to_owned()),
            [service, ref rest @ ..] => {
                let (key, handler, idempotency_key) = match (self.keyed(service)?, rest) {
                    (false, [handler, idempotency_key]) => (None, handler, idempotency_key),
                    (true, [key, handler, idempotency_key]) => {
                        (Some(decode("key", key)?), handler, idempotency_key)
                    }
                    _ => return Err(self.shape(INVOCATION)),
                };
                Subject::Idempotent {
                    service: service.to_owned(),
                    key,
                    handler: (*handler).to_owned(),
                    idempotency_key: (*idempotency_key).to_owned(),
                }
            }
        };
        self.result(subject, verb)
    }

    fn result(&self, subject: Subject, verb: &str) -> Result<Route, RouteError> {
        match verb {
            "attach" => Ok(Route::Attach(subject)),
            "output" => Ok(Route::Output(subject)),
            _ => Err(self.not_found()),
        }
    }

    fn legacy_call(&self, segments: &[&str]) -> Result<Route, RouteError> {
        // A handler may be called "send": the suffix is told by its place.
        let call_len = if self.keyed(segments[0])? { 3 } else { 2 };
        match segments.split_at_checked(call_len) {
            Some((call, [])) => self.target(None, call, &LEGACY).map(Route::Call),
            Some((call, ["send"])) => self.target(None, call, &LEGACY).map(Route::Send),
            _ => self.target(None, segments, &LEGACY).map(Route::Call),
        }
    }

    fn target(
        &self,
        scope: Option<&str>,
        call: &[&str],
        shape: &CallShape,
    ) -> Result<Target, RouteError> {
        let [service, rest @ ..] = call else {
            return Err(self.shape(shape.plain));
        };
        let (key, handler) = match (self.keyed(service)?, rest) {
            (false, [handler]) => (None, handler),
            (true, [key, handler]) => (Some(decode("key", key)?), handler),
            (false, _) => return Err(self.shape(shape.plain)),
            (true, _) => return Err(self.shape(shape.keyed)),
        };
        Ok(Target {
            scope: scope.map(|scope| decode("scope", scope)).transpose()?,
            service: (*service).to_owned(),
            key,
            handler: (*handler).to_owned(),
        })
    }

    fn keyed(&self, service: &str) -> Result<bool, RouteError> {
        (self.is_keyed)(service).ok_or_else(|| RouteError::UnknownService {
            service: service.to_owned(),
        })
    }

    fn shape(&self, expected: &'static str) -> RouteError {
        RouteError::Shape {
            path: self.path.to_owned(),
            expected,
        }
    }

    fn not_found(&self) -> RouteError {
        RouteError::NotFound {
            path: self.path.to_owned(),
        }
    }
}

/// Percent-decodes a segment. A `%` without two hex digits stands for itself, as does `+`.
fn decode(part: &'static str, text: &str) -> Result<String, RouteError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(decoded).map_err(|_| RouteError::Encoding {
        part,
        text: text.to_owned(),
    })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
