//! The tables that can be queried: their names, columns, and how each column is read from a
//! stored row.

use latchwork_engine::table::Address;
use latchwork_engine::table::inbox::Turn;
use latchwork_engine::table::invocation::{Invocation, Status};
use latchwork_engine::table::journal::{Body, JournalEntry};
use latchwork_engine::table::promise::Promise;
use latchwork_engine::{Answer, Combinator, Future, InvocationId, Outcome, Target, TargetKind};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::ingress::rfc3339_nanos;
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::manifest::ServiceKind;
use latchwork_runtime::registry::{Deployment, ServiceEntry};
use prost::Message;
use serde_json::{Value, json};
use std::sync::Arc;

/// One value. What it means is said by the [`Kind`] of its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// None.
    Null,
    /// A text, an instant, or a list as JSON.
    Text(String),
    /// A number, a duration in ms, or a truth as 0 or 1.
    Int(i64),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Texts.
    Text,
    /// Instants, as text that sorts by time.
    Time,
    /// Whole numbers.
    Int,
    /// Truths.
    Bool,
    /// Lengths of time, in ms.
    Duration,
    /// Bytes.
    Blob,
    /// Lists, as JSON.
    List,
}

/// A column of a table whose stored rows are `T`.
pub(crate) struct Column<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) get: fn(&T) -> Cell,
}

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Invocation,
    InvocationStatus,
    Journal,
    State,
    Promise,
    Inbox,
    Deployment,
    Service,
}

impl Table {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Invocation,
        Self::InvocationStatus,
        Self::Journal,
        Self::State,
        Self::Promise,
        Self::Inbox,
        Self::Deployment,
        Self::Service,
    ];

    /// As it is called in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invocation => "sys_invocation",
            Self::InvocationStatus => "sys_invocation_status",
            Self::Journal => "sys_journal",
            Self::State => "state",
            Self::Promise => "sys_promise",
            Self::Inbox => "sys_inbox",
            Self::Deployment => "sys_deployment",
            Self::Service => "sys_service",
        }
    }

    /// Names and kinds of its columns, in order.
    pub(crate) fn columns(self) -> Vec<(&'static str, Kind)> {
        fn shape<T>(columns: &[Column<T>]) -> Vec<(&'static str, Kind)> {
            columns.iter().map(|c| (c.name, c.kind)).collect()
        }
        match self {
            Self::Invocation => shape(INVOCATION),
            Self::InvocationStatus => shape(INVOCATION_STATUS),
            Self::Journal => shape(JOURNAL),
            Self::State => shape(STATE),
            Self::Promise => shape(PROMISE),
            Self::Inbox => shape(INBOX),
            Self::Deployment => shape(DEPLOYMENT),
            Self::Service => shape(SERVICE),
        }
    }
}

/// An invocation, and how it ended if that was asked for.
pub(crate) struct InvocationRow {
    pub(crate) id: InvocationId,
    pub(crate) row: Invocation,
    pub(crate) outcome: Option<Outcome>,
}

/// One entry of a journal.
pub(crate) struct JournalRow {
    pub(crate) id: InvocationId,
    pub(crate) index: u32,
    pub(crate) entry: JournalEntry,
    /// Wire type of the command that a completion answers.
    pub(crate) answers: Option<u32>,
}

