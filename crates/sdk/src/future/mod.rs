//! What a handler awaits.
//!
//! [`Durable`] is one thing of the journal: a sleep, the result of a call, a signal. [`Run`] is a
//! step of user code. [`combine`] and the macros wait for several of them, and tell the server exactly when to
//! wake the handler. All of them are ordinary futures: other combinators work too, if they poll
//! their children in a fixed order (`tokio::select!` needs `biased;`).

pub mod combine;
mod macros;
mod run;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use latchwork_protocol::service::message::NotificationResult;

pub use run::Run;

use crate::attempt::{Polled, Shared};
use crate::error::Failure;
use crate::payload::{Decode, PayloadError};
use crate::vm::Leaf;

/// Turns what the journal has into what the handler gets.
type Read<T> = fn(NotificationResult) -> Result<Result<T, Failure>, PayloadError>;

/// Something that the journal will answer: the same in every attempt.
///
/// Its error is a [`Failure`]: that of the other side, or the cancellation of this invocation. It
/// was asked for when it was made, and may be awaited later, or never.
#[must_use = "it was asked for; await it to get the answer"]
pub struct Durable<'c, T> {
    shared: &'c Arc<Shared>,
    leaf: Leaf,
    slot: Option<u64>,
    read: Read<T>,
}

impl<'c, T> Durable<'c, T> {
    pub(crate) fn new(shared: &'c Arc<Shared>, leaf: Leaf, read: Read<T>) -> Self {
        Self {
            shared,
            leaf,
            slot: None,
            read,
        }
    }
}

impl<T> Future for Durable<'_, T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = this
            .shared
            .poll_leaf(&this.leaf, &mut this.slot, task.waker(), false);
        match polled {
            Polled::Pending { .. } => Poll::Pending,
            Polled::Cancelled => Poll::Ready(Err(Failure::cancelled())),
            Polled::Ready(result) => read(this.shared, this.read, result),
        }
    }
}

impl<T> Drop for Durable<'_, T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.shared.forget(slot);
        }
    }
}

impl<T> std::fmt::Debug for Durable<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Durable").field(&self.leaf).finish()
    }
}

/// A value that cannot be read fails the attempt, not the invocation: new code may read it.
fn read<T>(shared: &Shared, read: Read<T>, result: NotificationResult) -> Poll<Result<T, Failure>> {
    match read(result) {
        Ok(result) => Poll::Ready(result),
        Err(error) => {
            shared.fail(format!(
                "the handler got a value that it cannot read: {error}. Let both sides use the same type."
            ));
            Poll::Pending
        }
    }
}

/// A value; nothing reads as no bytes.
pub(crate) fn value<T: Decode>(
    result: NotificationResult,
) -> Result<Result<T, Failure>, PayloadError> {
    Ok(match result {
        NotificationResult::Value(value) => Ok(T::decode(&value.content)?),
        NotificationResult::Failure(failure) => Err(failure.into()),
        NotificationResult::InvocationId(_)
        | NotificationResult::StateKeys(_)
        | NotificationResult::Void(_) => Ok(T::decode(&Bytes::new())?),
    })
}

/// A value, or nothing.
pub(crate) fn optional<T: Decode>(
    result: NotificationResult,
) -> Result<Result<Option<T>, Failure>, PayloadError> {
    match result {
        NotificationResult::Void(_) => Ok(Ok(None)),
        result => Ok(value(result)?.map(Some)),
    }
}

/// The id of an invocation.
pub(crate) fn invocation_id(
    result: NotificationResult,
) -> Result<Result<String, Failure>, PayloadError> {
    match result {
        NotificationResult::InvocationId(id) => Ok(Ok(id)),
        result => value(result),
    }
}

/// The names of state entries.
pub(crate) fn state_keys(
    result: NotificationResult,
) -> Result<Result<Vec<String>, Failure>, PayloadError> {
    match result {
        NotificationResult::StateKeys(keys) => Ok(Ok(keys
            .keys
            .iter()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect())),
        result => value(result),
    }
}
