//! HTTP/1.1: one request at a time on a connection. For endpoints that speak nothing else.
//!
//! The request goes out with the first bytes of its body: if they are all of it, it has a
//! length, else it is chunked.

use super::dial;
use super::h2::{HEAD_BYTES_MAX, asked_twice};
use super::network::Io;
use super::pool::Pool;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use latchwork_runtime::transport::{
    BoxFuture, ReceiveBody, ResponseHead, SendBody, Stream, TransportError,
};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a connection is kept without use. Servers commonly close theirs after five
/// seconds, and a request that meets the closing is lost.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// A connection that no request uses.
pub(super) struct Idle {
    requests: SendRequest<Chunks>,
    since: Instant,
}

impl Idle {
    pub(super) async fn start(io: Box<dyn Io>, origin: &str) -> Result<Self, TransportError> {
        let (requests, connection) = Builder::new()
            .max_buf_size(HEAD_BYTES_MAX as usize)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| broken(origin, &error))?;
        tokio::spawn(async move {
            // The exchange hears for itself why the connection ended.
            drop(connection.await);
        });
        Ok(Self::new(requests))
    }

    fn new(requests: SendRequest<Chunks>) -> Self {
        Self {
            requests,
            since: Instant::now(),
        }
    }

    /// Whether it can be kept.
    pub(super) fn is_fresh(&self) -> bool {
        !self.requests.is_closed() && self.since.elapsed() < IDLE_MAX
    }

    /// Whether the last exchange is over in both directions.
    pub(super) fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }
}

/// Prepares an exchange; it begins when the first bytes of the body are sent.
pub(super) async fn open(
    pool: &Arc<Pool>,
    mut request: Request<()>,
    bodiless: bool,
) -> Result<Stream, TransportError> {
    to_origin_form(&mut request);
    let Idle { mut requests, .. } = pool.exchange().await?;
    let (send, mut parts) = mpsc::unbounded_channel();
    let mut body = Some(send);
    if bodiless {
        // The other end is in this function.
        drop(body.take().map(|body| body.send(Part::last(Bytes::new()))));
    }
    let (lent, returned) = (pool.clone(), pool.clone());
    let response = Box::pin(async move {
        let first = parts.recv().await;
        let chunks = Chunks {
            next: first,
            parts,
            ended: false,
        };
        let response = requests
            .send_request(request.map(|()| chunks))
            .await
            .map_err(|error| broken(lent.origin(), &error))?;
        Ok((response, requests))
    });
    Ok(Stream {
        send: Box::new(Sending { body }),
        receive: Box::new(Receiving {
            pool: returned,
            state: Stage::Head(response),
        }),
    })
}

/// HTTP/1.1 names the host in a header, and only the path in its first line.
fn to_origin_form(request: &mut Request<()>) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(authority) = parts.authority.take()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    parts.scheme = None;
    // A path and query alone always make a URI.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// Some bytes of a request's body.
struct Part {
    data: Bytes,
    last: bool,
}

impl Part {
    fn last(data: Bytes) -> Self {
        Self { data, last: true }
    }
}

/// The body of a request, at our end.
struct Sending {
    body: Option<mpsc::UnboundedSender<Part>>,
}

impl SendBody for Sending {
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError> {
        if let Some(body) = &self.body {
            // Nobody takes it if the exchange is over; why it is, the receiving side says.
            drop(body.send(Part { data, last: end }));
        }
        if end {
            self.body = None;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.body = None;
    }
}

/// The body of a request, as hyper takes it.
struct Chunks {
    next: Option<Part>,
    parts: mpsc::UnboundedReceiver<Part>,
    ended: bool,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let part = match self.next.take() {
            Some(part) => Some(part),
            None => ready!(self.parts.poll_recv(cx)),
        };
        // A body that is given up must not look like one that has ended.
        let Some(Part { data, last }) = part else {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        };
        self.ended = last;
        if last && data.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        let nothing = |part: &Part| part.last && part.data.is_empty();
        self.ended || self.next.as_ref().is_some_and(nothing)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.next {
            Some(Part { data, last: true }) => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// The response.
struct Receiving {
    pool: Arc<Pool>,
    state: Stage,
}

type Answered = Result<(http::Response<Incoming>, SendRequest<Chunks>), TransportError>;

enum Stage {
    Head(BoxFuture<Answered>),
    Body(Incoming, SendRequest<Chunks>),
    Over,
}

impl ReceiveBody for Receiving {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        let Stage::Head(response) = &mut self.state else {
            return Poll::Ready(Err(asked_twice(self.pool.origin())));
        };
        let answered = ready!(response.as_mut().poll(cx));
        self.state = Stage::Over;
        let (response, requests) = answered?;
        let (head, body) = response.into_parts();
        self.state = Stage::Body(body, requests);
        Poll::Ready(Ok(ResponseHead {
            status: head.status,
            headers: head.headers,
        }))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        loop {
            let Stage::Body(body, _) = &mut self.state else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers say nothing to us.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => {
                    self.state = Stage::Over;
                    return Poll::Ready(Some(Err(broken(self.pool.origin(), &error))));
                }
                None => {
                    let over = std::mem::replace(&mut self.state, Stage::Over);
                    if let Stage::Body(_, requests) = over {
                        self.pool.give_back(Idle::new(requests));
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }
}

fn broken(origin: &str, error: &hyper::Error) -> TransportError {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    dial::broken(origin, reason)
}
