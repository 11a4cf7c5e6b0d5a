//! The deployment of a world: what its endpoint offers is asked for, and registered.

use super::{Door, pause};
use crate::ring::faults::Fates;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body::Body;
use latchwork::Endpoint;
use latchwork_engine::Document;
use latchwork_protocol::service::manifest;
use latchwork_runtime::registry::{Deployment, Revision};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

/// What the endpoint offers, as it says itself.
pub(super) fn document(endpoint: &Endpoint, fates: &Fates) -> Result<Document, String> {
    let request = http::Request::get("/discover")
        .version(http::Version::HTTP_2)
        .header(ACCEPT, manifest::ACCEPT)
        .body(String::new());
    let response = endpoint.handle(request.map_err(|it| it.to_string())?);
    let media_type = response.headers().get(CONTENT_TYPE);
    let media_type = media_type.and_then(|it| it.to_str().ok()).unwrap_or("");
    let media_type = media_type.to_owned();
    let mut body = response.into_body();
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    let mut bytes = Bytes::new();
    if let std::task::Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut task) {
        bytes = frame.into_data().unwrap_or_default();
    }
    let parsed = manifest::parse(&media_type, &bytes).map_err(|it| it.to_string())?;
    let request_response = String::from_utf8_lossy(&bytes).contains("REQUEST_RESPONSE");
    let services = parsed.validate().map_err(|it| it.to_string())?;
    let deployment = Deployment {
        id: "dp_1".into(),
        uri: "pipe:".into(),
        http1: false,
        request_response,
        min_protocol_version: 5,
        max_protocol_version: 5 + fates.below(3) as u32,
        sdk_version: None,
        additional_headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        created_at: 0,
        services: services
            .into_iter()
            .map(|service| Revision {
                revision: 1,
                service,
            })
            .collect(),
    };
    deployment.document().map_err(|it| it.to_string())
}

/// Registers it, as often as it takes.
pub(super) async fn register(door: Arc<Door>, document: Document) {
    while door
        .handle()
        .await
        .register(vec![document.clone()])
        .await
        .is_err()
    {
        pause(50).await;
    }
}
