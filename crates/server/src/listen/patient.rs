//! A socket whose other side may take its time, but not for ever.

use super::HEAD_TIME_MAX;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long what is to be sent may wait without a byte of it being taken.
pub(super) const UNREAD_TIME_MAX: Duration = Duration::from_secs(60);
/// What a connection over HTTP/2 begins with. Until it is there, or cannot be there any more,
/// nobody else looks at the clock.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Fails when the other side says nothing at first, or reads nothing later.
pub(super) struct Patient<I> {
    io: I,
    /// Bytes of [`PREFACE`] that have come.
    greeted: usize,
    /// Until when it must be known what is spoken; nothing once that is so.
    greeting: Option<Pin<Box<Sleep>>>,
    /// Until when something must be read; nothing while something is.
    unread: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            greeted: 0,
            greeting: Some(Box::pin(sleep(HEAD_TIME_MAX))),
            unread: None,
        }
    }

    fn heard(&mut self, bytes: &[u8]) {
        let rest = &PREFACE[self.greeted..];
        let begins_so = rest.starts_with(bytes) && bytes.len() < rest.len();
        if begins_so && !bytes.is_empty() {
            self.greeted += bytes.len();
        } else {
            self.greeting = None;
        }
    }

    /// Looks at the clock while nothing can be written.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread = None;
            return written;
        }
        let unread = self
            .unread
            .get_or_insert_with(|| Box::pin(sleep(UNREAD_TIME_MAX)));
        ready!(unread.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client reads nothing of its answer",
        )))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if self.greeting.is_none() {
            return read;
        }
        if read.is_ready() {
            self.heard(&buf.filled()[before..]);
            return read;
        }
        if let Some(greeting) = &mut self.greeting {
            ready!(greeting.as_mut().poll(cx));
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client says nothing",
        )))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.written(cx, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, pieces);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
