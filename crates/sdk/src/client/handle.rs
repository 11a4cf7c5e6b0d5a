//! Invocations from outside: their results, and cancelling them.

use std::marker::PhantomData;
use std::time::Duration;

use super::door::Reference;
use super::{Client, ClientError};
use crate::payload::Decode;

/// An invocation that the server knows, or may know.
#[derive(Debug, Clone)]
pub struct Handle<O> {
    client: Client,
    reference: Reference,
    known_before: bool,
    output: PhantomData<fn() -> O>,
}

/// Whether there is a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status<O> {
    /// It has ended with this.
    Done(O),
    /// It is under way.
    Running,
}

impl<O: Decode> Handle<O> {
    pub(super) fn new(client: Client, reference: Reference) -> Self {
        Self {
            client,
            reference,
            known_before: false,
            output: PhantomData,
        }
    }

    pub(super) fn known_before(mut self, known: bool) -> Self {
        self.known_before = known;
        self
    }

    /// Its id, or the name and key that the handle was made from.
    pub fn id(&self) -> String {
        self.reference.to_string()
    }

    /// Whether the call that gave this handle had been made before, with the same idempotency key
    /// or workflow key.
    pub fn was_known(&self) -> bool {
        self.known_before
    }

    /// Waits for its result, as long as it takes.
    ///
    /// # Errors
    /// Its failure; a failure with code 404 if the server does not know it, or no longer; and when
    /// the server cannot be reached.
    pub async fn attach(&self) -> Result<O, ClientError> {
        let output = self.client.door.attach(&self.reference).await?;
        Ok(O::decode(&output)?)
    }

    /// Waits for its result, but no longer than `limit`. It goes on in either case.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub async fn attach_for(&self, limit: Duration) -> Result<Status<O>, ClientError> {
        match tokio::time::timeout(limit, self.attach()).await {
            Ok(result) => result.map(Status::Done),
            Err(_) => Ok(Status::Running),
        }
    }

    /// Its result, if there is one now.
    ///
    /// # Errors
    /// Its failure; a refusal with status 404 if the server does not know it, or no longer; and
    /// when the server cannot be reached.
    pub async fn output(&self) -> Result<Status<O>, ClientError> {
        match self.client.door.output(&self.reference).await? {
            Some(output) => Ok(Status::Done(O::decode(&output)?)),
            None => Ok(Status::Running),
        }
    }

    /// Asks it to stop: its next await fails, and it may clean up.
    ///
    /// # Errors
    /// When the client has no address of the admin API, the server cannot be reached, or does not
    /// know the invocation.
    pub async fn cancel(&self) -> Result<(), ClientError> {
        self.client.door.cancel(&self.reference).await
    }
}
