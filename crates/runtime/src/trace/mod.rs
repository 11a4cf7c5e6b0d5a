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
//! A [`Watcher`] is told more exactly, of each row that is written; what it makes of them is its
//! affair. [`Steps`] makes lines for people of them.
//!
//! Absent on purpose: batching and sending; those are the sink's, which must not wait.

mod span;
mod steps;

pub use span::{Event, Span, SpanKind, SpanSink, Value};
pub use steps::{Step, StepKind, StepSink, Steps};

use latchwork_engine::table::invocation::Invocation;
use latchwork_engine::{
    AttemptFailure, Ending, Failure, InvocationId, Next, PauseReason, Target, Trace, Transition,
};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::trace::{TraceContext, attempt_span, invocation_span, invocation_trace};
use std::sync::Arc;

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// How many of a million traces that begin here.
    pub millionths: u32,
    /// Whether a caller's trace is recorded if the caller records it, rather than by its share.
    pub follows_caller: bool,
}

/// Decides what is recorded, and makes spans. May have a [`Watcher`] too.
#[derive(Clone)]
pub struct Tracer {
    recording: Option<Recording>,
    watcher: Option<Arc<dyn Watcher>>,
}

/// Sees the rows that records write, in the order of the log. It is called between two turns of
/// the loop, and must not wait. Of a recovery it sees nothing.
pub trait Watcher: Send + Sync + 'static {
    /// A record is durable and applied. What was refused has written nothing.
    fn applied(&self, time_ms: u64, transition: &Transition);
}

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
        Self {
            recording: None,
            watcher: None,
        }
    }

    /// Records what the sampling chooses.
    pub fn new(sink: Arc<dyn SpanSink>, sampling: Sampling) -> Self {
        Self {
            recording: Some(Recording { sink, sampling }),
            watcher: None,
        }
    }

    /// The same, and this one sees what is written.
    pub fn watched_by(mut self, watcher: Arc<dyn Watcher>) -> Self {
        self.watcher = Some(watcher);
        self
    }

    /// Shows a record's rows to the watcher, where there is one.
    pub(crate) fn applied(&self, time_ms: u64, transition: &Transition) {
        if let Some(watcher) = &self.watcher {
            watcher.applied(time_ms, transition);
        }
    }

    /// The context of a request at the rim: that of a new span below the caller's. Where nothing
    /// is recorded, the caller's own.
    pub fn request(&self, caller: Option<TraceContext>) -> Option<TraceContext> {
        let Some(recording) = &self.recording else {
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
        self.recording.is_some() && context.sampled
    }

    /// Hands a span over, where there is a sink.
    pub fn record(&self, span: Span) {
        if let Some(recording) = &self.recording {
            recording.sink.record(span);
        }
    }

    /// What an attempt passes on to its endpoint and its children.
    pub(crate) fn passed(&self, id: &InvocationId, row: &Invocation) -> Option<Passed> {
        let Some(recording) = &self.recording else {
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
        let Some(recording) = &self.recording else {
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
        let lineage = self.recording.as_ref()?.lineage(id, row);
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
mod tests;
