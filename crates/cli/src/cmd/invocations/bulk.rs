//! `latchwork invocations cancel | kill | pause | resume | purge | restart`: ids or a filter come
//! in, one operation on each invocation goes out, with a count of what came of it.
//!
//! ```text
//!   ids    ───────────────────────────────▶ batches ──▶ outcomes
//!   filter ──▶ count, breakdown ──▶ asked ──▶ pages of ids ──▶ batches ──▶ outcomes
//! ```
//!
//! Whoever names ids has chosen; whoever gives a filter is shown what it comes to, and asked.

use super::filter::Filter;
use super::list::count;
use crate::admin::Admin;
use crate::cmd::invocation_id;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::segment;
use crate::print::{self, Column, Table};
use crate::statement::Conditions;
use crate::{moment, statement};
use indicatif::{ProgressBar, ProgressStyle};
use latchwork_protocol::admin::RestartReply;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use ureq::http::Method;

pub(super) const EXAMPLES: &str = "\
Invocations named by id are operated on at once. A filter shows first how many invocations it \
comes to and of which handlers, and asks; --yes answers, --dry-run only shows. Without any filter \
--all is needed. The exit code is 1 if an invocation was refused, 3 if the only one named is not \
there.

Examples:
  latchwork invocations cancel inv_1aBc inv_1dEf
  latchwork invocations kill --service Shop --handler order --older-than 1d
  latchwork invocations resume --status paused --error refused --yes
  latchwork invocations purge --failed --older-than 7d --dry-run";

/// Ids that are sent in one request: few enough that progress can be seen.
const BATCH: usize = 100;
/// Ids that are read at once: less than any sensible limit of rows that a server has.
const PAGE: usize = 5_000;
/// Rows of a breakdown, and kinds of refusals, that are shown.
const SHOWN: usize = 10;

/// Which invocations, and how it is to be gone about.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// The invocations
    #[arg(value_name = "ID", value_parser = invocation_id)]
    ids: Vec<String>,
    /// Every invocation that this can be done to
    #[arg(long)]
    all: bool,
    /// At most so many of those that the filter comes to
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only show what it would be done to
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    filter: Filter,
}

/// An operation without options.
#[derive(Debug, clap::Args)]
pub(super) struct Plain {
    #[command(flatten)]
    pub(super) selection: Selection,
}

#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// Go on there: keep, latest or the id of a deployment that can take over [default: keep]
    #[arg(long, value_name = "DEPLOYMENT")]
    on: Option<String>,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, clap::Args)]
pub(super) struct Purge {
    /// Forget only the journals; results can still be read
    #[arg(long)]
    journal_only: bool,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restart {
    /// Run there: keep, latest or the id of a deployment [default: latest]
    #[arg(long, value_name = "DEPLOYMENT")]
    on: Option<String>,
    /// Keep the journal up to this entry, so that its steps do not run again [default: 0, the input]
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    from: u32,
    #[command(flatten)]
    selection: Selection,
}

impl Resume {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        run(
            connection,
            &Operation::Resume { on: self.on },
            &self.selection,
        )
    }
}

impl Purge {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        let operation = if self.journal_only {
            Operation::PurgeJournal
        } else {
            Operation::Purge
        };
        run(connection, &operation, &self.selection)
    }
}

impl Restart {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        let Self {
            on,
            from,
            selection,
        } = self;
        run(connection, &Operation::Restart { on, from }, &selection)
    }
}

/// What can be done to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Cancel,
    Kill,
    Pause,
    Resume { on: Option<String> },
    Purge,
    PurgeJournal,
    Restart { on: Option<String>, from: u32 },
}

