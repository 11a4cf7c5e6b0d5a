//! Families of handlers and their invocations.

use super::US;
use crate::metrics::states::{STATUSES, States};
use crate::metrics::text::{Kind, Text};
use latchwork_engine::Ending;
use latchwork_runtime::metrics::{AttemptEnding, FailureClass, HandlerMetrics, Metrics};

fn labels(of: &HandlerMetrics) -> [(&str, &str); 2] {
    [("service", &of.service), ("handler", &of.handler)]
}

/// By service and handler.
pub(in crate::metrics) fn handlers(text: &mut Text, metrics: &Metrics) {
    let all = metrics.handlers.all();
    let each = || all.iter().map(|it| (&**it, labels(it)));
    text.family(
        "latchwork_invocations_accepted",
        Kind::Counter,
        "Invocations that were accepted, from callers and from handlers.",
    );
    for (it, labels) in each() {
        text.sample(&labels, it.accepted.get());
    }
    text.family(
        "latchwork_invocations_completed",
        Kind::Counter,
        "Invocations that are over, by what they came to.",
    );
    for (it, [service, handler]) in each() {
        for ending in Ending::ALL {
            let labels = [service, handler, ("result", ending.text())];
            text.sample(&labels, it.completed(ending).get());
        }
    }
    text.family(
        "latchwork_invocation_duration_seconds",
        Kind::Histogram,
        "From the acceptance of an invocation to its end, whatever it waited for.",
    );
    for (it, labels) in each() {
        text.histogram(&labels, &it.latency_us.read(), US);
    }
    text.family(
        "latchwork_attempts_started",
        Kind::Counter,
        "Attempts that were started.",
    );
    for (it, labels) in each() {
        text.sample(&labels, it.attempts_started.get());
    }
    text.family(
        "latchwork_attempts_ended",
        Kind::Counter,
        "Attempts that are over, by how they ended.",
    );
    for (it, [service, handler]) in each() {
        for ending in AttemptEnding::ALL {
            let labels = [service, handler, ("ending", ending.text())];
            text.sample(&labels, it.attempts_ended(ending).get());
        }
    }
    text.family(
        "latchwork_attempts_failed",
        Kind::Counter,
        "Attempts that failed, by the class of their code; 570 is a journal mismatch, 571 a \
         violation of the protocol.",
    );
    for (it, [service, handler]) in each() {
        for class in FailureClass::ALL {
            let labels = [service, handler, ("code", class.text())];
            text.sample(&labels, it.attempts_failed(class).get());
        }
    }
    text.family(
        "latchwork_attempt_duration_seconds",
        Kind::Histogram,
        "From the start of an attempt to the record of its end.",
    );
    for (it, labels) in each() {
        text.histogram(&labels, &it.attempt_us.read(), US);
    }
    text.family(
        "latchwork_attempts_running",
        Kind::Gauge,
        "Attempts that run.",
    );
    for (it, labels) in each() {
        text.sample(&labels, it.running.get());
    }
}

/// By service and status, as they were counted last.
pub(in crate::metrics) fn states(text: &mut Text, states: &States) {
    let counted = states.read();
    text.family(
        "latchwork_invocations",
        Kind::Gauge,
        "Invocations that are stored, by where they stand; counted in the background.",
    );
    for (service, counts) in counted.iter().flat_map(|counted| &counted.counts) {
        for ((_, status), count) in STATUSES.iter().zip(counts) {
            text.sample(&[("service", service), ("status", status)], count);
        }
    }
    text.family(
        "latchwork_invocations_count_age_seconds",
        Kind::Gauge,
        "How long ago the invocations were counted.",
    );
    if let Some(counted) = counted {
        text.sample(&[], counted.at.elapsed().as_secs_f64());
    }
}
