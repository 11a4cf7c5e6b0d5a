//! The server and its handlers within one process: no socket, no second program.
//!
//! ```text
//!   Latchwork::client ─▶ door.rs ─▶ runtime (log, engine, tables: the server's own)
//!                                      │ attempts
//!   handlers ◀─ Endpoint::handle ◀─ transport.rs
//! ```
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
//! use latchwork::embedded::Latchwork;
//!
//! let latchwork = Latchwork::embedded("data").bind(Greeter).start().await?;
//! let greeting = GreeterClient::new(latchwork.client()).greet("Ada").await?;
//! latchwork.shutdown().await?;
//! # Ok(()) }
//! ```
//!
//! Everything is as durable as with a server: what was accepted is synced to the directory, and goes
//! on when the directory is opened again, with the code that is bound then. One process has a
//! directory at a time. Deliberately absent: ports, SQL and the web interface; open the directory
//! with `latchwork serve` for those, while no program has it.

pub(crate) mod door;
pub(crate) mod register;
pub(crate) mod transport;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latchwork_runtime::trace::Tracer;
use latchwork_runtime::{
    AskError, Fatal, Node, NodeLimits, NodeOptions, OpenError, SteadyClock, SystemClock,
};

use crate::client::Client;
use crate::endpoint::{Endpoint, EndpointBuilder};
use crate::handler::Service;
use door::Inside;
use transport::InProcess;

/// Attempts that may run at a time.
const ATTEMPTS_MAX: usize = 10_000;
/// Bytes of journals and state that attempts may hold at a time.
const ATTEMPTS_BYTES_MAX: u64 = 256 << 20;
/// Bytes of one invocation's journal.
const INVOCATION_BYTES_MAX: u64 = 64 << 20;
/// Bytes for the caches of the tables.
const CACHE_BYTES: u64 = 32 << 20;
/// Handlers whose calls are counted one by one; nobody scrapes an embedded server.
const METERED_HANDLERS_MAX: usize = 1;
/// How long attempts are waited for when it stops.
const GRACE: Duration = Duration::from_secs(5);

/// A server within this process. Dropped, it goes on until the process ends; see
/// [`shutdown`](Self::shutdown).
pub struct Latchwork {
    /// Taken by whoever shuts it down.
    node: Option<Node>,
    client: Client,
}

/// Puts a [`Latchwork`] together.
pub struct Builder {
    directory: PathBuf,
    endpoint: EndpointBuilder,
}

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The directory cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no tokio runtime to run attempts on.
    #[error(
        "latchwork needs a tokio runtime: call start within one, for example in #[tokio::main]"
    )]
    NoRuntime,
    /// What is bound cannot be registered.
    #[error("the bound services cannot be registered: {0}")]
    Services(String),
    /// A service has become one of another kind.
    #[error(
        "service {service:?} was {old} in this directory and is {new} now; give the new one another name"
    )]
    KindChange {
        /// Which.
        service: String,
        /// What it was.
        old: &'static str,
        /// What it is.
        new: &'static str,
    },
    /// Opening the directory panicked.
    #[error("opening the directory failed, which is a defect of latchwork: {0}")]
    Panicked(String),
    /// It stopped at once.
    #[error(transparent)]
    Stopped(#[from] AskError),
}

/// Why it had stopped by itself, or could not write its tables.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StopError(#[from] Fatal);

impl Latchwork {
    /// One that keeps everything in this directory, which is made if it is not there.
    pub fn embedded(directory: impl Into<PathBuf>) -> Builder {
        Builder {
            directory: directory.into(),
            endpoint: Endpoint::builder(),
        }
    }

    /// The way in: the clients that the attributes make call through it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until it fails, which it should not: a disk that is full or broken. The reason is
    /// given by [`shutdown`](Self::shutdown).
    pub async fn failed(&mut self) {
        if let Some(node) = &mut self.node {
            node.died().await;
        }
    }

    /// Stops: nothing new begins, and attempts that run are given five seconds to record what they
    /// have. What is not over goes on when the directory is opened again.
    ///
    /// # Errors
    /// The reason, if it had failed.
    pub async fn shutdown(mut self) -> Result<(), StopError> {
        match self.node.take() {
            Some(node) => Ok(node.shutdown(GRACE).await?),
            None => Ok(()),
        }
    }
}

impl Drop for Latchwork {
    fn drop(&mut self) {
        // Its threads go on: nobody else may have the directory meanwhile.
        if let Some(node) = self.node.take() {
            std::mem::forget(node);
        }
    }
}

impl std::fmt::Debug for Latchwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Latchwork")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Adds a service.
    #[must_use]
    pub fn bind(mut self, service: impl Service) -> Self {
        self.endpoint = self.endpoint.bind(service);
        self
    }

    /// Suspends handlers at every wait, so that each goes on in a new attempt that repeats all
    /// before: for tests, to flush out handlers that do not always do the same.
    #[must_use]
    pub fn always_replay(mut self) -> Self {
        self.endpoint = self.endpoint.request_response();
        self
    }

    /// Opens the directory, and goes on with what it finds there.
    ///
    /// # Errors
    /// When the directory is in use or damaged, or the services cannot be registered.
    pub async fn start(self) -> Result<Latchwork, StartError> {
        let rim = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let options = NodeOptions {
            directory: self.directory.clone(),
            // As many as the directory has; one, if it is new.
            partitions: 0,
            cache_bytes: CACHE_BYTES,
            limits: NodeLimits {
                attempts_max: ATTEMPTS_MAX,
                attempts_bytes_max: ATTEMPTS_BYTES_MAX,
                invocation_bytes_max: INVOCATION_BYTES_MAX,
                metered_handlers_max: METERED_HANDLERS_MAX,
                inactivity_max: None,
            },
        };
        let endpoint = self.endpoint.build();
        let transport = Arc::new(InProcess::new(endpoint.clone()));
        // It reads what was not written yet, which takes its time.
        let opened = rim
            .clone()
            .spawn_blocking(move || {
                let clock = Arc::new(SteadyClock::over(SystemClock));
                Node::open(&options, transport, clock, Tracer::off(), &rim)
            })
            .await;
        let node = opened.map_err(|panic| StartError::Panicked(panic.to_string()))??;
        register::register(&node.handle(), &endpoint).await?;
        let place = self.directory.display().to_string();
        let client = Client::of(Arc::new(Inside::new(node.handle(), place)));
        Ok(Latchwork {
            node: Some(node),
            client,
        })
    }
}
