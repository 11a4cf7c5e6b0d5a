//! Spans: what is traced comes in where it happens, finished spans go out to a [`SpanSink`].
//!
//! ```text
//!   caller's span ──▶ request ──▶ invocation ──▶ attempt ──▶ the handler's own spans
//!                                                   └──▶ a child's invocation … (or a link to it)
//! ```
//!
//! The ids of invocations and attempts are computed (`latchwork_protocol::trace`), so nothing is
//! kept while they run and a restart changes none. What led to an invocation is in its row.
//! Where no sink is, nothing is recorded, and the caller's context is passed on as it came.
//! Start at [`Tracer`].
//!
//! Absent on purpose: batching and sending; those are the sink's, which must not wait.

use latchwork_engine::table::invocation::Invocation;
use latchwork_engine::{
    AttemptFailure, Ending, Failure, InvocationId, Next, PauseReason, Target, Trace,
};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::trace::{TraceContext, attempt_span, invocation_span, invocation_trace};
use std::sync::Arc;

/// Takes finished spans. Called from the loops of partitions: it must not wait.
pub trait SpanSink: Send + Sync + 'static {
    /// Takes one, or drops it.
    fn record(&self, span: Span);
}

/// A finished span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace: u128,
    /// Its own id.
    pub id: u64,
    /// The span above it.
    pub parent: Option<u64>,
    /// What other tracing systems have added.
    pub state: Option<String>,
    /// For people: `Service/handler`, or more.
    pub name: String,
    /// Which side of a conversation it is.
    pub kind: SpanKind,
    /// In ns since 1970.
    pub began_ns: u64,
    /// In ns since 1970.
    pub ended_ns: u64,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened in it.
    pub events: Vec<Event>,
    /// A span of another trace that led to it.
    pub link: Option<(u128, u64)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// Which side of a conversation a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Within the server.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
}

/// Something that happened in a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in ns since 1970.
    pub at_ns: u64,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// How many of a million traces that begin here.
    pub millionths: u32,
    /// Whether a caller's trace is recorded if the caller records it, rather than by its share.
    pub follows_caller: bool,
}

/// Decides what is recorded, and makes spans.
#[derive(Clone)]
pub struct Tracer(Option<Recording>);

#[derive(Clone)]
struct Recording {
    sink: Arc<dyn SpanSink>,
    sampling: Sampling,
}

/// What leads to an invocation's spans.
struct Lineage {
    trace: u128,
    parent: Option<u64>,
    link: Option<(u128, u64)>,
    sampled: bool,
    state: Option<String>,
}

/// What an attempt passes on.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    context: TraceContext,
    /// What is sent begins a trace of its own.
    links: bool,
}

/// An attempt that runs, and will be a span.
pub(crate) struct AttemptSpan(Span);

/// One out of how many is how a share is counted.
const MILLION: u128 = 1_000_000;

impl Tracer {
    /// Records nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Records what the sampling chooses.
    pub fn new(sink: Arc<dyn SpanSink>, sampling: Sampling) -> Self {
        Self(Some(Recording { sink, sampling }))
    }

    /// The context of a request at the rim: that of a new span below the caller's. Where nothing
    /// is recorded, the caller's own.
    pub fn request(&self, caller: Option<TraceContext>) -> Option<TraceContext> {
        let Some(recording) = &self.0 else {
            return caller;
        };
        let span = rand::random::<u64>().max(1);
        Some(match caller {
            Some(caller) => TraceContext {
                sampled: if recording.sampling.follows_caller {
                    caller.sampled
                } else {
                    recording.chooses(caller.trace)
                },
                span,
                ..caller
            },
            None => {
                let trace = rand::random::<u128>().max(1);
                TraceContext {
                    trace,
                    span,
                    sampled: recording.chooses(trace),
                    state: None,
                }
            }
        })
    }

    /// Whether a span with this context is to be recorded.
    pub fn records(&self, context: &TraceContext) -> bool {
        self.0.is_some() && context.sampled
    }

    /// Hands a span over, where there is a sink.
    pub fn record(&self, span: Span) {
        if let Some(recording) = &self.0 {
            recording.sink.record(span);
        }
    }

    /// What an attempt passes on to its endpoint and its children.
    pub(crate) fn passed(&self, id: &InvocationId, row: &Invocation) -> Option<Passed> {
        let Some(recording) = &self.0 else {
            return Some(Passed {
                context: to_context(row.trace.as_ref()?),
                links: false,
            });
        };
        let lineage = recording.lineage(id, row);
        Some(Passed {
            context: TraceContext {
                trace: lineage.trace,
                span: attempt_span(&id.to_bytes(), row.incarnation, row.epoch),
                sampled: lineage.sampled,
                state: lineage.state,
            },
            links: true,
        })
    }

