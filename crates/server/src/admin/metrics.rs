//! `GET /metrics`, and the counting of what operators ask for.

use super::Admin;
use crate::metrics::Format;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The page that is scraped, in the format that is asked for.
pub(super) async fn page(State(app): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let format = Format::of(accepts.filter_map(|accept| accept.to_str().ok()));
    let page = app.metrics.page(format);
    ([(header::CONTENT_TYPE, format.content_type())], page).into_response()
}

/// Counts a request and its answer.
pub(super) async fn count(State(app): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let mut watching = app.metrics.requests.admin.begin();
    let response = next.run(request).await;
    watching.answered(response.status());
    response
}
