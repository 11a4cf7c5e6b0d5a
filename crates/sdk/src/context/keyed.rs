//! Contexts of handlers that have a key: state and promises.

use std::marker::PhantomData;
use std::ops::Deref;

use super::Context;
use crate::error::Failure;
use crate::future::{Durable, optional, state_keys, value};
use crate::handler::Invocation;
use crate::payload::{Decode, Encode};

/// For `#[shared]` handlers of an object: they run beside others, and may only read its state.
#[derive(Debug)]
pub struct SharedObjectContext {
    context: Context,
}

/// For handlers of an object: one at a time for each key.
#[derive(Debug)]
pub struct ObjectContext {
    shared: SharedObjectContext,
}

/// For `#[shared]` handlers of a workflow: they run beside its run, read its state, and complete
/// its promises.
#[derive(Debug)]
pub struct SharedWorkflowContext {
    keyed: SharedObjectContext,
}

/// For the run of a workflow: once for each key.
#[derive(Debug)]
pub struct WorkflowContext {
    shared: SharedWorkflowContext,
}

impl SharedObjectContext {
    /// The context of an invocation that a service was given. Generated code calls it.
    pub fn new(invocation: &Invocation) -> Self {
        Self {
            context: Context::new(invocation),
        }
    }

    /// The key of the object or workflow.
    pub fn key(&self) -> &str {
        &self.context.shared.info.key
    }

    /// Reads a state entry; nothing if there is none.
    pub fn get<T: Decode>(&self, name: &str) -> Durable<'_, Option<T>> {
        let shared = &self.context.shared;
        let leaf = shared.act(|inner| inner.vm.get_state(name));
        Durable::new(shared, leaf, optional)
    }

    /// The names of all state entries, in ascending order.
    pub fn state_keys(&self) -> Durable<'_, Vec<String>> {
        let shared = &self.context.shared;
        let leaf = shared.act(|inner| inner.vm.get_state_keys());
        Durable::new(shared, leaf, state_keys)
    }

    fn write<T: Encode>(&self, name: &str, value: &T) {
        let what = format!("state {name:?}");
        if let Some(bytes) = self.context.encode(value, &what) {
            let shared = &self.context.shared;
            shared.act(|inner| inner.vm.set_state(name, bytes));
        }
    }
}

macro_rules! writes_state {
    ($($context:ident),*) => {$(
        impl $context {
            /// Writes a state entry.
            pub fn set<T: Encode>(&self, name: &str, value: T) {
                self.write(name, &value);
            }

            /// Deletes a state entry.
            pub fn clear(&self, name: &str) {
                self.context.shared.act(|inner| inner.vm.clear_state(name));
            }

            /// Deletes all state of the key.
            pub fn clear_all(&self) {
                self.context.shared.act(|inner| inner.vm.clear_all_state());
            }
        }
    )*};
}

writes_state!(ObjectContext, WorkflowContext);

impl ObjectContext {
    /// The context of an invocation that a service was given. Generated code calls it.
    pub fn new(invocation: &Invocation) -> Self {
        Self {
            shared: SharedObjectContext::new(invocation),
        }
    }
}

impl SharedWorkflowContext {
    /// The context of an invocation that a service was given. Generated code calls it.
    pub fn new(invocation: &Invocation) -> Self {
        Self {
            keyed: SharedObjectContext::new(invocation),
        }
    }

    /// A promise of this workflow: completed once, by any of its handlers, and awaited by any.
    pub fn promise<T: Decode>(&self, name: impl Into<String>) -> Promise<'_, T> {
        Promise {
            context: self,
            name: name.into(),
            value: PhantomData,
        }
    }
}

impl WorkflowContext {
    /// The context of an invocation that a service was given. Generated code calls it.
    pub fn new(invocation: &Invocation) -> Self {
        Self {
            shared: SharedWorkflowContext::new(invocation),
        }
    }
}

impl Deref for SharedObjectContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Deref for ObjectContext {
    type Target = SharedObjectContext;

    fn deref(&self) -> &SharedObjectContext {
        &self.shared
    }
}

impl Deref for SharedWorkflowContext {
    type Target = SharedObjectContext;

    fn deref(&self) -> &SharedObjectContext {
        &self.keyed
    }
}

impl Deref for WorkflowContext {
    type Target = SharedWorkflowContext;

    fn deref(&self) -> &SharedWorkflowContext {
        &self.shared
    }
}

/// A promise of a workflow. Await it for its value.
#[must_use = "await it, or peek, resolve or reject"]
pub struct Promise<'c, T> {
    context: &'c SharedWorkflowContext,
    name: String,
    value: PhantomData<fn() -> T>,
}

impl<'c, T: Decode> Promise<'c, T> {
    /// Its value if it is complete.
    pub fn peek(&self) -> Durable<'c, Option<T>> {
        let shared = &self.context.context.shared;
        let leaf = shared.act(|inner| inner.vm.peek_promise(&self.name));
        Durable::new(shared, leaf, optional)
    }

    /// Completes it. Awaited, fails with 409 if it was complete.
    pub fn resolve(&self, value: T) -> Durable<'c, ()>
    where
        T: Encode,
    {
        let what = format!("the value of promise {:?}", self.name);
        let bytes = self.context.encode(&value, &what);
        self.complete(Ok(bytes.unwrap_or_default()))
    }

    /// Completes it with a failure. Awaited, fails with 409 if it was complete.
    pub fn reject(&self, failure: Failure) -> Durable<'c, ()> {
        self.complete(Err(failure.into()))
    }

    fn complete(
        &self,
        outcome: Result<bytes::Bytes, latchwork_protocol::service::message::Failure>,
    ) -> Durable<'c, ()> {
        let shared = &self.context.context.shared;
        let leaf = shared.act(|inner| inner.vm.complete_promise(&self.name, outcome));
        Durable::new(shared, leaf, value)
    }
}

impl<'c, T: Decode> IntoFuture for Promise<'c, T> {
    type Output = Result<T, Failure>;
    type IntoFuture = Durable<'c, T>;

    fn into_future(self) -> Durable<'c, T> {
        let shared = &self.context.context.shared;
        let leaf = shared.act(|inner| inner.vm.get_promise(&self.name));
        Durable::new(shared, leaf, value)
    }
}
