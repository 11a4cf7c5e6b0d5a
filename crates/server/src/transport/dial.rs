//! Connections: host and port in, a socket out, in TLS where the address says so.

use super::address::Address;
use super::network::{Io, Network, SystemNetwork};
use super::reach::Reach;
#[cfg(feature = "tls")]
use super::secure;
use crate::tls::Trust;
use latchwork_runtime::transport::TransportError;
use std::sync::Arc;
use std::time::Duration;

/// Until the connection must stand, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is said of the other side's refusal, which in TLS may come after the handshake is over.
pub(super) const REFUSAL: &str = "it refuses us: does it ask for a certificate \
     (deployment_cert_file), and does it trust the one that it gets?";
/// What connections are made with.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) network: Arc<dyn Network>,
    pub(super) reach: Arc<Reach>,
    pub(super) trust: Arc<Trust>,
}

impl Default for Means {
    fn default() -> Self {
        Self {
            network: Arc::new(SystemNetwork),
            reach: Arc::default(),
            trust: Arc::default(),
        }
    }
}

/// Connects to one authority.
#[derive(Debug)]
pub(super) struct Dial {
    /// For error texts.
    pub(super) origin: String,
    /// Spoken to in TLS.
    pub(super) tls: bool,
    host: String,
    port: u16,
    means: Means,
}

/// Which version of HTTP is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// HTTP/2, or HTTP/1.1 if TLS says that the other side has nothing better.
    Http2,
    /// HTTP/1.1.
    Http1,
}

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
    pub(super) fn new(address: &Address, means: Means) -> Self {
        let (host, port) = address.host_and_port();
        Self {
            origin: address.origin().to_owned(),
            tls: address.is_tls(),
            host: host.to_owned(),
            port,
            means,
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
        let socket = self.socket().await?;
        if !self.tls {
            return Ok(Dialed {
                io: socket,
                http2: wanted == Wanted::Http2,
            });
        }
        self.secure(socket, wanted).await
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, socket: Box<dyn Io>, wanted: Wanted) -> Result<Dialed, TransportError> {
        let (io, http2) = secure::secure(socket, &self.means.trust, &self.host, wanted)
            .await
            .map_err(|reason| TransportError::Untrusted {
                address: self.origin.clone(),
                reason,
            })?;
        Ok(Dialed { io, http2 })
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, _: Box<dyn Io>, _: Wanted) -> Result<Dialed, TransportError> {
        Err(TransportError::Unsupported {
            address: self.origin.clone(),
            reason: "this server was built without TLS; use one with the feature `tls`".into(),
        })
    }

    /// To the first address of the host that answers, of those that may be dialled.
    async fn socket(&self) -> Result<Box<dyn Io>, TransportError> {
        let Means { network, reach, .. } = &self.means;
        let addresses = network.resolve(&self.host, self.port).await;
        let addresses = addresses.map_err(|error| self.failed(error.to_string()))?;
        let mut failure = self.failed("its name leads to no address".to_owned());
        let mut is_dialled = false;
        for address in addresses {
            match reach.check(address.ip()) {
                Ok(()) => {
                    is_dialled = true;
                    match network.connect(address).await {
                        Ok(socket) => return Ok(socket),
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
