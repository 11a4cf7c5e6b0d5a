//! `latchwork invocations describe`: an id comes in; what is known of the invocation, why it is not moving
//! and its journal as a timeline go out.

use super::journal::{self, CANCEL, ENTRY_COLUMNS, EVENT_COLUMNS, EntryRow, EventRow, Mark};
use super::payload::{self, Payloads};
use super::timeline::{self, Axis};
use crate::admin::{Admin, Row};
use crate::cmd::{invocation_id, why};
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::ClientError;
use crate::statement::{self, Conditions};
use crate::{moment, print};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const EXAMPLES: &str = "\
Examples:
  latchwork invocations describe inv_1aBc
  latchwork invocations describe inv_1aBc --entries 1000 | less -R
  latchwork invocations describe inv_1aBc --json | jq .journal

The timeline has a line for each command, signal and failed attempt: when it came after the \
start, how long it took, and a bar on one common axis: █ user code at work, ░ waiting, ▓ another \
invocation, │ no time at all, ✗ a failed attempt; ▶ at the end of what is still open.";

/// The room of a label and the blanks after it.
const LABEL_WIDTH: usize = 17;

/// Show an invocation, and its journal as a timeline
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Describe {
    /// The invocation
    #[arg(value_parser = invocation_id)]
    id: String,
    /// Show at most so many entries of the journal, the newest ones
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    entries: u32,
}

impl Describe {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        let admin = connection.admin()?;
        let mut by_id = Conditions::new();
        by_id.equal("id", &self.id);
        let rows: Vec<Row> = admin.query(&format!("SELECT * FROM sys_invocation{by_id}"))?;
        let row = rows.into_iter().next().ok_or_else(|| {
            Failure::NotFound(format!(
                "there is no invocation {}: it never was, or its retention is over",
                self.id
            ))
        })?;
        let mut entries: Vec<Row> = admin.query(&format!(
            "SELECT {ENTRY_COLUMNS} FROM sys_journal{by_id} ORDER BY index DESC LIMIT {}",
            self.entries
        ))?;
        entries.reverse();
        let events = events(&admin, &by_id)?;
        let why = why::ask(&admin, &self.id)?;
        if connection.json {
            let document =
                json!({"invocation": row, "why": why, "journal": entries, "events": events});
            print::json(&document)?;
            return Ok(Exit::Done);
        }

        let now = moment::now();
        let known = Known(row.0.into_iter().collect());
        let payloads = payload::read(&admin, &by_id)?;
        let mut text = header(&self.id, &known, payloads, now);
        if let Some(why) = why.filter(|_| known.text("status") != Some("completed")) {
            let sentence = print::wrapped(why.sentence(), "", print::width());
            text.push_str(&format!("\n{sentence}\n"));
        }
        let mut marks = journal::marks(&typed::<EntryRow>(entries)?, &typed::<EventRow>(events)?);
        marks.extend(awaited(&known, &marks));
        text.push('\n');
        text.push_str(&picture(&admin, &known, marks, now)?);
        print::raw(text.as_bytes())?;
        Ok(Exit::Done)
    }
}

