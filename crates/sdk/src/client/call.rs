//! Calls through a server's ingress.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use http::Method;
use serde::Deserialize;

use super::handle::{Handle, Reference};
use super::{Client, ClientError, segment};
use crate::payload::Decode;
use crate::target::{Parameter, Target};

/// A call that is made when it is awaited, or sent.
#[must_use = "the call is made when it is awaited or sent"]
pub struct Call<'c, O> {
    client: &'c Client,
    target: Target,
    parameter: Parameter,
    headers: Vec<(String, String)>,
    output: PhantomData<fn() -> O>,
}

/// A call that is to happen later.
#[must_use = "nothing happens before it is sent"]
pub struct Later<'c, O> {
    call: Call<'c, O>,
    delay: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    invocation_id: String,
    status: String,
}

impl<'c, O: Decode> Call<'c, O> {
    pub(super) fn new(client: &'c Client, target: Target, parameter: Parameter) -> Self {
        Self {
            client,
            target,
            parameter,
            headers: Vec::new(),
            output: PhantomData,
        }
    }

    /// A later call with the same key, of the same handler, gets the outcome of this one. Not for
    /// the run of a workflow: its key does that.
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.header("idempotency-key", key)
    }

    /// Adds a header that the handler sees.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
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
        self.send_with(String::new()).await
    }

    async fn send_with(self, query: String) -> Result<Handle<O>, ClientError> {
        let path = format!("{}{query}", path("send", &self.target));
        let request = self.client.ingress.request(Method::POST, &path);
        let request = request.parameter(self.parameter)?.headers(&self.headers)?;
        let answer = request.send().await?.success()?;
        let accepted: Accepted = match serde_json::from_slice(&answer.body) {
            Ok(accepted) => accepted,
            Err(error) => return Err(answer.unreadable(error.to_string())),
        };
        let known = accepted.status == "PreviouslyAccepted";
        let reference = Reference::Id(accepted.invocation_id);
        Ok(Handle::new(self.client.clone(), reference).known_before(known))
    }

    async fn call(self) -> Result<O, ClientError> {
        let path = path("call", &self.target);
        let request = self.client.ingress.request(Method::POST, &path);
        let request = request.parameter(self.parameter)?.headers(&self.headers)?;
        let answer = request.send().await?.success()?;
        Ok(O::decode(&answer.body)?)
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
        let query = format!("?delay={}ms", self.delay.as_millis());
        self.call.send_with(query).await
    }
}

fn path(verb: &str, target: &Target) -> String {
    let Target {
        service,
        key,
        handler,
    } = target;
    match key {
        None => format!("/restate/{verb}/{service}/{handler}"),
        Some(key) => format!("/restate/{verb}/{service}/{}/{handler}", segment(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_one_segment_whatever_is_in_them() {
        let target = Target::keyed("Obj", "a/b c€?", "add");
        assert_eq!(
            path("call", &target),
            "/restate/call/Obj/a%2Fb%20c%E2%82%AC%3F/add"
        );
        let target = Target::keyed("Obj", "", "add");
        assert_eq!(path("send", &target), "/restate/send/Obj//add");
        let target = Target::service("Svc", "greet");
        assert_eq!(path("call", &target), "/restate/call/Svc/greet");
    }
}
