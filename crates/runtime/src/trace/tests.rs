//! What is above what, and what is recorded.

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
