//! A connection that was taken, in TLS or not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client and the server speak on.
pub(crate) enum Socket<I> {
    /// As it is.
    Plain(I),
    /// In TLS, or on the way there.
    #[cfg(feature = "tls")]
    Secure(Box<Secure<I>>),
}

#[cfg(feature = "tls")]
pub(crate) use secure::Secure;

impl<I: AsyncRead + AsyncWrite + Unpin> Socket<I> {
    /// Whether the handshake has agreed on HTTP/2.
    pub(crate) fn is_http2(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Secure(secure) => secure
                .opened()
                .is_some_and(|io| io.get_ref().1.alpn_protocol() == Some(b"h2")),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Self::Secure(secure) => {
                let io = std::task::ready!(secure.poll_open(cx))?;
                Pin::new(io).poll_read(cx, buf)
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Secure(secure) => {
                let io = std::task::ready!(secure.poll_open(cx))?;
                Pin::new(io).poll_write(cx, bytes)
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Secure(secure) => {
                let io = std::task::ready!(secure.poll_open(cx))?;
                Pin::new(io).poll_write_vectored(cx, slices)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Secure(_) => true,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Secure(secure) => {
                let io = std::task::ready!(secure.poll_open(cx))?;
                Pin::new(io).poll_flush(cx)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Secure(secure) => match secure.opened() {
                Some(io) => Pin::new(io).poll_shutdown(cx),
                // Who never came to speak has nothing to be told.
                None => Poll::Ready(Ok(())),
            },
        }
    }
}

#[cfg(feature = "tls")]
mod secure {
    use crate::tls::{Shown, subject};
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio::time::{Timeout, timeout};
    use tokio_rustls::Accept;
    use tokio_rustls::server::TlsStream;

    /// How long a handshake may take.
    const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

    /// A connection in TLS, which is made by whoever reads or writes first.
    pub(crate) struct Secure<I> {
        state: State<I>,
        shown: Shown,
    }

    #[expect(
        clippy::large_enum_variant,
        reason = "it is boxed as a whole, and nearly all of them are open"
    )]
    enum State<I> {
        Greeting(Pin<Box<Timeout<Accept<I>>>>),
        Open(TlsStream<I>),
        Failed,
    }

    impl<I: AsyncRead + AsyncWrite + Unpin> Secure<I> {
        pub(crate) fn new(accept: Accept<I>, shown: Shown) -> Self {
            Self {
                state: State::Greeting(Box::pin(timeout(HANDSHAKE_MAX, accept))),
                shown,
            }
        }

        /// The stream, once the handshake is done.
        pub(super) fn poll_open(
            &mut self,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<&mut TlsStream<I>>> {
            if let State::Greeting(greeting) = &mut self.state {
                let done = std::task::ready!(greeting.as_mut().poll(cx));
                let failed = match done {
                    Ok(Ok(stream)) => {
                        let certificates = stream.get_ref().1.peer_certificates();
                        let first = certificates.and_then(<[_]>::first);
                        if let Some(subject) = first.and_then(subject::text) {
                            self.shown.set(subject);
                        }
                        self.state = State::Open(stream);
                        None
                    }
                    Ok(Err(error)) => Some(error),
                    Err(_) => Some(io::ErrorKind::TimedOut.into()),
                };
                if let Some(error) = failed {
                    tracing::debug!(%error, "a client did not come to speak TLS");
                    self.state = State::Failed;
                    return Poll::Ready(Err(error));
                }
            }
            Poll::Ready(match &mut self.state {
                State::Open(stream) => Ok(stream),
                _ => Err(io::ErrorKind::NotConnected.into()),
            })
        }

        /// The stream, if the handshake is done.
        pub(super) fn opened(&mut self) -> Option<&mut TlsStream<I>> {
            match &mut self.state {
                State::Open(stream) => Some(stream),
                _ => None,
            }
        }
    }
}
