//! A server of one invocation, in memory: it keeps the journal, answers what a handler does, and
//! starts attempts until there is a result.
//!
//! Time is virtual: when the handler is blocked, the next timer fires. Every case runs in each
//! protocol version, streaming and request/response; the latter suspends at every wait, and so
//! replays everything again and again.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::{Body, Frame as BodyFrame};
use latchwork::{Endpoint, ResponseBody};
use latchwork_protocol::service::frame::{self, Decoder, Frame, ty};
use latchwork_protocol::service::message as wire;
use latchwork_protocol::service::version::Version;
use prost::Message;
use wire::{NotificationIdentity, NotificationResult};

/// No case needs as many attempts.
const ATTEMPTS_MAX: u32 = 500;
/// No poll of a case takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    endpoint: Endpoint,
    version: Version,
    streaming: bool,
    pub(crate) state: BTreeMap<Bytes, Bytes>,
    pub(crate) lazy_state: bool,
    journal: Vec<Frame>,
    /// Signals to give, one each time nothing else is left to do.
    pub(crate) signals: VecDeque<wire::Notification>,
    /// Answers of called handlers, by name.
    pub(crate) answers: BTreeMap<String, Result<&'static str, (u32, &'static str)>>,
    /// Timers by wake-up time, and then in the order they were made.
    timers: BTreeMap<(u64, u32), u32>,
    promises: BTreeMap<String, wire::PromiseCompletion>,
    /// Errors that ended attempts.
    pub(crate) errors: Vec<wire::Error>,
    /// The await sets of suspensions.
    pub(crate) suspensions: Vec<Frame>,
    retries: u32,
    /// Bytes of hints about what is awaited.
    pub(crate) told_bytes: usize,
    /// After how many errors of attempts no other is tried.
    pub(crate) errors_max: usize,
    /// Timers never fire while there are signals.
    pub(crate) hold_timers: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    Output(String),
    Failure(u32, String),
    /// The last error of an attempt.
    Error(u32, String),
}

/// Runs a case in every version and mode.
pub(crate) fn everywhere(case: impl Fn(World)) {
    for version in [Version::V5, Version::V6, Version::V7] {
        for streaming in [true, false] {
            case(World::new(version, streaming));
        }
    }
}

enum AttemptEnd {
    Ended(Ended),
    Again,
}

impl World {
    fn new(version: Version, streaming: bool) -> Self {
        Self {
            endpoint: Endpoint::builder().build(),
            version,
            streaming,
            state: BTreeMap::new(),
            lazy_state: false,
            journal: Vec::new(),
            signals: VecDeque::new(),
            answers: BTreeMap::new(),
            timers: BTreeMap::new(),
            promises: BTreeMap::new(),
            errors: Vec::new(),
            suspensions: Vec::new(),
            retries: 0,
            told_bytes: 0,
            errors_max: 9,
            hold_timers: false,
        }
    }

    pub(crate) fn bind(mut self, service: impl latchwork::handler::Service) -> Self {
        self.endpoint = Endpoint::builder().bind(service).build();
        self
    }

    pub(crate) fn bind_with_clock(
        mut self,
        service: impl latchwork::handler::Service,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        self.endpoint = Endpoint::builder().bind(service).clock(now).build();
        self
    }