impl Operation {
    /// As the server's paths call it.
    fn path(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Resume { .. } => "resume",
            Self::Purge => "purge",
            Self::PurgeJournal => "purge-journal",
            Self::Restart { .. } => "restart-as-new",
        }
    }

    /// For a question: "Cancel 7 invocations?"
    fn verb(&self) -> &'static str {
        match self {
            Self::Cancel => "Cancel",
            Self::Kill => "Kill",
            Self::Pause => "Pause",
            Self::Resume { .. } => "Resume",
            Self::Purge => "Purge",
            Self::PurgeJournal => "Purge the journals of",
            Self::Restart { .. } => "Restart",
        }
    }

    /// For an outcome: "7 invocations cancelled".
    fn done(&self) -> &'static str {
        match self {
            // A handler that runs ends when it sees it.
            Self::Cancel => "told to end",
            Self::Kill => "killed",
            Self::Pause => "paused",
            Self::Resume { .. } => "resumed",
            Self::Purge => "purged",
            Self::PurgeJournal => "relieved of their journals",
            Self::Restart { .. } => "restarted",
        }
    }

    /// Which invocations it can be done to at all.
    fn applies(&self) -> &'static str {
        match self {
            Self::Cancel | Self::Kill => "status != 'completed'",
            Self::Pause => "status IN ('ready', 'running', 'backing-off', 'suspended')",
            Self::Resume { .. } => "status IN ('paused', 'backing-off', 'suspended')",
            Self::Purge | Self::PurgeJournal => "status = 'completed'",
            // A workflow runs once for its key.
            Self::Restart { .. } => "status = 'completed' AND target_service_ty != 'workflow'",
        }
    }

    fn on(&self) -> Option<&str> {
        match self {
            Self::Resume { on } | Self::Restart { on, .. } => on.as_deref(),
            _ => None,
        }
    }

    fn query(&self) -> String {
        let on = self.on().map(|on| format!("deployment={}", segment(on)));
        let from = match self {
            Self::Restart { from, .. } if *from > 0 => Some(format!("from={from}")),
            _ => None,
        };
        let parts: Vec<_> = on.into_iter().chain(from).collect();
        match parts.is_empty() {
            true => String::new(),
            false => format!("?{}", parts.join("&")),
        }
    }

    /// Whether only the route for one invocation can say it.
    fn is_single(&self) -> bool {
        matches!(self, Self::Restart { from, .. } if *from > 0)
    }
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Outcomes {
    /// Ids, or for restarts the old and the new one.
    succeeded: Vec<Value>,
    failed: Vec<Refused>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Refused {
    invocation_id: String,
    error: String,
}

/// Does it.
pub(super) fn run(
    connection: &Connection,
    operation: &Operation,
    selection: &Selection,
) -> Result<Exit, Failure> {
    let admin = connection.admin()?;
    let is_json = connection.json;
    let filter = selection.filter.conditions(moment::now());
    if !selection.ids.is_empty() {
        if !filter.is_empty() || selection.all {
            return Err(Failure::Usage("give ids or a filter, not both".to_owned()));
        }
        if selection.dry_run {
            selection.ids.iter().try_for_each(print::line)?;
            return Ok(Exit::Done);
        }
        if let [id] = selection.ids.as_slice() {
            let outcome = one(&admin, operation, id)?;
            return report(is_json, operation, outcome);
        }
        let mut outcomes = Outcomes::default();
        let bar = progress(selection.ids.len() as u64);
        batches(&admin, operation, &selection.ids, &mut outcomes, &bar)?;
        bar.finish_and_clear();
        return report(is_json, operation, outcomes);
    }
    if filter.is_empty() && !selection.all {
        return Err(Failure::Usage(format!(
            "say which invocations: give ids, a filter such as --service, or --all. \
             `latchwork invocations {} --help` lists the filters.",
            operation.path().split('-').next().unwrap_or_default()
        )));
    }
    let mut conditions = filter;
    conditions.holds(operation.applies());
    let matched = count(&admin, &conditions)?;
    let chosen = selection.limit.map_or(matched, |limit| limit.min(matched));
    if chosen == 0 {
        print::say("no invocation that this can be done to matches");
        return report(is_json, operation, Outcomes::default());
    }
    if !is_json || !selection.yes {
        show(&admin, &conditions, matched)?;
    }
    let invocations = print::counted(chosen, "invocation");
    if selection.dry_run {
        print::say(format_args!("dry run: {invocations}, nothing done"));
        if is_json {
            print::json(&json!({"matched": matched, "chosen": chosen}))?;
        }
        return Ok(Exit::Done);
    }
    if !selection.yes {
        if !print::can_ask() {
            return Err(Failure::Usage(format!(
                "{} {invocations}? There is no terminal to ask on: add --yes if that is meant, or --dry-run",
                operation.verb()
            )));
        }
        if !print::confirm(&format!("{} {invocations}?", operation.verb()))? {
            print::say("nothing done");
            return Ok(Exit::Failed);
        }
    }
    let outcomes = all(&admin, operation, &conditions, chosen)?;
    report(is_json, operation, outcomes)
}

/// Goes through all that match, page by page in the order of their ids, so that nothing is seen
/// twice while they change.
fn all(
    admin: &Admin,
    operation: &Operation,
    conditions: &Conditions,
    chosen: u64,
) -> Result<Outcomes, Failure> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    let mut outcomes = Outcomes::default();
    let bar = progress(chosen);
    let mut last: Option<String> = None;
    let mut left = usize::try_from(chosen).unwrap_or(usize::MAX);
    while left > 0 {
        let mut page = conditions.clone();
        if let Some(last) = &last {
            page.holds(format!("id > {}", statement::text(last)));
        }
        let size = left.min(PAGE);
        let sql = format!("SELECT id FROM sys_invocation{page} ORDER BY id LIMIT {size}");
        let ids: Vec<_> = admin
            .query::<Id>(&sql)?
            .into_iter()
            .map(|row| row.id)
            .collect();
        let Some(end) = ids.last() else {
            break;
        };
        last = Some(end.clone());
        left -= ids.len().min(left);
        batches(admin, operation, &ids, &mut outcomes, &bar)?;
    }
    bar.finish_and_clear();
    Ok(outcomes)
}

