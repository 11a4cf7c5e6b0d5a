//! The way to handlers, in place of a network: slow, cut at any byte, silent, or answered by
//! somebody who is no SDK.
//!
//! ```text
//!   attempt ──send──▶ Body ──▶ endpoint ─▶ handler
//!           ◀─chunks── a task that reads the response, and may lose it ──┘
//! ```

use super::auditor::given_up;
use super::faults::Fates;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body::{Body, Frame};
use latchwork::{Endpoint, ResponseBody};
use latchwork_runtime::transport::{
    BoxFuture, OpenRequest, ReceiveBody, ResponseHead, SendBody, Stream, Transport, TransportError,
};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const ADDRESS: &str = "pipe:";

/// Reaches one endpoint.
pub(super) struct Pipe {
    pub(super) fates: Arc<Fates>,
    pub(super) endpoint: Endpoint,
}

/// What one stream has to go through.
#[derive(Debug, Clone, Default)]
struct Weather {
    refused: bool,
    /// Answered by something else, with this.
    answer: Option<StatusCode>,
    /// Longest piece of the response, and how long each takes, in ms.
    piece: usize,
    delay_ms: u64,
    /// After so many bytes of the response …
    after: Option<usize>,
    /// … this.
    then: Then,
    /// The handler is not told when the server has given it up.
    lives_on: bool,
}

#[derive(Debug, Clone, Copy, Default)]
enum Then {
    #[default]
    Cut,
    Ends,
    Silence,
    Garbage,
}

impl Weather {
    fn draw(fates: &Fates) -> Self {
        let mut weather = Self {
            piece: usize::MAX,
            ..Self::default()
        };
        if fates.chance(300) {
            weather.delay_ms = fates.below(30);
        }
        if !fates.strikes(|rates| rates.stream) {
            return weather;
        }
        weather.lives_on = fates.chance(500);
        match fates.below(8) {
            0 => weather.refused = true,
            1 => {
                let answers = [
                    StatusCode::OK,
                    StatusCode::BAD_GATEWAY,
                    StatusCode::NOT_FOUND,
                ];
                weather.answer = Some(answers[fates.below(3) as usize]);
            }
            2 => weather.piece = 1 + fates.below(9) as usize,
            3 => weather.delay_ms = 500 + fates.below(6_000),
            _ => {
                weather.after = Some(fates.below(400) as usize);
                weather.then = match fates.below(6) {
                    0..3 => Then::Cut,
                    3 => Then::Ends,
                    4 => Then::Silence,
                    _ => Then::Garbage,
                };
            }
        }
        fates.say(format_args!("a stream with {weather:?}"));
        weather
    }
}

fn broken(reason: &str) -> TransportError {
    TransportError::Broken {
        address: ADDRESS.into(),
        reason: reason.into(),
    }
}

impl Transport for Pipe {
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        let weather = Weather::draw(&self.fates);
        let (fates, endpoint) = (self.fates.clone(), self.endpoint.clone());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(fates.below(4))).await;
            if weather.refused {
                return Err(TransportError::Connect {
                    address: ADDRESS.into(),
                    reason: "nobody listens".into(),
                });
            }
            Ok(connect(&endpoint, request, weather))
        })
    }
}

fn connect(endpoint: &Endpoint, request: OpenRequest, weather: Weather) -> Stream {
    let (to_handler, from_server) = unbounded_channel();
    let (to_server, from_handler) = unbounded_channel();
    let mut head = ResponseHead {
        status: weather.answer.unwrap_or(StatusCode::OK),
        headers: HeaderMap::new(),
    };
    if weather.answer.is_none() {
        let body = RequestBody {
            chunks: from_server,
            lives_on: weather.lives_on,
            ended: false,
        };
        let mut http = Request::new(body);
        *http.method_mut() = Method::POST;
        *http.version_mut() = Version::HTTP_2;
        *http.headers_mut() = request.headers;
        if let Ok(path) = request.path.parse() {
            *http.uri_mut() = path;
        }
        let (parts, body) = endpoint.handle(http).into_parts();
        head.status = parts.status;
        head.headers = parts.headers;
        tokio::spawn(serve(body, weather, to_server));
    }
    Stream {
        send: Box::new(Sender(to_handler)),
        receive: Box::new(Receiver {
            head: Some(head),
            chunks: from_handler,
        }),
    }
}

type Chunk = Result<Bytes, TransportError>;

/// Drives the handler, and brings what it says to the server.
async fn serve(mut body: ResponseBody, weather: Weather, to_server: UnboundedSender<Chunk>) {
    let mut sent = 0;
    loop {
        let chunk = poll_fn(|task| {
            if !weather.lives_on && to_server.is_closed() {
                return Poll::Ready(None);
            }
            given_up(to_server.is_closed());
            let polled = Pin::new(&mut body).poll_frame(task);
            given_up(false);
            polled
        });
        let frame = tokio::select! {
            biased;
            () = to_server.closed(), if !weather.lives_on => return,
            frame = chunk => frame,
        };
        let Some(Ok(frame)) = frame else {
            return;
        };
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while !data.is_empty() {
            let mut piece = data.split_to(data.len().min(weather.piece));
            if weather.delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(weather.delay_ms)).await;
            }
            let left = weather.after.map(|after| after.saturating_sub(sent));
            if left.is_some_and(|left| left < piece.len()) {
                piece.truncate(left.unwrap_or(0));
                // Who has gone away does not hear it, here and below.
                let _ = to_server.send(Ok(piece));
                match weather.then {
                    Then::Cut => drop(to_server.send(Err(broken("cut")))),
                    Then::Ends => {}
                    Then::Silence => to_server.closed().await,
                    Then::Garbage => drop(to_server.send(Ok(Bytes::from_static(&[0xFF; 32])))),
                }
                return;
            }
            sent += piece.len();
            let _ = to_server.send(Ok(piece));
        }
    }
}

struct Sender(UnboundedSender<Option<Bytes>>);

impl SendBody for Sender {
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError> {
        if !data.is_empty() && self.0.send(Some(data)).is_err() && !end {
            return Err(broken("the handler has gone"));
        }
        if end {
            // It may have ended before.
            let _ = self.0.send(None);
        }
        Ok(())
    }

    fn reset(&mut self) {
        let (nobody, _) = unbounded_channel();
        self.0 = nobody;
    }
}

/// What the server sends, as the endpoint reads it.
struct RequestBody {
    chunks: UnboundedReceiver<Option<Bytes>>,
    lives_on: bool,
    ended: bool,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.chunks.poll_recv(task)) {
            Some(Some(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            // Nothing tells it that the server is gone.
            None if self.lives_on => Poll::Pending,
            None => Poll::Ready(Some(Err(broken("the server has gone")))),
        }
    }
}

struct Receiver {
    head: Option<ResponseHead>,
    chunks: UnboundedReceiver<Chunk>,
}

impl ReceiveBody for Receiver {
    fn poll_head(&mut self, _: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        Poll::Ready(self.head.take().ok_or_else(|| broken("asked twice")))
    }

    fn poll_data(&mut self, task: &mut Context<'_>) -> Poll<Option<Chunk>> {
        self.chunks.poll_recv(task)
    }
}
