//! What a client asks, asked of the runtime of this process.

use std::time::Duration;

use bytes::Bytes;
use latchwork_engine::table::length::check_length;
use latchwork_engine::{
    Answer, Failure as EngineFailure, Header, Identity, Input, InvocationId, Invoke, Operation,
    Outcome, Reply, Target as EngineTarget, TargetKind, View, read,
};
use latchwork_protocol::derive;
use latchwork_protocol::id::{Awakeable, invocation_text, parse_awakeable, parse_invocation};
use latchwork_runtime::registry::Settings;
use latchwork_runtime::{AskError, Dice, Ending, Handle, OutputState};

use crate::client::{Accepted, Asked, ClientError, Door, Order, Reference};
use crate::error::Failure;
use crate::target::{Parameter, Target};

/// What a rejected awakeable fails with.
const REJECTED: u32 = 500;

/// Whoever runs the runtime of this process.
pub(crate) trait Host: Send + Sync + 'static {
    /// Whether it may ask once more what was asked before, because the runtime has ended in
    /// between and begun again.
    const ASKS_AGAIN: bool;

    /// The way in, once it runs.
    fn handle(&self) -> impl Future<Output = Handle> + Send;

    /// Asks the runtime something.
    fn ask<T: Send, A: Future<Output = Result<T, AskError>> + Send>(
        &self,
        ask: impl Fn(Handle) -> A + Send + Sync,
    ) -> impl Future<Output = Result<T, AskError>> + Send;

    /// When at least so many ms have passed, in ms since 1970.
    fn after(&self, delay_ms: u64) -> u64;
}

impl Host for Handle {
    const ASKS_AGAIN: bool = false;

    async fn handle(&self) -> Handle {
        self.clone()
    }

    async fn ask<T: Send, A: Future<Output = Result<T, AskError>> + Send>(
        &self,
        ask: impl Fn(Handle) -> A + Send + Sync,
    ) -> Result<T, AskError> {
        ask(self.clone()).await
    }

    fn after(&self, delay_ms: u64) -> u64 {
        self.clock().after(delay_ms)
    }
}

/// The runtime of this process.
pub(crate) struct Inside<H> {
    host: H,
    place: String,
}

impl<H: Host> Inside<H> {
    pub(crate) fn new(host: H, place: String) -> Self {
        Self { host, place }
    }

    fn refused(&self, request: String, status: u16, message: impl Into<String>) -> ClientError {
        ClientError::Refused {
            base: self.place.clone(),
            request,
            status,
            message: message.into(),
        }
    }

    fn unanswered(&self, request: String, error: AskError) -> ClientError {
        ClientError::Unanswered {
            base: self.place.clone(),
            request,
            reason: error.to_string(),
        }
    }

    /// What is proposed, and whether it is the run of a workflow.
    async fn invoke(
        &self,
        order: Order,
        delay: Option<Duration>,
    ) -> Result<(Invoke, bool), ClientError> {
        let Order {
            target,
            parameter,
            headers,
            idempotency_key,
        } = order;
        let request = format!("a call of {target}");
        let handle = self.host.handle().await;
        let registry = handle.registry();
        let Some(settings) = registry.handler(&target.service, &target.handler) else {
            let message = format!("there is no handler {}/{}", target.service, target.handler);
            return Err(self.refused(request, 404, message));
        };
        if !settings.public {
            let message = "only other handlers may call it: it is private";
            return Err(self.refused(request, 400, message));
        }
        let is_run = settings.kind == TargetKind::WorkflowRun;
        if is_run && idempotency_key.is_some() {
            let message = "the run of a workflow takes no idempotency key: its key is one";
            return Err(self.refused(request, 400, message));
        }
        if (settings.kind == TargetKind::Plain) != target.key.is_none() {
            let message = "objects and workflows are called with a key, and services without";
            return Err(self.refused(request, 400, message));
        }
        if let Some(key) = &target.key
            && let Err(error) = check_length("the key", key.as_bytes())
        {
            return Err(self.refused(request, 400, error.to_string()));
        }
        let body = parameter.bytes?;
        let input = &settings.handler.input;
        if let Err(reason) = input.accepts(parameter.content_type, body.is_empty()) {
            return Err(self.refused(request, 400, reason.to_string()));
        }
        let id = identify(handle.dice(), settings, &target, idempotency_key.as_deref());
        let (completion_retention_ms, journal_retention_ms) =
            settings.retention(idempotency_key.is_some());
        let headers = headers.into_iter();
        let invoke = Invoke {
            id,
            target: EngineTarget {
                service: target.service,
                handler: target.handler,
                key: target.key,
                kind: settings.kind.into(),
                scope: None,
            },
            input: Input {
                headers: headers
                    .map(|(name, value)| Header { name, value })
                    .collect(),
                body,
            },
            caller: None,
            idempotency_key,
            execution_time: delay.map(|delay| self.due(delay)),
            completion_retention_ms,
            journal_retention_ms,
            waiter: None,
            limit_key: None,
            incarnation: handle.dice().incarnation(),
            trace: None,
        };
        Ok((invoke, is_run))
    }

