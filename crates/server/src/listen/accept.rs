//! The door: who comes gets a connection, or is told that there is none.

use super::Listener;
use crate::tls::{self, Shown, Socket};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Before the next try when the system gives no socket, as when files have run out.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two lines about the same trouble.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Refusals that are said at a time; further ones are connections closed without a word.
const REFUSALS_MAX: usize = 128;
/// How long whoever is refused may take to hear it.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(1);

/// What came of one who knocked.
pub(super) enum Accepted<I> {
    /// A connection to serve.
    Connection(I, SocketAddr),
    /// Nothing: it was refused, or the system gave no socket.
    Nobody,
}

/// Where connections come in.
pub(super) struct Door<L> {
    listener: L,
    name: &'static str,
    door: tls::Door,
    refusals: Arc<Semaphore>,
    full: Trouble,
    failing: Trouble,
}

impl<L: Listener> Door<L> {
    pub(super) fn new(listener: L, name: &'static str, door: tls::Door) -> Self {
        Self {
            listener,
            name,
            door,
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            full: Trouble::default(),
            failing: Trouble::default(),
        }
    }

    /// Waits for the next one. `has_room`: another connection can be served.
    pub(super) async fn accept(&mut self, has_room: bool) -> Accepted<L::Io> {
        let name = self.name;
        match self.listener.accept().await {
            Ok((socket, from)) => {
                if let Some(time) = self.failing.is_over() {
                    tracing::info!("the {name} accepts connections again, after {time:?}");
                }
                if has_room {
                    if let Some(time) = self.full.is_over() {
                        tracing::info!("the {name} has room for connections again, after {time:?}");
                    }
                    return Accepted::Connection(socket, from);
                }
                if self.full.is_news() {
                    tracing::warn!(
                        "the {name} serves all the connections that connections_max allows: \
                         further ones are refused"
                    );
                }
                self.refuse(socket);
            }
            // The client has gone between knocking and being let in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if self.failing.is_news() {
                    tracing::warn!(
                        %error,
                        "the {name} cannot accept a connection; those that there are go on"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Accepted::Nobody
    }

    fn refuse(&self, socket: L::Io) {
        let Ok(place) = self.refusals.clone().try_acquire_owned() else {
            return;
        };
        // Whoever came to speak TLS is told in TLS: in the clear it would take us for an impostor.
        let socket = self.door.open(socket, Shown::default());
        tokio::spawn(async move {
            // Whoever does not want to hear it need not.
            drop(tokio::time::timeout(REFUSAL_TIME_MAX, tell(socket)).await);
            drop(place);
        });
    }
}

/// Says why, and waits until the other side has closed: what it sent and nobody read would
/// otherwise make the system take the answer back.
async fn tell(mut socket: Socket<impl AsyncRead + AsyncWrite + Unpin>) -> io::Result<()> {
    const BODY: &str = "{\"code\":503,\"message\":\"the server has as many connections as it \
         serves at a time (connections_max), and did not look at the request: try again in a \
         second\"}";
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    // In TLS this shakes hands, which may agree on HTTP/2: then to close says as much.
    socket.flush().await?;
    if socket.is_http2() {
        return socket.shutdown().await;
    }
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    let mut unread = [0; 4096];
    while socket.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Something that goes wrong again and again, told once in a while.
#[derive(Default)]
struct Trouble {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Trouble {
    /// It went wrong; whether that is to be told.
    fn is_news(&mut self) -> bool {
        let now = Instant::now();
        self.since.get_or_insert(now);
        let is_due = self.told.is_none_or(|told| now - told >= TOLD_EVERY);
        if is_due {
            self.told = Some(now);
        }
        is_due
    }

    /// It went right; how long it had gone wrong, if it had.
    fn is_over(&mut self) -> Option<Duration> {
        self.told = None;
        self.since.take().map(|since| since.elapsed())
    }
}
