//! Tables of things that this server does not have: limits, their rules, and queues with a
//! schedule. Tools ask for them; they have the right columns and no rows.

use super::stored::Listed;
use super::{ColumnName, Kind, Table};

/// Names of tables, each with the names of its columns, in order, behind their kinds.
const ABSENT: &[(&str, &[(Kind, &str)])] = &[
    (
        "sys_rules",
        &[
            (Kind::Text, "pattern"),
            (Kind::U32, "concurrency"),
            (Kind::Text, "description"),
            (Kind::Bool, "disabled"),
            (Kind::U32, "version"),
            (Kind::Time, "last_modified"),
        ],
    ),
    (
        "sys_user_limits",
        &[
            (Kind::U64, "partition_key"),
            (Kind::Text, "scope l1 l2 level"),
            (Kind::U32, "usage concurrency_limit"),
            (Kind::Text, "rule_pattern"),
            (Kind::U32, "available"),
            (Kind::U64, "num_waiters"),
        ],
    ),
    (
        "sys_vqueues",
        &[
            (Kind::U64, "partition_key"),
            (Kind::Text, "id stage status"),
            (Kind::Bool, "has_lock"),
            (Kind::Time, "run_at"),
            (Kind::U64, "sequence_number"),
            (Kind::Text, "entry_id entry_kind"),
            (Kind::Time, "created_at transitioned_at"),
            (
                Kind::U32,
                "num_attempts num_errors num_pauses num_suspensions num_yields",
            ),
            (
                Kind::Time,
                "first_attempt_at latest_attempt_at first_runnable_at",
            ),
            (Kind::Text, "deployment"),
        ],
    ),
    (
        "sys_vqueue_entry_status",
        &[
            (Kind::U64, "partition_key"),
            (Kind::Text, "entry_id vqueue_id stage status"),
            (Kind::Bool, "has_lock"),
            (Kind::Time, "next_at"),
            (Kind::U64, "sequence_number"),
            (Kind::Text, "entry_kind"),
            (Kind::Time, "created_at transitioned_at"),
            (
                Kind::U32,
                "num_attempts num_errors num_pauses num_suspensions num_yields",
            ),
            (
                Kind::Time,
                "first_attempt_at latest_attempt_at first_runnable_at",
            ),
            (Kind::Text, "deployment"),
            (Kind::U64, "needed_memory"),
            (
                Kind::U32,
                "retry_attempts retry_count_since_last_stored_command",
            ),
            (
                Kind::Duration,
                "latest_attempt_blocked_on_invoker_concurrency \
              latest_attempt_blocked_on_throttling_rules \
              latest_attempt_blocked_on_invoker_throttling \
              latest_attempt_blocked_on_invoker_memory \
              latest_attempt_blocked_on_concurrency_rules \
              latest_attempt_blocked_on_lock \
              latest_attempt_blocked_on_deployment_concurrency \
              total_blocked_on_invoker_concurrency total_blocked_on_throttling_rules \
              total_blocked_on_invoker_throttling total_blocked_on_invoker_memory \
              total_blocked_on_concurrency_rules total_blocked_on_lock \
              total_blocked_on_deployment_concurrency",
            ),
        ],
    ),
    (
        "sys_vqueue_meta",
        &[
            (Kind::U64, "partition_key"),
            (Kind::Text, "id"),
            (Kind::Bool, "is_active queue_is_paused"),
            (Kind::Text, "service_name scope limit_key lock_name"),
            (
                Kind::Time,
                "created_at last_enqueued_at last_start_at last_attempt_at \
              last_finish_at",
            ),
            (
                Kind::Duration,
                "avg_queue_duration avg_inbox_duration avg_run_duration \
              avg_suspension_duration avg_end_to_end_duration \
              avg_blocked_on_concurrency_rules avg_blocked_on_invoker_concurrency \
              avg_blocked_on_invoker_throttling avg_blocked_on_lock",
            ),
            (
                Kind::U64,
                "num_inbox num_running num_suspended num_paused num_finished",
            ),
        ],
    ),
    (
        "sys_scheduler",
        &[
            (Kind::U64, "partition_key"),
            (Kind::Text, "id"),
            (Kind::U64, "num_inbox"),
            (Kind::Text, "status head_entry_id"),
            (Kind::Time, "scheduled_at"),
            (Kind::Text, "blocked_on blocked_on_json"),
            (
                Kind::Duration,
                "invoker_concurrency_block_duration throttling_rules_block_duration \
              invoker_throttling_block_duration invoker_memory_block_duration \
              concurrency_rules_block_duration lock_block_duration \
              deployment_concurrency_block_duration",
            ),
        ],
    ),
];

pub(super) fn tables() -> Vec<Table> {
    let table = |(name, columns): &(&'static str, &'static [(Kind, &'static str)])| Table {
        name,
        columns: columns
            .iter()
            .flat_map(|(kind, names)| names.split_whitespace().map(|name| (*kind, name)))
            .map(|(kind, name)| ColumnName {
                name,
                kind,
                extra: false,
            })
            .collect(),
        keys: &[],
        open: |_, _| Box::new(Listed(Vec::new())),
    };
    ABSENT.iter().map(table).collect()
}
