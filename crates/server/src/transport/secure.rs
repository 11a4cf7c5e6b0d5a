//! TLS over a socket, with the certificates that are trusted for deployments; or why there is none.

use super::dial::{REFUSAL, Wanted};
use super::network::Io;
use crate::tls::Trust;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError as Wrong, Error};

/// A connection in TLS, and whether HTTP/2 may be spoken on it; or a text that says who does not
/// trust whom.
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
        .map_err(|error| explained(&error))?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = Explained {
        stream,
        is_heard: false,
    };
    Ok((Box::new(stream), http2))
}

/// Why there is no TLS, and what to do.
fn explained(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let advice = match cause {
        Some(Error::InvalidCertificate(wrong)) => match wrong {
            Wrong::UnknownIssuer => {
                "its certificate is by an authority that is not trusted here: name the authority's \
                 file in deployment_ca_file"
            }
            Wrong::Expired | Wrong::ExpiredContext { .. } => {
                "its certificate has expired: it needs a new one, or one of the clocks is wrong"
            }
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
                "its certificate is not valid yet: one of the clocks is wrong"
            }
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
                "its certificate is for other names: register it at a name that the certificate has"
            }
            _ => "its certificate is of no use",
        },
        Some(Error::AlertReceived(_)) => REFUSAL,
        Some(Error::InvalidMessage(_)) => "it does not speak TLS: is it at http://?",
        _ => "it broke off",
    };
    format!("{advice} ({error})")
}

/// A stream whose other side may refuse us before it says anything: in TLS 1.3 the handshake is over
/// on our side before a certificate of ours was looked at. It says so and closes, and whether we
/// get to read that before a write fails is a matter of luck.
struct Explained {
    stream: TlsStream<Box<dyn Io>>,
    /// Something was read.
    is_heard: bool,
}

impl Explained {
    fn explain<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        done.map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            let is_refusal = matches!(cause, Some(Error::AlertReceived(_)));
            match is_refusal || (is_closed(&error) && !self.is_heard) {
                true => io::Error::other(format!("{REFUSAL} ({error})")),
                false => error,
            }
        })
    }
}

impl Explained {
    /// Leaves it to the next read to say why nothing can be written, while the other side has said
    /// nothing: HTTP would make of a failed write an end of its own.
    fn deferred<T>(&self, written: Poll<io::Result<T>>, as_if: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error)) if is_closed(&error) && !self.is_heard => {
                Poll::Ready(Ok(as_if))
            }
            written => written,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
    )
}

impl AsyncRead for Explained {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.is_heard |= buf.filled().len() > before;
        if let Poll::Ready(Ok(())) = read
            && !self.is_heard
            && buf.remaining() > 0
        {
            read = Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
        }
        self.explain(read)
    }
}

impl AsyncWrite for Explained {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.deferred(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let length = slices.iter().map(|slice| slice.len()).sum();
        self.deferred(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.deferred(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
