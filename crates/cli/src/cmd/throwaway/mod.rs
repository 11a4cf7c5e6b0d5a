//! A server in a process of its own, with handlers in this one: what `demo` and `bench` play on.
//!
//! ```text
//!   this process                                  child process
//!   Ingress, Admin ──HTTP──────────────────▶      latchwork serve ⇄ a directory that goes with it
//!   handlers ◀──────────────── attempts ──────────────┘
//! ```
//!
//! Start at [`Server`]. Absent: what the handlers do, and how one waits for the user.

mod child;
mod client;

pub(super) use child::{Server, ServerError};
pub(super) use client::{ClientError, Ingress, Submitted};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Lines of the server's log that are shown when something fails.
pub(super) const LOG_LINES: usize = 20;

/// Where the search for free ports begins: two that differ from process to process, below those
/// that the system gives to connections.
pub(super) fn first_ports() -> (u16, u16) {
    let nth = u16::try_from(std::process::id() % 400).unwrap_or_default();
    (12_000 + nth * 25, 22_000 + nth * 25)
}

/// A listener for the handlers on a free loopback port.
pub(super) fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    // Accepted connections inherit this; else small frames would wait for the peer's delayed ACK.
    socket.set_nodelay(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(1024)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Returns once somebody wants this to end.
///
/// # Errors
/// If the system does not let us listen for that.
pub(super) async fn interrupted() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
