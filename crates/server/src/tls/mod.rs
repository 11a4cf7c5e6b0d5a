//! TLS at both ports and towards deployments: files of certificates come in, connections that are
//! safe to speak on go out.
//!
//! ```text
//!   tls_cert_file, tls_key_file, tls_client_ca_file ──▶ Door ──▶ Socket, for each connection taken
//!   deployment_ca_file, deployment_cert_file, …      ──▶ Trust ──▶ what `transport` dials with
//! ```
//!
//! The handshake is part of the first read of a [`Socket`], so whoever is slow at it holds up nobody
//! but itself. Files are read again when they change; a connection keeps what it began with.

#[cfg(feature = "tls")]
mod door;
#[cfg(feature = "tls")]
mod pem;
mod shown;
mod socket;
#[cfg(feature = "tls")]
mod subject;
#[cfg(feature = "tls")]
mod trust;
#[cfg(not(feature = "tls"))]
mod without;

#[cfg(feature = "tls")]
pub(crate) use door::Door;
pub(crate) use shown::Shown;
pub(crate) use socket::Socket;
#[cfg(feature = "tls")]
pub(crate) use trust::Trust;
#[cfg(not(feature = "tls"))]
pub(crate) use without::{Door, Trust};

/// Why the server cannot use the certificates that it is given.
#[derive(Debug, thiserror::Error)]
#[error("cannot use TLS: {0}")]
pub struct TlsError(pub(crate) String);
