//! Other invocations, by their ids.

use latchwork_protocol::service::message::{
    AttachTarget, Failure as WireFailure, IdempotentRequestTarget, WorkflowTarget,
};

use super::Context;
use crate::error::Failure;
use crate::future::{Durable, optional, value};
use crate::payload::{Decode, Encode};
use crate::target::Target;

impl Context {
    /// Another invocation, by its id: to attach to it, signal it or cancel it.
    pub fn invocation(&self, id: impl Into<String>) -> InvocationHandle<'_> {
        InvocationHandle {
            ctx: self,
            id: id.into(),
        }
    }

    /// Waits for the result of a workflow, by its name and key. Fails with 404 if it was not
    /// started.
    pub fn attach_workflow<T: Decode>(
        &self,
        workflow: impl Into<String>,
        key: impl Into<String>,
    ) -> Durable<'_, T> {
        let target = AttachTarget::Workflow(WorkflowTarget {
            workflow_name: workflow.into(),
            workflow_key: key.into(),
            scope: None,
        });
        let leaf = self.shared.act(|inner| inner.vm.attach(target));
        Durable::new(&self.shared, leaf, value)
    }

    /// Waits for the result of the call of `target` that was made with this idempotency key. Fails
    /// with 404 if there was none.
    pub fn attach_idempotent<T: Decode>(
        &self,
        target: Target,
        key: impl Into<String>,
    ) -> Durable<'_, T> {
        let target = AttachTarget::Idempotent(IdempotentRequestTarget {
            service_name: target.service,
            service_key: target.key,
            handler_name: target.handler,
            idempotency_key: key.into(),
            scope: None,
        });
        let leaf = self.shared.act(|inner| inner.vm.attach(target));
        Durable::new(&self.shared, leaf, value)
    }
}

/// Another invocation.
#[derive(Debug)]
pub struct InvocationHandle<'c> {
    ctx: &'c Context,
    id: String,
}

impl<'c> InvocationHandle<'c> {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for its result. Fails with 404 if there is no such invocation.
    pub fn attach<T: Decode>(&self) -> Durable<'c, T> {
        let target = AttachTarget::InvocationId(self.id.clone());
        let leaf = self.ctx.shared.act(|inner| inner.vm.attach(target));
        Durable::new(&self.ctx.shared, leaf, value)
    }

    /// Its result if it has ended. Fails with 404 if there is no such invocation.
    pub fn output<T: Decode>(&self) -> Durable<'c, Option<T>> {
        let target = AttachTarget::InvocationId(self.id.clone());
        let leaf = self
            .ctx
            .shared
            .act(|inner| inner.vm.invocation_output(target));
        Durable::new(&self.ctx.shared, leaf, optional)
    }

    /// Asks it to stop: its next await fails with 409.
    pub fn cancel(&self) {
        self.ctx.shared.act(|inner| inner.vm.cancel(&self.id));
    }

    /// A signal to it, for its [`Context::signal`].
    pub fn signal(&self, name: impl Into<String>) -> SignalSender<'_> {
        SignalSender {
            invocation: self,
            name: name.into(),
        }
    }
}

/// A signal that can be sent.
#[must_use = "call resolve or reject"]
pub struct SignalSender<'h> {
    invocation: &'h InvocationHandle<'h>,
    name: String,
}

impl SignalSender<'_> {
    /// Sends it with a value; `()` is a signal without content.
    pub fn resolve<T: Encode>(self, value: T) {
        let ctx = self.invocation.ctx;
        if let Some(bytes) = ctx.encode(&value, "the value of the signal") {
            let outcome = T::content_type().map(|_| Ok(bytes));
            self.send(outcome);
        }
    }

    /// Sends it as a failure: the await at the other side fails with it.
    pub fn reject(self, failure: Failure) {
        self.send(Some(Err(failure.into())));
    }

    fn send(self, outcome: Option<Result<bytes::Bytes, WireFailure>>) {
        let InvocationHandle { ctx, id } = self.invocation;
        ctx.shared
            .act(|inner| inner.vm.send_signal(id, &self.name, outcome));
    }
}
