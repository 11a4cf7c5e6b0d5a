//! HTTP/2: one connection, and the two directions of a stream on it.

use super::dial;
use super::network::Io;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::Request;
use latchwork_engine::mutation::Mutation;
use latchwork_runtime::transport::{ReceiveBody, ResponseHead, SendBody, Stream, TransportError};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::JoinHandle;

const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const FRAME_BYTES_MAX: u32 = 64 << 10;
/// Bytes of the head of a response.
pub(super) const HEAD_BYTES_MAX: u32 = 64 << 10;
/// Between two questions to the other side whether it is still there, while it has streams.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Until it must have answered. If it has not, nothing new is sent there; what it has goes on, by
/// the time that its handlers are given: a process that computes answers nothing.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 counts a window in 31 bits, and takes no more in one piece.
const SEND_BYTES_MAX: usize = (1 << 31) - 1;

/// A connection that streams are opened on.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    state: Arc<State>,
    driver: JoinHandle<()>,
}

/// What the connection and its streams share.
struct State {
    origin: String,
    /// Open streams, and those about to be opened.
    open: AtomicUsize,
    /// It takes no more streams.
    retired: AtomicBool,
}

/// The right to open one stream.
pub(super) struct Lease {
    requests: SendRequest<Bytes>,
    place: Place,
}

/// A place among the open streams, given back when dropped.
struct Place(Arc<State>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// Says hello, and drives the connection until it ends or nothing uses it any more.
    pub(super) async fn start(io: Box<dyn Io>, origin: &str) -> Result<Self, TransportError> {
        let (requests, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .max_header_list_size(HEAD_BYTES_MAX)
            .enable_push(false)
            .handshake(io)
            .await
            .map_err(|error| broken(origin, &error))?;
        let state = Arc::new(State {
            origin: origin.to_owned(),
            open: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
        });
        let pings = connection.ping_pong();
        let watched = state.clone();
        let driver = tokio::spawn(async move {
            let watch = async {
                if let Some(pings) = pings {
                    watched.retire_when_silent(pings).await;
                }
                pending::<()>().await;
            };
            tokio::select! {
                biased;
                // Each stream hears for itself why the connection ended.
                _ = connection => {}
                () = watch => {}
            }
        });
        Ok(Self {
            requests,
            state,
            driver,
        })
    }

    pub(super) fn is_usable(&self) -> bool {
        let has_ended = self.driver.is_finished() || self.state.retired.load(Ordering::Relaxed);
        !has_ended || Mutation::DeadConnectionKept.is_on()
    }

    pub(super) fn has_room(&self, streams_max: usize) -> bool {
        let open = self.state.open.load(Ordering::Relaxed);
        open < streams_max && open < self.requests.current_max_send_streams()
    }

    pub(super) fn lease(&self) -> Lease {
        self.state.open.fetch_add(1, Ordering::Relaxed);
        Lease {
            requests: self.requests.clone(),
            place: Place(self.state.clone()),
        }
    }
}

impl State {
    /// Asks now and then whether the other side is there; returns when it does not say so in time.
    /// A network that loses everything without a word would otherwise take each new stream for
    /// as long as the system goes on sending, which is a quarter of an hour.
    async fn retire_when_silent(&self, mut pings: PingPong) {
        loop {
            tokio::time::sleep(PING_INTERVAL).await;
            if self.open.load(Ordering::Relaxed) == 0 {
                continue;
            }
            if pings.send_ping(Ping::opaque()).is_err() {
                return;
            }
            let pong = poll_fn(|cx| pings.poll_pong(cx));
            match tokio::time::timeout(PING_TIMEOUT, pong).await {
                Ok(Ok(_)) => {}
                // The connection ends, and says so itself.
                Ok(Err(_)) => return,
                Err(_) => {
                    self.retired.store(true, Ordering::Relaxed);
                    tracing::warn!(
                        address = self.origin,
                        "a connection is silent: new attempts take another"
                    );
                    return;
                }
            }
        }
    }
}

impl Lease {
    /// Opens the stream; gives the request back if the connection has ended before.
    pub(super) async fn open(
        self,
        request: Request<()>,
        bodiless: bool,
    ) -> Result<Result<Stream, TransportError>, Request<()>> {
        let Self { requests, place } = self;
        let Ok(mut requests) = requests.ready().await else {
            place.0.retired.store(true, Ordering::Relaxed);
            return Err(request);
        };
        let (response, stream) = match requests.send_request(request, bodiless) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(broken(&place.0.origin, &error))),
        };
        let place = Arc::new(place);
        Ok(Ok(Stream {
            send: Box::new(Sending {
                stream,
                place: place.clone(),
            }),
            receive: Box::new(Receiving {
                head: Some(response),
                body: None,
                place,
            }),
        }))
    }
}

/// The body of a request.
struct Sending {
    stream: SendStream<Bytes>,
    place: Arc<Place>,
}

impl SendBody for Sending {
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError> {
        if data.len() > SEND_BYTES_MAX {
            return Err(TransportError::Unsupported {
                address: self.place.0.origin.clone(),
                reason: format!("{} bytes are too many for one message", data.len()),
            });
        }
        // Refused only if the stream is over. Why it is, and whether the response had come to
        // its end before, the receiving side says.
        drop(self.stream.send_data(data, end));
        Ok(())
    }

    fn reset(&mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }
}

/// The response.
struct Receiving {
    head: Option<ResponseFuture>,
    body: Option<RecvStream>,
    place: Arc<Place>,
}

impl ReceiveBody for Receiving {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        let Some(head) = &mut self.head else {
            return Poll::Ready(Err(asked_twice(&self.place.0.origin)));
        };
        let response = ready!(Pin::new(head).poll(cx));
        self.head = None;
        let response = response.map_err(|error| broken(&self.place.0.origin, &error))?;
        let (head, body) = response.into_parts();
        self.body = Some(body);
        Poll::Ready(Ok(ResponseHead {
            status: head.status,
            headers: head.headers,
        }))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        match ready!(body.poll_data(cx)) {
            Some(Ok(data)) => {
                // Fails only if the stream is over, which the next poll says.
                drop(body.flow_control().release_capacity(data.len()));
                Poll::Ready(Some(Ok(data)))
            }
            // Go's server says so after a whole response, if the request goes on.
            Some(Err(error)) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => {
                Poll::Ready(None)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(broken(&self.place.0.origin, &error)))),
            None => Poll::Ready(None),
        }
    }
}

/// The head of a response can be taken once.
pub(super) fn asked_twice(origin: &str) -> TransportError {
    TransportError::Broken {
        address: origin.to_owned(),
        reason: "the head of the response was taken before; this is a defect of the server".into(),
    }
}

fn broken(origin: &str, error: &h2::Error) -> TransportError {
    // What a server of HTTP/1.1 answers looks like a frame of a wild size.
    let misread = !error.is_remote()
        && matches!(
            error.reason(),
            Some(Reason::FRAME_SIZE_ERROR | Reason::PROTOCOL_ERROR)
        );
    let reason = error.to_string();
    dial::broken(origin, if misread { advise(&reason) } else { reason })
}

/// Adds what to do if the other side is not one of HTTP/2.
pub(super) fn advise(reason: &str) -> String {
    format!(
        "{reason}. If the endpoint speaks only HTTP/1.1, register it with \"use_http_11\": true"
    )
}
