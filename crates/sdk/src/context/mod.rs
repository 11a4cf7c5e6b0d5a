//! What a handler may do: one context for each kind of handler.
//!
//! ```text
//!   Context               steps, sleeps, calls, awakeables, signals, random numbers
//!     ▲ SharedObjectContext     + the key, reading its state
//!         ▲ ObjectContext         + writing it
//!         ▲ SharedWorkflowContext + promises
//!             ▲ WorkflowContext     + writing state
//! ```
//!
//! An arrow is a `Deref`: a handler of an object may hand its context to a function that takes a
//! `&Context`. What a kind of handler may not do its context does not have, so it does not compile.
//! Contexts are borrowed and cannot be cloned: what a handler spawns cannot use them, as nothing
//! would order what it does.
//!
//! Start at [`Context`]; calls are in `call`, state and promises in `keyed`.

mod awakeable;
mod call;
mod invocation;
mod keyed;
mod random;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use awakeable::{Awakeable, Completer};
pub use call::{Call, CallHandle, Later, SendHandle};
pub use invocation::{InvocationHandle, SignalSender};
pub use keyed::{
    ObjectContext, Promise, SharedObjectContext, SharedWorkflowContext, WorkflowContext,
};
pub(crate) use random::Random;

use crate::attempt::Shared;
use crate::error::{Error, Failure};
use crate::future::combine::{Either, Or};
use crate::future::{Durable, Run, value};
use crate::handler::Invocation;
use crate::payload::{Decode, Encode};

/// What every handler may do.
pub struct Context {
    pub(crate) shared: Arc<Shared>,
}

impl Context {
    /// The context of an invocation that a service was given. Generated code calls it.
    pub fn new(invocation: &Invocation) -> Self {
        Self {
            shared: Arc::clone(invocation.shared()),
        }
    }

    /// The id of this invocation. Anybody can attach to it, signal it or cancel it by this id.
    pub fn invocation_id(&self) -> &str {
        &self.shared.info.invocation_id
    }

    /// The headers of the caller, in order, with names as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.shared.info.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The idempotency key of the call, where the server tells it (protocol 7).
    pub fn idempotency_key(&self) -> Option<&str> {
        self.shared.info.idempotency_key.as_deref()
    }

    /// The scope that the invocation was submitted in (protocol 7).
    pub fn scope(&self) -> Option<&str> {
        self.shared.info.scope.as_deref()
    }

    /// The limit key that the invocation was submitted with (protocol 7).
    pub fn limit_key(&self) -> Option<&str> {
        self.shared.info.limit_key.as_deref()
    }

    /// How many attempts have failed since the newest command of the journal was stored. It is not
    /// the same in every attempt: for logs, not for decisions.
    pub fn retries(&self) -> u32 {
        self.shared.info.retries
    }

