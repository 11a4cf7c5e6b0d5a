//! The way in for operators: JSON over HTTP, unprefixed and under `/v2`, `/v3`, `/v4`.
//!
//! ```text
//!   request ──▶ deployments | services | invocations | batch | query ──▶ runtime::Handle
//!   reply ◀── JSON, or an AdminError in one shape ◀──────────────────────────┘
//! ```
//!
//! Comes in: what an operator wishes or asks. Goes out: what there is, or why not. Start at
//! [`router`]. `registration` holds the rules of registering as pure functions, `describe`
//! turns what is registered into the API's values.
//!
//! Absent on purpose: authentication, which is a proxy's; bodies must be declared as JSON, so
//! that a web page cannot send them in the name of its visitor.

mod absent;
mod backup;
mod batch;
#[cfg(feature = "sql")]
mod browse;
mod census;
mod choice;
mod deployments;
mod describe;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod health;
mod invocations;
mod metrics;
mod openapi;
mod page;
mod registration;
mod remarks;
mod service_openapi;
mod services;
#[cfg(feature = "sql")]
mod sql;
mod state;
mod why;

use crate::health::Health;
use crate::listen::{self, Port};
use crate::metrics::Sources;
use crate::transport::HttpTransport;
use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{delete, get, patch, post, put};
use axum::{Extension, Router, middleware};
#[cfg(feature = "ui")]
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{Redirect, Response},
};
use error::AdminError;
use hyper_util::service::TowerToHyperService;
use latchwork_runtime::{Backups, Clock, Handle};
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What the admin API serves with.
pub struct Admin {
    /// The partitions.
    pub handle: Handle,
    /// Makes backups.
    pub backups: Arc<Backups>,
    /// What is counted.
    pub metrics: Sources,
    /// Dates registrations.
    pub clock: Arc<dyn Clock>,
    /// Asks endpoints what they offer.
    pub transport: Arc<HttpTransport>,
    /// Whether work is done.
    pub health: Arc<Health>,
    /// Where callers reach the ingress, as a URL.
    pub ingress_url: String,
    /// The largest body that is taken, in bytes.
    pub body_bytes_max: usize,
    /// Attempts that may run at a time, for those who ask why one does not.
    pub attempts_max: usize,
    /// What a SQL statement may use.
    #[cfg(feature = "sql")]
    pub query_limits: crate::query::Limits,
    /// The web UI's files.
    #[cfg(feature = "ui")]
    pub(crate) ui: crate::ui::Ui,
    /// What the server does, as it does it.
    #[cfg(feature = "ui")]
    pub(crate) live: crate::live::Live,
}

/// Versions of the API that differ in what they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    /// Registers with force unless told otherwise, and calls an overwrite created.
    V2,
    /// All later ones.
    V3,
}

/// Serves operators until `shutdown`; then takes no more connections, and lets those that there
/// are end what they are at, up to the limit of the port.
pub async fn serve(
    listener: TcpListener,
    port: Port,
    app: Arc<Admin>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let service = TowerToHyperService::new(router(app));
    listen::serve(listener, port, service, shutdown).await;
}

fn router(app: Arc<Admin>) -> Router {
    let later = || routes().layer(Extension(Api::V3));
    let second = routes()
        .route("/deployments/{id}", put(deployments::update))
        .layer(Extension(Api::V2));
    Router::new()
        .merge(later())
        .nest("/v2", second)
        .nest("/v3", later())
        .nest("/v4", later())
        .merge(pages())
        .route("/metrics", get(metrics::page))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(app.body_bytes_max))
        .layer(middleware::from_fn(error::one_shape))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}

fn routes() -> Router<Arc<Admin>> {
    let router = Router::new()
        .route("/version", get(health::version))
        .route("/health", get(health::health))
        .route("/openapi", get(openapi::openapi))
        .route("/cluster-health", get(health::cluster_health))
        .route("/backup", post(backup::make))
        .route(
            "/deployments",
            get(deployments::list).post(deployments::register),
        )
        .route(
            "/deployments/{id}",
            get(deployments::one)
                .delete(deployments::remove)
                .patch(deployments::update),
        )
        .route("/services", get(services::list))
        .route(
            "/services/{service}",
            get(services::one).patch(services::update),
        )
        .route("/services/{service}/handlers", get(services::handlers))
        .route(
            "/services/{service}/handlers/{handler}",
            get(services::handler),
        )
        .route("/services/{service}/openapi", get(services::openapi))
        .route("/services/{service}/state", post(state::modify))
        .route(
            "/services/{service}/state/{key}",
            get(state::one)
                .put(state::replace)
                .patch(state::patch)
                .delete(state::clear),
        )
        .route("/invocations/{id}", delete(invocations::end))
        .route("/invocations/{id}/{operation}", patch(invocations::operate))
        .route("/invocations/{id}/why", get(why::why))
        .route(
            "/internal/invocations_batch_operations/{operation}",
            post(batch::operate),
        )
        .merge(absences());
    #[cfg(feature = "sql")]
    let router = router
        .route("/query", post(sql::query))
        .route("/invocations", get(browse::list))
        .route("/invocations/{id}", get(sql::invocation))
        .route("/invocations/{id}/journal", get(sql::journal));
    router
}

/// The web UI. It has no versions: its pages come from the server they speak to.
fn pages() -> Router<Arc<Admin>> {
    let router = Router::new();
    #[cfg(feature = "ui")]
    let router = router
        .route("/live", get(live))
        .route("/", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui/", get(page))
        .route("/ui/{*path}", get(page));
    router
}

#[cfg(feature = "ui")]
async fn live(State(app): State<Arc<Admin>>) -> Result<Response, AdminError> {
    Ok(app.live.events()?)
}

#[cfg(feature = "ui")]
async fn page(
    State(app): State<Arc<Admin>>,
    path: Option<Path<String>>,
    asked: HeaderMap,
) -> Response {
    let path = path.map_or_else(String::new, |Path(path)| path);
    app.ui.answer(&path, &asked).await
}

/// What clients may ask for and this server does not have.
fn absences() -> Router<Arc<Admin>> {
    Router::new()
        .route(
            "/kafka-clusters",
            get(absent::clusters).post(absent::connect),
        )
        .route(
            "/kafka-clusters/{name}",
            get(absent::cluster)
                .patch(absent::cluster)
                .delete(absent::cluster),
        )
        .route(
            "/subscriptions",
            get(absent::subscriptions).post(absent::connect),
        )
        .route(
            "/subscriptions/{id}",
            get(absent::subscription).delete(absent::subscription),
        )
        .route("/limits/rules", put(absent::set_rules))
        .route("/limits/rules/bulk-delete", post(absent::delete_rules))
        .route("/vqueues/{id}/pause", post(absent::vqueue))
        .route("/vqueues/{id}/resume", post(absent::vqueue))
        .route(
            "/internal/services/{service}/serdes/decode/{*serde}",
            post(absent::serde),
        )
        .route(
            "/internal/services/{service}/serdes/encode/{*serde}",
            post(absent::serde),
        )
}

async fn unknown(request: Request) -> AdminError {
    AdminError::UnknownPath(request.uri().path().to_owned())
}
