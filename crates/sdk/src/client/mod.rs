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
//! What can safely be asked again is ([`ClientBuilder::retry`]); the rest is the caller's decision.

#[cfg(feature = "client")]
mod builder;
mod call;
mod door;
mod error;
mod handle;
#[cfg(feature = "client")]
mod http;
#[cfg(feature = "client")]
mod remote;
#[cfg(feature = "client")]
mod retry;
#[cfg(feature = "client")]
mod tls;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "client")]
pub use builder::ClientBuilder;
pub use call::{Call, Later};
#[cfg(feature = "embedded")]
pub(crate) use door::{Accepted, Asked, Door, Order, Reference};
#[cfg(not(feature = "embedded"))]
use door::{Door, Reference};
pub use error::{ClientError, SetupError};
pub use handle::{Handle, Status};

use crate::payload::{Decode, Encode};
use crate::target::{Caller, Parameter, Target};

/// A connection to a server. Cheap to clone; connections are opened when they are needed, and kept.
#[derive(Clone)]
pub struct Client {
    door: Arc<dyn Door>,
}

#[cfg(feature = "client")]
impl Client {
    /// A client of the server whose ingress is at this address, `http://host:port` or, with the
    /// feature `tls`, `https://host:port`.
    ///
    /// # Errors
    /// When the text is no such address. Whether somebody listens there the first call tells.
    pub fn new(ingress: &str) -> Result<Self, SetupError> {
        Self::builder(ingress).build()
    }

    /// A client that also knows the address of the server's admin API, which cancelling needs.
    ///
    /// # Errors
    /// When a text is no such address.
    pub fn with_admin(ingress: &str, admin: &str) -> Result<Self, SetupError> {
        Self::builder(ingress).admin(admin).build()
    }

    /// A client with a token, certificates or retries of its own.
    ///
    /// ```no_run
    /// # use latchwork::client::Client;
    /// # fn example() -> Result<Client, Box<dyn std::error::Error>> {
    /// let client = Client::builder("https://latchwork.example.com:8080")
    ///     .token(std::env::var("LATCHWORK_TOKEN")?)
    ///     .ca_file("/etc/latchwork/ca.pem")
    ///     .build()?;
    /// # Ok(client) }
    /// ```
    pub fn builder(ingress: &str) -> ClientBuilder {
        ClientBuilder::new(ingress)
    }
}

impl Client {
    /// A client of what is behind a door.
    #[cfg(feature = "embedded")]
    pub(crate) fn of(door: Arc<dyn Door>) -> Self {
        Self { door }
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
        self.door.complete(id, Ok(Parameter::of(value))).await
    }

    /// Makes an awakeable fail with this text.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the id.
    pub async fn reject_awakeable(&self, id: &str, reason: &str) -> Result<(), ClientError> {
        self.door.complete(id, Err(reason)).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.door.place()).finish()
    }
}

impl<'c> Caller for &'c Client {
    type Call<O: Decode> = Call<'c, O>;

    fn call<O: Decode>(self, target: Target, parameter: Parameter) -> Call<'c, O> {
        Call::new(self, target, parameter)
    }
}