/// One entry of the state of an object.
pub(crate) struct StateRow {
    pub(crate) address: Address,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// One promise of a workflow.
pub(crate) struct PromiseRow {
    pub(crate) address: Address,
    pub(crate) name: String,
    pub(crate) promise: Promise,
}

/// One that waits for a key.
pub(crate) struct InboxRow {
    pub(crate) address: Address,
    pub(crate) sequence: u64,
    pub(crate) turn: Option<Turn>,
}

macro_rules! columns {
    ($($name:literal $kind:ident $get:expr;)+) => {
        &[$(Column { name: $name, kind: Kind::$kind, get: $get },)+]
    };
}

/// The columns that tell of invocations; the first is how the status is spelt.
macro_rules! invocation_columns {
    ($status:expr; $($more:tt)*) => { columns! {
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
        "pinned_deployment_id" Text |r| maybe(r.row.pin.as_ref().map(|pin| &pin.deployment));
        "pinned_service_protocol_version" Int |r| {
            r.row.pin.as_ref().map_or(Cell::Null, |pin| int(pin.version))
        };
        "trace_id" Text |_| Cell::Null;
        "journal_size" Int |r| int(if r.row.journal_dropped { 0 } else { r.row.journal_len });
        "journal_commands_size" Int |r| int(if r.row.journal_dropped { 0 } else { r.row.commands });
        "created_at" Time |r| time(r.row.created_at);
        "created_using_restate_version" Text |_| Cell::Null;
        "modified_at" Time |r| time(r.row.modified_at);
        "inboxed_at" Time |_| Cell::Null;
        "scheduled_at" Time |_| Cell::Null;
        "scheduled_start_at" Time |r| maybe_time(r.row.execution_time);
        "running_at" Time |_| Cell::Null;
        "completed_at" Time |r| maybe_time(r.row.completed_at);
        "completion_retention" Duration |r| long(r.row.completion_retention_ms);
        "journal_retention" Duration |r| long(r.row.journal_retention_ms);
        "suspended_waiting_for_completions" List |r| {
            waiting(r, |future, list| list.extend(&future.completions))
        };
        "suspended_waiting_for_signals" List |r| {
            waiting(r, |future, list| list.extend(&future.signals))
        };
        "suspended_waiting_future_json" Text |r| {
            maybe(r.row.awaiting.as_ref().map(|future| future_json(future).to_string()))
        };
        "status" Text |r| text($status(r.row.status()));
        "completion_result" Text |r| maybe(r.outcome.as_ref().map(|outcome| match outcome {
            Outcome::Value(_) => "success",
            Outcome::Failure(_) => "failure",
        }));
        "completion_failure" Text |r| match &r.outcome {
            Some(Outcome::Failure(failure)) => text(failed(failure.code, &failure.message)),
            _ => Cell::Null,
        };
        $($more)*
    } };
}

pub(crate) const INVOCATION_STATUS: &[Column<InvocationRow>] =
    invocation_columns! { stored_status; };

pub(crate) const INVOCATION: &[Column<InvocationRow>] = invocation_columns! { status;
    "retry_count" Int |r| int(r.row.retry_count);
    "last_start_at" Time |_| Cell::Null;
    "next_retry_at" Time |r| maybe_time(r.row.next_retry_at);
    "last_attempt_deployment_id" Text |r| maybe(r.row.pin.as_ref().map(|pin| &pin.deployment));
    "last_attempt_server" Text |_| Cell::Null;
    "last_failure" Text |r| r.row.last_failure.as_ref().map_or(Cell::Null, |failure| {
        let trace = if failure.stacktrace.is_empty() { "" } else { "\n" };
        text(failed(failure.code, &failure.message) + trace + &failure.stacktrace)
    });
    "last_failure_error_code" Text |_| Cell::Null;
    "last_failure_related_entry_index" Int failed_index;
    "last_failure_related_entry_name" Text failed_name;
    "last_failure_related_entry_type" Text failed_type;
    "last_failure_related_command_index" Int failed_index;
    "last_failure_related_command_name" Text failed_name;
    "last_failure_related_command_type" Text failed_type;
    "last_awaiting_on_future_json" Text |_| Cell::Null;
};

pub(crate) const JOURNAL: &[Column<JournalRow>] = columns! {
    "id" Text |r| id(&r.id);
    "index" Int |r| int(r.index);
    "entry_type" Text |r| text(entry_type(r));
    "name" Text |r| match &r.entry.body {
        Some(Body::Input(_)) => text(""),
        Some(Body::Command(command)) => text(command_name(&command.raw)),
        _ => Cell::Null,
    };
    "completed" Bool |_| Cell::Null;
    "invoked_id" Text |r| match &r.entry.body {
        Some(Body::Command(command)) => command.child.as_ref().map_or(Cell::Null, id),
        _ => Cell::Null,
    };
    "invoked_target" Text |_| Cell::Null;
    "sleep_wakeup_at" Time |_| Cell::Null;
    "promise_name" Text |_| Cell::Null;
    "raw" Blob |r| raw(r).map_or(Cell::Null, |raw| Cell::Blob(raw.to_vec()));
    "raw_length" Int |r| raw(r).map_or(Cell::Null, |raw| long(raw.len() as u64));
    "version" Int |_| Cell::Int(2);
    "entry_json" Text |_| Cell::Null;
    "entry_lite_json" Text |_| Cell::Null;
    "appended_at" Time |r| time(r.entry.time);
};

pub(crate) const STATE: &[Column<StateRow>] = columns! {
    "scope" Text |r| maybe(r.address.scope.as_ref());
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "key" Text |r| text(String::from_utf8_lossy(&r.key));
    "key_length" Int |r| long(r.key.len() as u64);
    "value_utf8" Text |r| utf8(&r.value);
    "value" Blob |r| Cell::Blob(r.value.clone());
    "value_length" Int |r| long(r.value.len() as u64);
};

pub(crate) const PROMISE: &[Column<PromiseRow>] = columns! {
    "scope" Text |r| maybe(r.address.scope.as_ref());
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "key" Text |r| text(&r.name);
    "completed" Bool |r| truth(r.promise.answer.is_some());
    "completion_success_value" Blob |r| match &r.promise.answer {
        Some(Answer::Value(value)) => Cell::Blob(value.to_vec()),
        _ => Cell::Null,
    };
    "completion_success_value_utf8" Text |r| match &r.promise.answer {
        Some(Answer::Value(value)) => utf8(value),
        _ => Cell::Null,
    };
    "completion_failure" Text |r| match &r.promise.answer {
        Some(Answer::Failure(failure)) => text(failed(failure.code, &failure.message)),
        _ => Cell::Null,
    };
};

pub(crate) const INBOX: &[Column<InboxRow>] = columns! {
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "id" Text |r| match &r.turn {
        Some(Turn::Invocation(waiting)) => id(waiting),
        _ => Cell::Null,
    };
    "sequence_number" Int |r| long(r.sequence);
    "created_at" Time |_| Cell::Null;
};

pub(crate) const DEPLOYMENT: &[Column<Arc<Deployment>>] = columns! {
    "id" Text |r| text(&r.id);
    "ty" Text |_| text("http");
    "endpoint" Text |r| text(&r.uri);
    "created_at" Time |r| time(r.created_at);
    "min_service_protocol_version" Int |r| int(r.min_protocol_version);
    "max_service_protocol_version" Int |r| int(r.max_protocol_version);
    "services" List |r| {
        let names: Vec<_> = r.services.iter().map(|revision| &revision.service.name).collect();
        text(json!(names).to_string())
    };
};

pub(crate) const SERVICE: &[Column<ServiceEntry>] = columns! {
    "name" Text |r| text(&r.service.name);
    "revision" Int |r| int(r.revision);
    "public" Bool |r| truth(r.public());
    "ty" Text |r| text(match r.service.kind {
        ServiceKind::Service => "service",
        ServiceKind::VirtualObject => "virtual_object",
        ServiceKind::Workflow => "workflow",
    });
    "deployment_id" Text |r| text(&r.deployment.id);
};

fn status(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "scheduled",
        Status::Inboxed => "pending",
        Status::Running => "running",
        Status::Suspended => "suspended",
        Status::BackingOff => "backing-off",
        Status::Paused => "paused",
        Status::Completed => "completed",
    }
}

