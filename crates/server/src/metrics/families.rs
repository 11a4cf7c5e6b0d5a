//! Every family: its name, what it means, and where its numbers are.
//!
//! `docs/observability.md` has the same list for people. A family is here once, whatever has
//! happened: its lines are there before its first number is.

use super::text::{Kind, Text};
use super::{RequestKind, Requests, Sources};
use crate::health;
use latchwork_engine::Ending;
use latchwork_runtime::Handle;
use latchwork_runtime::metrics::{
    AttemptEnding, Counter, FailureClass, Gauge, HandlerMetrics, Histogram, Metrics,
    PartitionMetrics,
};

/// Microseconds of a second.
const US: f64 = 1e6;

/// By service and handler.
pub(super) fn handlers(text: &mut Text, metrics: &Metrics) {
    let all = metrics.handlers.all();
    let each = |text: &mut Text, write: &dyn Fn(&mut Text, &HandlerMetrics, [(&str, &str); 2])| {
        for it in &all {
            write(
                text,
                it,
                [("service", &it.service), ("handler", &it.handler)],
            );
        }
    };
    text.family(
        "latchwork_invocations_accepted",
        Kind::Counter,
        "Invocations that were accepted, from callers and from handlers.",
    );
    each(text, &|text, it, labels| {
        text.sample(&labels, it.accepted.get())
    });
    text.family(
        "latchwork_invocations_completed",
        Kind::Counter,
        "Invocations that are over, by what they came to.",
    );
    each(text, &|text, it, [service, handler]| {
        for ending in Ending::ALL {
            let labels = [service, handler, ("result", ending.text())];
            text.sample(&labels, it.completed(ending).get());
        }
    });
    text.family(
        "latchwork_invocation_duration_seconds",
        Kind::Histogram,
        "From the acceptance of an invocation to its end, whatever it waited for.",
    );
    each(text, &|text, it, labels| {
        text.histogram(&labels, &it.latency_us.read(), US)
    });
    text.family(
        "latchwork_attempts_started",
        Kind::Counter,
        "Attempts that were started.",
    );
    each(text, &|text, it, labels| {
        text.sample(&labels, it.attempts_started.get())
    });
    text.family(
        "latchwork_attempts_ended",
        Kind::Counter,
        "Attempts that are over, by how they ended.",
    );
    each(text, &|text, it, [service, handler]| {
        for ending in AttemptEnding::ALL {
            let labels = [service, handler, ("ending", ending.text())];
            text.sample(&labels, it.attempts_ended(ending).get());
        }
    });
    text.family(
        "latchwork_attempts_failed",
        Kind::Counter,
        "Attempts that failed, by the class of their code; 570 is a journal mismatch, 571 a \
         violation of the protocol.",
    );
    each(text, &|text, it, [service, handler]| {
        for class in FailureClass::ALL {
            let labels = [service, handler, ("code", class.text())];
            text.sample(&labels, it.attempts_failed(class).get());
        }
    });
    text.family(
        "latchwork_attempt_duration_seconds",
        Kind::Histogram,
        "From the start of an attempt to the record of its end.",
    );
    each(text, &|text, it, labels| {
        text.histogram(&labels, &it.attempt_us.read(), US)
    });
    text.family(
        "latchwork_attempts_running",
        Kind::Gauge,
        "Attempts that run.",
    );
    each(text, &|text, it, labels| {
        text.sample(&labels, it.running.get())
    });
}

