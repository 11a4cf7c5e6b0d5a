//! Attempts to handlers of this process: a pipe in place of a connection.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use http::{Method, Request, Version, response};
use http_body::{Body, Frame};
use latchwork_runtime::transport::{
    BoxFuture, OpenRequest, ReceiveBody, ResponseHead, SendBody, Stream, Transport, TransportError,
};

use super::register::ADDRESS;
use crate::endpoint::{Endpoint, ResponseBody};

/// Reaches the handlers of an endpoint by calling it.
pub(crate) struct InProcess {
    endpoint: Endpoint,
}

impl InProcess {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Transport for InProcess {
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        let opened = if request.deployment.uri == ADDRESS {
            open(&self.endpoint, request)
        } else {
            Err(TransportError::Unsupported {
                address: request.deployment.uri.clone(),
                reason: "this program reaches only the services that are bound in it".to_owned(),
            })
        };
        Box::pin(std::future::ready(opened))
    }
}

fn open(endpoint: &Endpoint, request: OpenRequest) -> Result<Stream, TransportError> {
    let pipe = Pipe::default();
    let http = Request::builder()
        .method(Method::POST)
        .uri(request.path)
        .version(Version::HTTP_2)
        .body(pipe.clone());
    let mut http = http.map_err(|error| TransportError::Unsupported {
        address: ADDRESS.to_owned(),
        reason: error.to_string(),
    })?;
    *http.headers_mut() = request.headers;
    let (head, body) = endpoint.handle(http).into_parts();
    Ok(Stream {
        send: Box::new(pipe),
        receive: Box::new(Response {
            head: Some(head),
            body,
        }),
    })
}

/// The body of a request, written by the runtime and read by the endpoint.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Flow>>);

#[derive(Default)]
struct Flow {
    chunks: VecDeque<Bytes>,
    ended: bool,
    broken: bool,
    reader: Option<Waker>,
}

/// The runtime has broken the attempt off.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attempt was given up")
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendBody for Pipe {
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError> {
        let mut flow = self.lock();
        if !data.is_empty() {
            flow.chunks.push_back(data);
        }
        flow.ended |= end;
        if let Some(reader) = flow.reader.take() {
            reader.wake();
        }
        Ok(())
    }

    fn reset(&mut self) {
        let mut flow = self.lock();
        flow.broken = true;
        if let Some(reader) = flow.reader.take() {
            reader.wake();
        }
    }
}

impl Body for Pipe {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut flow = self.lock();
        if flow.broken {
            return Poll::Ready(Some(Err(Broken)));
        }
        if let Some(chunk) = flow.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if flow.ended {
            return Poll::Ready(None);
        }
        flow.reader = Some(task.waker().clone());
        Poll::Pending
    }
}

/// The endpoint's response. Whoever reads it drives the handler; dropping it drops the handler.
struct Response {
    head: Option<response::Parts>,
    body: ResponseBody,
}

impl ReceiveBody for Response {
    fn poll_head(&mut self, _: &mut Task<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        Poll::Ready(match self.head.take() {
            Some(head) => Ok(ResponseHead {
                status: head.status,
                headers: head.headers,
            }),
            None => Err(TransportError::Broken {
                address: ADDRESS.to_owned(),
                reason: "the head of a response was asked for twice".to_owned(),
            }),
        })
    }

    fn poll_data(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(never))) => match never {},
            }
        }
    }
}
