//! A journal as marks on a time line: rows of `sys_journal` and `sys_journal_events` come in; one
//! mark for each command, signal and event goes out, from when to when, and how it ended.
//!
//! A completion is no mark of its own: it ends the mark of the command that it answers, by the id
//! that both name. Rows that name none are taken in order, by type.

use crate::moment;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is read of an entry.
pub(super) const ENTRY_COLUMNS: &str =
    "index, entry_type, name, invoked_id, invoked_target, entry_lite_json, appended_at";
/// What is read of an event.
pub(super) const EVENT_COLUMNS: &str =
    "after_journal_entry_index, appended_at, event_type, event_json";

/// A row of `sys_journal`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct EntryRow {
    pub(super) index: u32,
    pub(super) entry_type: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) invoked_id: Option<String>,
    #[serde(default)]
    pub(super) invoked_target: Option<String>,
    #[serde(default)]
    pub(super) entry_lite_json: Option<String>,
    pub(super) appended_at: String,
}

/// A row of `sys_journal_events`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EventRow {
    pub(super) after_journal_entry_index: u32,
    pub(super) appended_at: String,
    pub(super) event_type: String,
    pub(super) event_json: String,
}

/// How a mark looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shade {
    /// User code at work.
    Work,
    /// Nothing happens until something outside does.
    Wait,
    /// Another invocation at work.
    Call,
    /// It takes no time.
    Point,
    /// Something went wrong.
    Trouble,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Failed,
    /// Not yet.
    Open,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where in the journal; nothing for what is not an entry.
    pub(super) index: Option<u32>,
    /// In words: what it does, and its name.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Milliseconds since 1970.
    pub(super) begin: i64,
    /// The same; nothing while it is open.
    pub(super) until: Option<i64>,
    pub(super) end: End,
    pub(super) shade: Shade,
    /// The invocation that it made or waits for.
    pub(super) child: Option<String>,
}

/// The marks of a journal, in its order.
pub(super) fn marks(entries: &[EntryRow], events: &[EventRow]) -> Vec<Mark> {
    let mut reading = Reading::default();
    for entry in entries {
        reading.entry(entry);
    }
    let mut placed: Vec<_> = reading.marks;
    for event in events {
        let at = event.after_journal_entry_index;
        if let Some(mark) = event_mark(event) {
            placed.push(((at, 1), mark));
        }
    }
    placed.sort_by_key(|(place, mark)| (*place, mark.begin));
    placed.into_iter().map(|(_, mark)| mark).collect()
}

/// A mark for what the invocation waits for that is no entry yet, since some instant.
pub(super) fn awaited(name: String, since: i64) -> Mark {
    Mark {
        index: None,
        kind: "await",
        name,
        begin: since,
        until: None,
        end: End::Open,
        shade: Shade::Wait,
        child: None,
    }
}

#[derive(Default)]
struct Reading {
    /// Each with its place: the index, and 1 for what comes after the entry of that index.
    marks: Vec<((u32, u8), Mark)>,
    /// Which mark a completion ends.
    by_completion: BTreeMap<u64, usize>,
    /// Types of marks that are open, for completions that name no id.
    open: Vec<(String, usize)>,
    /// When the entry before was appended.
    before: Option<i64>,
}

impl Reading {
    fn entry(&mut self, row: &EntryRow) {
        let at = moment::parse(&row.appended_at)
            .or(self.before)
            .unwrap_or_default();
        let lite: Value = row
            .entry_lite_json
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        match row.entry_type.split_once(": ") {
            Some(("Notification", "Signal")) => self.signal(row, &lite, at),
            Some(("Notification", ty)) => self.completion(ty, &lite, at),
            Some((_, ty)) => self.command(row, ty, &lite["Command"][ty], at),
            None => self.command(row, &row.entry_type, &Value::Null, at),
        }
        self.before = Some(at);
    }

