//! A server behind its HTTP APIs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::ClientError;
use super::door::{Accepted, Asked, Door, Order, Reference};
use super::http::{Answer, Http, is_out_of_service};
use super::retry::Patience;
use crate::target::{Parameter, Target};

/// The ingress of a server, and perhaps its admin API.
#[derive(Clone)]
pub(super) struct Remote {
    ingress: Arc<Http>,
    admin: Option<Arc<Http>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendReply {
    invocation_id: String,
    status: String,
}

impl SendReply {
    fn of(answer: Answer) -> Result<Self, ClientError> {
        serde_json::from_slice(&answer.body).map_err(|error| answer.unreadable(error.to_string()))
    }
}

impl Remote {
    pub(super) fn new(ingress: Http, admin: Option<Http>) -> Self {
        Self {
            ingress: Arc::new(ingress),
            admin: admin.map(Arc::new),
        }
    }

    async fn order(&self, verb: &str, query: &str, order: Order) -> Result<Answer, ClientError> {
        let path = format!("{}{query}", path(verb, &order.target));
        let mut headers = order.headers;
        let has_identity = order.idempotency_key.is_some();
        if let Some(key) = order.idempotency_key {
            headers.push(("idempotency-key".to_owned(), key));
        }
        // To start a run again is to find it; to call it again is refused.
        let repeatable = has_identity || (order.target.is_run && verb == "send");
        let request = self.ingress.request(Method::POST, &path);
        let request = request.parameter(order.parameter)?.headers(&headers)?;
        request.repeatable(repeatable).send().await?.success()
    }

    /// Calls the run of a workflow. When the connection breaks, or the server stops, it may have been
    /// started or not: then it is started unless it was, and awaited.
    async fn call_run(&self, order: Order) -> Result<Answer, ClientError> {
        let bytes = order.parameter.bytes?;
        let again = || Order {
            target: order.target.clone(),
            parameter: Parameter {
                bytes: Ok(bytes.clone()),
                content_type: order.parameter.content_type,
            },
            headers: order.headers.clone(),
            // The server has words for it.
            idempotency_key: order.idempotency_key.clone(),
        };
        let error = match self.order("call", "", again()).await {
            Err(error) if may_have_been_taken(&error) => error,
            other => return other,
        };
        let Some(pause) = Patience::new(self.ingress.retry()).pause(None) else {
            return Err(error);
        };
        tokio::time::sleep(pause).await;
        let accepted = SendReply::of(self.order("send", "", again()).await?)?;
        let id = Reference::Id(accepted.invocation_id);
        self.ask("attach", &id).await?.success()
    }

    async fn ask(&self, verb: &str, reference: &Reference) -> Result<Answer, ClientError> {
        match reference {
            Reference::Id(id) => {
                let path = format!("/restate/{verb}/{}", segment(id));
                let request = self.ingress.request(Method::GET, &path);
                request.repeatable(true).send().await
            }
            Reference::Workflow { .. } | Reference::Idempotent { .. } => {
                let path = format!("/restate/{verb}");
                let request = self.ingress.request(Method::POST, &path);
                let request = request.parameter(named(reference))?;
                request.repeatable(true).send().await
            }
        }
    }

    /// The id that a name and key lead to.
    async fn look_up(&self, reference: &Reference) -> Result<String, ClientError> {
        if let Reference::Id(id) = reference {
            return Ok(id.clone());
        }
        let request = self.ingress.request(Method::POST, "/restate/lookup");
        let request = request.parameter(named(reference))?.repeatable(true);
        let answer = request.send().await?.success()?;
        let found: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match found["invocationId"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => Err(answer.unreadable("it names no invocation")),
        }
    }
}

impl Door for Remote {
    fn call(&self, order: Order) -> Asked<'_, Bytes> {
        Box::pin(async move {
            let answer = match order.target.is_run {
                true => self.call_run(order).await?,
                false => self.order("call", "", order).await?,
            };
            Ok(answer.body)
        })
    }

    fn send(&self, order: Order, delay: Option<Duration>) -> Asked<'_, Accepted> {
        Box::pin(async move {
            let query = delay.map(|delay| format!("?delay={}ms", delay.as_millis()));
            let query = query.unwrap_or_default();
            let reply = SendReply::of(self.order("send", &query, order).await?)?;
            Ok(Accepted {
                id: reply.invocation_id,
                known_before: reply.status == "PreviouslyAccepted",
            })
        })
    }

    fn attach<'d>(&'d self, reference: &'d Reference) -> Asked<'d, Bytes> {
        Box::pin(async move { Ok(self.ask("attach", reference).await?.success()?.body) })
    }

    fn output<'d>(&'d self, reference: &'d Reference) -> Asked<'d, Option<Bytes>> {
        Box::pin(async move {
            let answer = self.ask("output", reference).await?;
            Ok(answer.success_or_not_ready()?.map(|answer| answer.body))
        })
    }

    fn cancel<'d>(&'d self, reference: &'d Reference) -> Asked<'d, ()> {
        Box::pin(async move {
            let admin = self.admin.as_ref().ok_or(ClientError::NoAdmin)?;
            let id = self.look_up(reference).await?;
            let path = format!("/invocations/{}/cancel", segment(&id));
            let request = admin.request(Method::PATCH, &path);
            request.repeatable(true).send().await?.success().map(drop)
        })
    }

    fn complete<'d>(&'d self, id: &'d str, outcome: Result<Parameter, &'d str>) -> Asked<'d, ()> {
        Box::pin(async move {
            let verb = if outcome.is_ok() { "resolve" } else { "reject" };
            let path = format!("/restate/awakeables/{}/{verb}", segment(id));
            let request = self.ingress.request(Method::POST, &path);
            let request = match outcome {
                Ok(value) => request.parameter(value)?,
                Err(reason) => request.text(reason),
            };
            // Only the first completion counts.
            request.repeatable(true).send().await?.success().map(drop)
        })
    }

    fn place(&self) -> String {
        self.ingress.base().to_owned()
    }
}

/// Whether a request came to nothing that the server may have taken nevertheless.
fn may_have_been_taken(error: &ClientError) -> bool {
    match error {
        ClientError::Unanswered { .. } => true,
        ClientError::Refused { status, .. } => is_out_of_service(*status),
        _ => false,
    }
}

/// The body that names an invocation.
fn named(reference: &Reference) -> Parameter {
    Parameter::of(&match reference {
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

fn path(verb: &str, target: &Target) -> String {
    let Target {
        service,
        key,
        handler,
        ..
    } = target;
    match key {
        None => format!("/restate/{verb}/{service}/{handler}"),
        Some(key) => format!("/restate/{verb}/{service}/{}/{handler}", segment(key)),
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> Cow<'_, str> {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(text, ENCODED).into()
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