/// By partition.
pub(super) fn partitions(text: &mut Text, handle: &Handle) {
    let all = &handle.metrics().partitions;
    let names: Vec<_> = (0..all.len()).map(|number| number.to_string()).collect();
    let each = |text: &mut Text, write: &dyn Fn(&mut Text, &PartitionMetrics, &[(&str, &str)])| {
        for (it, name) in all.iter().zip(&names) {
            write(text, it, &[("partition", name)]);
        }
    };
    type Read<T> = fn(&PartitionMetrics) -> &T;
    let counters: [(&'static str, &str, Read<Counter>); 6] = [
        ("latchwork_partition_turns", "Turns of the loop.", |it| {
            &it.turns
        }),
        (
            "latchwork_log_appends",
            "Batches that were made durable, each with one write and one sync.",
            |it| &it.log.appends,
        ),
        (
            "latchwork_log_records",
            "Records that were made durable.",
            |it| &it.log.records,
        ),
        (
            "latchwork_log_written_bytes",
            "Bytes that were written to the log.",
            |it| &it.log.bytes,
        ),
        ("latchwork_timers_armed", "Timers that were set.", |it| {
            &it.timers_armed
        }),
        ("latchwork_timers_fired", "Timers that became due.", |it| {
            &it.timers_fired
        }),
    ];
    for (name, help, read) in counters {
        text.family(name, Kind::Counter, help);
        each(text, &|text, it, labels| {
            text.sample(labels, read(it).get())
        });
    }
    let gauges: [(&'static str, &str, Read<Gauge>); 12] = [
        (
            "latchwork_log_appended_lsn",
            "The last record of the log.",
            |it| &it.appended_lsn,
        ),
        (
            "latchwork_log_applied_lsn",
            "The last record that the tables know of.",
            |it| &it.applied_lsn,
        ),
        (
            "latchwork_log_persisted_lsn",
            "The last record whose writes are on disk: a restart applies those after it.",
            |it| &it.persisted_lsn,
        ),
        ("latchwork_log_segments", "Files of the log.", |it| {
            &it.log.segments
        }),
        ("latchwork_log_size_bytes", "Bytes of those files.", |it| {
            &it.log.segment_bytes
        }),
        (
            "latchwork_tables_active_bytes",
            "Memory of the layer that takes writes.",
            |it| &it.active_bytes,
        ),
        (
            "latchwork_tables_sealed_layers",
            "Layers that wait to be on disk.",
            |it| &it.sealed_layers,
        ),
        (
            "latchwork_tables_sealed_bytes",
            "Memory of the layers that wait to be on disk.",
            |it| &it.sealed_bytes,
        ),
        (
            "latchwork_invocations_ready",
            "Invocations that wait for a slot or for room.",
            |it| &it.ready,
        ),
        (
            "latchwork_invocations_running",
            "Invocations that have an attempt.",
            |it| &it.running,
        ),
        (
            "latchwork_attempts_held_bytes",
            "Bytes of journals and state that attempts hold.",
            |it| &it.attempts_bytes,
        ),
        (
            "latchwork_invocations_awaited",
            "Invocations whose end somebody outside waits for.",
            |it| &it.awaited,
        ),
    ];
    for (name, help, read) in gauges {
        text.family(name, Kind::Gauge, help);
        each(text, &|text, it, labels| {
            text.sample(labels, read(it).get())
        });
    }
    let waiting: Vec<_> = (0..all.len())
        .filter_map(|number| handle.waiting(number))
        .collect();
    text.family(
        "latchwork_partition_queue_items",
        Kind::Gauge,
        "What waits in front of the loop, to be written or answered.",
    );
    for ((items, _), name) in waiting.iter().zip(&names) {
        text.sample(&[("partition", name)], items);
    }
    text.family(
        "latchwork_partition_queue_bytes",
        Kind::Gauge,
        "Bytes of proposals that wait in front of the loop; at 64 MiB callers are refused.",
    );
    for ((_, bytes), name) in waiting.iter().zip(&names) {
        text.sample(&[("partition", name)], bytes);
    }
    let histograms: [(&'static str, &str, f64, Read<Histogram>); 2] = [
        (
            "latchwork_log_sync_duration_seconds",
            "Time of each sync of the log.",
            US,
            |it| &it.log.sync_us,
        ),
        (
            "latchwork_log_batch_records",
            "Records that were made durable together.",
            1.0,
            |it| &it.log.batch_records,
        ),
    ];
    for (name, help, per_unit, read) in histograms {
        text.family(name, Kind::Histogram, help);
        each(text, &|text, it, labels| {
            text.histogram(labels, &read(it).read(), per_unit)
        });
    }
}

/// What was asked for over HTTP.
pub(super) fn requests(text: &mut Text, requests: &Requests) {
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
pub(super) fn server(text: &mut Text, sources: &Sources) {
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