    fn command(&mut self, row: &EntryRow, ty: &str, body: &Value, at: i64) {
        let (kind, shade) = looks(ty);
        let takes_time = matches!(shade, Shade::Work | Shade::Wait | Shade::Call);
        let failed = body["result"] == "Failure" || body["result"]["Failure"].is_object();
        let mark = Mark {
            index: Some(row.index),
            kind,
            name: name(row, body, at),
            begin: at,
            until: (!takes_time).then_some(at),
            end: match (takes_time, failed) {
                (true, _) => End::Open,
                (false, true) => End::Failed,
                (false, false) => End::Done,
            },
            shade: if failed { Shade::Trouble } else { shade },
            child: child(row, body),
        };
        let place = self.marks.len();
        if takes_time {
            match ["result_completion_id", "completion_id"]
                .iter()
                .find_map(|id| body[id].as_u64())
            {
                Some(id) => {
                    self.by_completion.insert(id, place);
                }
                None => self.open.push((ty.to_owned(), place)),
            }
        }
        self.marks.push(((row.index, 0), mark));
    }

    fn completion(&mut self, ty: &str, lite: &Value, at: i64) {
        let notification = &lite["Notification"];
        let place = match notification["id"]["CompletionId"].as_u64() {
            Some(id) => self.by_completion.get(&id).copied(),
            None => self
                .open
                .iter()
                .position(|(open, _)| open == ty)
                .map(|first| self.open.remove(first).1),
        };
        let Some((_, mark)) = place.and_then(|place| self.marks.get_mut(place)) else {
            return;
        };
        mark.until = Some(at);
        mark.end = if notification["result"] == "Failure" {
            mark.shade = Shade::Trouble;
            End::Failed
        } else {
            End::Done
        };
    }

    /// It was waited for at most since the entry before.
    fn signal(&mut self, row: &EntryRow, lite: &Value, at: i64) {
        let notification = &lite["Notification"];
        let id = &notification["id"];
        let name = match (&id["SignalIndex"], &id["SignalName"]) {
            (Value::Number(index), _) if index.as_u64() == Some(CANCEL) => "cancel".to_owned(),
            (Value::Number(index), _) => format!("awakeable {index}"),
            (_, Value::String(name)) => name.clone(),
            _ => String::new(),
        };
        let failed = notification["result"] == "Failure";
        let mark = Mark {
            index: Some(row.index),
            kind: "signal",
            name,
            begin: self.before.unwrap_or(at),
            until: Some(at),
            end: if failed { End::Failed } else { End::Done },
            shade: if failed { Shade::Trouble } else { Shade::Wait },
            child: None,
        };
        self.marks.push(((row.index, 0), mark));
    }
}

/// The signal that cancels.
pub(super) const CANCEL: u64 = 1;

/// The word for a type of command, and how it looks.
fn looks(ty: &str) -> (&'static str, Shade) {
    match ty {
        "Input" => ("input", Shade::Point),
        "Output" => ("output", Shade::Point),
        "Run" => ("run", Shade::Work),
        "Sleep" => ("sleep", Shade::Wait),
        "Call" => ("call", Shade::Call),
        "OneWayCall" => ("send", Shade::Point),
        "GetLazyState" => ("get", Shade::Wait),
        "GetEagerState" => ("get", Shade::Point),
        "GetLazyStateKeys" => ("keys", Shade::Wait),
        "GetEagerStateKeys" => ("keys", Shade::Point),
        "SetState" => ("set", Shade::Point),
        "ClearState" => ("clear", Shade::Point),
        "ClearAllState" => ("clear all", Shade::Point),
        "GetPromise" => ("promise", Shade::Wait),
        "PeekPromise" => ("peek", Shade::Wait),
        "CompletePromise" => ("complete", Shade::Wait),
        "SendSignal" => ("signal to", Shade::Point),
        "AttachInvocation" => ("attach", Shade::Call),
        "GetInvocationOutput" => ("output of", Shade::Call),
        "CompleteAwakeable" => ("resolve", Shade::Point),
        _ => ("entry", Shade::Point),
    }
}

