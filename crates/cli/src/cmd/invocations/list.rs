//! `latchwork invocations list`: a filter comes in, a table of invocations goes out.

use super::filter::Filter;
use crate::admin::Row;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::print::{self, Column, Table};
use crate::statement::Conditions;
use crate::{admin::Admin, moment};
use serde::Deserialize;

/// What the list, and `watch`, know of an invocation. The order is that of the JSON.
const COLUMNS: &str = "id, target, status, completion_result, completion_failure, created_at, modified_at, \
                       completed_at, scheduled_start_at, next_retry_at, retry_count, last_failure, \
                       pinned_deployment_id, idempotency_key, invoked_by, invoked_by_id";

const EXAMPLES: &str = "\
Examples:
  latchwork invocations list
  latchwork invocations list --all --service Shop --newer-than 1h
  latchwork invocations list --failed --handler order --limit 1000 --json
  latchwork invocations list --status backing-off --error 'connection refused'
  latchwork invocations list --where \"target LIKE 'Ledger/a%' AND retry_count > 3\"";

/// List invocations, newest first; those that are over only if they are asked for
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct List {
    /// Also those that are completed
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// The oldest first
    #[arg(long)]
    oldest: bool,
    #[command(flatten)]
    filter: Filter,
}

/// An invocation in a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) target: String,
    pub(super) status: String,
    pub(super) completion_result: Option<String>,
    pub(super) completion_failure: Option<String>,
    pub(super) created_at: String,
    pub(super) completed_at: Option<String>,
    #[serde(default)]
    pub(super) scheduled_start_at: Option<String>,
    pub(super) next_retry_at: Option<String>,
    #[serde(default)]
    pub(super) retry_count: Option<u64>,
    pub(super) last_failure: Option<String>,
}

impl List {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        let admin = connection.admin()?;
        let now = moment::now();
        let mut conditions = self.filter.conditions(now);
        if !self.all && !self.filter.means_completed() {
            conditions.holds("status != 'completed'");
        }
        let order = if self.oldest { "ASC" } else { "DESC" };
        let sql = statement(&conditions, order, self.limit);
        if connection.json {
            let rows: Vec<Row> = admin.query(&sql)?;
            print::json(&rows)?;
            return Ok(Exit::Done);
        }
        let rows: Vec<Listed> = admin.query(&sql)?;
        if !rows.is_empty() {
            print::raw(table(&rows, now).render(print::width()).as_bytes())?;
        }
        let shown = rows.len() as u64;
        print::say(print::faint(match shown {
            0 => self.nothing(&admin)?,
            shown if shown == u64::from(self.limit) => {
                let total = count(&admin, &conditions)?;
                format!(
                    "{} of {}; --limit shows more",
                    print::grouped(shown),
                    print::counted(total, "invocation")
                )
            }
            shown => print::counted(shown, "invocation"),
        }));
        Ok(Exit::Done)
    }

    /// Why the list is empty.
    fn nothing(&self, admin: &Admin) -> Result<String, Failure> {
        if self.all || self.filter.means_completed() {
            return Ok("no such invocations".to_owned());
        }
        let completed = count(admin, &self.filter.conditions(moment::now()))?;
        Ok(match completed {
            0 => "no such invocations".to_owned(),
            completed => format!(
                "none that is not over; --all shows {}",
                print::counted(completed, "completed invocation")
            ),
        })
    }
}

/// The statement that lists.
pub(super) fn statement(conditions: &Conditions, order: &str, limit: u32) -> String {
    format!(
        "SELECT {COLUMNS} FROM sys_invocation{conditions} ORDER BY created_at {order}, id LIMIT {limit}"
    )
}

/// How many invocations meet the conditions.
pub(super) fn count(admin: &Admin, conditions: &Conditions) -> Result<u64, Failure> {
    #[derive(Deserialize)]
    struct Count {
        n: u64,
    }
    let sql = format!("SELECT COUNT(1) AS n FROM sys_invocation{conditions}");
    let rows: Vec<Count> = admin.query(&sql)?;
    Ok(rows.first().map_or(0, |row| row.n))
}

/// The rows as a table, seen at an instant.
pub(super) fn table(rows: &[Listed], now: i64) -> Table {
    let mut table = Table::new([
        Column::fixed("ID"),
        Column::flexible("TARGET", 14),
        Column::fixed("STATUS"),
        Column::number("AGE"),
        Column::flexible("NOTE", 16).optional(),
    ]);
    for row in rows {
        table.row([
            row.id.clone(),
            print::first_line(&row.target),
            print::status(&row.status, row.completion_result.as_deref()),
            age(&row.created_at, now),
            row.note(now),
        ]);
    }
    table
}

fn age(created_at: &str, now: i64) -> String {
    moment::parse(created_at).map_or_else(String::new, |at| moment::age(now - at))
}

impl Listed {
    /// What is most worth knowing besides the status.
    pub(super) fn note(&self, now: i64) -> String {
        let failure = self.last_failure.as_deref().map(print::first_line);
        match self.status.as_str() {
            "scheduled" => {
                let start = self.scheduled_start_at.as_deref().and_then(moment::parse);
                let start = start.map(|at| format!("starts {}", moment::beside(at, now)));
                start.unwrap_or_default()
            }
            "completed" => self
                .completion_failure
                .as_deref()
                .map(print::first_line)
                .unwrap_or_default(),
            "backing-off" => {
                let retry = match self.next_retry_at.as_deref().and_then(moment::parse) {
                    Some(at) if at > now => format!("retry {}: ", moment::beside(at, now)),
                    _ => String::new(),
                };
                format!("{retry}{}", failure.unwrap_or_default())
            }
            "running" if self.retry_count.is_some_and(|count| count > 1) => {
                format!("attempt {}", self.retry_count.unwrap_or_default())
            }
            _ => failure.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str) -> Listed {
        Listed {
            id: format!("inv_1{status}"),
            target: "Ledger/a/add".to_owned(),
            status: status.to_owned(),
            completion_result: None,
            completion_failure: None,
            created_at: "2026-11-24T08:31:12.000Z".to_owned(),
            completed_at: None,
            scheduled_start_at: Some("2026-11-24T08:41:12.000Z".to_owned()),
            next_retry_at: Some("2026-11-24T08:31:17.000Z".to_owned()),
            retry_count: Some(3),
            last_failure: Some("[500 Internal] declined\n  at charge".to_owned()),
        }
    }

    #[test]
    fn the_note_says_what_the_status_does_not() {
        let now = moment::parse("2026-11-24T08:31:15.000Z").expect("an instant");
        let mut over = row("completed");
        over.completion_failure = Some("[409] killed".to_owned());
        over.completion_result = Some("failure".to_owned());
        let rows = [
            row("scheduled"),
            row("backing-off"),
            row("running"),
            row("paused"),
            over,
        ];
        assert_eq!(
            table(&rows, now).render(None),
            "ID                TARGET        STATUS       AGE  NOTE\n\
             inv_1scheduled    Ledger/a/add  scheduled     3s  starts in 10m\n\
             inv_1backing-off  Ledger/a/add  backing-off   3s  retry in 2s: [500 Internal] declined\n\
             inv_1running      Ledger/a/add  running       3s  attempt 3\n\
             inv_1paused       Ledger/a/add  paused        3s  [500 Internal] declined\n\
             inv_1completed    Ledger/a/add  failed        3s  [409] killed\n"
        );
    }
}
