//! Families of requests, and of the server as a whole.

use super::US;
use crate::health;
use crate::metrics::text::{Kind, Text};
use crate::metrics::{RequestKind, Requests, Sources};

/// What was asked for over HTTP.
pub(in crate::metrics) fn requests(text: &mut Text, requests: &Requests) {
    text.family(
        "latchwork_ingress_requests",
        Kind::Counter,
        "Requests of callers, by what they ask for and what they were answered; gone: the client \
         did not wait.",
    );
    for kind in RequestKind::ALL {
        for (status, count) in requests.ingress(kind).statuses() {
            text.sample(&[("route", kind.text()), ("status", status)], count);
        }
    }
    text.family(
        "latchwork_ingress_request_duration_seconds",
        Kind::Histogram,
        "From the head of a caller's request to that of its answer.",
    );
    for kind in RequestKind::ALL {
        let seen = requests.ingress(kind).latency_us.read();
        text.histogram(&[("route", kind.text())], &seen, US);
    }
    text.family(
        "latchwork_ingress_requests_running",
        Kind::Gauge,
        "Requests of callers that are being answered.",
    );
    for kind in RequestKind::ALL {
        let running = requests.ingress(kind).running.get();
        text.sample(&[("route", kind.text())], running);
    }
    text.family(
        "latchwork_admin_requests",
        Kind::Counter,
        "Requests of operators, by what they were answered.",
    );
    for (status, count) in requests.admin.statuses() {
        text.sample(&[("status", status)], count);
    }
    text.family(
        "latchwork_admin_request_duration_seconds",
        Kind::Histogram,
        "From the head of an operator's request to that of its answer.",
    );
    text.histogram(&[], &requests.admin.latency_us.read(), US);
    text.family(
        "latchwork_queries",
        Kind::Counter,
        "SQL statements, by whether they were answered.",
    );
    text.sample(
        &[("result", "answered")],
        requests.statements_answered.get(),
    );
    text.sample(&[("result", "failed")], requests.statements_failed.get());
    text.family(
        "latchwork_query_duration_seconds",
        Kind::Histogram,
        "How long SQL statements took.",
    );
    text.histogram(&[], &requests.statement_us.read(), US);
}

/// Of the server as a whole.
pub(in crate::metrics) fn server(text: &mut Text, sources: &Sources) {
    let metrics = sources.handle.metrics();
    text.family(
        "latchwork_proposals_refused",
        Kind::Counter,
        "Proposals that were refused: overloaded, since too much waits to be written; stopping, \
         since the server is about to end.",
    );
    text.sample(
        &[("reason", "overloaded")],
        metrics.refused_overloaded.get(),
    );
    text.sample(&[("reason", "stopping")], metrics.refused_stopping.get());
    text.family(
        "latchwork_attempts_slots",
        Kind::Gauge,
        "Attempts that may run at a time.",
    );
    text.sample(&[], metrics.slots.get());
    text.family(
        "latchwork_attempts_held_max_bytes",
        Kind::Gauge,
        "Bytes of journals and state that attempts may hold.",
    );
    text.sample(&[], metrics.attempts_bytes_max.get());
    text.family(
        "latchwork_spans_exported",
        Kind::Counter,
        "Spans that the collector has taken.",
    );
    text.sample(&[], sources.sent.exported.get());
    text.family(
        "latchwork_spans_dropped",
        Kind::Counter,
        "Spans that were dropped: overflow, since too many waited; refused, since the collector \
         did not take them.",
    );
    text.sample(&[("reason", "overflow")], sources.sent.overflowed.get());
    text.sample(&[("reason", "refused")], sources.sent.refused.get());
    let troubles = sources.health.troubles();
    text.family(
        "latchwork_healthy",
        Kind::Gauge,
        "1 if the health checks answer 200, 0 if not.",
    );
    text.sample(&[], u8::from(troubles.is_empty()));
    text.family(
        "latchwork_trouble",
        Kind::Gauge,
        "1 while this keeps work from being done.",
    );
    for code in health::CODES {
        let there = troubles.iter().any(|trouble| trouble.code == code);
        text.sample(&[("code", code)], u8::from(there));
    }
    if let Ok(disk) = rustix::fs::statvfs(&sources.data_dir) {
        text.family(
            "latchwork_disk_free_bytes",
            Kind::Gauge,
            "Space that is left for us on the disk of the data directory.",
        );
        text.sample(&[], disk.f_bavail.saturating_mul(disk.f_frsize));
        text.family(
            "latchwork_disk_size_bytes",
            Kind::Gauge,
            "Size of the disk of the data directory.",
        );
        text.sample(&[], disk.f_blocks.saturating_mul(disk.f_frsize));
    }
    text.family(
        "latchwork_build_info",
        Kind::Gauge,
        "Always 1; which version this is.",
    );
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}
