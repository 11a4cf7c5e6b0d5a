//! What the server says of itself.

use super::Admin;
use crate::health::HealthProblem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use latchwork_protocol::admin::{API_VERSION_MAX, API_VERSION_MIN, VersionReply};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Clients choose what they ask for by this: it names the release whose API is spoken.
const VERSION: &str = concat!("1.7.12-latchwork.", env!("CARGO_PKG_VERSION"));

pub(super) async fn version(State(app): State<Arc<Admin>>) -> Json<VersionReply> {
    Json(VersionReply {
        version: VERSION.to_owned(),
        min_admin_api_version: API_VERSION_MIN,
        max_admin_api_version: API_VERSION_MAX,
        ingress_endpoint: Some(app.ingress_url.clone()),
        features: BTreeMap::new(),
    })
}

/// Nothing where all is well: load balancers and clients look at the status alone.
pub(super) async fn health(State(app): State<Arc<Admin>>) -> Result<(), Response> {
    let troubles = app.health.troubles();
    match troubles.is_empty() {
        true => Ok(()),
        false => {
            let body = HealthProblem::of(&troubles);
            Err((StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response())
        }
    }
}

pub(super) async fn cluster_health() -> Json<Value> {
    Json(json!({
        "cluster_name": "latchwork",
        "metadata_cluster_health": {"members": [1]},
    }))
}
