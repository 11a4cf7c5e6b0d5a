//! Tables of invocations: how they stand, what an attempt of them does, what happened last.

use super::stored::{Made, Range, Stored, decode, everywhere, named};
use super::{
    Cell, Column, Of, ReadError, Row, Scan, Source, Table, Tables, Wish, columns, failed, id, int,
    long, maybe, maybe_time, names, text, time, truth,
};
use latchwork_engine::table::invocation::{self as stored, Invocation, Status};
use latchwork_engine::table::listing::{self, Standing};
use latchwork_engine::{
    AttemptFailure, Combinator, Future, InvocationId, Mismatch, Outcome, Target, TargetKind, View,
    read,
};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::trace::invocation_trace;
use latchwork_runtime::registry::{Deployment, Registry};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// An invocation, with what is kept elsewhere and was asked for.
pub(super) struct InvocationRow {
    pub(super) id: InvocationId,
    pub(super) row: Invocation,
    /// How it ended.
    outcome: Option<Outcome>,
    /// When the attempt was started that runs.
    since: Option<u64>,
    /// Where it runs. The invocation is bound to it from the first progress on.
    runs_on: Option<String>,
    /// Where its last attempt went, while another one is to come.
    attempted: Option<Arc<Deployment>>,
}

/// Something that happened to an invocation, as far as its row still tells.
struct EventRow {
    id: InvocationId,
    after: u32,
    at: u64,
    ty: &'static str,
    json: Value,
}