fn batches(
    admin: &Admin,
    operation: &Operation,
    ids: &[String],
    outcomes: &mut Outcomes,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        succeeded: Vec<Value>,
        failed: Vec<Refused>,
    }
    if operation.is_single() {
        for id in ids {
            match one(admin, operation, id) {
                Ok(outcome) => outcomes.succeeded.extend(outcome.succeeded),
                Err(Failure::Client(crate::http::ClientError::Refused { message, .. })) => {
                    outcomes.failed.push(Refused {
                        invocation_id: id.clone(),
                        error: message,
                    });
                }
                Err(error) => return Err(error),
            }
            bar.inc(1);
        }
        return Ok(());
    }
    let path = format!(
        "/internal/invocations_batch_operations/{}",
        operation.path()
    );
    for batch in ids.chunks(BATCH) {
        let mut body = json!({ "invocation_ids": batch });
        if let Some(on) = operation.on() {
            body["deployment"] = on.into();
        }
        let answer: Answer = admin.tell(Method::POST, &path, Some(&body))?.json()?;
        outcomes.succeeded.extend(answer.succeeded);
        outcomes.failed.extend(answer.failed);
        bar.inc(batch.len() as u64);
    }
    Ok(())
}

/// One invocation by its own route, which tells by its status why it refuses.
fn one(admin: &Admin, operation: &Operation, id: &str) -> Result<Outcomes, Failure> {
    let path = format!(
        "/invocations/{}/{}{}",
        segment(id),
        operation.path(),
        operation.query()
    );
    let reply = admin.tell(Method::PATCH, &path, None)?;
    let succeeded = match operation {
        Operation::Restart { .. } => {
            let new: RestartReply = reply.json()?;
            json!({"old_invocation_id": id, "new_invocation_id": new.new_invocation_id})
        }
        _ => id.into(),
    };
    Ok(Outcomes {
        succeeded: vec![succeeded],
        failed: Vec::new(),
    })
}

