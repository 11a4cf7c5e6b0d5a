//! One attempt: drives one stream to a deployment from its opening to its end.
//!
//! ```text
//!   Start ──▶ session.opening ──▶ stream ──bytes──▶ session.receive ──entries──▶ inbox
//!                                   ▲                                              │
//!                                   └── session.notification ◀── ToAttempt ◀───────┘
//! ```
//!
//! Reading never waits for writing. Whatever arrives in one wake-up is proposed as one
//! record. The bytes are the session's affair; this file knows time and the transport.

use super::session::{Ended, Session, Violation};
use super::{Start, ToAttempt, World};
use super::{mismatch, over_budget, pause, report, retry};
use crate::handle::propose;
use crate::inbox::{ReplyTo, Wakeup};
use crate::registry::{OnMaxAttempts, Serving};
use crate::transport::{OpenRequest, ReceiveBody, ResponseHead, SendBody, Stream, TransportError};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use latchwork_engine::mutation::Mutation;
use latchwork_engine::table::journal::{Body, JournalEntry};
use latchwork_engine::{
    AttemptFailure, Command, End, Entry, Failed, InvocationId, Next, PauseReason, Pin, Progress,
    Suspended, View, read,
};
use latchwork_protocol::service::version::Version;
use latchwork_protocol::trace::{TRACEPARENT, TRACESTATE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long a response may take to end after its last message.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Bytes that are read in one wake-up before they are proposed.
const READ_BYTES_MAX: usize = 1 << 20;
/// How long what needs no answer is held back, since the next message may carry it along.
/// Then it is recorded: whoever looks sees what a long attempt is at.
const HOLD_LIMIT: Duration = Duration::from_millis(50);
/// Pause before looking again for a deployment that is not there, in ms.
const NO_DEPLOYMENT_RETRY_MS: u64 = 1_000;

/// What is encoded of a key in a header: all but what RFC 3986 calls unreserved.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One attempt, before it runs.
pub(super) struct Attempt {
    world: Arc<World>,
    start: Start,
    events: mpsc::UnboundedReceiver<ToAttempt>,
}

/// Why an attempt did not come to a good end.
enum Broken {
    /// It has lost its right to run: nothing is to be said.
    Aborted,
    /// It failed.
    Failed(Box<Failing>),
}

/// A failed attempt, before the retry policy has been asked.
struct Failing {
    failure: AttemptFailure,
    /// It says something about the handler, and counts against its retries.
    counts: bool,
    asked_delay_ms: Option<u64>,
    /// What the handler asks for in place of its policy.
    asked_end: Option<latchwork_engine::Next>,
}

impl Failing {
    fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            failure: AttemptFailure {
                code,
                message: message.into(),
                ..AttemptFailure::default()
            },
            counts: true,
            asked_delay_ms: None,
            asked_end: None,
        }
    }
}

impl From<TransportError> for Broken {
    fn from(error: TransportError) -> Self {
        Self::Failed(Box::new(Failing::new(500, error.to_string())))
    }
}

impl From<Violation> for Broken {
    fn from(violation: Violation) -> Self {
        Self::Failed(Box::new(Failing::new(571, violation.to_string())))
    }
}

/// Tells the partition if the attempt's task goes away without a word.
struct Watch {
    world: Arc<World>,
    id: InvocationId,
    epoch: u32,
    said: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.said {
            self.world
                .inbox
                .push(Wakeup::AttemptLost(self.id, self.epoch));
        }
    }
}

impl Attempt {
    pub(super) fn new(
        world: Arc<World>,
        start: Start,
        events: mpsc::UnboundedReceiver<ToAttempt>,
    ) -> Self {
        Self {
            world,
            start,
            events,
        }
    }