    async fn accept(&self, request: String, invoke: Invoke) -> Result<Accepted, ClientError> {
        let unanswered = |error| self.unanswered(request.clone(), error);
        let incarnation = invoke.incarnation;
        let ask = |handle: Handle| {
            let invoke = invoke.clone();
            async move { handle.invoke(invoke).await }
        };
        match self.host.ask(ask).await.map_err(unanswered)? {
            Reply::Accepted { id, existed, .. } => Ok(Accepted {
                id: invocation_text(&id.to_bytes()),
                known_before: existed
                    && !(H::ASKS_AGAIN
                        && self.is_ours(id, incarnation).await.map_err(unanswered)?),
            }),
            other => Err(self.refused(request, 500, format!("{other:?}"))),
        }
    }

    /// Whether an invocation is there because of this call: one that was asked for twice has found
    /// itself.
    async fn is_ours(&self, id: InvocationId, incarnation: u32) -> Result<bool, AskError> {
        let row = move |view: &dyn View| read::invocation(view, &id);
        let ask = |handle: Handle| async move { handle.read_at(id.partition_key, row).await };
        let row = self.host.ask(ask).await?;
        Ok(row.is_ok_and(|row| row.is_some_and(|row| row.incarnation == incarnation)))
    }

    /// The time after a delay, in milliseconds since 1970.
    fn due(&self, delay: Duration) -> u64 {
        let delay_ms = delay.as_nanos().div_ceil(1_000_000);
        self.host.after(u64::try_from(delay_ms).unwrap_or(u64::MAX))
    }

    async fn call(&self, order: Order) -> Result<Bytes, ClientError> {
        let request = format!("a call of {}", order.target);
        let (invoke, is_run) = self.invoke(order, None).await?;
        if !is_run {
            let ask = |handle: Handle| {
                let invoke = invoke.clone();
                async move { handle.call(invoke).await }
            };
            let end = self.host.ask(ask).await;
            let end = end.map_err(|error| self.unanswered(request, error))?;
            return output(end.ending);
        }
        let id = invoke.id;
        let accepted = self.accept(request.clone(), invoke).await?;
        if accepted.known_before {
            let message = "the workflow was started before, and runs once for each key";
            return Err(Failure::new(message).code(409).into());
        }
        self.attach(request, id).await
    }

    async fn attach(&self, request: String, id: InvocationId) -> Result<Bytes, ClientError> {
        let ask = |handle: Handle| async move { handle.attach(id).await };
        let ending = self.host.ask(ask).await;
        match ending.map_err(|error| self.unanswered(request, error))? {
            Some(ending) => output(ending),
            None => Err(Failure::new("not found").code(404).into()),
        }
    }

    fn id(&self, reference: &Reference) -> Result<InvocationId, ClientError> {
        let bytes = match reference {
            Reference::Id(text) => parse_invocation(text)
                .map_err(|error| self.refused(text.clone(), 400, error.to_string()))?,
            Reference::Workflow { workflow, key } => derive::workflow_run(None, workflow, key),
            Reference::Idempotent { target, key } => derive::idempotent(
                None,
                &target.service,
                target.key.as_deref(),
                &target.handler,
                key,
            ),
        };
        Ok(InvocationId::from_bytes(bytes))
    }
}

