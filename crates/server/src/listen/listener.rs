//! Where connections come from: the system's sockets, or whatever else brings some.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Gives connections as they are made.
pub trait Listener: Send + 'static {
    /// One side of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next one; gives also where it comes from.
    ///
    /// # Errors
    /// If there is none to be had just now, as when files have run out.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, from) = Self::accept(self).await?;
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection goes without TCP_NODELAY");
        }
        Ok((socket, from))
    }
}
