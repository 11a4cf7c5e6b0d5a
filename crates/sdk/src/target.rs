//! Whom to call, and who can call: what generated clients are made of.

use std::fmt;

use bytes::Bytes;

use crate::payload::{Decode, Encode, PayloadError};

/// A handler, at a key if its service has keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) service: String,
    pub(crate) key: Option<String>,
    pub(crate) handler: String,
    /// Of a workflow: whoever calls it again finds what is there.
    pub(crate) is_run: bool,
}

impl Target {
    /// A handler of a plain service.
    pub fn service(service: impl Into<String>, handler: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            key: None,
            handler: handler.into(),
            is_run: false,
        }
    }

    /// A handler of an object or workflow, at a key.
    pub fn keyed(
        service: impl Into<String>,
        key: impl Into<String>,
        handler: impl Into<String>,
    ) -> Self {
        Self {
            service: service.into(),
            key: Some(key.into()),
            handler: handler.into(),
            is_run: false,
        }
    }

    /// The run of a workflow, at a key. [`keyed`](Self::keyed) calls it as well; but a client only
    /// dares to repeat a call that it knows to be of a run.
    pub fn run(
        workflow: impl Into<String>,
        key: impl Into<String>,
        handler: impl Into<String>,
    ) -> Self {
        Self {
            is_run: true,
            ..Self::keyed(workflow, key, handler)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            None => write!(f, "{}/{}", self.service, self.handler),
            Some(key) => write!(f, "{}/{key}/{}", self.service, self.handler),
        }
    }
}

/// The input of a call.
#[derive(Debug)]
pub struct Parameter {
    pub(crate) bytes: Result<Bytes, PayloadError>,
    #[cfg_attr(
        not(any(feature = "client", feature = "embedded")),
        expect(dead_code, reason = "only calls from outside need it")
    )]
    pub(crate) content_type: Option<&'static str>,
}

impl Parameter {
    /// A value, as bytes.
    pub fn of<T: Encode>(value: &T) -> Self {
        Self {
            bytes: value.encode(),
            content_type: T::content_type(),
        }
    }
}

/// What a generated client calls through: the context of a handler, or a connection to a server.
pub trait Caller: Copy {
    /// A call that is not made yet.
    type Call<O: Decode>;

    /// Prepares a call.
    fn call<O: Decode>(self, target: Target, parameter: Parameter) -> Self::Call<O>;
}

impl<C: Caller> Caller for &C {
    type Call<O: Decode> = C::Call<O>;

    fn call<O: Decode>(self, target: Target, parameter: Parameter) -> Self::Call<O> {
        (*self).call(target, parameter)
    }
}