    /// From the opening to the end.
    pub(super) async fn run(self) {
        let mut watch = Watch {
            world: self.world.clone(),
            id: self.start.id,
            epoch: self.start.epoch,
            said: false,
        };
        report::started(&self.start);
        let row = &self.start.row;
        match self.start.serving.clone() {
            Some(serving) => self.serve(serving, &mut watch).await,
            None => {
                let failing = Failing::new(
                    404,
                    match &row.pin {
                        Some(pin) => format!(
                            "the deployment {} that this invocation is bound to is not registered; \
                             register it again, or resume the invocation on another one",
                            pin.deployment
                        ),
                        None => format!(
                            "no deployment offers {}/{}; register one",
                            row.target.service, row.target.handler
                        ),
                    },
                );
                let next = (self.world.clock.now_ms()).saturating_add(NO_DEPLOYMENT_RETRY_MS);
                let end = End::Failed(Failed {
                    failure: failing.failure,
                    counts: false,
                    uses_policy: false,
                    next: Some(latchwork_engine::Next::RetryAt(next)),
                });
                watch.said = true;
                say(&self.world, &self.start, None, Vec::new(), Some(end));
            }
        }
    }

    async fn serve(self, serving: Serving, watch: &mut Watch) {
        let Self {
            world,
            mut start,
            events,
        } = self;
        let version = match &start.row.pin {
            Some(pin) => Version::try_from(pin.version).ok(),
            None => serving.deployment.version(),
        };
        let Some(version) = version else {
            let failing = Failing::new(
                415,
                format!(
                    "deployment {} speaks no version of the service protocol that this server does",
                    serving.deployment.id
                ),
            );
            let end = decide(&world, &start, &serving, false, failing);
            watch.said = true;
            say(&world, &start, None, Vec::new(), Some(end));
            return;
        };
        let pin = Pin {
            deployment: serving.deployment.id.clone(),
            version: version.number(),
        };
        if Mutation::ReplayBackwards.is_on() {
            turn_around(&mut start.journal);
        }
        let shared = &world.shared;
        let registry = shared.registry.load_full();
        let mut session = Session::new(
            registry,
            shared.dice.clone(),
            world.clock.clone(),
            &start,
            version,
        );
        let opening = session.opening(&start, world.clock.now_ms());
        // A long attempt does not keep what it was started with.
        start.journal = Vec::new();
        start.state = Vec::new();
        let mut conversation = Conversation {
            session,
            world: &world,
            start: &start,
            serving: &serving,
            pin: start.row.pin.is_none().then_some(pin),
            events,
            closed: false,
            active: Instant::now(),
            held_since: None,
        };
        let result = conversation.hold(opening).await;
        let progressed = conversation.session.has_progressed();
        let pin = conversation.pin.clone();
        let mut entries = Vec::new();
        let end = match result {
            Ok(stream) => {
                watch.said = true;
                // The end was said; what remains is to let the response end.
                stream.drain().await;
                return;
            }
            Err(Broken::Aborted) => {
                watch.said = true;
                report::aborted(&start);
                return;
            }
            Err(Broken::Failed(failing)) => {
                // What came before the failure counts.
                entries.append(&mut conversation.session.take_entries());
                let progressed = progressed || !entries.is_empty();
                decide(&world, &start, &serving, progressed, *failing)
            }
        };
        watch.said = true;
        say(&world, &start, pin, entries, Some(end));
    }
}

/// A stream whose end has been said.
struct Ending(Box<dyn ReceiveBody>, Option<Box<dyn SendBody>>);

