//! Connections: host and port in, a socket out, in TLS where the address says so.

use super::address::Address;
use super::reach::Reach;
#[cfg(feature = "tls")]
use super::secure;
use crate::tls::Trust;
use latchwork_runtime::transport::TransportError;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Until the connection must stand, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is said of the other side's refusal, which in TLS may come after the handshake is over.
pub(super) const REFUSAL: &str = "it refuses us: does it ask for a certificate \
     (deployment_cert_file), and does it trust the one that it gets?";

/// Connects to one authority.
#[derive(Debug)]
pub(super) struct Dial {
    /// For error texts.
    pub(super) origin: String,
    /// Spoken to in TLS.
    pub(super) tls: bool,
    host: String,
    port: u16,
    reach: Arc<Reach>,
    trust: Arc<Trust>,
}

/// Which version of HTTP is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// HTTP/2, or HTTP/1.1 if TLS says that the other side has nothing better.
    Http2,
    /// HTTP/1.1.
    Http1,
}

/// Either side of a connection, whatever it is made of.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, and whether HTTP/2 may be spoken on it.
pub(super) struct Dialed {
    pub(super) io: Box<dyn Io>,
    pub(super) http2: bool,
}

/// Why a connection that stood broke.
pub(super) fn broken(origin: &str, reason: String) -> TransportError {
    let address = origin.to_owned();
    // HTTP passes on the words of an error, and nothing else of it.
    match reason.contains(REFUSAL) {
        true => TransportError::Untrusted { address, reason },
        false => TransportError::Broken { address, reason },
    }
}

impl Dial {
    pub(super) fn new(address: &Address, reach: Arc<Reach>, trust: Arc<Trust>) -> Self {
        let (host, port) = address.host_and_port();
        Self {
            origin: address.origin().to_owned(),
            tls: address.is_tls(),
            host: host.to_owned(),
            port,
            reach,
            trust,
        }
    }

    pub(super) async fn connect(&self, wanted: Wanted) -> Result<Dialed, TransportError> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.connect_in_time(wanted));
        connected.await.unwrap_or_else(|_| {
            Err(self.failed(format!(
                "no connection within {} seconds",
                CONNECT_TIMEOUT.as_secs()
            )))
        })
    }

    async fn connect_in_time(&self, wanted: Wanted) -> Result<Dialed, TransportError> {
        let tcp = self.tcp().await?;
        tcp.set_nodelay(true)
            .map_err(|error| self.failed(error.to_string()))?;
        let socket = Quick(tcp);
        if !self.tls {
            return Ok(Dialed {
                io: Box::new(socket),
                http2: wanted == Wanted::Http2,
            });
        }
        self.secure(socket, wanted).await
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, socket: Quick, wanted: Wanted) -> Result<Dialed, TransportError> {
        let (io, http2) = secure::secure(socket, &self.trust, &self.host, wanted)
            .await
            .map_err(|reason| TransportError::Untrusted {
                address: self.origin.clone(),
                reason,
            })?;
        Ok(Dialed { io, http2 })
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, _: Quick, _: Wanted) -> Result<Dialed, TransportError> {
        Err(TransportError::Unsupported {
            address: self.origin.clone(),
            reason: "this server was built without TLS; use one with the feature `tls`".into(),
        })
    }

    /// To the first address of the host that answers, of those that may be dialled.
    async fn tcp(&self) -> Result<TcpStream, TransportError> {
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| self.failed(error.to_string()))?;
        let mut failure = self.failed("its name leads to no address".to_owned());
        let mut is_dialled = false;
        for address in addresses {
            match self.reach.check(address.ip()) {
                Ok(()) => {
                    is_dialled = true;
                    match TcpStream::connect(address).await {
                        Ok(tcp) => return Ok(tcp),
                        Err(error) => failure = self.failed(error.to_string()),
                    }
                }
                Err(denied) if !is_dialled => {
                    failure = TransportError::Unsupported {
                        address: self.origin.clone(),
                        reason: denied.to_string(),
                    };
                }
                Err(_) => {}
            }
        }
        Err(failure)
    }

    fn failed(&self, reason: String) -> TransportError {
        TransportError::Connect {
            address: self.origin.clone(),
            reason,
        }
    }
}

/// A socket that acknowledges at once what it has read. An endpoint whose sockets have
/// Nagle's algorithm on holds a second small write back until the first is acknowledged,
/// which by default takes up to 40 ms.
pub(super) struct Quick(TcpStream);

impl AsyncRead for Quick {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if read.is_ready() {
            // A hint: the connection works as well without it. The kernel forgets it after
            // a while, hence at each read.
            drop(self.0.set_quickack(true));
        }
        read
    }
}

impl AsyncWrite for Quick {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
