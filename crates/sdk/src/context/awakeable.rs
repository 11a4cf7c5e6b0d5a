//! Awakeables: promises that somebody outside completes.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use super::Context;
use crate::error::Failure;
use crate::future::{Durable, value};
use crate::payload::{Decode, Encode};

/// Waits until somebody completes it by its id: through the server's HTTP API, the client, or from
/// another handler.
#[must_use = "give the id to somebody, and await it"]
pub struct Awakeable<'c, T> {
    id: String,
    result: Durable<'c, T>,
}

impl<'c, T: Decode> Awakeable<'c, T> {
    pub(super) fn new(ctx: &'c Context) -> Self {
        let (id, leaf) = ctx.shared.act(|inner| inner.vm.awakeable());
        Self {
            id,
            result: Durable::new(&ctx.shared, leaf, value),
        }
    }
}

impl<T> Awakeable<'_, T> {
    /// The id that completes it.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl<T> Future for Awakeable<'_, T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(task)
    }
}

/// Completes an awakeable. Only the first completion counts.
#[must_use = "call resolve or reject"]
pub struct Completer<'c> {
    ctx: &'c Context,
    id: String,
}

impl<'c> Completer<'c> {
    pub(super) fn new(ctx: &'c Context, id: String) -> Self {
        Self { ctx, id }
    }

    /// Gives it a value.
    pub fn resolve<T: Encode>(self, value: T) {
        if let Some(bytes) = self.ctx.encode(&value, "the value of the awakeable") {
            let shared = &self.ctx.shared;
            shared.act(|inner| inner.vm.complete_awakeable(&self.id, Ok(bytes)));
        }
    }

    /// Makes it fail.
    pub fn reject(self, failure: Failure) {
        let shared = &self.ctx.shared;
        shared.act(|inner| {
            inner.vm.complete_awakeable(&self.id, Err(failure.into()));
        });
    }
}
