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
//! Whoever asks needs a role, which `routes` names for each of them. Bodies must be declared as
//! JSON, so that a web page cannot send them in the name of its visitor.

mod absent;
mod audit;
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
mod mask;
mod metrics;
mod openapi;
mod page;
mod registration;
mod remarks;
mod routes;
mod service_openapi;
mod services;
#[cfg(feature = "sql")]
mod sql;
mod state;
mod why;

use crate::access::Access;
use crate::health::Health;
use crate::listen::{self, Listener, Port};
use crate::metrics::Sources;
use crate::transport::HttpTransport;
pub(crate) use audit::Auditor;
use axum::extract::Request;
#[cfg(feature = "ui")]
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use error::AdminError;
use hyper_util::service::TowerToHyperService;
use latchwork_runtime::{Backups, Clock, Handle};
use std::future::Future;
use std::sync::Arc;

/// What the admin API serves with.
pub struct Admin {
    /// Who may do what.
    pub access: Arc<Access>,
    /// The partitions.
    pub handle: Handle,
    /// Notes what operators do.
    pub(crate) audit: Auditor,
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
    listener: impl Listener,
    port: Port,
    app: Arc<Admin>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let service = TowerToHyperService::new(routes::router(app));
    listen::serve(listener, port, service, shutdown).await;
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

async fn unknown(request: Request) -> AdminError {
    AdminError::UnknownPath(request.uri().path().to_owned())
}
