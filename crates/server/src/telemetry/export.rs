//! Sends spans to a collector: they come in from any thread and never wait, batches go out over
//! HTTP with protobuf.
//!
//! ```text
//!   record ──▶ queue (bounded; what does not fit is dropped) ──▶ batch ──▶ POST, tried a few times
//! ```
//!
//! A collector that is away costs spans, each of them counted, and nothing else.

use super::otlp::{self, Response};
use super::settings::Target;
use crate::transport::{HttpTransport, Reach};
use bytes::Bytes;
use http::StatusCode;
use latchwork_runtime::Clock;
use latchwork_runtime::metrics::Counter;
use latchwork_runtime::trace::{Span, SpanSink};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Spans that wait to be sent; more are dropped.
const QUEUE_MAX: usize = 16_384;
/// Spans of one request.
const BATCH_MAX: usize = 1_024;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_millis(250);
/// How long a collector may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Pauses before a batch is sent again; after the last it is dropped.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// What became of spans.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// A collector has them.
    pub(crate) exported: Counter,
    /// Dropped, since too many waited.
    pub(crate) overflowed: Counter,
    /// Dropped, since the collector did not answer, or refused them.
    pub(crate) refused: Counter,
}

/// The way in.
pub(crate) struct Exporter {
    queue: mpsc::Sender<Span>,
    sent: Arc<Sent>,
}

impl SpanSink for Exporter {
    fn record(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.sent.overflowed.one();
        }
    }
}

impl Exporter {
    /// Begins to export, until the other half of `stopping` is dropped and what waits then was
    /// sent once.
    pub(crate) fn start(
        target: Target,
        sent: Arc<Sent>,
        clock: Arc<dyn Clock>,
        stopping: watch::Receiver<()>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let sending = Sending {
            transport: HttpTransport::new(None, clock).within(Reach::anywhere()),
            target,
            sent: sent.clone(),
            waiting,
            is_away: false,
        };
        let task = tokio::spawn(sending.run(stopping));
        (Self { queue, sent }, task)
    }
}

/// The task that sends.
struct Sending {
    transport: HttpTransport,
    target: Target,
    sent: Arc<Sent>,
    waiting: mpsc::Receiver<Span>,
    /// The last batch was not taken.
    is_away: bool,
}

/// Why a batch was not taken.
struct Failure {
    reason: String,
    /// It may be taken later.
    passes: bool,
}

impl Sending {
    async fn run(mut self, mut stopping: watch::Receiver<()>) {
        loop {
            let first = tokio::select! {
                first = self.waiting.recv() => first,
                _ = stopping.changed() => None,
            };
            let Some(first) = first else {
                break;
            };
            tokio::select! {
                () = tokio::time::sleep(LINGER) => {}
                _ = stopping.changed() => {}
            }
            let mut batch = vec![first];
            loop {
                self.fill(&mut batch);
                let is_full = batch.len() == BATCH_MAX;
                self.send(std::mem::take(&mut batch), &mut stopping).await;
                // What has come meanwhile waits for others to come along.
                if !is_full {
                    break;
                }
            }
        }
        loop {
            let mut batch = Vec::new();
            self.fill(&mut batch);
            if batch.is_empty() {
                return;
            }
            self.send(batch, &mut stopping).await;
        }
    }

    fn fill(&mut self, batch: &mut Vec<Span>) {
        while batch.len() < BATCH_MAX
            && let Ok(span) = self.waiting.try_recv()
        {
            batch.push(span);
        }
    }

    async fn send(&mut self, batch: Vec<Span>, stopping: &mut watch::Receiver<()>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let request = otlp::request(&self.target.resource, batch);
        let body = Bytes::from(request.encode_to_vec());
        let mut pauses = PAUSES.into_iter();
        let failure = loop {
            let failure = match self.post(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.sent.refused.add(rejected);
                    self.sent.exported.add(count - rejected);
                    if std::mem::take(&mut self.is_away) {
                        tracing::info!(url = %self.target.url, "the collector takes spans again");
                    }
                    return;
                }
                Err(failure) => failure,
            };
            let Some(pause) = pauses.next().filter(|_| failure.passes) else {
                break failure;
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Nobody waits for a collector that is away.
                _ = stopping.changed() => break failure,
            }
        };
        self.sent.refused.add(count);
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(
                url = %self.target.url,
                reason = failure.reason,
                "spans are dropped, since the collector does not take them; latchwork itself goes on"
            );
        }
    }

    /// Sends once; gives how many spans the collector did not like.
    async fn post(&self, body: Bytes) -> Result<u64, Failure> {
        let Target { url, headers, .. } = &self.target;
        let answer = self
            .transport
            .post(url, headers, "application/x-protobuf", body, ANSWER_LIMIT)
            .await;
        let (status, answer) = answer.map_err(|error| Failure {
            reason: error.to_string(),
            passes: true,
        })?;
        if !status.is_success() {
            return Err(Failure {
                reason: format!("it answered {status}"),
                passes: matches!(
                    status,
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                ),
            });
        }
        // An answer that cannot be read refuses nothing.
        let partial = Response::decode(answer)
            .ok()
            .and_then(|it| it.partial_success);
        let Some(partial) = partial.filter(|partial| partial.rejected_spans > 0) else {
            return Ok(0);
        };
        tracing::debug!(
            reason = partial.error_message,
            "the collector refused spans"
        );
        Ok(u64::try_from(partial.rejected_spans).unwrap_or(0))
    }
}