/// Failures and the like; a server without the table has none to tell.
fn events(admin: &Admin, by_id: &Conditions) -> Result<Vec<Row>, Failure> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM sys_journal_events{by_id} ORDER BY appended_at");
    match admin.query(&sql) {
        Ok(rows) => Ok(rows),
        Err(ClientError::Refused { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn typed<T: DeserializeOwned>(rows: Vec<Row>) -> Result<Vec<T>, Failure> {
    let read = |row: Row| {
        let object = Value::Object(row.0.into_iter().collect());
        serde_json::from_value(object).map_err(|error| {
            Failure::Refused(format!(
                "a row of the journal cannot be read: {error}. Are server and command of one version?"
            ))
        })
    };
    rows.into_iter().map(read).collect()
}

/// What is known of an invocation: the columns of its row that have a value.
struct Known(Map<String, Value>);

impl Known {
    fn text(&self, column: &str) -> Option<&str> {
        self.0.get(column)?.as_str()
    }

    fn number(&self, column: &str) -> Option<u64> {
        self.0.get(column)?.as_u64()
    }

    fn instant(&self, column: &str) -> Option<i64> {
        moment::parse(self.text(column)?)
    }
}

/// Names and values, those that there are.
fn header(id: &str, known: &Known, payloads: Payloads, now: i64) -> String {
    let status = known.text("status").unwrap_or("unknown");
    let result = known.text("completion_result");
    let when = |column| {
        let at = known.instant(column)?;
        Some(format!(
            "{} ({})",
            moment::readable(at),
            moment::beside(at, now)
        ))
    };
    let caller = known.text("invoked_by_target").map(|target| {
        let id = known.text("invoked_by_id").unwrap_or_default();
        format!("{target} {}", print::faint(id))
    });
    let by = caller.or_else(|| {
        let by = known.text("invoked_by")?;
        Some(match known.text("restarted_from") {
            Some(old) => format!("restart of {old}"),
            None => by.to_owned(),
        })
    });
    let took = known
        .instant("created_at")
        .zip(known.instant("completed_at"))
        .map(|(from, until)| format!(", after {}", moment::span(until - from)))
        .unwrap_or_default();
    let deployment = known.text("pinned_deployment_id").map(|id| {
        match known.number("pinned_service_protocol_version") {
            Some(version) => format!("{id} (protocol {version})"),
            None => id.to_owned(),
        }
    });
    let attempts = known
        .number("retry_count")
        .filter(|count| *count > 0)
        .map(|count| {
            let next = known
                .instant("next_retry_at")
                .filter(|_| status == "backing-off");
            let next = next.map(|at| format!(", next {}", moment::beside(at, now)));
            format!("{count}{}", next.unwrap_or_default())
        });
    let at = known.text("last_failure_related_command_type").map(|ty| {
        let index = known.number("last_failure_related_command_index");
        let name = known
            .text("last_failure_related_command_name")
            .filter(|name| !name.is_empty());
        let index = index.map(|index| format!("command {index}, "));
        let name = name.map(|name| format!(" {name}"));
        format!(
            " (at {}{ty}{})",
            index.unwrap_or_default(),
            name.unwrap_or_default()
        )
    });
    let failure = known
        .text("last_failure")
        .filter(|_| status != "completed")
        .map(|text| {
            let at = at.unwrap_or_default();
            beside_label(&format!("{}{at}", print::first_line(text)))
        });
    let ended = known
        .text("completion_failure")
        .map(|text| beside_label(&print::first_line(text)));

    let fields = [
        ("target", known.text("target").map(print::strong)),
        (
            "status",
            Some(format!("{}{took}", print::status(status, result))),
        ),
        ("failed with", ended),
        ("input", payloads.input),
        ("output", payloads.output),
        ("created", when("created_at")),
        (
            "starts",
            when("scheduled_start_at").filter(|_| status == "scheduled"),
        ),
        ("completed", when("completed_at")),
        ("called by", by),
        (
            "idempotency key",
            known.text("idempotency_key").map(str::to_owned),
        ),
        ("deployment", deployment),
        ("attempts", attempts),
        ("last failure", failure),
    ];
    let mut text = format!("{id}\n");
    for (name, value) in fields {
        if let Some(value) = value {
            text.push_str(&format!(
                "  {}{value}\n",
                print::faint(format_args!("{name:<LABEL_WIDTH$}"))
            ));
        }
    }
    text
}

/// A failure, its lines under each other beside the label.
fn beside_label(failure: &str) -> String {
    let indent = " ".repeat(LABEL_WIDTH + 2);
    let lines = print::wrapped(failure, &indent, print::width());
    let lines = lines.trim_start().lines();
    let painted: Vec<_> = lines.map(|line| print::Mood::Bad.paint(line)).collect();
    painted.join("\n")
}

/// Signals that are waited for: no entry of the journal tells of them.
fn awaited(known: &Known, marks: &[Mark]) -> Vec<Mark> {
    if known.text("status") == Some("completed") {
        return Vec::new();
    }
    let trees = [
        "suspended_waiting_future_json",
        "last_awaiting_on_future_json",
    ];
    let tree = trees.iter().find_map(|column| known.text(column));
    let tree: Value = tree
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut names = Vec::new();
    signals(&tree, &mut names);
    let times = marks.iter().map(|mark| mark.until.unwrap_or(mark.begin));
    let since = times.max().or_else(|| known.instant("created_at"));
    let mark = |name| journal::awaited(name, since.unwrap_or_default());
    names.into_iter().map(mark).collect()
}

/// The leaves of a tree of futures that are signals, by name.
fn signals(tree: &Value, names: &mut Vec<String>) {
    match tree {
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("SignalIndex", index) if index.as_u64() != Some(CANCEL) => {
                        names.push(format!("awakeable {index}"));
                    }
                    ("SignalName", Value::String(name)) => names.push(name.clone()),
                    (_, nested) => signals(nested, names),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|nested| signals(nested, names)),
        _ => {}
    }
}

fn picture(
    admin: &Admin,
    known: &Known,
    mut marks: Vec<Mark>,
    now: i64,
) -> Result<String, Failure> {
    let begin = known
        .instant("created_at")
        .into_iter()
        .chain(marks.iter().map(|mark| mark.begin))
        .min();
    let Some(begin) = begin.filter(|_| !marks.is_empty()) else {
        return Ok("Its journal is empty, or no longer kept.\n".to_owned());
    };
    let last = marks
        .iter()
        .map(|mark| mark.until.unwrap_or(mark.begin))
        .max();
    let end = known
        .instant("completed_at")
        .unwrap_or(now)
        .max(last.unwrap_or(begin));
    let children = children(admin, &marks)?;
    for mark in &mut marks {
        let child = mark.child.as_ref().and_then(|id| children.get(id));
        if let Some(child) = child.filter(|_| mark.name.is_empty()) {
            mark.name.clone_from(&child.target);
        }
    }
    let status_of = |id: &str| children.get(id).map(Child::status);
    let drawn = timeline::draw(&marks, Axis { begin, end }, print::width(), &status_of);
    let size = known.number("journal_size").unwrap_or_default();
    let first = marks.iter().find_map(|mark| mark.index).unwrap_or_default();
    let earlier = match first {
        0 => String::new(),
        first => format!("{first} of {size} entries are earlier; --entries shows more\n"),
    };
    Ok(format!("{}{drawn}", print::faint(earlier)))
}

/// What is told of an invocation that an entry made or waits for.
#[derive(Deserialize)]
struct Child {
    id: String,
    target: String,
    status: String,
    completion_result: Option<String>,
}

impl Child {
    fn status(&self) -> String {
        print::status(&self.status, self.completion_result.as_deref())
    }
}

/// The children that the marks name, by id.
fn children(admin: &Admin, marks: &[Mark]) -> Result<BTreeMap<String, Child>, Failure> {
    let mut ids: Vec<_> = marks
        .iter()
        .filter_map(|mark| mark.child.as_deref())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list: Vec<_> = ids.iter().map(|id| statement::text(id)).collect();
    let sql = format!(
        "SELECT id, target, status, completion_result FROM sys_invocation WHERE id IN ({})",
        list.join(", ")
    );
    let children: Vec<Child> = admin.query(&sql)?;
    let keyed = children.into_iter().map(|child| (child.id.clone(), child));
    Ok(keyed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_what_there_is_to_tell() {
        let row = json!({
            "target": "Shop/order", "status": "backing-off", "created_at": "2026-11-24T08:31:12.000Z",
            "invoked_by": "ingress", "pinned_deployment_id": "dp_1a", "pinned_service_protocol_version": 6,
            "retry_count": 3, "next_retry_at": "2026-11-24T08:32:17.000Z",
            "last_failure": "[500] declined\n  at charge", "last_failure_related_command_index": 1,
            "last_failure_related_command_type": "Run", "last_failure_related_command_name": "charge"
        });
        let Value::Object(row) = row else {
            panic!("an object");
        };
        let now = moment::parse("2026-11-24T08:32:12Z").expect("an instant");
        let payloads = Payloads {
            input: Some("{\"cents\":7}".to_owned()),
            output: None,
        };
        assert_eq!(
            header("inv_1a", &Known(row), payloads, now),
            "\
inv_1a
  target           Shop/order
  status           backing-off
  input            {\"cents\":7}
  created          2026-11-24 08:31:12 UTC (60s ago)
  called by        ingress
  deployment       dp_1a (protocol 6)
  attempts         3, next in 5s
  last failure     [500] declined (at command 1, Run charge)
"
        );
    }

    #[test]
    fn signals_are_found_at_any_depth() {
        let tree = json!({"FirstCompleted": [
            {"Single": {"CompletionId": 3}},
            {"Single": {"SignalIndex": 1}},
            {"AllCompleted": [{"Single": {"SignalIndex": 17}}, {"Single": {"SignalName": "go"}}]}
        ]});
        let mut names = Vec::new();
        signals(&tree, &mut names);
        assert_eq!(names, ["awakeable 17", "go"]);
    }
}