/// Everything that can be told of an invocation, in no order; the tables pick from it.
const ALL: &[Column<InvocationRow>] = columns! {
    "partition_key" U64 |r| long(r.id.partition_key);
    "id" Text |r| id(&r.id);
    "vqueue_id" Text |_| Cell::Null;
    "target" Text |r| text(target(&r.row.target));
    "target_service_name" Text |r| text(&r.row.target.service);
    "target_service_key" Text |r| maybe(r.row.target.key.as_ref());
    "target_handler_name" Text |r| text(&r.row.target.handler);
    "target_service_ty" Text |r| text(match r.row.target.kind() {
        TargetKind::Plain => "service",
        TargetKind::Exclusive | TargetKind::Shared => "virtual_object",
        TargetKind::WorkflowRun | TargetKind::WorkflowShared => "workflow",
    });
    "scope" Text |r| maybe(r.row.target.scope.as_ref());
    "limit_key" Text |r| maybe(r.row.limit_key.as_ref());
    "idempotency_key" Text |r| maybe(r.row.idempotency_key.as_ref());
    "invoked_by" Text |r| text(match (&r.row.caller, &r.row.restarted_from) {
        (Some(_), _) => "service",
        (None, Some(_)) => "restart_as_new",
        (None, None) => "ingress",
    });
    "invoked_by_service_name" Text |r| maybe(r.row.caller.as_ref().map(|c| &c.target.service));
    "invoked_by_id" Text |r| r.row.caller.as_ref().map_or(Cell::Null, |c| id(&c.id));
    "invoked_by_subscription_id" Text |_| Cell::Null;
    "invoked_by_target" Text |r| maybe(r.row.caller.as_ref().map(|c| target(&c.target)));
    "restarted_from" Text |r| r.row.restarted_from.as_ref().map_or(Cell::Null, id);
    "pinned_deployment_id" Text |r| maybe(r.deployment());
    "pinned_service_protocol_version" U32 |r| {
        r.row.pin.as_ref().map_or(Cell::Null, |pin| int(pin.version))
    };
    "trace_id" Text |r| maybe(trace_id(r));
    "journal_size" U32 |r| int(if r.row.journal_dropped { 0 } else { r.row.journal_len });
    "journal_commands_size" U32 |r| int(if r.row.journal_dropped { 0 } else { r.row.commands });
    "created_at" Time |r| time(r.row.created_at);
    "created_using_restate_version" Text |_| Cell::Null;
    "modified_at" Time |r| time(r.row.modified_at);
    "inboxed_at" Time |r| match (r.row.status(), r.row.execution_time) {
        (Status::Inboxed, scheduled) => time(scheduled.unwrap_or(0).max(r.row.created_at)),
        _ => Cell::Null,
    };
    "scheduled_at" Time |r| maybe_time(r.row.execution_time.map(|_| r.row.created_at));
    "scheduled_start_at" Time |r| maybe_time(r.row.execution_time);
    "running_at" Time |_| Cell::Null;
    "completed_at" Time |r| maybe_time(r.row.completed_at);
    "completion_retention" Duration |r| time(r.row.completion_retention_ms);
    "journal_retention" Duration |r| time(r.row.journal_retention_ms);
    "suspended_waiting_for_completions" NumberList |r| {
        waiting(r, |future, list| list.extend(&future.completions))
    };
    "suspended_waiting_for_signals" NumberList |r| {
        waiting(r, |future, list| list.extend(&future.signals))
    };
    "suspended_waiting_future_json" Text |r| {
        maybe(r.row.awaiting.as_ref().map(|future| future_json(future).to_string()))
    };
    "status" Text |r| text(status(r));
    "stored_status" Text |r| text(stored_status(r.row.status()));
    "completion_result" Text |r| maybe(r.outcome.as_ref().map(|outcome| match outcome {
        Outcome::Value(_) => "success",
        Outcome::Failure(_) => "failure",
    }));
    "completion_failure" Text |r| match &r.outcome {
        Some(Outcome::Failure(failure)) => {
            text(format!("[{}] {}", failure.code, failure.message))
        }
        _ => Cell::Null,
    };
    "in_flight" Bool |r| truth(r.since.is_some());
    "retry_count" U64 |r| match r.row.status() {
        Status::Running | Status::BackingOff | Status::Paused => {
            int(r.row.retry_count + u32::from(r.since.is_some()))
        }
        _ => Cell::Null,
    };
    "last_start_at" Time |r| maybe_time(r.since);
    "next_retry_at" Time |r| maybe_time(r.row.next_retry_at);
    "last_attempt_deployment_id" Text |r| {
        maybe(r.attempted.as_ref().map(|deployment| &deployment.id))
    };
    "last_attempt_server" Text |r| {
        maybe(r.attempted.as_ref().and_then(|deployment| deployment.sdk_version.as_ref()))
    };
    "last_failure" Text |r| of_failure(r, |failure| {
        let trace = if failure.stacktrace.is_empty() { "" } else { "\n" };
        text(failed(failure.code, &failure.message) + trace + &failure.stacktrace)
    });
    "last_failure_error_code" Text |_| Cell::Null;
    "last_failure_related_entry_index" U64 failed_index;
    "last_failure_related_entry_name" Text failed_name;
    "last_failure_related_entry_type" Text failed_type;
    "last_failure_related_command_index" U64 failed_index;
    "last_failure_related_command_name" Text failed_name;
    "last_failure_related_command_type" Text failed_type;
    "last_awaiting_on_future_json" Text |_| Cell::Null;
    "pause_reason" Text |r| maybe(r.row.pause_reason.map(|_| r.row.pause_reason().text()));
    "mismatch_expected" Text |r| of_mismatch(r, |mismatch| &mismatch.expected);
    "mismatch_found" Text |r| of_mismatch(r, |mismatch| &mismatch.found);
};

/// The trace that it is part of, where it is in one that was given to it.
fn trace_id(r: &InvocationRow) -> Option<String> {
    let trace = r.row.trace.as_ref()?;
    if trace.linked {
        let own = invocation_trace(&r.id.to_bytes(), r.row.incarnation);
        return Some(format!("{own:032x}"));
    }
    Some(format!("{:016x}{:016x}", trace.high, trace.low))
}

/// What says how an invocation was called and how it stands, in the order of two tables.
const CALLED: &str = "target target_service_name target_service_key target_handler_name \
    target_service_ty scope limit_key idempotency_key";
