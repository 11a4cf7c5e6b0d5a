//! The host with the handlers: the SDK's endpoint behind a real HTTP server.

use super::attempts::{ATTEMPT, Attempts};
use super::fabric::Ear;
use super::wire::End;
use crate::ring::auditor::given_up;
use crate::ring::faults::Fates;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Either;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use latchwork::{Endpoint, ResponseBody};
use latchwork_server::Listener;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What runs on the host.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) endpoint: Endpoint,
    pub(super) attempts: Arc<Attempts>,
    pub(super) fates: Arc<Fates>,
    /// How often a proxy answers, in a thousand.
    pub(super) proxy: u64,
}

/// What goes back: the SDK's answer, or a proxy's.
type Answer = Response<Either<Watched, Full<Bytes>>>;

impl Process {
    /// Serves connections until it is dropped. Those that there are go on until they are cut.
    pub(super) async fn serve(self, mut ear: Ear) {
        while let Ok((end, _)) = ear.accept().await {
            tokio::spawn(self.clone().connection(end));
        }
    }

    async fn connection(self, end: End) {
        let service = service_fn(move |request| {
            let answer = self.answer(request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let mut server = Builder::new(TokioExecutor::new());
        // The date of the machine is not that of the world.
        server.http1().auto_date_header(false);
        server
            .http2()
            .auto_date_header(false)
            .max_concurrent_streams(None);
        // How it ended the other side knows.
        drop(server.serve_connection(TokioIo::new(end), service).await);
    }

    fn answer(&self, request: Request<Incoming>) -> Answer {
        if self.fates.strikes(|_| self.proxy) {
            let statuses = [
                StatusCode::OK,
                StatusCode::BAD_GATEWAY,
                StatusCode::NOT_FOUND,
            ];
            let status = statuses[self.fates.below(3) as usize];
            self.fates.say(format_args!("a proxy answers {status}"));
            let mut answer = Response::new(Either::Right(Full::from("try again later")));
            *answer.status_mut() = status;
            return answer;
        }
        let number = request.headers().get(ATTEMPT);
        let number = number.and_then(|number| number.to_str().ok()?.parse().ok());
        self.endpoint.handle(request).map(|body| {
            Either::Left(Watched {
                body,
                attempts: self.attempts.clone(),
                number,
            })
        })
    }
}

/// A handler at work: what it does is noted as that of an attempt which counts, or does not.
struct Watched {
    body: ResponseBody,
    attempts: Arc<Attempts>,
    /// Nothing: it is no attempt.
    number: Option<u64>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let number = self.number;
        given_up(number.is_some_and(|number| self.attempts.is_given_up(number)));
        let polled = Pin::new(&mut self.body).poll_frame(task);
        given_up(false);
        polled
    }
}
