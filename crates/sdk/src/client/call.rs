//! Calls from outside of handlers.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use super::door::{Order, Reference};
use super::handle::Handle;
use super::{Client, ClientError};
use crate::payload::Decode;
use crate::target::{Parameter, Target};

/// A call that is made when it is awaited, or sent.
#[must_use = "the call is made when it is awaited or sent"]
pub struct Call<'c, O> {
    client: &'c Client,
    order: Order,
    output: PhantomData<fn() -> O>,
}

/// A call that is to happen later.
#[must_use = "nothing happens before it is sent"]
pub struct Later<'c, O> {
    call: Call<'c, O>,
    delay: Duration,
}

impl<'c, O: Decode> Call<'c, O> {
    pub(super) fn new(client: &'c Client, target: Target, parameter: Parameter) -> Self {
        Self {
            client,
            order: Order {
                target,
                parameter,
                headers: Vec::new(),
                idempotency_key: None,
            },
            output: PhantomData,
        }
    }

    /// A later call with the same key, of the same handler, gets the outcome of this one. Not for
    /// the run of a workflow: its key does that.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.order.idempotency_key = Some(key.into());
        self
    }

    /// Adds a header that the handler sees.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.order.headers.push((name.into(), value.into()));
        self
    }

    /// Not now, but after `delay`; it can only be sent then.
    pub fn delay(self, delay: Duration) -> Later<'c, O> {
        Later { call: self, delay }
    }

    /// Makes the call, and waits only until the server has accepted it: then it will happen.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the call.
    pub async fn send(self) -> Result<Handle<O>, ClientError> {
        self.send_after(None).await
    }

    async fn send_after(self, delay: Option<Duration>) -> Result<Handle<O>, ClientError> {
        let accepted = self.client.door.send(self.order, delay).await?;
        let handle = Handle::new(self.client.clone(), Reference::Id(accepted.id));
        Ok(handle.known_before(accepted.known_before))
    }

    async fn call(self) -> Result<O, ClientError> {
        Ok(O::decode(&self.client.door.call(self.order).await?)?)
    }
}

impl<'c, O: Decode> IntoFuture for Call<'c, O>
where
    O: 'c,
{
    type Output = Result<O, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.call())
    }
}

impl<O: Decode> Later<'_, O> {
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
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the call.
    pub async fn send(self) -> Result<Handle<O>, ClientError> {
        self.call.send_after(Some(self.delay)).await
    }
}