    /// Records an invocation that is over.
    pub(crate) fn completed(
        &self,
        id: &InvocationId,
        row: &Invocation,
        ending: Ending,
        failure: Option<&Failure>,
    ) {
        let Some(recording) = &self.0 else {
            return;
        };
        let lineage = recording.lineage(id, row);
        if !lineage.sampled {
            return;
        }
        let mut attributes = about(id, &row.target);
        attributes.push(("latchwork.result", ending.text().into()));
        attributes.push(("latchwork.attempts", row.epoch.into()));
        if let Some(failure) = failure {
            attributes.push(("error.type", failure.code.to_string().into()));
        }
        recording.sink.record(Span {
            trace: lineage.trace,
            id: invocation_span(&id.to_bytes(), row.incarnation),
            parent: lineage.parent,
            state: lineage.state,
            name: format!("{}/{}", row.target.service, row.target.handler),
            kind: SpanKind::Internal,
            began_ns: to_ns(row.created_at),
            ended_ns: to_ns(row.completed_at.unwrap_or(row.created_at)),
            attributes,
            events: Vec::new(),
            link: lineage.link,
            error: failure.map(|failure| failure.message.clone()),
        });
    }

    /// Begins an attempt; nothing if it is not to be recorded.
    pub(crate) fn attempt(
        &self,
        id: &InvocationId,
        row: &Invocation,
        since_ms: u64,
        on: Option<(&str, u32)>,
    ) -> Option<AttemptSpan> {
        let lineage = self.0.as_ref()?.lineage(id, row);
        if !lineage.sampled {
            return None;
        }
        let mut attributes = about(id, &row.target);
        attributes.push(("latchwork.attempt", row.epoch.into()));
        if let Some((deployment, version)) = on {
            attributes.push(("latchwork.deployment.id", deployment.into()));
            attributes.push(("latchwork.protocol.version", version.into()));
        }
        let bytes = id.to_bytes();
        Some(AttemptSpan(Span {
            trace: lineage.trace,
            id: attempt_span(&bytes, row.incarnation, row.epoch),
            parent: Some(invocation_span(&bytes, row.incarnation)),
            state: lineage.state,
            name: format!("attempt {}/{}", row.target.service, row.target.handler),
            kind: SpanKind::Client,
            began_ns: to_ns(since_ms),
            ended_ns: 0,
            attributes,
            events: Vec::new(),
            link: None,
            error: None,
        }))
    }

    /// Records an attempt that has ended.
    pub(crate) fn attempt_ended(&self, span: AttemptSpan, ending: &'static str, took_ns: u64) {
        let AttemptSpan(mut span) = span;
        span.ended_ns = span.began_ns.saturating_add(took_ns);
        for event in &mut span.events {
            event.at_ns = span.ended_ns;
        }
        span.attributes.push(("latchwork.ending", ending.into()));
        self.record(span);
    }
}

impl AttemptSpan {
    /// It has failed, and this follows.
    pub(crate) fn failed(&mut self, failure: &AttemptFailure, next: Option<&Next>) {
        let code = failure.code.to_string();
        let mut event = |name, attributes| {
            self.0.events.push(Event {
                at_ns: 0,
                name,
                attributes,
            });
        };
        let mut exception = vec![
            ("exception.type", code.clone().into()),
            ("exception.message", failure.message.clone().into()),
        ];
        if let Some(name) = &failure.command_name {
            exception.push(("latchwork.command", name.clone().into()));
        }
        event("exception", exception);
        match next {
            Some(Next::RetryAt(at)) => {
                let at = i64::try_from(*at).unwrap_or(i64::MAX);
                event(
                    "retry",
                    vec![("latchwork.retry_at_unix_ms", Value::Number(at))],
                );
            }
            Some(Next::Pause(reason)) => {
                let reason = PauseReason::try_from(*reason).unwrap_or(PauseReason::Operator);
                event("pause", vec![("latchwork.reason", reason.text().into())]);
            }
            Some(Next::End(_)) => event("give up", Vec::new()),
            None => event("pause", Vec::new()),
        }
        self.0.attributes.push(("error.type", code.into()));
        self.0.error = Some(failure.message.clone());
    }
}

impl Recording {
    /// By the lower bits of the trace's id, which are random: every server that traces a call
    /// chooses alike.
    fn chooses(&self, trace: u128) -> bool {
        let share = u128::from(self.sampling.millionths);
        u128::from(trace as u64 >> 1) * MILLION < share << 63
    }

    fn lineage(&self, id: &InvocationId, row: &Invocation) -> Lineage {
        let own = || invocation_trace(&id.to_bytes(), row.incarnation);
        match &row.trace {
            Some(trace) => {
                let TraceContext {
                    trace: led,
                    span,
                    sampled,
                    state,
                } = to_context(trace);
                Lineage {
                    trace: if trace.linked { own() } else { led },
                    parent: (!trace.linked).then_some(span),
                    link: trace.linked.then_some((led, span)),
                    sampled,
                    state,
                }
            }
            None => {
                let trace = own();
                Lineage {
                    trace,
                    parent: None,
                    link: None,
                    sampled: self.chooses(trace),
                    state: None,
                }
            }
        }
    }
}

impl Passed {
    /// What goes to the endpoint with the attempt's request.
    pub(crate) fn context(&self) -> &TraceContext {
        &self.context
    }

