//! A server behind its HTTP APIs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::door::{Accepted, Asked, Door, Order, Reference};
use super::http::{Answer, Http};
use super::{AddressError, ClientError};
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

impl Remote {
    pub(super) fn new(ingress: &str, admin: Option<&str>) -> Result<Self, AddressError> {
        let admin = admin.map(Http::new).transpose()?;
        Ok(Self {
            ingress: Arc::new(Http::new(ingress)?),
            admin: admin.map(Arc::new),
        })
    }

    async fn order(&self, verb: &str, query: &str, order: Order) -> Result<Answer, ClientError> {
        let path = format!("{}{query}", path(verb, &order.target));
        let mut headers = order.headers;
        if let Some(key) = order.idempotency_key {
            headers.push(("idempotency-key".to_owned(), key));
        }
        let request = self.ingress.request(Method::POST, &path);
        let request = request.parameter(order.parameter)?.headers(&headers)?;
        request.send().await?.success()
    }

    async fn ask(&self, verb: &str, reference: &Reference) -> Result<Answer, ClientError> {
        match reference {
            Reference::Id(id) => {
                let path = format!("/restate/{verb}/{}", segment(id));
                self.ingress.request(Method::GET, &path).send().await
            }
            Reference::Workflow { .. } | Reference::Idempotent { .. } => {
                let path = format!("/restate/{verb}");
                let request = self.ingress.request(Method::POST, &path);
                request.parameter(named(reference))?.send().await
            }
        }
    }

    /// The id that a name and key lead to.
    async fn look_up(&self, reference: &Reference) -> Result<String, ClientError> {
        if let Reference::Id(id) = reference {
            return Ok(id.clone());
        }
        let request = self.ingress.request(Method::POST, "/restate/lookup");
        let answer = request
            .parameter(named(reference))?
            .send()
            .await?
            .success()?;
        let found: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match found["invocationId"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => Err(answer.unreadable("it names no invocation")),
        }
    }
}

impl Door for Remote {
    fn call(&self, order: Order) -> Asked<'_, Bytes> {
        Box::pin(async move { Ok(self.order("call", "", order).await?.body) })
    }

    fn send(&self, order: Order, delay: Option<Duration>) -> Asked<'_, Accepted> {
        Box::pin(async move {
            let query = delay.map(|delay| format!("?delay={}ms", delay.as_millis()));
            let query = query.unwrap_or_default();
            let answer = self.order("send", &query, order).await?;
            match serde_json::from_slice::<SendReply>(&answer.body) {
                Ok(reply) => Ok(Accepted {
                    id: reply.invocation_id,
                    known_before: reply.status == "PreviouslyAccepted",
                }),
                Err(error) => Err(answer.unreadable(error.to_string())),
            }
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
            request.send().await?.success().map(drop)
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
            request.send().await?.success().map(drop)
        })
    }

    fn place(&self) -> String {
        self.ingress.base().to_owned()
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
