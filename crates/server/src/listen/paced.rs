//! The body of a request, which must keep up a pace, and come to its end.
//!
//! hyper calls a body over HTTP/2 ended when its client has reset it with NO_ERROR, and one whose
//! stream is gone before it was looked at, empty. Neither may be taken for what the client wanted to
//! say.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a body may take, however small it is.
const TIME_MIN: Duration = Duration::from_secs(60);
/// What more of it may take, as bytes a second: slower than any line that is in use.
const BYTES_PER_SECOND: u64 = 16 << 10;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or what was sent is no body.
    #[error("{}", causes(.0))]
    Broken(hyper::Error),
    /// It has ended, and is not whole.
    #[error("it ended before all that its content-length announces had come")]
    Cut,
    /// It comes so slowly that it seems meant to hold the connection.
    #[error("it came too slowly: a body has a minute, and a second more for each 16 KiB")]
    TooSlow,
}

fn causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A body that fails if it does not keep up.
#[derive(Debug)]
pub(crate) struct Paced<B = Incoming> {
    body: B,
    /// The bytes that are to come, if the client says so and it is not nothing.
    announced: Option<u64>,
    ended: bool,
    began: Option<Instant>,
    received: u64,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<B: Body> Paced<B> {
    /// The clock runs from when it is first asked for.
    pub(super) fn new(body: B) -> Self {
        Self {
            announced: body.size_hint().exact().filter(|bytes| *bytes > 0),
            ended: false,
            body,
            began: None,
            received: 0,
            alarm: None,
        }
    }

    /// The body says that it has ended. Where a length was announced, that shows whether it has.
    /// Where none was, whoever reads it waits for a moment: hyper drops whoever waits for a stream
    /// that its client has cancelled.
    fn end<T>(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, BodyError>>> {
        match self.announced {
            Some(announced) if self.received < announced => Poll::Ready(Some(Err(BodyError::Cut))),
            Some(_) => Poll::Ready(None),
            None => {
                self.ended = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.alarm = None;
            let Some(frame) = frame else {
                return self.end(cx);
            };
            if let Ok(frame) = &frame {
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(Some(frame.map_err(BodyError::Broken)));
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        let due = began + TIME_MIN + Duration::from_secs(self.received / BYTES_PER_SECOND);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyError::TooSlow)))
    }

    fn is_end_stream(&self) -> bool {
        // Of a stream that is gone the body says so too.
        self.ended || self.announced == Some(self.received)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
