//! Connections: host and port in, a socket out, in TLS where the address says so.

use super::address::Address;
use super::network::{Io, Network, SystemNetwork};
use super::reach::Reach;
use crate::tls::Trust;
use latchwork_runtime::transport::TransportError;
use std::sync::Arc;
use std::time::Duration;

/// Until the connection must stand, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
        let (io, http2) = tls::secure(socket, &self.means.trust, &self.host, wanted)
            .await
            .map_err(|reason| self.failed(reason))?;
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

#[cfg(feature = "tls")]
mod tls {
    //! TLS over a socket, with the certificates that are trusted for deployments.

    use super::{Io, Wanted};
    use crate::tls::Trust;
    use std::sync::Arc;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;

    pub(super) async fn secure(
        socket: Box<dyn Io>,
        trust: &Trust,
        host: &str,
        wanted: Wanted,
    ) -> Result<(Box<dyn Io>, bool), String> {
        let mut config = (*trust.config().map_err(|error| error.to_string())?).clone();
        config.alpn_protocols = match wanted {
            Wanted::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Wanted::Http1 => vec![b"http/1.1".to_vec()],
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .map_err(|error| format!("TLS: {error}"))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Box::new(stream), http2))
    }
}