    /// Runs a step of your own code, and remembers its result: what has an effect outside, or may
    /// come out differently next time. The name appears in the journal.
    ///
    /// A [`Failure`] is remembered like a result; any other error is retried.
    ///
    /// ```
    /// # use latchwork::{Context, Result, RetryPolicy};
    /// # async fn charge(card: &str) -> std::io::Result<String> { Ok(card.to_owned()) }
    /// # async fn handler(ctx: &Context, card: String) -> Result<()> {
    /// let receipt = ctx
    ///     .run("charge", || async { Ok(charge(&card).await?) })
    ///     .retry(RetryPolicy::default().max_attempts(5))
    ///     .await?;
    /// # let _: String = receipt; Ok(()) }
    /// ```
    pub fn run<'c, F, Fut, T>(&'c self, name: impl Into<String>, code: F) -> Run<'c, T>
    where
        F: FnOnce() -> Fut + Send + 'c,
        Fut: Future<Output = Result<T, Error>> + Send + 'c,
        T: Encode + Decode,
    {
        Run::new(&self.shared, name.into(), code)
    }

    /// Waits, for milliseconds or for months: while it does, no process need be there.
    pub fn sleep(&self, duration: Duration) -> Durable<'_, ()> {
        self.sleep_named("", duration)
    }

    /// [`sleep`](Self::sleep) with a name for the journal.
    pub fn sleep_named(&self, name: &str, duration: Duration) -> Durable<'_, ()> {
        let wake_up = self.time().saturating_add(duration);
        self.sleep_to(name, wake_up)
    }

    /// Waits until a point in time; not at all if it is past.
    pub fn sleep_until(&self, time: SystemTime) -> Durable<'_, ()> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.sleep_to("", since)
    }

    fn sleep_to(&self, name: &str, wake_up: Duration) -> Durable<'_, ()> {
        let leaf = self.shared.act(|inner| inner.vm.sleep(name, wake_up));
        Durable::new(&self.shared, leaf, value)
    }

    /// Waits for `future`, but no longer than `limit`: then gives nothing, and drops it.
    ///
    /// # Errors
    /// The future's, and a cancellation.
    pub async fn timeout<T, E: From<Failure>>(
        &self,
        limit: Duration,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>, E> {
        match Or::new(future, self.sleep(limit)).await {
            Either::First(result) => result.map(Some),
            Either::Second(slept) => slept.map(|()| None).map_err(E::from),
        }
    }

    /// The time, as it was when this was first asked: a step of the journal.
    ///
    /// # Errors
    /// When the invocation is cancelled.
    pub async fn now(&self) -> Result<SystemTime, Failure> {
        let millis = self
            .run("now", || async {
                Ok(u64::try_from(self.time().as_millis()).unwrap_or(u64::MAX))
            })
            .await?;
        let since = Duration::from_millis(millis);
        UNIX_EPOCH
            .checked_add(since)
            .ok_or_else(|| Failure::new("the clock of the endpoint is out of range"))
    }

    /// A random number, the same in every replay. Not for secrets.
    pub fn random_u64(&self) -> u64 {
        self.shared.act(|inner| inner.random.next_u64())
    }

    /// A random number from 0 up to, but without, 1, the same in every replay.
    pub fn random_f64(&self) -> f64 {
        self.shared.act(|inner| inner.random.next_f64())
    }

    /// A random number below `bound`, the same in every replay; 0 for 0.
    pub fn random_below(&self, bound: u64) -> u64 {
        self.shared.act(|inner| inner.random.below(bound))
    }

    /// A random UUID, the same in every replay: for an idempotency key of some other system.
    pub fn random_uuid(&self) -> String {
        self.shared.act(|inner| inner.random.uuid())
    }

    /// Makes a promise that somebody outside completes by its id.
    ///
    /// ```
    /// # use latchwork::{Context, Result};
    /// # async fn mail(address: &str, id: &str) -> std::io::Result<()> { Ok(()) }
    /// # async fn handler(ctx: &Context, address: String) -> Result<()> {
    /// let answer = ctx.awakeable::<String>();
    /// let id = answer.id().to_owned();
    /// ctx.run("ask", || async { Ok(mail(&address, &id).await?) }).await?;
    /// let text = answer.await?;
    /// # let _: String = text; Ok(()) }
    /// ```
    pub fn awakeable<T: Decode>(&self) -> Awakeable<'_, T> {
        Awakeable::new(self)
    }

    /// The other side of an awakeable, anybody's: to resolve or reject it.
    pub fn complete(&self, awakeable_id: impl Into<String>) -> Completer<'_> {
        Completer::new(self, awakeable_id.into())
    }

    /// Waits for a signal of this name to this invocation. Signals that came earlier count: each is
    /// given to one await, in their order.
    pub fn signal<T: Decode>(&self, name: impl Into<String>) -> Durable<'_, T> {
        let leaf = crate::vm::Leaf::SignalName(name.into());
        Durable::new(&self.shared, leaf, value)
    }

    /// Time since 1970, not replayed.
    pub(crate) fn time(&self) -> Duration {
        self.shared.clock.now()
    }

    /// A value as bytes; one that has none fails the attempt.
    pub(crate) fn encode<T: Encode>(&self, value: &T, what: &str) -> Option<bytes::Bytes> {
        match value.encode() {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.shared.fail(format!("{what} cannot be sent: {error}"));
                None
            }
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Context")
            .field(&self.invocation_id())
            .finish()
    }
}
