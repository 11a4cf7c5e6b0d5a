//! A service as an endpoint sees it: a description, and handlers by name.
//!
//! The attributes implement [`Service`]; it can be implemented by hand as well.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::attempt::Shared;
use crate::error::{Error, Failure};
use crate::manifest::Description;
use crate::payload::{Decode, Encode};

/// What a handler comes to: the bytes of its output.
pub type Output<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send + 'a>>;

/// Handlers under one name.
pub trait Service: Send + Sync + 'static {
    /// What it is called and what it offers.
    fn describe(&self) -> Description;

    /// Runs a handler that the description has.
    fn handle<'a>(&'a self, handler: &'a str, invocation: Invocation) -> Output<'a>;
}

/// One invocation, as its handler is started with.
pub struct Invocation {
    shared: Arc<Shared>,
    input: Bytes,
}

impl Invocation {
    pub(crate) fn new(shared: Arc<Shared>, input: Bytes) -> Self {
        Self { shared, input }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The input.
    ///
    /// # Errors
    /// When the bytes are not what the handler takes: the caller's mistake, so it is final, with
    /// code 400.
    pub fn input<T: Decode>(&self) -> Result<T, Failure> {
        T::decode(&self.input)
            .map_err(|error| Failure::new(format!("bad input: {error}")).code(400))
    }
}

/// The output of a handler as bytes.
///
/// # Errors
/// When it cannot be written.
pub fn output<T: Encode>(value: &T) -> Result<Bytes, Error> {
    Ok(value.encode()?)
}

/// A handler of a bound service.
pub(crate) struct BoundHandler {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) service_name: String,
    pub(crate) handler: String,
}

impl BoundHandler {
    pub(crate) fn start(self, invocation: Invocation) -> Output<'static> {
        Box::pin(async move { self.service.handle(&self.handler, invocation).await })
    }
}

/// A handler that does not exist. Generated code calls it.
pub fn unknown_handler(handler: &str) -> Output<'static> {
    let error = Error::retryable(format!("this service has no handler {handler:?}"));
    Box::pin(std::future::ready(Err(error)))
}
