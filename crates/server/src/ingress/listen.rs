//! Connections: accepted, served, and let go when the server stops.

use super::{Ingress, answer};
use crate::tls::Door;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Waiting calls hold their streams open: a client that shares one connection has many.
const STREAMS_MAX: u32 = 2048;
/// Before the next try when the system gives no socket, as when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves callers until `shutdown`; then takes no more connections, and lets those that there
/// are end what they are at, up to the limit of the settings.
pub(crate) async fn serve(
    listener: TcpListener,
    door: Door,
    app: Arc<Ingress>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let drain_limit = app.settings.drain_limit;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS_MAX);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = shutdown.as_mut() => break,
            // What a connection ended with is its client's affair.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(&builder, &graceful, &door, socket, app.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the ingress cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(drain_limit, graceful.shutdown())
        .await
        .is_err()
    {
        let left = connections.len();
        tracing::warn!(
            left,
            "connections of callers are cut, since the server stops"
        );
    }
}

fn connection(
    builder: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    door: &Door,
    socket: TcpStream,
    app: Arc<Ingress>,
) -> impl Future<Output = ()> + Send + use<> {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection of a caller goes without TCP_NODELAY");
    }
    let service = service_fn(move |request| answer(app.clone(), request));
    let connection = builder.serve_connection(TokioIo::new(door.open(socket)), service);
    let served = graceful.watch(connection.into_owned());
    async move {
        if let Err(error) = served.await {
            tracing::debug!(error = &*error, "a connection of a caller ended early");
        }
    }
}