/// What a command is called: its target, what user code calls it, what it is about.
fn name(row: &EntryRow, body: &Value, at: i64) -> String {
    let target = || {
        let kinds = &body["invocation_target"];
        let target = ["Service", "VirtualObject", "Workflow"]
            .iter()
            .map(|kind| &kinds[kind])
            .find(|target| target.is_object())?;
        let part = |name| target[name].as_str().map(str::to_owned);
        let parts: Vec<_> = ["name", "key", "handler"]
            .into_iter()
            .filter_map(part)
            .collect();
        Some(parts.join("/"))
    };
    let given = || row.name.clone().filter(|name| !name.is_empty());
    let key = || body["key"].as_str().map(str::to_owned);
    let wake = || {
        let at_ms = body["wake_up_time"].as_i64()?;
        Some(moment::span(at_ms - at))
    };
    let signal = || {
        let to = body["target_invocation_id"].as_str()?;
        let signal = &body["signal_id"];
        let word = match (&signal["Index"], &signal["Name"]) {
            (Value::Number(index), _) if index.as_u64() == Some(CANCEL) => "cancel ".to_owned(),
            (_, Value::String(name)) => format!("{name} "),
            _ => String::new(),
        };
        Some(format!("{word}{to}"))
    };
    let awakeable = || body["id"].as_str().map(str::to_owned);
    row.invoked_target
        .clone()
        .or_else(target)
        .or_else(given)
        .or_else(key)
        .or_else(wake)
        .or_else(signal)
        .or_else(awakeable)
        .unwrap_or_default()
}

fn child(row: &EntryRow, body: &Value) -> Option<String> {
    let attached = &body["target"]["InvocationId"];
    row.invoked_id.clone().or_else(|| {
        Some(
            body["invocation_id"]
                .as_str()
                .or(attached.as_str())?
                .to_owned(),
        )
    })
}

