//! Invocations from outside: their results, and cancelling them.

use std::marker::PhantomData;
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::http::{Answer, Http};
use super::{Client, ClientError, segment};
use crate::payload::Decode;
use crate::target::{Parameter, Target};

/// An invocation that the server knows, or may know.
#[derive(Debug, Clone)]
pub struct Handle<O> {
    client: Client,
    reference: Reference,
    known_before: bool,
    output: PhantomData<fn() -> O>,
}

/// How an invocation is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Id(String),
    Workflow { workflow: String, key: String },
    Idempotent { target: Target, key: String },
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
        match &self.reference {
            Reference::Id(id) => id.clone(),
            Reference::Workflow { workflow, key } => format!("{workflow}/{key}"),
            Reference::Idempotent { target, key } => format!("{target}/{key}"),
        }
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
        let answer = self.ask("attach").await?.success()?;
        Ok(O::decode(&answer.body)?)
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
        match self.ask("output").await?.success_or_not_ready()? {
            Some(answer) => Ok(Status::Done(O::decode(&answer.body)?)),
            None => Ok(Status::Running),
        }
    }

    /// Asks it to stop: its next await fails, and it may clean up.
    ///
    /// # Errors
    /// When the client has no address of the admin API, the server cannot be reached, or does not
    /// know the invocation.
    pub async fn cancel(&self) -> Result<(), ClientError> {
        let admin = self.client.admin.as_ref().ok_or(ClientError::NoAdmin)?;
        let id = match &self.reference {
            Reference::Id(id) => id.clone(),
            Reference::Workflow { .. } | Reference::Idempotent { .. } => self.look_up().await?,
        };
        let path = format!("/invocations/{}/cancel", segment(&id));
        let request = admin.request(Method::PATCH, &path);
        request.send().await?.success().map(drop)
    }

    async fn ask(&self, verb: &str) -> Result<Answer, ClientError> {
        let ingress: &Http = &self.client.ingress;
        match &self.reference {
            Reference::Id(id) => {
                let path = format!("/restate/{verb}/{}", segment(id));
                ingress.request(Method::GET, &path).send().await
            }
            Reference::Workflow { .. } | Reference::Idempotent { .. } => {
                let path = format!("/restate/{verb}");
                let request = ingress.request(Method::POST, &path);
                request.parameter(self.target())?.send().await
            }
        }
    }

    /// The id that the name and key lead to.
    async fn look_up(&self) -> Result<String, ClientError> {
        let request = self.client.ingress.request(Method::POST, "/restate/lookup");
        let answer = request.parameter(self.target())?.send().await?.success()?;
        let found: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match found["invocationId"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => Err(answer.unreadable("it names no invocation")),
        }
    }

    fn target(&self) -> Parameter {
        Parameter::of(&match &self.reference {
            Reference::Id(id) => json!({"target": "invocation", "invocationId": id}),
            Reference::Workflow { workflow, key } => {
                json!({"target": "workflow", "workflowName": workflow, "workflowKey": key})
            }
            Reference::Idempotent { target, key } => json!({
                "target": "idempotentInvocation",
                "service": target.service,
                "key": target.key,
                "handler": target.handler,
                "idempotencyKey": key,
            }),
        })
    }
}