    /// A name of version and mode, for messages.
    pub(crate) fn name(&self) -> String {
        let mode = if self.streaming {
            "streaming"
        } else {
            "request/response"
        };
        format!("version {}, {mode}", self.version)
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Frames of one type in the journal.
    pub(crate) fn journaled(&self, ty: u16) -> Vec<&Frame> {
        self.journal.iter().filter(|frame| frame.ty == ty).collect()
    }

    /// Invokes `service/handler`, with JSON as input.
    pub(crate) fn invoke(&mut self, path: &str, input: &str) -> Ended {
        let input = wire::Input {
            headers: Vec::new(),
            name: String::new(),
            value: Some(wire::Value {
                content: Bytes::copy_from_slice(input.as_bytes()),
            }),
        };
        self.store(ty::INPUT, &input);
        for _ in 0..ATTEMPTS_MAX {
            if let AttemptEnd::Ended(ended) = self.attempt(path) {
                return ended;
            }
        }
        panic!("{}: no end of {path}", self.name());
    }

    fn attempt(&mut self, path: &str) -> AttemptEnd {
        let feed = Feed::default();
        let request = Request::builder()
            .method("POST")
            .uri(format!("/invoke/{path}"))
            .header("content-type", self.version.content_type())
            .body(feed.clone())
            .unwrap();
        let response = self.endpoint.handle(request);
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        feed.push(ty::START, 0, &self.start());
        for frame in &self.journal {
            feed.push_raw(frame);
        }
        if !self.streaming {
            feed.end();
        }
        let mut decoder = Decoder::new(1 << 24);
        loop {
            while let Some(chunk) = next_chunk(&mut body, feed.is_ended()) {
                decoder.push(chunk);
                while let Some(frame) = decoder.next().unwrap() {
                    if let Some(end) = self.handle(&frame, &feed) {
                        feed.end();
                        assert!(
                            next_chunk(&mut body, true).is_none(),
                            "a word after the last"
                        );
                        return end;
                    }
                }
            }
            // Blocked: something happens, or the request ends, so that the handler suspends.
            assert!(!feed.is_ended(), "{}: no last message", self.name());
            match self.happen() {
                Some(frame) => feed.push_raw(&frame),
                None => feed.end(),
            }
        }
    }

    fn start(&self) -> wire::Start {
        let state = self.state.iter();
        wire::Start {
            id: Bytes::from_static(&[7; 24]),
            debug_id: "inv_1test".to_owned(),
            known_entries: self.journal.len() as u32,
            state_map: state
                .filter(|_| !self.lazy_state)
                .map(|(key, value)| wire::StateEntry {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
            partial_state: self.lazy_state,
            key: "the-key".to_owned(),
            retry_count_since_last_stored_entry: self.retries,
            random_seed: 42,
            ..wire::Start::default()
        }
    }

    fn store(&mut self, ty: u16, message: &impl Message) -> Frame {
        let frame = Frame {
            ty,
            flags: 0,
            body: message.encode_to_vec().into(),
        };
        self.journal.push(frame.clone());
        frame
    }

    fn notify(&mut self, ty: u16, id: u32, result: NotificationResult) -> Frame {
        self.store(
            ty,
            &wire::Notification {
                identity: Some(NotificationIdentity::CompletionId(id)),
                result: Some(result),
            },
        )
    }

    /// The next timer, else the next signal.
    fn happen(&mut self) -> Option<Frame> {
        let held = self.hold_timers && !self.signals.is_empty();
        if !held && let Some((_, id)) = self.timers.pop_first() {
            return Some(self.notify(
                ty::SLEEP_COMPLETION,
                id,
                NotificationResult::Void(wire::Void {}),
            ));
        }
        let signal = self.signals.pop_front()?;
        Some(self.store(ty::SIGNAL, &signal))
    }

    fn handle(&mut self, frame: &Frame, feed: &Feed) -> Option<AttemptEnd> {
        match frame.ty {
            ty::AWAITING_ON => self.told_bytes += frame.body.len(),
            ty::END => {
                let outputs = self.journaled(ty::OUTPUT);
                let output: wire::Output = read(outputs.last().expect("an output"));
                return Some(AttemptEnd::Ended(match output.result.unwrap() {
                    wire::Outcome::Value(value) => Ended::Output(
                        String::from_utf8(value.content.to_vec()).expect("texts only"),
                    ),
                    wire::Outcome::Failure(it) => Ended::Failure(it.code, it.message),
                }));
            }
            ty::ERROR => {
                let error: wire::Error = read(frame);
                let ended = Ended::Error(error.code, error.message.clone());
                self.errors.push(error);
                self.retries += 1;
                if self.errors.len() >= self.errors_max {
                    return Some(AttemptEnd::Ended(ended));
                }
                return Some(AttemptEnd::Again);
            }
            ty::SUSPENSION => {
                self.suspensions.push(frame.clone());
                // In request/response mode time passes between two attempts.
                if !feed.was_live() {
                    self.happen();
                }
                return Some(AttemptEnd::Again);
            }
            ty::PROPOSE_RUN_COMPLETION => {
                let it: wire::ProposeRunCompletion = read(frame);
                let result = match it.result.clone().unwrap() {
                    wire::RunOutcome::Value(content) => {
                        NotificationResult::Value(wire::Value { content })
                    }
                    wire::RunOutcome::Failure(failure) => NotificationResult::Failure(failure),
                };
                let id = it.result_completion_id;
                let stored = self.notify(ty::RUN_COMPLETION, id, result);
                if frame.flags & frame::ACK != 0 {
                    let ack = wire::ProposeRunCompletionAck { completion_id: id };
                    feed.push(ty::PROPOSE_RUN_COMPLETION_ACK, 0, &ack);
                } else {
                    feed.push_raw(&stored);
                }
            }
            _ => {
                assert!(ty::is_command(frame.ty), "{:#06x}", frame.ty);
                self.journal.push(frame.clone());
                self.retries = 0;
                for answer in self.answer(frame) {
                    feed.push_raw(&answer);
                }
            }
        }
        None
    }

    /// What a command leads to at once.
    fn answer(&mut self, frame: &Frame) -> Vec<Frame> {
        let void = NotificationResult::Void(wire::Void {});
        match frame.ty {
            ty::SLEEP => {
                let it: wire::Sleep = read(frame);
                let id = it.result_completion_id;
                self.timers.insert((it.wake_up_time, id), id);
            }
            ty::CALL => {
                let it: wire::Call = read(frame);
                let id = it.invocation_id_notification_idx;
                let named = NotificationResult::InvocationId(format!("inv_child{id}"));
                let mut answers = vec![self.notify(ty::CALL_INVOCATION_ID_COMPLETION, id, named)];
                if let Some(answer) = self.answers.get(&it.handler_name) {
                    let result = match answer {
                        Ok(value) => NotificationResult::Value(wire::Value {
                            content: Bytes::from_static(value.as_bytes()),
                        }),
                        Err((code, message)) => NotificationResult::Failure(wire::Failure {
                            code: *code,
                            message: (*message).to_owned(),
                            metadata: Vec::new(),
                        }),
                    };
                    let id = it.result_completion_id;
                    answers.push(self.notify(ty::CALL_COMPLETION, id, result));
                }
                return answers;
            }
            ty::ONE_WAY_CALL => {
                let it: wire::OneWayCall = read(frame);
                let id = it.invocation_id_notification_idx;
                let named = NotificationResult::InvocationId(format!("inv_sent{id}"));
                return vec![self.notify(ty::CALL_INVOCATION_ID_COMPLETION, id, named)];
            }
            ty::SET_STATE => {
                let it: wire::SetState = read(frame);
                self.state.insert(it.key, it.value.unwrap().content);
            }
            ty::CLEAR_STATE => {
                self.state.remove(&read::<wire::ClearState>(frame).key);
            }
            ty::CLEAR_ALL_STATE => self.state.clear(),
            ty::GET_LAZY_STATE => {
                let it: wire::GetLazyState = read(frame);
                let result = match self.state.get(&it.key) {
                    Some(content) => NotificationResult::Value(wire::Value {
                        content: content.clone(),
                    }),
                    None => void,
                };
                let id = it.result_completion_id;
                return vec![self.notify(ty::GET_LAZY_STATE_COMPLETION, id, result)];
            }
            ty::GET_LAZY_STATE_KEYS => {
                let it: wire::GetLazyStateKeys = read(frame);
                let keys = wire::StateKeys {
                    keys: self.state.keys().cloned().collect(),
                };
                let keys = NotificationResult::StateKeys(keys);
                let id = it.result_completion_id;
                return vec![self.notify(ty::GET_LAZY_STATE_KEYS_COMPLETION, id, keys)];
            }
            ty::COMPLETE_PROMISE => {
                let it: wire::CompletePromise = read(frame);
                self.promises.insert(it.key, it.completion.unwrap());
                let id = it.result_completion_id;
                return vec![self.notify(ty::COMPLETE_PROMISE_COMPLETION, id, void)];
            }
            ty::PEEK_PROMISE | ty::GET_PROMISE => {
                let it: wire::PeekPromise = read(frame);
                let result = match self.promises.get(&it.key) {
                    None => void,
                    Some(wire::PromiseCompletion::Value(it)) => {
                        NotificationResult::Value(it.clone())
                    }
                    Some(wire::PromiseCompletion::Failure(it)) => {
                        NotificationResult::Failure(it.clone())
                    }
                };
                let id = it.result_completion_id;
                return vec![self.notify(frame.ty + 0x7C00, id, result)];
            }
            _ => {}
        }
        Vec::new()
    }
}

pub(crate) fn cancel() -> wire::Notification {
    wire::Notification {
        identity: Some(NotificationIdentity::SignalIndex(1)),
        result: Some(NotificationResult::Void(wire::Void {})),
    }
}

pub(crate) fn signal(identity: NotificationIdentity, json: &'static str) -> wire::Notification {
    wire::Notification {
        identity: Some(identity),
        result: Some(NotificationResult::Value(wire::Value {
            content: Bytes::from_static(json.as_bytes()),
        })),
    }
}

pub(crate) fn read<M: Message + Default>(frame: &Frame) -> M {
    M::decode(frame.body.clone()).unwrap()
}

/// The next chunk of a response. Nothing when the handler is blocked or the response is over; once
/// the request is, the handler is given time for what it does outside of the journal.
fn next_chunk(body: &mut ResponseBody, request_ended: bool) -> Option<Bytes> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = Task::from_waker(&waker);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Pin::new(&mut *body).poll_frame(&mut task) {
            Poll::Ready(None) => return None,
            Poll::Ready(Some(frame)) => {
                let Ok(frame) = frame;
                return frame.into_data().ok();
            }
            Poll::Pending if !request_ended => return None,
            Poll::Pending => {
                let left = deadline.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "a handler hangs");
                std::thread::park_timeout(left);
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The body of a request, written while it is read.
#[derive(Clone, Default)]
pub(crate) struct Feed(Arc<Mutex<Feeding>>);

#[derive(Default)]
struct Feeding {
    bytes: BytesMut,
    ended: bool,
    /// Something was pushed after the reader had caught up.
    live: bool,
    read: bool,
    waker: Option<Waker>,
}

impl Feed {
    pub(crate) fn push(&self, ty: u16, flags: u16, message: &impl Message) {
        self.push_raw(&Frame {
            ty,
            flags,
            body: message.encode_to_vec().into(),
        });
    }

    pub(crate) fn push_bytes(&self, ty: u16, body: Bytes) {
        self.push_raw(&Frame { ty, flags: 0, body });
    }

    fn push_raw(&self, frame: &Frame) {
        let mut feeding = self.0.lock().unwrap();
        if feeding.ended {
            return;
        }
        feeding.live |= feeding.read;
        frame::put_raw(&mut feeding.bytes, frame.ty, frame.flags, &frame.body);
        if let Some(waker) = feeding.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn end(&self) {
        let mut feeding = self.0.lock().unwrap();
        feeding.ended = true;
        if let Some(waker) = feeding.waker.take() {
            waker.wake();
        }
    }

    fn is_ended(&self) -> bool {
        self.0.lock().unwrap().ended
    }

    fn was_live(&self) -> bool {
        self.0.lock().unwrap().live
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let mut feeding = self.0.lock().unwrap();
        feeding.read = true;
        if !feeding.bytes.is_empty() {
            let bytes = feeding.bytes.split().freeze();
            return Poll::Ready(Some(Ok(BodyFrame::data(bytes))));
        }
        if feeding.ended {
            return Poll::Ready(None);
        }
        feeding.waker = Some(task.waker().clone());
        Poll::Pending
    }
}