const SINCE: &str = "restarted_from pinned_deployment_id pinned_service_protocol_version trace_id \
    journal_size journal_commands_size created_at created_using_restate_version modified_at \
    inboxed_at scheduled_at scheduled_start_at running_at completed_at completion_retention \
    journal_retention suspended_waiting_for_completions suspended_waiting_for_signals \
    suspended_waiting_future_json";

static INVOCATION: LazyLock<Vec<Column<InvocationRow>>> = LazyLock::new(|| {
    pick(&[
        "id vqueue_id",
        CALLED,
        "invoked_by invoked_by_service_name invoked_by_id invoked_by_subscription_id \
         invoked_by_target",
        SINCE,
        "retry_count last_start_at next_retry_at last_attempt_deployment_id last_attempt_server \
         last_failure last_failure_error_code last_failure_related_entry_index \
         last_failure_related_entry_name last_failure_related_entry_type \
         last_failure_related_command_index last_failure_related_command_name \
         last_failure_related_command_type last_awaiting_on_future_json status completion_result \
         completion_failure pause_reason mismatch_expected mismatch_found",
    ])
});

static STATUS: LazyLock<Vec<Column<InvocationRow>>> = LazyLock::new(|| {
    pick(&[
        "partition_key id vqueue_id stored_status completion_result completion_failure",
        CALLED,
        "invoked_by invoked_by_id invoked_by_subscription_id invoked_by_service_name \
         invoked_by_target",
        SINCE,
    ])
});

static STATE: LazyLock<Vec<Column<InvocationRow>>> = LazyLock::new(|| {
    pick(&[
        "partition_key id in_flight retry_count last_start_at last_attempt_deployment_id \
         last_attempt_server next_retry_at last_failure last_failure_error_code \
         last_failure_related_command_index last_failure_related_command_name \
         last_failure_related_command_type last_failure_related_entry_index \
         last_failure_related_entry_name last_failure_related_entry_type \
         last_awaiting_on_future_json",
    ])
});

const EVENT: &[Column<EventRow>] = columns! {
    "partition_key" U64 |r| long(r.id.partition_key);
    "id" Text |r| id(&r.id);
    "after_journal_entry_index" U32 |r| int(r.after);
    "appended_at" Time |r| time(r.at);
    "event_type" Text |r| text(r.ty);
    "event_json" Text |r| text(r.json.to_string());
};

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "sys_invocation",
            columns: names(&INVOCATION),
            keys: &[("id", 1), ("status", 100_000)],
            open: |source, wish| open(&INVOCATION, source, wish, |_| true),
        },
        Table {
            name: "sys_invocation_status",
            columns: names(&STATUS),
            keys: &[("id", 1)],
            open: |source, wish| open(&STATUS, source, wish, |_| true),
        },
        Table {
            name: "sys_invocation_state",
            columns: names(&STATE),
            keys: &[("id", 1)],
            open: |source, wish| {
                open(&STATE, source, wish, |status| {
                    matches!(status, Status::Running | Status::BackingOff)
                })
            },
        },
        Table {
            name: "sys_journal_events",
            columns: names(EVENT),
            keys: &[("id", 10)],
            open: events,
        },
    ]
}

fn pick(lists: &[&str]) -> Vec<Column<InvocationRow>> {
    let names = lists.iter().flat_map(|list| list.split_whitespace());
    names
        .filter_map(|name| ALL.iter().find(|column| column.name == name).copied())
        .map(|column| match column.name {
            "stored_status" => Column {
                name: "status",
                ..column
            },
            _ => column,
        })
        .collect()
}

/// One invocation on its own.
pub(super) fn one(
    view: &dyn View,
    id: &InvocationId,
) -> Result<Option<Of<InvocationRow>>, ReadError> {
    let Some(row) = read::invocation(view, id)? else {
        return Ok(None);
    };
    let outcome = read::outcome(view, id, &row)?;
    Ok(Some(Of {
        columns: &INVOCATION,
        row: InvocationRow {
            id: *id,
            row,
            outcome,
            runs_on: None,
            since: None,
            attempted: None,
        },
    }))
}

