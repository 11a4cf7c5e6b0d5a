//! The ingress at its port.

use super::{Ingress, answer};
use crate::listen::{self, Listener, Paced, Port};
use http::Request;
use hyper::service::service_fn;
use std::future::Future;
use std::sync::Arc;

/// Serves callers until `shutdown`; then takes no more connections, and lets those that there
/// are end what they are at, up to the limit of the port.
pub(crate) async fn serve(
    listener: impl Listener,
    port: Port,
    app: Arc<Ingress>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let service = service_fn(move |request: Request<Paced>| answer(app.clone(), request));
    listen::serve(listener, port, service, shutdown).await;
}
