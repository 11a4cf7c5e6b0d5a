//! A service as an endpoint sees it: a description, and handlers by name.
//!
//! The attributes implement [`Service`]; it can be implemented by hand as well.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::attempt::Shared;
use crate::error::{Error, Failure};
use crate::manifest::{Description, Kind};
use crate::payload::{Decode, Encode};

/// What a handler comes to: the bytes of its output.
pub type Output<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send + 'a>>;

/// Handlers under one name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service",
    label = "not made by #[latchwork::service], object or workflow",
    note = "put the attribute on its impl block: on `impl {Self}`, or on `impl Trait for {Self}` if a trait defines \
            the service"
)]
pub trait Service: Send + Sync + 'static {
    /// What it is called and what it offers.
    fn describe(&self) -> Description;

    /// Runs a handler that the description has.
    fn handle<'a>(&'a self, handler: &'a str, invocation: Invocation) -> Output<'a>;
}

/// What a trait with one of the attributes knows of each type `T` that implements it: how to
/// describe it, and how to start its handlers. Generated code makes and reads it.
pub struct Definition<T: ?Sized> {
    kind: Kind,
    describe: fn() -> Description,
    handle: Handle<T>,
}

type Handle<T> = for<'a> fn(&'a T, &'a str, Invocation) -> Output<'a>;

impl<T: ?Sized> Definition<T> {
    /// Of a plain service.
    pub const fn service(describe: fn() -> Description, handle: Handle<T>) -> Self {
        Self::new(Kind::Service, describe, handle)
    }

    /// Of an object.
    pub const fn object(describe: fn() -> Description, handle: Handle<T>) -> Self {
        Self::new(Kind::VirtualObject, describe, handle)
    }

    /// Of a workflow.
    pub const fn workflow(describe: fn() -> Description, handle: Handle<T>) -> Self {
        Self::new(Kind::Workflow, describe, handle)
    }

    const fn new(kind: Kind, describe: fn() -> Description, handle: Handle<T>) -> Self {
        Self {
            kind,
            describe,
            handle,
        }
    }

    /// Itself, for an implementation that says `#[latchwork::service]`.
    ///
    /// # Panics
    /// If the trait says something else; this is evaluated while compiling.
    pub const fn of_service(self) -> Self {
        self.of(Kind::Service)
    }

    /// Itself, for an implementation that says `#[latchwork::object]`.
    ///
    /// # Panics
    /// If the trait says something else; this is evaluated while compiling.
    pub const fn of_object(self) -> Self {
        self.of(Kind::VirtualObject)
    }

    /// Itself, for an implementation that says `#[latchwork::workflow]`.
    ///
    /// # Panics
    /// If the trait says something else; this is evaluated while compiling.
    pub const fn of_workflow(self) -> Self {
        self.of(Kind::Workflow)
    }

    const fn of(self, wanted: Kind) -> Self {
        match (self.kind, wanted) {
            (Kind::Service, Kind::Service)
            | (Kind::VirtualObject, Kind::VirtualObject)
            | (Kind::Workflow, Kind::Workflow) => self,
            (Kind::Service, _) => {
                panic!("the trait is a service: write #[latchwork::service] on its impl, too")
            }
            (Kind::VirtualObject, _) => {
                panic!("the trait is an object: write #[latchwork::object] on its impl, too")
            }
            (Kind::Workflow, _) => {
                panic!("the trait is a workflow: write #[latchwork::workflow] on its impl, too")
            }
        }
    }

    /// The description of the service.
    pub fn describe(&self) -> Description {
        (self.describe)()
    }

    /// Starts a handler of `service`.
    pub fn handle<'a>(
        &self,
        service: &'a T,
        handler: &'a str,
        invocation: Invocation,
    ) -> Output<'a> {
        (self.handle)(service, handler, invocation)
    }
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