impl InvocationRow {
    /// As it is stored, with the attempt that runs.
    pub(super) fn found(tables: &dyn Tables, id: InvocationId, row: Invocation) -> Self {
        let attempt = tables.attempt(&id);
        Self {
            id,
            row,
            outcome: None,
            since: attempt.map(|attempt| attempt.since),
            runs_on: attempt.and_then(|attempt| attempt.deployment.clone()),
            attempted: None,
        }
    }

    /// Reads what is kept elsewhere.
    pub(super) fn complete(
        &mut self,
        tables: &dyn Tables,
        registry: &Registry,
    ) -> Result<(), ReadError> {
        self.outcome = read::outcome(tables, &self.id, &self.row)?;
        self.attempted = attempted(registry, &self.row, self.since);
        Ok(())
    }

    /// The deployment that it is bound to, or runs on.
    pub(super) fn deployment(&self) -> Option<&String> {
        let pin = self.row.pin.as_ref().map(|pin| &pin.deployment);
        pin.or(self.runs_on.as_ref())
    }

    /// Its status, as SQL shows it.
    pub(super) fn status(&self) -> &'static str {
        status(self)
    }
}

/// A row with the columns of `sys_invocation`.
pub(super) fn whole(row: InvocationRow) -> Of<InvocationRow> {
    Of {
        columns: &INVOCATION,
        row,
    }
}

fn open(
    columns: &'static LazyLock<Vec<Column<InvocationRow>>>,
    source: &Arc<Source>,
    wish: Wish,
    takes: fn(Status) -> bool,
) -> Box<dyn Scan> {
    let columns: &'static [Column<InvocationRow>] = columns;
    let ends = wish.uses(columns, "completion_result") || wish.uses(columns, "completion_failure");
    let attempts = ["last_attempt_deployment_id", "last_attempt_server"];
    let attempts = attempts.iter().any(|name| wish.uses(columns, name));
    let registry = source.registry.clone();
    let make = move |tables: &dyn Tables, id: InvocationId, row: Invocation| {
        if !takes(row.status()) {
            return Ok(Made::Nothing);
        }
        let mut found = InvocationRow::found(tables, id, row);
        if ends {
            found.outcome = read::outcome(tables, &id, &found.row)?;
        }
        if attempts {
            found.attempted = attempted(&registry, &found.row, found.since);
        }
        Ok(Made::Row(found))
    };
    walk(columns, source, &wish, make)
}

/// Goes through the stored invocations that a wish leaves in.
fn walk<T: 'static>(
    columns: &'static [Column<T>],
    source: &Arc<Source>,
    wish: &Wish,
    make: impl Fn(&dyn Tables, InvocationId, Invocation) -> Result<Made<T>, ReadError> + 'static,
) -> Box<dyn Scan> {
    if named(wish).is_none()
        && let Some(standing) = wish.text("status").and_then(seldom)
    {
        return Stored::open(
            columns,
            everywhere(source, move || listing::all_of(standing, None, None)),
            Box::new(move |tables, key, _| {
                let Some(id) = listing::parse_key(key).map(|listed| listed.id) else {
                    return Ok(Made::Nothing);
                };
                match read::invocation(tables, &id)? {
                    Some(row) => make(tables, id, row),
                    None => Ok(Made::Nothing),
                }
            }),
        );
    }
    Stored::open(
        columns,
        ranges(source, wish),
        Box::new(move |tables, key, value| match stored::parse_key(key) {
            Some(id) => make(tables, id, decode("sys_invocation", value)?),
            None => Ok(Made::Nothing),
        }),
    )
}

