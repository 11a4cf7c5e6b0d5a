//! The live tables as JSON: by statement, or one invocation at a time.

use super::error::AdminError;
use super::{Admin, invocations};
use crate::query;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The body of `POST /query`.
#[derive(Deserialize)]
pub(super) struct Query {
    query: String,
}

pub(super) async fn query(
    State(app): State<Arc<Admin>>,
    headers: HeaderMap,
    Json(Query { query }): Json<Query>,
) -> Result<Response, AdminError> {
    let takes_json = headers.get(header::ACCEPT).is_none_or(|accept| {
        let accept = String::from_utf8_lossy(accept.as_bytes());
        accept.contains("json") || accept.contains("*/*") || accept.contains("application/*")
    });
    if !takes_json {
        return Err(AdminError::Accept);
    }
    let rows = query::run(app.handle.clone(), query).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], rows).into_response())
}

pub(super) async fn invocation(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Json<Map<String, Value>>, AdminError> {
    let found = invocations::look(&app, &id, query::invocation).await?;
    Ok(Json(found))
}

pub(super) async fn journal(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let entries = invocations::look(&app, &id, query::entries).await?;
    Ok(Json(json!({"entries": entries})))
}
