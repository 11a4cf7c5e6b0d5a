//! The live tables: by statement, as JSON or Arrow, or one invocation at a time.

use super::error::AdminError;
use super::{Admin, invocations};
use crate::query::{self, Format};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

const JSON: &str = "application/json";
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// The body of `POST /query`.
#[derive(Deserialize)]
pub(super) struct Query {
    query: String,
    /// Columns without a value are in the JSON, as null.
    #[serde(default)]
    nulls: bool,
}

pub(super) async fn query(
    State(app): State<Arc<Admin>>,
    headers: HeaderMap,
    Json(Query { query, nulls }): Json<Query>,
) -> Result<Response, AdminError> {
    let (format, content_type) = if prefers_json(&headers) {
        (Format::Json { nulls }, JSON)
    } else {
        (Format::Arrow, ARROW)
    };
    let now = app.clock.now_ms();
    let began = Instant::now();
    let rows = query::run(&app.handle, app.query_limits, now, query, format).await;
    let requests = &app.metrics.requests;
    requests.statement_us.observe_time(began.elapsed());
    match &rows {
        Ok(_) => requests.statements_answered.one(),
        Err(_) => requests.statements_failed.one(),
    }
    let rows = rows?;
    Ok(([(header::CONTENT_TYPE, content_type)], rows).into_response())
}

/// Whether JSON is asked for by name, and not less than Arrow. Who takes anything gets Arrow:
/// tools that read it do not say so.
fn prefers_json(headers: &HeaderMap) -> bool {
    let (mut json, mut arrow) = (0.0, 0.0);
    for accept in headers.get_all(header::ACCEPT) {
        let accept = String::from_utf8_lossy(accept.as_bytes()).to_ascii_lowercase();
        for item in accept.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |quality| quality.trim().parse::<f64>().ok())
                .unwrap_or(0.0);
            match name {
                JSON | "text/json" => json = quality,
                ARROW => arrow = quality,
                _ => {}
            }
        }
    }
    json > 0.0 && json >= arrow
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_name_it() {
        let prefers = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            prefers_json(&headers)
        };
        for accept in [
            "application/json",
            "application/json, text/plain, */*",
            "text/html, Application/JSON;q=0.9",
            "application/json;charset=utf-8",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "*/*",
            "text/html",
            "application/json;q=0",
            "application/json;q=0.5, application/vnd.apache.arrow.stream",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
    }
}