/// Where those stand that have this status, if they are few among many: then the list is a
/// shorter way to them than all that is stored.
fn seldom(status: &str) -> Option<Standing> {
    match status {
        "running" | "ready" => Some(Standing::Running),
        "backing-off" => Some(Standing::BackingOff),
        "paused" => Some(Standing::Paused),
        _ => None,
    }
}

/// Where the rows of the invocations are that a wish leaves in.
pub(super) fn ranges(source: &Source, wish: &Wish) -> Vec<Range> {
    match named(wish) {
        None => everywhere(source, stored::all),
        Some(None) => Vec::new(),
        Some(Some(id)) => {
            let from = stored::key(&id);
            let end = [&from[..], &[0]].concat().into();
            let tables = source.of(&id);
            tables
                .map(|tables| Range {
                    tables: tables.clone(),
                    from,
                    end,
                })
                .into_iter()
                .collect()
        }
    }
}

fn attempted(registry: &Registry, row: &Invocation, since: Option<u64>) -> Option<Arc<Deployment>> {
    let tries = match row.status() {
        Status::Running => since.is_some(),
        Status::BackingOff | Status::Paused => row.epoch > 0,
        _ => false,
    };
    let serving = registry.serving(&row.target, row.pin.as_ref());
    serving.filter(|_| tries).map(|serving| serving.deployment)
}

/// The events that the row of an invocation still tells of. There is no history: of each kind
/// the last, while it counts.
fn events(source: &Arc<Source>, wish: Wish) -> Box<dyn Scan> {
    let mut kinds: Vec<Box<dyn Scan>> = Vec::new();
    for kind in [failure_event, suspension_event, pause_event] {
        let make = move |_: &dyn Tables, id, row: Invocation| {
            Ok(kind(id, &row).map_or(Made::Nothing, Made::Row))
        };
        kinds.push(walk(EVENT, source, &wish, make));
    }
    kinds.reverse();
    Box::new(InTurn(kinds))
}

/// One scan after the other.
struct InTurn(Vec<Box<dyn Scan>>);

impl Scan for InTurn {
    fn slice(&mut self) -> Result<Option<Vec<Box<dyn Row>>>, ReadError> {
        while let Some(scan) = self.0.last_mut() {
            if let Some(rows) = scan.slice()? {
                return Ok(Some(rows));
            }
            self.0.pop();
        }
        Ok(None)
    }
}

fn event(id: InvocationId, row: &Invocation, ty: &'static str, mut json: Value) -> EventRow {
    json["ty"] = ty.into();
    EventRow {
        id,
        after: row.journal_len.saturating_sub(1),
        at: row.modified_at,
        ty,
        json,
    }
}

fn failure_event(id: InvocationId, row: &Invocation) -> Option<EventRow> {
    let failure = last_failure(row)?;
    Some(event(id, row, "TransientError", failure_json(failure)))
}

fn suspension_event(id: InvocationId, row: &Invocation) -> Option<EventRow> {
    let awaiting = row.awaiting.as_ref()?;
    let json = json!({"awaiting_on": future_json(awaiting)});
    Some(event(id, row, "Suspended", json))
}

fn pause_event(id: InvocationId, row: &Invocation) -> Option<EventRow> {
    if row.status() != Status::Paused {
        return None;
    }
    let json = last_failure(row).map_or_else(
        || json!({}),
        |failure| json!({"last_failure": failure_json(failure)}),
    );
    Some(event(id, row, "Paused", json))
}

/// The failure that an invocation's row keeps: of the last attempt, while there is no progress
/// since. Everything here that tells of failures asks this.
fn last_failure(row: &Invocation) -> Option<&AttemptFailure> {
    row.last_failure.as_ref()
}

fn failure_json(failure: &AttemptFailure) -> Value {
    let mut json = json!({"error_code": failure.code, "error_message": failure.message});
    if !failure.stacktrace.is_empty() {
        json["error_stacktrace"] = failure.stacktrace.as_str().into();
    }
    if let Some(index) = failure.command_index {
        json["related_command_index"] = index.into();
    }
    if let Some(name) = &failure.command_name {
        json["related_command_name"] = name.as_str().into();
    }
    if let Some(wire_type) = failure.command_type {
        json["related_command_type"] = type_name(wire_type).into();
    }
    json
}

