//! How an attempt reaches the code of a deployment. The embedder provides it: HTTP, or a
//! pipe within the process. The runtime opens no socket.

use crate::registry::Deployment;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A boxed future, since transports are chosen at run time.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What to ask a deployment for.
pub struct OpenRequest {
    /// Where.
    pub deployment: Arc<Deployment>,
    /// Path below the deployment's own: `/invoke/{service}/{handler}`.
    pub path: String,
    /// Headers of the request, without those that the operator configured.
    pub headers: HeaderMap,
}

/// Opens streams to deployments.
pub trait Transport: Send + Sync + 'static {
    /// Begins a request whose body is written as it arises, while the response is read.
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>>;
}

/// Both directions of one request.
pub struct Stream {
    /// The body of the request.
    pub send: Box<dyn SendBody>,
    /// The response.
    pub receive: Box<dyn ReceiveBody>,
}

/// The body of a request, as it arises.
pub trait SendBody: Send {
    /// Adds bytes, and ends the body if `end`. Never waits: what the other side does not
    /// read yet is kept.
    ///
    /// # Errors
    /// If the stream is broken.
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError>;

    /// Breaks the stream off.
    fn reset(&mut self);
}

/// A response, as it arrives.
pub trait ReceiveBody: Send {
    /// Its head; asked for once, before any data.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>>;

    /// The next bytes of its body; nothing when it has ended.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>>;
}

/// Head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

/// Why a stream could not be opened, or broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers at that address.
    #[error("cannot connect to {address}: {reason}. Is the process with the handlers running?")]
    Connect {
        /// Where.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// One of the two sides does not trust the other.
    #[error("{address} and this server come to no TLS: {reason} [LW0004]")]
    Untrusted {
        /// Where.
        address: String,
        /// Who does not trust whom, and what to do.
        reason: String,
    },
    /// The stream broke.
    #[error("the connection to {address} broke: {reason}")]
    Broken {
        /// Where.
        address: String,
        /// What the protocol says.
        reason: String,
    },
    /// The address cannot be spoken to.
    #[error("cannot speak to {address}: {reason}")]
    Unsupported {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
}