    /// What goes into the invocation that the attempt calls, or sends.
    pub(crate) fn to_child(&self, is_sent: bool) -> Trace {
        Trace {
            linked: is_sent && self.links,
            ..to_trace(&self.context)
        }
    }
}

/// As it is stored with an invocation.
pub fn to_trace(context: &TraceContext) -> Trace {
    Trace {
        high: (context.trace >> 64) as u64,
        low: context.trace as u64,
        span: context.span,
        sampled: context.sampled,
        state: context.state.clone(),
        linked: false,
    }
}

fn to_context(trace: &Trace) -> TraceContext {
    TraceContext {
        trace: u128::from(trace.high) << 64 | u128::from(trace.low),
        span: trace.span,
        sampled: trace.sampled,
        state: trace.state.clone(),
    }
}

fn about(id: &InvocationId, target: &Target) -> Vec<(&'static str, Value)> {
    vec![
        (
            "latchwork.invocation.id",
            invocation_text(&id.to_bytes()).into(),
        ),
        ("latchwork.service", target.service.as_str().into()),
        ("latchwork.handler", target.handler.as_str().into()),
    ]
}

fn to_ns(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Span>>);

    impl SpanSink for Kept {
        fn record(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn tracer(millionths: u32, follows_caller: bool) -> (Tracer, Arc<Kept>) {
        let kept = Arc::new(Kept::default());
        let sampling = Sampling {
            millionths,
            follows_caller,
        };
        (Tracer::new(kept.clone(), sampling), kept)
    }

    fn caller(sampled: bool) -> TraceContext {
        TraceContext {
            trace: 7,
            span: 8,
            sampled,
            state: Some("x=1".into()),
        }
    }

    fn row(trace: Option<Trace>) -> Invocation {
        Invocation {
            epoch: 1,
            trace,
            created_at: 5,
            completed_at: Some(9),
            ..Invocation::default()
        }
    }

    #[test]
    fn without_a_sink_the_callers_context_is_passed_on_as_it_came() {
        let tracer = Tracer::off();
        assert_eq!(tracer.request(None), None);
        let context = tracer.request(Some(caller(true))).unwrap();
        assert_eq!(context, caller(true));
        let row = row(Some(to_trace(&context)));
        let passed = tracer.passed(&InvocationId::default(), &row).unwrap();
        assert_eq!(*passed.context(), caller(true));
        assert!(!passed.to_child(true).linked);
        assert!(
            tracer
                .passed(&InvocationId::default(), &self::row(None))
                .is_none()
        );
    }

    #[test]
    fn a_child_is_below_the_attempt_and_what_is_sent_points_to_it() {
        let (tracer, kept) = tracer(1_000_000, true);
        let id = InvocationId {
            low: 1,
            ..InvocationId::default()
        };
        let context = tracer.request(Some(caller(true))).unwrap();
        assert_eq!((context.trace, context.sampled), (7, true));
        assert_ne!(context.span, 8);
        let parent = row(Some(to_trace(&context)));
        let passed = tracer.passed(&id, &parent).unwrap();
        tracer.completed(&id, &parent, Ending::Succeeded, None);
        let child = InvocationId {
            low: 2,
            ..InvocationId::default()
        };
        for is_sent in [false, true] {
            let row = row(Some(passed.to_child(is_sent)));
            tracer.completed(&child, &row, Ending::Failed, Some(&Failure::new(500, "no")));
        }
        let attempt = passed.context().span;
        let spans = kept.0.lock().unwrap();
        let seen: Vec<_> = (spans.iter())
            .map(|span| (span.parent, span.link))
            .collect();
        let expected = [
            (Some(context.span), None),
            (Some(attempt), None),
            (None, Some((7, attempt))),
        ];
        assert_eq!(seen, expected);
        assert_eq!((spans[1].trace, spans[1].error.as_deref()), (7, Some("no")));
        assert_ne!(spans[2].trace, 7);
        assert_eq!(
            (spans[0].began_ns, spans[0].ended_ns),
            (5_000_000, 9_000_000)
        );
    }

    #[test]
    fn who_is_not_chosen_is_not_recorded_but_passed_on() {
        let (following, kept) = tracer(1_000_000, true);
        let context = following.request(Some(caller(false))).unwrap();
        assert!(!following.records(&context));
        let row = row(Some(to_trace(&context)));
        let id = InvocationId::default();
        following.completed(&id, &row, Ending::Succeeded, None);
        assert!(kept.0.lock().unwrap().is_empty());
        assert!(!following.passed(&id, &row).unwrap().context().sampled);
        let (own, _) = tracer(1_000_000, false);
        assert!(own.request(Some(caller(false))).unwrap().sampled);
    }

    #[test]
    fn a_share_of_all_traces_is_chosen() {
        let count = |millionths| {
            let (tracer, _) = tracer(millionths, true);
            let chosen = (0..10_000).filter(|_| tracer.request(None).unwrap().sampled);
            chosen.count()
        };
        assert_eq!((count(0), count(1_000_000)), (0, 10_000));
        assert!((2_000..3_000).contains(&count(250_000)));
    }
}
