//! Addresses for the processes that are started.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports are taken from here: below those that the system hands out to connections, one
/// of which might otherwise hold our port while its process is down.
pub(crate) const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Ports that this process has looked at so far.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// Loopback addresses that are free, beginning at a place of this process's own; none is given
/// twice, unless all have been.
pub(crate) fn free_addresses<const N: usize>() -> Option<[SocketAddr; N]> {
    let width = PORTS.end - PORTS.start;
    let begin = (std::process::id().wrapping_mul(16) % u32::from(width)) as u16;
    let mut free = (0..width)
        .map(|_| begin.wrapping_add(LOOKED_AT.fetch_add(1, Ordering::Relaxed)) % width)
        .map(|place| SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + place)))
        .filter(|address| TcpListener::bind(address).is_ok());
    let mut found = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut found {
        *address = free.next()?;
    }
    Some(found)
}