/// Shows how many match, and of which handlers in which states.
fn show(admin: &Admin, conditions: &Conditions, matched: u64) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Group {
        service: String,
        handler: String,
        status: String,
        n: u64,
    }
    let sql = format!(
        "SELECT target_service_name AS service, target_handler_name AS handler, status, COUNT(1) AS n \
         FROM sys_invocation{conditions} GROUP BY target_service_name, target_handler_name, status \
         ORDER BY n DESC LIMIT {SHOWN}"
    );
    let groups: Vec<Group> = admin.query(&sql)?;
    let mut table = Table::new([
        Column::number("COUNT"),
        Column::fixed("HANDLER"),
        Column::fixed("STATUS"),
    ]);
    let shown: u64 = groups.iter().map(|group| group.n).sum();
    for group in groups {
        table.row([
            print::grouped(group.n),
            format!("{}/{}", group.service, group.handler),
            print::status(&group.status, None),
        ]);
    }
    print::say(table.render(print::width()).trim_end());
    if shown < matched {
        print::say(print::faint(format_args!(
            "{:>5} more",
            print::grouped(matched - shown)
        )));
    }
    Ok(())
}

fn progress(total: u64) -> ProgressBar {
    // Draws on stderr, and only if that is a terminal.
    let bar = ProgressBar::new(total);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {human_pos} of {human_len}, {eta} left")
    {
        bar.set_style(style.progress_chars("██░"));
    }
    bar
}

fn report(is_json: bool, operation: &Operation, outcomes: Outcomes) -> Result<Exit, Failure> {
    let exit = if outcomes.failed.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    };
    if is_json {
        print::json(&outcomes)?;
        return Ok(exit);
    }
    for restarted in &outcomes.succeeded {
        if let Some(new) = restarted["new_invocation_id"].as_str() {
            print::line(new)?;
        }
    }
    let done = outcomes.succeeded.len() as u64;
    if done > 0 {
        print::say(format_args!(
            "{} {}",
            print::counted(done, "invocation"),
            operation.done()
        ));
    }
    for (error, ids) in reasons(&outcomes.failed).into_iter().take(SHOWN) {
        let count = print::counted(ids.len() as u64, "invocation");
        let refused = print::Mood::Bad.paint("refused");
        print::say(format_args!("{count} {refused}: {error}"));
        let example = ids.first().copied().unwrap_or_default();
        print::say(print::faint(format_args!("  such as {example}")));
    }
    Ok(exit)
}

/// Refusals by what they say, apart from the id; the most frequent first.
fn reasons(failed: &[Refused]) -> Vec<(String, Vec<&str>)> {
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for refused in failed {
        let reason = refused.error.replace(&refused.invocation_id, "it");
        by_reason
            .entry(reason)
            .or_default()
            .push(&refused.invocation_id);
    }
    let mut reasons: Vec<_> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_into_the_query_of_one_and_its_body_of_many() {
        let restart = Operation::Restart {
            on: Some("dp 1".to_owned()),
            from: 3,
        };
        assert_eq!(restart.query(), "?deployment=dp%201&from=3");
        assert!(restart.is_single());
        let plain = Operation::Restart { on: None, from: 0 };
        assert_eq!((plain.query().as_str(), plain.is_single()), ("", false));
        assert_eq!(Operation::Cancel.query(), "");
    }

    #[test]
    fn refusals_are_told_once_for_each_reason() {
        let refused = |id: &str, reason: &str| Refused {
            invocation_id: id.to_owned(),
            error: format!("invocation {id} cannot be killed: {reason}"),
        };
        let failed = [
            refused("a1", "x"),
            refused("b2", "over"),
            refused("c3", "over"),
        ];
        assert_eq!(
            reasons(&failed),
            [
                (
                    "invocation it cannot be killed: over".to_owned(),
                    vec!["b2", "c3"]
                ),
                ("invocation it cannot be killed: x".to_owned(), vec!["a1"]),
            ]
        );
    }
}
