//! The connections to one authority: as many as the open streams need.
//!
//! A connection takes as many streams as the other side allows, at most [`STREAMS_MAX`]; the
//! streams are counted here, because what HTTP/2 counts lags behind. Whoever finds all
//! connections full makes another, one at a time: those who wait meanwhile share the result.

use super::address::Address;
use super::dial::{Dial, Means, Wanted};
use super::h1::{self, Idle};
use super::h2::{self, Connection, Lease};
use http::Request;
use latchwork_runtime::transport::{Stream, TransportError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Streams on one connection: beyond this one lost packet holds up too many.
const STREAMS_MAX: usize = 1024;

/// How often a stream is tried on another connection when the one it was meant for has
/// ended meanwhile.
const OPEN_ATTEMPTS: usize = 3;

/// The connections to one authority.
pub(super) struct Pool {
    dial: Dial,
    connections: Mutex<Vec<Connection>>,
    /// Held by whoever makes a connection; keeps the last failure for those who waited.
    dialing: tokio::sync::Mutex<Option<Failure>>,
    idle: Mutex<Vec<Idle>>,
    /// TLS has said that the other side speaks no HTTP/2.
    http1_only: AtomicBool,
}

struct Failure {
    at: Instant,
    error: TransportError,
}

/// What there is to send a request on.
enum Found {
    Http2(Lease),
    Http1,
}

impl Pool {
    pub(super) fn new(address: &Address, means: Means) -> Self {
        Self {
            dial: Dial::new(address, means),
            connections: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
            http1_only: AtomicBool::new(false),
        }
    }

    /// Scheme and authority.
    pub(super) fn origin(&self) -> &str {
        &self.dial.origin
    }

    /// Whether it is spoken to without TLS.
    pub(super) fn is_clear_text(&self) -> bool {
        !self.dial.tls
    }

    /// Whether TLS has said that the other side speaks no HTTP/2.
    pub(super) fn is_http1_only(&self) -> bool {
        self.http1_only.load(Ordering::Relaxed)
    }

    /// Sends the head of a request. Without a body there is nothing more to send.
    pub(super) async fn open(
        self: &Arc<Self>,
        mut request: Request<()>,
        http1: bool,
        bodiless: bool,
    ) -> Result<Stream, TransportError> {
        if !http1 {
            for _ in 0..OPEN_ATTEMPTS {
                match self.find().await? {
                    Found::Http1 => return h1::open(self, request, bodiless).await,
                    Found::Http2(lease) => match lease.open(request, bodiless).await {
                        Ok(opened) => return opened,
                        Err(unsent) => request = unsent,
                    },
                }
            }
            return Err(TransportError::Broken {
                address: self.origin().to_owned(),
                reason: h2::advise("each new connection is closed at once"),
            });
        }
        h1::open(self, request, bodiless).await
    }

    /// A connection with room, or a new one.
    async fn find(&self) -> Result<Found, TransportError> {
        if self.is_http1_only() {
            return Ok(Found::Http1);
        }
        if let Some(lease) = self.pick() {
            return Ok(Found::Http2(lease));
        }
        let asked = Instant::now();
        let mut failure = self.dialing.lock().await;
        if let Some(lease) = self.pick() {
            return Ok(Found::Http2(lease));
        }
        if let Some(failure) = &*failure
            && failure.at >= asked
        {
            return Err(failure.error.clone());
        }
        if self.is_http1_only() {
            return Ok(Found::Http1);
        }
        let connection = async {
            let dialed = self.dial.connect(Wanted::Http2).await?;
            if !dialed.http2 {
                self.http1_only.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Connection::start(dialed.io, self.origin()).await.map(Some)
        };
        match connection.await {
            Ok(Some(connection)) => {
                let lease = connection.lease();
                self.connections().push(connection);
                Ok(Found::Http2(lease))
            }
            Ok(None) => Ok(Found::Http1),
            Err(error) => {
                *failure = Some(Failure {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    /// The first connection with room: so few connections serve a moderate load.
    fn pick(&self) -> Option<Lease> {
        let mut connections = self.connections();
        connections.retain(Connection::is_usable);
        connections
            .iter()
            .find(|connection| connection.has_room(STREAMS_MAX))
            .map(Connection::lease)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A list of connections stays whole whatever panics beside it.
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection over HTTP/1.1 that nothing uses.
    pub(super) async fn exchange(&self) -> Result<Idle, TransportError> {
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(Idle::is_fresh);
            if let Some(at) = idle.iter().position(Idle::is_ready) {
                return Ok(idle.swap_remove(at));
            }
        }
        let dialed = self.dial.connect(Wanted::Http1).await?;
        Idle::start(dialed.io, self.origin()).await
    }

    /// Takes a connection over HTTP/1.1 back.
    pub(super) fn give_back(&self, connection: Idle) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}