impl<H: Host> Door for Inside<H> {
    fn call(&self, order: Order) -> Asked<'_, Bytes> {
        Box::pin(self.call(order))
    }

    fn send(&self, order: Order, delay: Option<Duration>) -> Asked<'_, Accepted> {
        Box::pin(async move {
            let request = format!("a call of {}", order.target);
            let (invoke, _) = self.invoke(order, delay).await?;
            self.accept(request, invoke).await
        })
    }

    fn attach<'d>(&'d self, reference: &'d Reference) -> Asked<'d, Bytes> {
        Box::pin(async move {
            let id = self.id(reference)?;
            self.attach(reference.to_string(), id).await
        })
    }

    fn output<'d>(&'d self, reference: &'d Reference) -> Asked<'d, Option<Bytes>> {
        Box::pin(async move {
            let id = self.id(reference)?;
            let ask = |handle: Handle| async move { handle.output(id).await };
            let state = self.host.ask(ask).await;
            match state.map_err(|error| self.unanswered(reference.to_string(), error))? {
                OutputState::Unknown => {
                    let message = "there is no such invocation, or it is forgotten";
                    Err(self.refused(reference.to_string(), 404, message))
                }
                OutputState::Pending(_) => Ok(None),
                OutputState::Ready(ending) => output(ending).map(Some),
            }
        })
    }

    fn cancel<'d>(&'d self, reference: &'d Reference) -> Asked<'d, ()> {
        Box::pin(async move {
            let id = self.id(reference)?;
            let ask =
                |handle: Handle| async move { handle.operate(id, Operation::Cancel, None).await };
            let reply = self.host.ask(ask).await;
            match reply.map_err(|error| self.unanswered(reference.to_string(), error))? {
                Reply::NotFound => {
                    let message = "there is no such invocation, or it is forgotten";
                    Err(self.refused(reference.to_string(), 404, message))
                }
                _ => Ok(()),
            }
        })
    }

    fn complete<'d>(&'d self, id: &'d str, outcome: Result<Parameter, &'d str>) -> Asked<'d, ()> {
        Box::pin(async move {
            let answer = match outcome {
                Ok(value) => Answer::Value(value.bytes?),
                Err(reason) => Answer::Failure(EngineFailure::new(REJECTED, reason)),
            };
            let awakeable = parse_awakeable(id)
                .map_err(|error| self.refused(id.to_owned(), 400, error.to_string()))?;
            // Nobody can wait for one of the older kind.
            if let Awakeable::Signal { invocation, index } = awakeable {
                let invocation = InvocationId::from_bytes(invocation);
                let ask = |handle: Handle| {
                    let (signal, answer) = (Identity::Signal(index), answer.clone());
                    async move { handle.signal(invocation, signal, answer).await }
                };
                let told = self.host.ask(ask).await;
                told.map_err(|error| self.unanswered(id.to_owned(), error))?;
            }
            Ok(())
        })
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

/// The id that follows from what is called, or a new one in the partition of its key.
fn identify(
    dice: &dyn Dice,
    settings: &Settings,
    target: &Target,
    idempotency_key: Option<&str>,
) -> InvocationId {
    let (service, key) = (&target.service, target.key.as_deref());
    let bytes = match (key, idempotency_key) {
        (Some(key), _) if settings.kind == TargetKind::WorkflowRun => {
            derive::workflow_run(None, service, key)
        }
        (_, Some(idempotency_key)) => {
            derive::idempotent(None, service, key, &target.handler, idempotency_key)
        }
        (key, None) => {
            let mut bytes = dice.id();
            if let Some(key) = key {
                let home = derive::partition_key(None, service, key);
                bytes[..8].copy_from_slice(&home.to_be_bytes());
            }
            bytes
        }
    };
    InvocationId::from_bytes(bytes)
}

fn output(ending: Ending) -> Result<Bytes, ClientError> {
    match ending.outcome {
        Outcome::Value(value) => Ok(value),
        Outcome::Failure(failure) => {
            let metadata = failure.metadata.into_iter();
            let failure = metadata.fold(
                Failure::new(failure.message).code(failure.code),
                |failure, pair| failure.metadata(pair.key, pair.value),
            );
            Err(failure.into())
        }
    }
}