/// The mark of an event that tells of trouble; the others can be seen in the entries.
fn event_mark(row: &EventRow) -> Option<Mark> {
    let at = moment::parse(&row.appended_at)?;
    let body: Value = serde_json::from_str(&row.event_json).unwrap_or_default();
    let failure = |of: &Value| {
        let message = of["error_message"].as_str()?;
        Some(format!("[{}] {message}", of["error_code"]))
    };
    let (kind, name) = match row.event_type.as_str() {
        "TransientError" => ("failure", failure(&body)),
        "Paused" => ("paused", failure(&body["last_failure"])),
        _ => return None,
    };
    Some(Mark {
        index: None,
        kind,
        name: name.unwrap_or_default(),
        begin: at,
        until: Some(at),
        end: End::Failed,
        shade: Shade::Trouble,
        child: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u32, ms: u32, ty: &str, name: &str, lite: &str) -> EntryRow {
        EntryRow {
            index,
            entry_type: ty.to_owned(),
            name: Some(name.to_owned()),
            entry_lite_json: Some(lite.to_owned()).filter(|lite| !lite.is_empty()),
            appended_at: format!("2026-11-24T08:31:{:02}.{:03}Z", ms / 1_000, ms % 1_000),
            ..EntryRow::default()
        }
    }

    /// `kind name begin..until end`, times from the first.
    fn short(marks: &[Mark]) -> Vec<String> {
        let zero = marks.first().map_or(0, |mark| mark.begin);
        marks
            .iter()
            .map(|mark| {
                let until = mark
                    .until
                    .map_or("".to_owned(), |at| (at - zero).to_string());
                let child = mark.child.as_deref().unwrap_or("");
                format!(
                    "{} {} {}..{until} {:?} {child}",
                    mark.kind,
                    mark.name,
                    mark.begin - zero,
                    mark.end
                )
            })
            .collect()
    }

    #[test]
    fn completions_end_what_they_answer_in_any_order() {
        let run =
            |id: u32| format!(r#"{{"Command":{{"Run":{{"completion_id":{id},"name":"x"}}}}}}"#);
        let done = |id: u32, result: &str| {
            format!(
                r#"{{"Notification":{{"ty":{{"Completion":"Run"}},"id":{{"CompletionId":{id}}},"result":"{result}"}}}}"#
            )
        };
        let rows = [
            entry(0, 0, "Command: Input", "", r#"{"Command":{"Input":{}}}"#),
            entry(1, 10, "Command: Run", "a", &run(1)),
            entry(2, 20, "Command: Run", "b", &run(2)),
            entry(3, 30, "Notification: Run", "", &done(2, "Success")),
            entry(4, 50, "Notification: Run", "", &done(1, "Failure")),
            entry(
                5,
                60,
                "Command: Output",
                "",
                r#"{"Command":{"Output":{"result":"Failure"}}}"#,
            ),
        ];
        assert_eq!(
            short(&marks(&rows, &[])),
            [
                "input  0..0 Done ",
                "run a 10..50 Failed ",
                "run b 20..30 Done ",
                "output  60..60 Failed "
            ]
        );
    }

    #[test]
    fn rows_that_name_no_id_are_taken_in_order() {
        let rows = [
            entry(1, 10, "Command: Run", "a", ""),
            entry(2, 10, "Command: Sleep", "", ""),
            entry(3, 20, "Command: Run", "b", ""),
            entry(4, 30, "Notification: Run", "", ""),
        ];
        assert_eq!(
            short(&marks(&rows, &[])),
            ["run a 0..20 Done ", "sleep  0.. Open ", "run b 10.. Open "]
        );
    }

    #[test]
    fn names_tell_what_entries_are_about() {
        let call = r#"{"Command":{"Call":{"invocation_id":"inv_1c","invocation_target":{"VirtualObject":
            {"name":"Ledger","key":"a/b","handler":"add","handler_ty":"Exclusive","scope":null}},
            "invocation_id_completion_id":1,"result_completion_id":2}}}"#;
        let id = r#"{"Notification":{"ty":{"Completion":"CallInvocationId"},"id":{"CompletionId":1},"result":"InvocationId"}}"#;
        let sleep = r#"{"Command":{"Sleep":{"wake_up_time":1795509074030,"completion_id":4}}}"#;
        let set = r#"{"Command":{"SetState":{"key":"total"}}}"#;
        let signal =
            r#"{"Notification":{"ty":"Signal","id":{"SignalIndex":17},"result":"Success"}}"#;
        let rows = [
            entry(1, 10_000, "Command: Call", "", call),
            entry(2, 10_010, "Notification: CallInvocationId", "", id),
            entry(3, 12_030, "Command: Sleep", "", sleep),
            entry(4, 12_040, "Command: SetState", "", set),
            entry(5, 13_000, "Notification: Signal", "", signal),
        ];
        assert_eq!(
            short(&marks(&rows, &[])),
            [
                "call Ledger/a/b/add 0.. Open inv_1c",
                "sleep 2.00s 2030.. Open ",
                "set total 2040..2040 Done ",
                "signal awakeable 17 2040..3000 Done "
            ]
        );
    }

    #[test]
    fn failed_attempts_are_marked_after_the_entry_they_followed() {
        let event = EventRow {
            after_journal_entry_index: 1,
            appended_at: "2026-11-24T08:31:00.030Z".to_owned(),
            event_type: "TransientError".to_owned(),
            event_json: r#"{"ty":"TransientError","error_code":500,"error_message":"no"}"#
                .to_owned(),
        };
        let suspended = EventRow {
            event_type: "Suspended".to_owned(),
            ..event.clone()
        };
        let rows = [
            entry(1, 10, "Command: Run", "a", ""),
            entry(2, 40, "Command: Output", "", ""),
        ];
        assert_eq!(
            short(&marks(&rows, &[event, suspended])),
            [
                "run a 0.. Open ",
                "failure [500] no 20..20 Failed ",
                "output  30..30 Done "
            ]
        );
    }
}
