//! The way in from any process: call handlers, look at results, complete awakeables.
//!
//! ```no_run
//! # use latchwork::{Context, Result};
//! # struct Greeter;
//! # #[latchwork::service]
//! # impl Greeter {
//! #     #[handler]
//! #     async fn greet(&self, ctx: &Context, name: String) -> Result<String> { Ok(name) }
//! # }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use latchwork::client::Client;
//!
//! let client = Client::new("http://localhost:8080")?;
//! let greeting = GreeterClient::new(&client).greet("Ada").await?;
//!
//! let task = GreeterClient::new(&client).greet("Grace").idempotency_key("g-1").send().await?;
//! println!("{} is under way", task.id());
//! let greeting = task.attach().await?;
//! # Ok(()) }
//! ```
//!
//! A [`Client`] is an address; the clients that the attributes make call through it as they call
//! through a context. What was accepted goes on whatever happens to the caller: an error of the
//! connection says nothing about the invocation, and an idempotency key makes asking again safe.
//! Deliberately absent: retries, and TLS (put a proxy in front).

mod call;
mod error;
mod handle;
mod http;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ::http::Method;

pub use call::{Call, Later};
pub use error::{AddressError, ClientError};
pub use handle::{Handle, Status};

use crate::payload::{Decode, Encode};
use crate::target::{Caller, Parameter, Target};
use handle::Reference;
use http::Http;

/// A connection to a server. Cheap to clone; connections are opened when they are needed, and kept.
#[derive(Clone)]
pub struct Client {
    ingress: Arc<Http>,
    admin: Option<Arc<Http>>,
}

impl Client {
    /// A client of the server whose ingress is at this address, `http://host:port`.
    ///
    /// # Errors
    /// When the text is no such address. Whether somebody listens there the first call tells.
    pub fn new(ingress: &str) -> Result<Self, AddressError> {
        Ok(Self {
            ingress: Arc::new(Http::new(ingress)?),
            admin: None,
        })
    }

    /// Also uses the server's admin API, which cancelling needs.
    ///
    /// # Errors
    /// When the text is no such address.
    pub fn admin(mut self, address: &str) -> Result<Self, AddressError> {
        self.admin = Some(Arc::new(Http::new(address)?));
        Ok(self)
    }

    /// Calls a handler that there is no generated client for.
    pub fn call<O: Decode, I: Encode>(&self, target: Target, input: &I) -> Call<'_, O> {
        Call::new(self, target, Parameter::of(input))
    }

    /// An invocation, by its id.
    pub fn invocation<O: Decode>(&self, id: impl Into<String>) -> Handle<O> {
        Handle::new(self.clone(), Reference::Id(id.into()))
    }

    /// The run of a workflow, by name and key.
    pub fn workflow<O: Decode>(
        &self,
        workflow: impl Into<String>,
        key: impl Into<String>,
    ) -> Handle<O> {
        Handle::new(
            self.clone(),
            Reference::Workflow {
                workflow: workflow.into(),
                key: key.into(),
            },
        )
    }

    /// The call of a handler that was made with this idempotency key.
    pub fn idempotent<O: Decode>(&self, target: Target, key: impl Into<String>) -> Handle<O> {
        Handle::new(
            self.clone(),
            Reference::Idempotent {
                target,
                key: key.into(),
            },
        )
    }

    /// Gives an awakeable its value. Only the first completion counts; later ones are let pass.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the id.
    pub async fn resolve_awakeable<T: Encode>(
        &self,
        id: &str,
        value: &T,
    ) -> Result<(), ClientError> {
        let path = format!("/restate/awakeables/{}/resolve", segment(id));
        let request = self.ingress.request(Method::POST, &path);
        let answer = request.parameter(Parameter::of(value))?.send().await?;
        answer.success().map(drop)
    }

    /// Makes an awakeable fail with this text.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the id.
    pub async fn reject_awakeable(&self, id: &str, reason: &str) -> Result<(), ClientError> {
        let path = format!("/restate/awakeables/{}/reject", segment(id));
        let request = self.ingress.request(Method::POST, &path);
        let answer = request.text(reason).send().await?;
        answer.success().map(drop)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("ingress", &self.ingress.base())
            .field("admin", &self.admin.as_ref().map(|admin| admin.base()))
            .finish()
    }
}

impl<'c> Caller for &'c Client {
    type Call<O: Decode> = Call<'c, O>;

    fn call<O: Decode>(self, target: Target, parameter: Parameter) -> Call<'c, O> {
        Call::new(self, target, parameter)
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> Cow<'_, str> {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(text, ENCODED).into()
}
