//! Durable services, objects and workflows in plain async Rust.
//!
//! ```no_run
//! use std::time::Duration;
//! use latchwork::{Context, Endpoint, Result};
//!
//! struct Greeter;
//!
//! #[latchwork::service]
//! impl Greeter {
//!     #[handler]
//!     async fn greet(&self, ctx: &Context, name: String) -> Result<String> {
//!         let id = ctx.run("pick an id", || async { Ok(std::process::id()) }).await?;
//!         ctx.sleep(Duration::from_secs(2)).await?;
//!         Ok(format!("Hello {name}, you are number {id}"))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     Endpoint::builder().bind(Greeter).build().serve("0.0.0.0:9080").await
//! }
//! ```
//!
//! A server, latchwork or another that speaks the protocol, calls the handler; what the handler does
//! through its context is recorded there. When the process dies, another attempt repeats the
//! handler from the start, gets the recorded answers, and goes on where the record ends.
//!
//! ```text
//!   server ⇄ endpoint ⇄ attempt ⇄ vm           bytes
//!                          │
//!                       handler ─▶ context, future
//!   any process ─▶ client ─▶ server
//! ```
//!
//! Start at [`service`](macro@service) and [`Context`]. [`vm`] is the protocol without I/O,
//! [`Endpoint`] what a server calls, `client` the way in from any process, `testing` a server in
//! memory for tests. Deliberately absent: the server, and any runtime of its own: handlers run on
//! whatever polls them.

mod attempt;
#[cfg(any(feature = "client", feature = "embedded"))]
pub mod client;
mod clock;
mod context;
#[cfg(feature = "embedded")]
pub mod embedded;
mod endpoint;
mod error;
pub mod future;
pub mod handler;
pub mod manifest;
mod payload;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
pub mod vm;

pub use attempt::is_replaying;
pub use context::{
    Awakeable, Call, CallHandle, Completer, Context, InvocationHandle, Later, ObjectContext,
    Promise, SendHandle, SharedObjectContext, SharedWorkflowContext, SignalSender, WorkflowContext,
};
pub use endpoint::{Endpoint, EndpointBuilder, IdentityKeyError, ResponseBody};
pub use error::{Error, Failure, Result};
pub use future::combine::{join_all, race, race_ok, try_join_all};
pub use future::{Durable, Run};
pub use latchwork_sdk_macros::{object, service, workflow};
pub use payload::{Decode, Encode, PayloadError, Raw};
pub use target::{Caller, Parameter, Target};
pub use vm::RetryPolicy;

/// The guide's blocks are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/sdk.md")]
struct Guide;

/// So are those of the guide to testing, and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing-handlers.md")]
struct TestingGuide;