impl Ending {
    /// Reads the response to its end, or breaks it off after a while.
    async fn drain(self) {
        let Self(mut receive, send) = self;
        let rest = poll_fn(|cx| {
            loop {
                match receive.poll_data(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        if tokio::time::timeout(DRAIN_LIMIT, rest).await.is_err()
            && let Some(mut send) = send
        {
            send.reset();
        }
    }
}

/// One stream in both directions.
struct Conversation<'a> {
    session: Session,
    world: &'a World,
    start: &'a Start,
    serving: &'a Serving,
    /// What to bind the invocation to, while it is not.
    pin: Option<Pin>,
    events: mpsc::UnboundedReceiver<ToAttempt>,
    /// The request has ended: nothing can be told any more.
    closed: bool,
    /// When something was last said, by either side.
    active: Instant,
    /// When the oldest entry came that is held back.
    held_since: Option<Instant>,
}

impl Conversation<'_> {
    /// Speaks until the handler has said its last word, and says the end to the partition.
    async fn hold(&mut self, opening: Bytes) -> Result<Ending, Broken> {
        let Stream {
            mut send,
            mut receive,
        } = self.open().await?;
        let inactivity = self.serving.settings.inactivity_timeout;
        let inactivity = (self.start.inactivity_max).map_or(inactivity, |max| inactivity.min(max));
        let abort = self.serving.settings.abort_timeout;
        self.closed = self.serving.deployment.is_request_response() || inactivity.is_zero();
        send.send(opening, self.closed)?;
        self.active = Instant::now();
        let mut headed = false;
        let mut heard = 0;
        let mut timeout = pin!(tokio::time::sleep_until(
            self.active + if self.closed { abort } else { inactivity }
        ));
        loop {
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    // The partition has stopped if nobody can tell anything any more.
                    let event = event.ok_or(Broken::Aborted)?;
                    if let Err(broken) = self.told(event, &mut *send) {
                        send.reset();
                        return Err(broken);
                    }
                }
                read = hear(&mut *receive, &mut headed, &mut self.session) => {
                    let read = match read {
                        Ok(Read::Head(head)) => {
                            self.active = Instant::now();
                            self.check(&head)
                        }
                        Ok(Read::Data(open)) => Ok(open),
                        Err(broken) => Err(broken),
                    };
                    // Bytes that complete no message say nothing.
                    if heard != self.session.messages() {
                        heard = self.session.messages();
                        self.active = Instant::now();
                    }
                    match read {
                        Ok(open) => {
                            if let Some(ended) = self.session.take_end() {
                                return self.end(ended, send, receive).await;
                            }
                            if !open {
                                return Err(Broken::Failed(Box::new(Failing::new(
                                    500,
                                    "the response ended without End, Suspension or Error; did the \
                                     process with the handlers stop?",
                                ))));
                            }
                            self.progress(false).await;
                            if let Err(broken) = self.check_budget() {
                                send.reset();
                                return Err(broken);
                            }
                            if let Some(held_since) = self.held_since {
                                let until = held_since + HOLD_LIMIT;
                                if until < timeout.deadline() {
                                    timeout.as_mut().reset(until);
                                }
                            }
                        }
                        Err(broken) => {
                            send.reset();
                            return Err(broken);
                        }
                    }
                }
                () = timeout.as_mut() => {
                    if self.held_since.is_some_and(|since| since.elapsed() >= HOLD_LIMIT) {
                        self.progress(true).await;
                    }
                    let limit = if self.closed { abort } else { inactivity };
                    let due = self.active + limit;
                    if due > Instant::now() {
                        timeout.as_mut().reset(due);
                    } else if self.closed {
                        send.reset();
                        return Err(Broken::Failed(Box::new(Failing::new(500, format!(
                            "the handler said nothing for {limit:?} after it was asked to suspend \
                             (abort timeout); the attempt was broken off",
                        )))));
                    } else {
                        self.close(&mut *send)?;
                        timeout.as_mut().reset(self.active + abort);
                    }
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Stream, Broken> {
        let target = &self.start.row.target;
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_static(self.session.version().content_type());
        headers.insert(header::CONTENT_TYPE, content_type.clone());
        headers.insert(header::ACCEPT, content_type);
        if let Ok(id) = HeaderValue::from_str(self.session.invocation_text()) {
            headers.insert("x-restate-invocation-id", id);
        }
        // Lets a proxy route by key; an empty key is one too.
        if let Some(key) = &target.key
            && let Ok(key) = HeaderValue::from_str(&utf8_percent_encode(key, KEY).to_string())
        {
            headers.insert("x-restate-service-key", key);
        }
        // What the handler's SDK traces hangs below the attempt.
        if let Some(trace) = &self.start.trace {
            let context = trace.context();
            if let Ok(parent) = HeaderValue::try_from(context.traceparent()) {
                headers.insert(TRACEPARENT, parent);
            }
            if let Some(state) = &context.state
                && let Ok(state) = HeaderValue::from_str(state)
            {
                headers.insert(TRACESTATE, state);
            }
        }
        let request = OpenRequest {
            deployment: self.serving.deployment.clone(),
            path: format!("/invoke/{}/{}", target.service, target.handler),
            headers,
        };
        // What is told meanwhile waits in `events`.
        Ok(self.world.transport.open(request).await?)
    }

    /// Passes on what the partition tells, and all else that it has told by now.
    fn told(&mut self, event: ToAttempt, send: &mut dyn SendBody) -> Result<(), Broken> {
        let mut out = BytesMut::new();
        let mut close = false;
        let mut next = Some(event);
        while let Some(event) = next {
            match event {
                ToAttempt::Abort => return Err(Broken::Aborted),
                ToAttempt::Suspend => close = true,
                ToAttempt::Acknowledge { command } => self.session.acknowledge(command, &mut out),
                ToAttempt::Notification {
                    index,
                    notification,
                    proposed,
                } => self
                    .session
                    .notification(index, &notification, proposed, &mut out),
            }
            next = self.events.try_recv().ok();
        }
        if !out.is_empty() && !self.closed {
            send.send(out.freeze(), false)?;
            self.active = Instant::now();
        }
        if close {
            self.close(send)?;
        }
        Ok(())
    }

    /// Ends the request, so that the handler suspends when it can.
    fn close(&mut self, send: &mut dyn SendBody) -> Result<(), Broken> {
        if !self.closed {
            self.closed = true;
            self.active = Instant::now();
            send.send(Bytes::new(), true)?;
        }
        Ok(())
    }

    /// The handler's process has answered.
    fn check(&self, head: &ResponseHead) -> Result<bool, Broken> {
        let address = &self.serving.deployment.uri;
        if head.status != StatusCode::OK {
            let code = u32::from(head.status.as_u16());
            let mut failing = Failing::new(code, status_text(head.status, address));
            failing.asked_delay_ms = retry_after(head, self.world.clock.now_ms());
            failing.counts = head.status != StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Broken::Failed(Box::new(failing)));
        }
        let expected = self.session.version().content_type();
        let got = head.headers.get(header::CONTENT_TYPE);
        if got.is_none_or(|got| got != expected) {
            return Err(Broken::Failed(Box::new(Failing::new(
                500,
                format!(
                    "{address} answered with content type {got:?} where {expected} was asked for"
                ),
            ))));
        }
        Ok(true)
    }

    /// Hands over what was recorded, if it cannot be held back any longer.
    async fn progress(&mut self, held_long: bool) {
        if !self.session.must_record() && !held_long {
            if self.session.has_entries() {
                self.held_since.get_or_insert_with(Instant::now);
            }
            return;
        }
        self.held_since = None;
        self.world.inbox.room().await;
        let entries = self.session.take_entries();
        say(self.world, self.start, self.pin.clone(), entries, None);
    }

    /// A journal that outgrows its budget pauses the invocation: it could not be loaded again.
    fn check_budget(&self) -> Result<(), Broken> {
        let bytes = self.start.row.journal_bytes + self.session.recorded_bytes();
        if bytes <= self.start.bytes_max {
            return Ok(());
        }
        Err(Broken::Failed(Box::new(Failing {
            failure: over_budget(bytes, self.start.bytes_max),
            counts: false,
            asked_delay_ms: None,
            asked_end: Some(pause(PauseReason::OverBudget)),
        })))
    }

    /// The journal as it is stored.
    async fn journal(&self) -> Vec<JournalEntry> {
        let id = self.start.id;
        let (reply, heard) = oneshot::channel();
        let read = move |view: &dyn View| {
            let row = read::invocation(view, &id).ok().flatten();
            let journal = row.and_then(|row| read::journal(view, &id, row.journal_len).ok());
            // Nobody waits if the attempt was broken off.
            let _ = reply.send(journal.unwrap_or_default());
        };
        self.world.inbox.push(Wakeup::Read(Box::new(read)));
        heard.await.unwrap_or_default()
    }

    /// The handler has said its last word: record it, and let the request end.
    async fn end(
        &mut self,
        ended: Ended,
        mut send: Box<dyn SendBody>,
        receive: Box<dyn ReceiveBody>,
    ) -> Result<Ending, Broken> {
        let end = match ended {
            Ended::Completed => End::Completed(true),
            Ended::Suspended(future) => End::Suspended(Suspended {
                future,
                replayed: self.session.replayed(),
            }),
            Ended::Failed {
                failure,
                delay_ms,
                next,
            } => {
                let mut failing = Failing {
                    failure,
                    counts: true,
                    asked_delay_ms: delay_ms,
                    asked_end: next,
                };
                if failing.failure.code == mismatch::CODE {
                    let journal = self.journal().await;
                    let mismatch = mismatch::side_by_side(&failing.failure, &journal);
                    failing.failure.mismatch = Some(mismatch);
                    // The same code would take the same path again.
                    let given_up = match self.serving.settings.retry.on_max_attempts {
                        OnMaxAttempts::Pause => pause(PauseReason::JournalMismatch),
                        OnMaxAttempts::Kill => Next::End(true),
                    };
                    failing.asked_end.get_or_insert(given_up);
                }
                let progressed = self.session.has_progressed();
                decide(self.world, self.start, self.serving, progressed, failing)
            }
        };
        let entries = self.session.take_entries();
        say(self.world, self.start, self.pin.clone(), entries, Some(end));
        // The handler waits for this before it ends its response. If the stream is broken
        // by now, that is of no matter.
        if !self.closed {
            self.closed = true;
            drop(send.send(Bytes::new(), true));
        }
        Ok(Ending(receive, Some(send)))
    }
}

/// The commands in their order, and behind them the notifications, the last one first.
fn turn_around(journal: &mut [JournalEntry]) {
    let is_notification = |entry: &JournalEntry| matches!(entry.body, Some(Body::Notification(_)));
    journal.sort_by_key(is_notification);
    let first = journal.partition_point(|entry| !is_notification(entry));
    journal[first..].reverse();
}

/// What was read in one wake-up.
enum Read {
    Head(ResponseHead),
    /// Whether the response goes on.
    Data(bool),
}

/// Waits for the head, or for data; takes all data that is there.
async fn hear(
    receive: &mut dyn ReceiveBody,
    headed: &mut bool,
    session: &mut Session,
) -> Result<Read, Broken> {
    let mut bytes = 0;
    poll_fn(|cx| {
        if !*headed {
            return receive.poll_head(cx).map(|head| {
                *headed = true;
                Ok(Read::Head(head?))
            });
        }
        loop {
            match receive.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    bytes += data.len();
                    session.receive(data)?;
                    if session.has_ended() || bytes >= READ_BYTES_MAX {
                        return Poll::Ready(Ok(Read::Data(true)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Ok(Read::Data(false))),
                Poll::Pending if bytes > 0 => return Poll::Ready(Ok(Read::Data(true))),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

fn say(world: &World, start: &Start, pin: Option<Pin>, entries: Vec<Entry>, end: Option<End>) {
    if let Some(end) = &end {
        report::ended(start, end, world.clock.now_ms());
    }
    let progress = Progress {
        id: start.id,
        epoch: start.epoch,
        incarnation: start.row.incarnation,
        pin,
        entries,
        end,
    };
    world
        .inbox
        .push(propose(Command::Progress(progress), ReplyTo::Nobody));
}

/// Asks the retry policy what follows a failure.
fn decide(
    world: &World,
    start: &Start,
    serving: &Serving,
    progressed: bool,
    failing: Failing,
) -> End {
    let used = if progressed {
        0
    } else {
        start.row.policy_attempts
    };
    let (next, uses_policy) = match failing.asked_end {
        Some(next) => (next, false),
        None => retry::next(
            &serving.settings.retry,
            used + u32::from(failing.counts),
            failing.asked_delay_ms,
            world.clock.now_ms(),
            world.shared.dice.share(),
        ),
    };
    End::Failed(Failed {
        failure: failing.failure,
        counts: failing.counts,
        uses_policy: uses_policy && failing.counts,
        next: Some(next),
    })
}

fn status_text(status: StatusCode, address: &str) -> String {
    let advice = match status.as_u16() {
        401 => "the endpoint refused the request's identity; check its public keys",
        404 => "the endpoint does not know the service or handler; was it replaced by other code?",
        413 => "a proxy on the way found the journal too large",
        415 => {
            "the endpoint no longer speaks the protocol version it was registered with; \
                register it again"
        }
        429 | 503 => "the endpoint is overloaded",
        502 | 504 => "a proxy on the way cannot reach the endpoint",
        _ => "that is no answer an SDK gives; does something else listen there?",
    };
    format!("{address} answered {status}: {advice}")
}

/// The delay that an overloaded endpoint asks for, in ms.
fn retry_after(head: &ResponseHead, now: u64) -> Option<u64> {
    let overloaded = matches!(
        head.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let text = head.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !overloaded {
        return None;
    }
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let at = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis() as u64;
    Some(at.saturating_sub(now))
}
