//! An endpoint on a port of its own: HTTP/1.1, and HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use super::Endpoint;

/// How long nothing is accepted after that has failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Endpoint {
    /// Serves at an address until the process ends. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        self.serve_on(listener).await;
        Ok(())
    }

    /// Serves connections of a listener. Dropping the future stops accepting; connections that are
    /// open go on.
    pub async fn serve_on(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve_connection(self.clone(), stream));
                }
                // The connection was gone again, or there are too many: others will end.
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve_connection(endpoint: Endpoint, stream: TcpStream) {
    // Frames are small, and each is waited for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection refuses TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        let response = endpoint.handle(request);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    // A server opens a stream for each attempt; the bound is its own.
    server.http2().max_concurrent_streams(None);
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}