fn stored_status(stored: Status) -> &'static str {
    match stored {
        Status::Inboxed => "inboxed",
        Status::Running | Status::BackingOff => "invoked",
        other => status(other),
    }
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn maybe(value: Option<impl Into<String>>) -> Cell {
    value.map_or(Cell::Null, text)
}

fn utf8(bytes: &[u8]) -> Cell {
    std::str::from_utf8(bytes).map_or(Cell::Null, text)
}

fn id(id: &InvocationId) -> Cell {
    text(invocation_text(&id.to_bytes()))
}

fn int(number: u32) -> Cell {
    Cell::Int(number.into())
}

fn long(number: u64) -> Cell {
    Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn truth(truth: bool) -> Cell {
    Cell::Int(truth.into())
}

/// Always with three digits of a second, so that the texts sort by time.
fn time(unix_ms: u64) -> Cell {
    let nanos = rfc3339_nanos(unix_ms);
    match nanos.strip_suffix("000000Z") {
        Some(millis) => text(format!("{millis}Z")),
        None => text(nanos),
    }
}

fn maybe_time(unix_ms: Option<u64>) -> Cell {
    unix_ms.map_or(Cell::Null, time)
}

fn failed(code: u32, message: &str) -> String {
    format!("[{code}] {message}")
}

/// `Service/handler` or `Service/key/handler`, the key as it is.
fn target(target: &Target) -> String {
    match &target.key {
        Some(key) => format!("{}/{key}/{}", target.service, target.handler),
        None => format!("{}/{}", target.service, target.handler),
    }
}

fn failed_index(row: &InvocationRow) -> Cell {
    let failure = row.row.last_failure.as_ref();
    failure
        .and_then(|f| f.command_index)
        .map_or(Cell::Null, int)
}

fn failed_name(row: &InvocationRow) -> Cell {
    let failure = row.row.last_failure.as_ref();
    maybe(failure.and_then(|f| f.command_name.as_ref()))
}

fn failed_type(row: &InvocationRow) -> Cell {
    let failure = row.row.last_failure.as_ref();
    maybe(failure.and_then(|f| f.command_type).map(type_name))
}

fn type_name(wire_type: u32) -> String {
    u16::try_from(wire_type)
        .ok()
        .and_then(ty::name)
        .map_or_else(|| format!("0x{wire_type:04x}"), str::to_owned)
}

fn entry_type(row: &JournalRow) -> String {
    match &row.entry.body {
        None => "Unknown".to_owned(),
        Some(Body::Input(_)) => "Command: Input".to_owned(),
        Some(Body::Command(command)) => format!("Command: {}", type_name(command.ty)),
        Some(Body::Notification(notification)) => {
            let what = match (&notification.answer, row.answers) {
                (Some(Answer::Invocation(_)), _) => "CallInvocationId".to_owned(),
                (_, Some(wire_type)) => type_name(wire_type),
                (_, None) => "Signal".to_owned(),
            };
            format!("Notification: {what}")
        }
    }
}

/// The name that user code gave a command: the same field in all of them.
fn command_name(raw: &[u8]) -> String {
    #[derive(Clone, PartialEq, Message)]
    struct Named {
        #[prost(string, tag = "12")]
        name: String,
    }
    Named::decode(raw).map_or_else(|_| String::new(), |named| named.name)
}

fn raw(row: &JournalRow) -> Option<&[u8]> {
    match &row.entry.body {
        Some(Body::Command(command)) => Some(&command.raw),
        _ => None,
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
    let completions = future
        .completions
        .iter()
        .map(|n| json!({"CompletionId": n}));
    let signals = future.signals.iter().map(|n| json!({"SignalIndex": n}));
    let named = future
        .named_signals
        .iter()
        .map(|name| json!({"SignalName": name}));
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
