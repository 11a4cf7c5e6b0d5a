//! An endpoint in an AWS Lambda function: events of the server in, answers out.
//!
//! The events are JSON in the style of the API gateway. Whatever receives them, `lambda_runtime`
//! for one, hands them over; no runtime is a dependency here. Request and response do not overlap,
//! so a handler that waits is suspended.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Endpoint, text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    path: String,
    http_method: String,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

impl Endpoint {
    /// Answers an event of a Lambda function. What is no such event is answered with status 400.
    ///
    /// ```text
    /// lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async {
    ///     Ok::<_, Infallible>(endpoint.lambda(event.payload).await)
    /// }))
    /// ```
    pub async fn lambda(&self, event: Value) -> Value {
        let response = match request(event) {
            Ok(request) => self.handle(request),
            Err(reason) => text(StatusCode::BAD_REQUEST, reason),
        };
        let (head, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        let headers = head.headers.iter();
        let answer = Answer {
            status_code: head.status.as_u16(),
            headers: headers
                .filter_map(|(name, value)| {
                    Some((name.to_string(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            body: STANDARD.encode(&body),
            is_base64_encoded: true,
        };
        serde_json::to_value(answer).expect("an answer has only texts and numbers")
    }
}

fn request(event: Value) -> Result<Request<Full<Bytes>>, String> {
    let event: Event = serde_json::from_value(event)
        .map_err(|error| format!("this is no event of an HTTP request: {error}"))?;
    let body = event.body.unwrap_or_default();
    let body = if event.is_base64_encoded {
        STANDARD
            .decode(body)
            .map_err(|error| format!("the body of the event is no base64: {error}"))?
    } else {
        body.into_bytes()
    };
    let mut request = Request::builder()
        .method(event.http_method.as_str())
        .uri(event.path);
    for (name, value) in event.headers.unwrap_or_default() {
        request = request.header(name, value);
    }
    request
        .body(Full::new(body.into()))
        .map_err(|error| format!("the event is no HTTP request: {error}"))
}
