//! Connections: accepted, served, and let go when the server stops. For both ports.
//!
//! ```text
//!   listener ──▶ accept ──┬─ room ──▶ Patient (TLS, socket) ──▶ hyper ──▶ Request<Paced>, Peer ──▶ service
//!                         └─ full ──▶ 503, and closed
//! ```
//!
//! Whoever connects may be slow, broken or hostile. What one of them can hold is bounded here: how
//! many connections there are, how long a head and a body may take, how large a head may be, how
//! long an answer may wait to be read. `docs/limits.md` lists it all.

mod accept;
mod files;
mod listener;
mod paced;
mod patient;
mod peer;

pub(crate) use files::connections_for;
pub use listener::Listener;
pub use paced::BodyError;
pub(crate) use paced::Paced;
pub(crate) use peer::Peer;

use crate::tls::{self, Shown, Socket};
use accept::{Accepted, Door};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use patient::Patient;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// Waiting calls hold their streams open: a client that shares one connection has many.
const STREAMS_MAX: u32 = 2048;
/// Until a head must be there, and how long a connection may be without a request.
const HEAD_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes of a head, its path included. (A head over HTTP/1.1 has at most 100 headers.)
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Between two questions to an HTTP/2 client whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Until it must have answered.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that an HTTP/2 client may send before they are read, for one stream and for all.
const WINDOW_BYTES: u32 = 1 << 20;
/// Bytes of answers that may wait to be read, for each stream.
const SEND_BUFFER_BYTES_MAX: usize = 256 << 10;
/// Streams that a client may reset before they are looked at; then its connection is closed.
const PENDING_RESETS_MAX: usize = 20;
/// Streams that may be ended for what is wrong with them; then the connection is closed.
const ERROR_RESETS_MAX: usize = 128;

/// What a port is for, and what it can hold.
#[derive(Debug, Clone)]
pub struct Port {
    /// For people: "ingress".
    pub name: &'static str,
    /// Connections that are served at a time; who comes then is told to try again.
    pub connections_max: usize,
    /// What connections are taken with: in TLS, or as they are.
    pub(crate) door: tls::Door,
    /// How long connections may go on once the server is asked to stop.
    pub drain_limit: Duration,
    /// Whether answers have the date of the machine.
    pub(crate) dated: bool,
}

/// Serves connections until `shutdown`; then takes no more, and lets those that there are end
/// what they are at, up to the limit of the port.
pub(crate) async fn serve<L, S, B>(
    listener: L,
    port: Port,
    service: S,
    shutdown: impl Future<Output = ()> + Send,
) where
    L: Listener,
    S: Service<Request<Paced>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let builder = builder(port.dated);
    let graceful = GracefulShutdown::new();
    let mut door = Door::new(listener, port.name, port.door.clone());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let has_room = connections.len() < port.connections_max;
        tokio::select! {
            // In one order, so that what happens in a simulation happens again.
            biased;
            () = shutdown.as_mut() => break,
            // What a connection ended with is its client's affair.
            Some(_) = connections.join_next() => {}
            accepted = door.accept(has_room) => if let Accepted::Connection(socket, from) = accepted {
                let peer = Peer { address: from, shown: Shown::default() };
                let socket = port.door.open(socket, peer.shown.clone());
                connections.spawn(connection(&builder, &graceful, socket, peer, service.clone()));
            }
        }
    }
    drop(door);
    if tokio::time::timeout(port.drain_limit, graceful.shutdown())
        .await
        .is_err()
    {
        let left = connections.len();
        tracing::warn!(
            left,
            "connections of the {} are cut, since the server stops",
            port.name
        );
    }
}

fn builder(dated: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .auto_date_header(dated)
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(dated)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX);
    builder
}

fn connection<I, S, B>(
    builder: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    socket: Socket<I>,
    peer: Peer,
    service: S,
) -> impl Future<Output = ()> + Send + use<I, S, B>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Paced>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let paced = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Paced::new);
        request.extensions_mut().insert(peer.clone());
        service.call(request)
    });
    let patient = Patient::new(socket);
    let connection = builder.serve_connection(TokioIo::new(patient), paced);
    let served = graceful.watch(connection.into_owned());
    async move {
        if let Err(error) = served.await {
            tracing::debug!(error = &*error, "a connection ended early");
        }
    }
}

#[cfg(test)]
mod tests;