fn of_failure(row: &InvocationRow, tell: impl Fn(&AttemptFailure) -> Cell) -> Cell {
    last_failure(&row.row).map_or(Cell::Null, tell)
}

fn of_mismatch(row: &InvocationRow, side: impl Fn(&Mismatch) -> &String) -> Cell {
    let mismatch = last_failure(&row.row).and_then(|failure| failure.mismatch.as_ref());
    maybe(mismatch.map(side))
}

fn failed_index(row: &InvocationRow) -> Cell {
    of_failure(row, |failure| failure.command_index.map_or(Cell::Null, int))
}

fn failed_name(row: &InvocationRow) -> Cell {
    of_failure(row, |failure| maybe(failure.command_name.as_ref()))
}

fn failed_type(row: &InvocationRow) -> Cell {
    of_failure(row, |failure| maybe(failure.command_type.map(type_name)))
}

/// What a wire type of a command is called.
pub(super) fn type_name(wire_type: u32) -> String {
    u16::try_from(wire_type)
        .ok()
        .and_then(ty::name)
        .map_or_else(|| format!("0x{wire_type:04x}"), str::to_owned)
}

fn status(row: &InvocationRow) -> &'static str {
    match row.row.status() {
        Status::Scheduled => "scheduled",
        Status::Inboxed => "pending",
        Status::Running if row.since.is_some() => "running",
        Status::Running => "ready",
        Status::Suspended => "suspended",
        Status::BackingOff => "backing-off",
        Status::Paused => "paused",
        Status::Completed => "completed",
    }
}

fn stored_status(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "scheduled",
        Status::Inboxed => "inboxed",
        Status::Running | Status::BackingOff => "invoked",
        Status::Suspended => "suspended",
        Status::Paused => "paused",
        Status::Completed => "completed",
    }
}

/// `Service/handler` or `Service/key/handler`, the key as it is.
pub(super) fn target(target: &Target) -> String {
    match &target.key {
        Some(key) => format!("{}/{key}/{}", target.service, target.handler),
        None => format!("{}/{}", target.service, target.handler),
    }
}

fn waiting(row: &InvocationRow, leaves: fn(&Future, &mut Vec<u32>)) -> Cell {
    fn collect(future: &Future, leaves: fn(&Future, &mut Vec<u32>), list: &mut Vec<u32>) {
        leaves(future, list);
        for nested in &future.nested {
            collect(nested, leaves, list);
        }
    }
    row.row.awaiting.as_ref().map_or(Cell::Null, |future| {
        let mut list = Vec::new();
        collect(future, leaves, &mut list);
        text(json!(list).to_string())
    })
}

/// A tree of what is awaited, leaves first.
fn future_json(future: &Future) -> Value {
    let completions = future.completions.iter();
    let completions = completions.map(|n| json!({"CompletionId": n}));
    let signals = future.signals.iter().map(|n| json!({"SignalIndex": n}));
    let named = future.named_signals.iter();
    let named = named.map(|name| json!({"SignalName": name}));
    let children: Vec<_> = completions
        .chain(signals)
        .chain(named)
        .map(|leaf| json!({"Single": leaf}))
        .chain(future.nested.iter().map(future_json))
        .collect();
    let combinator = match future.combinator() {
        Combinator::Unknown => "Unknown",
        Combinator::FirstCompleted => "FirstCompleted",
        Combinator::AllCompleted => "AllCompleted",
        Combinator::FirstSucceededOrAllFailed => "FirstSucceededOrAllFailed",
        Combinator::AllSucceededOrFirstFailed => "AllSucceededOrFirstFailed",
    };
    json!({combinator: children})
}
