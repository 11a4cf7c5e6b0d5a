//! Families of partitions: their logs, tables and loops.

use super::US;
use crate::metrics::text::{Kind, Text};
use latchwork_runtime::Handle;
use latchwork_runtime::metrics::{Counter, Gauge, Histogram, PartitionMetrics};

/// By partition.
pub(in crate::metrics) fn partitions(text: &mut Text, handle: &Handle) {
    let all = &handle.metrics().partitions;
    let names: Vec<_> = (0..all.len()).map(|number| number.to_string()).collect();
    let each = || {
        all.iter()
            .zip(&names)
            .map(|(it, name)| (it, [("partition", name.as_str())]))
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
        for (it, labels) in each() {
            text.sample(&labels, read(it).get());
        }
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
        for (it, labels) in each() {
            text.sample(&labels, read(it).get());
        }
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
        for (it, labels) in each() {
            text.histogram(&labels, &read(it).read(), per_unit);
        }
    }
}
