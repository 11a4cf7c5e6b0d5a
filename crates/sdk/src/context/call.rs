//! Calls of other handlers, as generated clients and [`Context::call`] make them.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use latchwork_protocol::service::message::Header;

use super::{
    Context, InvocationHandle, ObjectContext, SharedObjectContext, SharedWorkflowContext,
    WorkflowContext,
};
use crate::error::Failure;
use crate::future::{Durable, invocation_id, value};
use crate::payload::{Decode, Encode};
use crate::target::{Caller, Parameter, Target};
use crate::vm::CallRequest;

impl Context {
    /// Calls a handler that there is no generated client for.
    pub fn call<O: Decode, I: Encode>(&self, target: Target, parameter: &I) -> Call<'_, O> {
        Call::new(self, target, Parameter::of(parameter))
    }
}

/// A call that is made when it is awaited, or sent.
///
/// Awaited, it gives the result of the other handler. [`send`](Self::send) does not wait for it,
/// [`start`](Self::start) makes the call now to await it later.
#[must_use = "the call is made when it is awaited, sent or started"]
pub struct Call<'c, O> {
    ctx: &'c Context,
    request: CallRequest,
    result: Option<Durable<'c, O>>,
}

impl<'c, O: Decode> Call<'c, O> {
    fn new(ctx: &'c Context, target: Target, parameter: Parameter) -> Self {
        let parameter = parameter.bytes.unwrap_or_else(|error| {
            ctx.shared
                .fail(format!("the input of {target} cannot be sent: {error}"));
            Bytes::new()
        });
        Self {
            ctx,
            request: CallRequest {
                service: target.service,
                key: target.key.unwrap_or_default(),
                handler: target.handler,
                parameter,
                ..CallRequest::default()
            },
            result: None,
        }
    }

    /// A later call with the same key, of the same handler, gets the outcome of this one. Not for
    /// the run of a workflow: its key does that.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.request.idempotency_key = Some(key.into());
        self
    }

    /// Adds a header that the other handler sees.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.headers.push(Header {
            key: name.into(),
            value: value.into(),
        });
        self
    }

    /// Calls within a scope (protocol 7).
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.request.scope = Some(scope.into());
        self
    }

    /// Calls with a limit key within the scope (protocol 7).
    pub fn limit_key(mut self, limit_key: impl Into<String>) -> Self {
        self.request.limit_key = Some(limit_key.into());
        self
    }

    /// Not now, but after `delay`; it can only be sent then.
    pub fn delay(self, delay: Duration) -> Later<'c, O> {
        Later { call: self, delay }
    }

    /// Makes the call, and does not wait for its result.
    pub fn send(self) -> SendHandle<'c, O> {
        send(self.ctx, self.request, None)
    }

    /// Makes the call now; the handle can be awaited for the result, now or later.
    pub fn start(self) -> CallHandle<'c, O> {
        let ctx = self.ctx;
        let leaves = ctx.shared.act(|inner| inner.vm.call(self.request));
        CallHandle {
            ctx,
            id: leaves.invocation_id,
            result: Durable::new(&ctx.shared, leaves.result, value),
        }
    }
}

fn send<O>(ctx: &Context, request: CallRequest, delay: Option<Duration>) -> SendHandle<'_, O> {
    let at = delay.map(|delay| ctx.time().saturating_add(delay));
    let leaf = ctx.shared.act(|inner| inner.vm.send(request, at));
    SendHandle {
        ctx,
        id: leaf,
        result: PhantomData,
    }
}

impl<O: Decode> Future for Call<'_, O> {
    type Output = Result<O, Failure>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = match &mut this.result {
            Some(result) => result,
            None => {
                let request = std::mem::take(&mut this.request);
                let leaves = this.ctx.shared.act(|inner| inner.vm.call(request));
                let result = Durable::new(&this.ctx.shared, leaves.result, value);
                this.result.insert(result)
            }
        };
        Pin::new(result).poll(task)
    }
}

/// A call that is to happen later.
#[must_use = "nothing happens before it is sent"]
pub struct Later<'c, O> {
    call: Call<'c, O>,
    delay: Duration,
}

impl<'c, O: Decode> Later<'c, O> {
    /// See [`Call::idempotency_key`].
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.call = self.call.idempotency_key(key);
        self
    }

    /// See [`Call::header`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.call = self.call.header(name, value);
        self
    }

    /// Schedules the call.
    pub fn send(self) -> SendHandle<'c, O> {
        send(self.call.ctx, self.call.request, Some(self.delay))
    }
}

/// A call whose result is not waited for.
pub struct SendHandle<'c, O> {
    ctx: &'c Context,
    id: crate::vm::Leaf,
    result: PhantomData<fn() -> O>,
}

impl<'c, O: Decode> SendHandle<'c, O> {
    /// The id of the invocation.
    pub fn id(&self) -> Durable<'c, String> {
        Durable::new(&self.ctx.shared, self.id.clone(), invocation_id)
    }

    /// The invocation, to attach to, signal or cancel.
    ///
    /// # Errors
    /// When this invocation is cancelled.
    pub async fn invocation(&self) -> Result<InvocationHandle<'c>, Failure> {
        Ok(self.ctx.invocation(self.id().await?))
    }

    /// Waits for the result after all.
    ///
    /// # Errors
    /// The failure of the other handler, and a cancellation.
    pub async fn attach(&self) -> Result<O, Failure> {
        self.invocation().await?.attach().await
    }

    /// Asks the other handler to stop.
    ///
    /// # Errors
    /// When this invocation is cancelled.
    pub async fn cancel(&self) -> Result<(), Failure> {
        self.invocation().await?.cancel();
        Ok(())
    }
}

/// A call that was made; await it for the result.
#[must_use = "use send for a call whose result does not matter"]
pub struct CallHandle<'c, O> {
    ctx: &'c Context,
    id: crate::vm::Leaf,
    result: Durable<'c, O>,
}

impl<'c, O: Decode> CallHandle<'c, O> {
    /// The id of the invocation.
    pub fn id(&self) -> Durable<'c, String> {
        Durable::new(&self.ctx.shared, self.id.clone(), invocation_id)
    }

    /// The invocation, to signal or cancel.
    ///
    /// # Errors
    /// When this invocation is cancelled.
    pub async fn invocation(&self) -> Result<InvocationHandle<'c>, Failure> {
        Ok(self.ctx.invocation(self.id().await?))
    }

    /// Asks the other handler to stop.
    ///
    /// # Errors
    /// When this invocation is cancelled.
    pub async fn cancel(&self) -> Result<(), Failure> {
        self.invocation().await?.cancel();
        Ok(())
    }
}

impl<O> Future for CallHandle<'_, O> {
    type Output = Result<O, Failure>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(task)
    }
}

macro_rules! callers {
    ($($context:ty),*) => {$(
        impl<'c> Caller for &'c $context {
            type Call<O: Decode> = Call<'c, O>;

            fn call<O: Decode>(self, target: Target, parameter: Parameter) -> Call<'c, O> {
                Call::new(self, target, parameter)
            }
        }
    )*};
}

callers!(
    Context,
    SharedObjectContext,
    ObjectContext,
    SharedWorkflowContext,
    WorkflowContext
);
