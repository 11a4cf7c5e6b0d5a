//! Who is at the other end of a connection; every request of it carries one.

use crate::tls::Shown;
use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Where it connects from: the client itself, or the last proxy before us.
    pub(crate) address: SocketAddr,
    /// The certificate that it has shown.
    pub(crate) shown: Shown,
}
