//! `latchwork invocations watch`: a filter comes in; as long as it runs, what changes goes out.
//!
//! The server is asked again and again. On a terminal the picture is drawn anew each time; else
//! there is one line for each change of a state.

use super::filter::Filter;
use super::list::{self, Listed};
use crate::admin::Admin;
use crate::cmd::invocation_id;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::ClientError;
use crate::moment;
use crate::print;
use crate::statement::Conditions;
use console::{Term, measure_text_width};
use latchwork_protocol::ingress::parse_delay;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  latchwork invocations watch
  latchwork invocations watch --service Shop --interval 250ms
  latchwork invocations watch inv_1aBc                 ends when it is over
  latchwork invocations watch --json | jq -c 'select(.to == \"paused\")'

Without a terminal there is one line for each change, with --json one object on a line:
{\"at\", \"id\", \"target\", \"from\", \"to\", \"result\", \"note\"}; \"from\" is null for what is seen first.";

/// Invocations that are followed at a time.
const FOLLOWED: u32 = 1_000;
/// Looking more often than this would only keep the server busy.
const INTERVAL_LEAST_MS: u64 = 50;
/// Lines that the picture needs besides its rows and counts.
const FRAME: usize = 5;

/// Follow invocations live: counts by state and those that move, until Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Watch {
    /// Only these; ends when all of them are over
    #[arg(value_name = "ID", value_parser = invocation_id)]
    ids: Vec<String>,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_delay)]
    interval: u64,
    /// End after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_delay)]
    duration: Option<u64>,
    #[command(flatten)]
    filter: Filter,
}

/// What was seen at one look.
struct Look {
    /// Those that are meant, newest first.
    rows: Vec<Listed>,
    /// Those that were meant at the look before and are not any more, and those that began and
    /// ended between the two looks.
    passed: Vec<Listed>,
    counts: Vec<(String, u64)>,
}

/// What was seen before.
#[derive(Default)]
struct Seen {
    rows: BTreeMap<String, Listed>,
    /// When the last one was completed, as the server writes it.
    completed_at: String,
    /// Which were completed then: they are not told twice.
    completed: BTreeSet<String>,
}

impl Watch {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        let admin = connection.admin()?;
        let until = self
            .duration
            .map(|ms| Instant::now() + Duration::from_millis(ms));
        let interval = Duration::from_millis(self.interval.max(INTERVAL_LEAST_MS));
        let screen = Term::stdout();
        let draws = screen.is_term() && !connection.json;
        let mut seen = Seen {
            completed_at: last_completed(&admin)?,
            ..Seen::default()
        };
        let mut drawn = 0;
        let mut is_lost = false;
        loop {
            match self.look(&admin, &mut seen) {
                Ok(look) => {
                    is_lost = false;
                    if draws {
                        let picture = picture(&look, admin.base(), &screen);
                        drawn = redraw(&screen, drawn, &picture)?;
                    } else {
                        let rows = look.rows.iter().rev().chain(look.passed.iter().rev());
                        changes(connection.json, &seen.rows, rows)?;
                    }
                    let keyed = look.rows.into_iter().map(|row| (row.id.clone(), row));
                    seen.rows = keyed.collect();
                    let is_over = |id| seen.rows.get(id).is_none_or(Listed::is_over);
                    if !self.ids.is_empty() && self.ids.iter().all(is_over) {
                        return Ok(Exit::Done);
                    }
                }
                // A server that is being restarted is waited for.
                Err(Failure::Client(
                    error @ (ClientError::Unreachable { .. } | ClientError::TimedOut { .. }),
                )) => {
                    // Said once, not each time.
                    if !is_lost {
                        print::say(print::faint(format_args!("{error} Trying again.")));
                    }
                    (is_lost, drawn) = (true, 0);
                }
                Err(error) => return Err(error),
            }
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                return Ok(Exit::Done);
            }
            std::thread::sleep(until.map_or(interval, |until| interval.min(until - now)));
        }
    }

    fn look(&self, admin: &Admin, seen: &mut Seen) -> Result<Look, Failure> {
        let mut meant = self.filter.conditions(moment::now());
        meant.one_of("id", &self.ids);
        let counts = counts(admin, &meant)?;
        let any = self.ids.is_empty() && !self.filter.means_completed();
        let mut completed = meant.clone();
        if any {
            meant.holds("status != 'completed'");
        }
        let mut rows: Vec<Listed> = admin.query(&list::statement(&meant, "DESC", FOLLOWED))?;
        let is_there = |id: &str| rows.iter().any(|row| row.id == id);
        let gone: Vec<_> = seen
            .rows
            .keys()
            .filter(|id| !is_there(id))
            .cloned()
            .collect();
        let mut passed = Vec::new();
        if !gone.is_empty() {
            let mut conditions = Conditions::new();
            conditions.one_of("id", &gone);
            passed = admin.query::<Listed>(&list::statement(&conditions, "DESC", FOLLOWED))?;
        }
        if any {
            completed.holds("status = 'completed'");
            completed.holds(format!("completed_at >= '{}'", seen.completed_at));
            let ended: Vec<Listed> = admin.query(&list::statement(&completed, "DESC", FOLLOWED))?;
            let ids = ended.iter().map(|row| row.id.clone()).collect();
            let latest = ended
                .iter()
                .filter_map(|row| row.completed_at.clone())
                .max();
            let told = std::mem::replace(&mut seen.completed, ids);
            // Those that ended since the first statement of this look.
            rows.retain(|row| ended.iter().all(|ended| ended.id != row.id));
            let is_new = |row: &Listed| !told.contains(&row.id) && !gone.contains(&row.id);
            passed.extend(ended.into_iter().filter(is_new));
            if let Some(latest) = latest {
                seen.completed_at = latest;
            }
        }
        Ok(Look {
            rows,
            passed,
            counts,
        })
    }
}

/// When the last invocation was completed: what was before that is not told.
fn last_completed(admin: &Admin) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Last {
        at: Option<String>,
    }
    let sql = "SELECT MAX(completed_at) AS at FROM sys_invocation";
    let last = admin.query::<Last>(sql)?.into_iter().next();
    let at = last.and_then(|last| moment::parse(&last.at?));
    // One millisecond later, so that the last one itself is not told.
    Ok(moment::text(at.map_or(0, |at| at + 1)))
}

impl Listed {
    fn is_over(&self) -> bool {
        self.status == "completed"
    }
}

/// How many there are in each state, completed ones too.
fn counts(admin: &Admin, conditions: &Conditions) -> Result<Vec<(String, u64)>, Failure> {
    #[derive(Deserialize)]
    struct Group {
        status: String,
        n: u64,
    }
    let sql = format!(
        "SELECT status, COUNT(1) AS n FROM sys_invocation{conditions} GROUP BY status ORDER BY status"
    );
    let groups: Vec<Group> = admin.query(&sql)?;
    Ok(groups
        .into_iter()
        .map(|group| (group.status, group.n))
        .collect())
}

/// Writes one line for each row that is in another state than it was known to be in.
fn changes<'a>(
    is_json: bool,
    known: &BTreeMap<String, Listed>,
    rows: impl Iterator<Item = &'a Listed>,
) -> Result<(), Failure> {
    let now = moment::now();
    for row in rows {
        let before = known.get(&row.id).map(|row| row.status.as_str());
        if before == Some(row.status.as_str()) {
            continue;
        }
        let result = row.completion_result.as_deref();
        let note = row.note(now);
        if is_json {
            print::json_line(&json!({
                "at": moment::text(now), "id": row.id, "target": row.target,
                "from": before, "to": row.status, "result": result, "note": note,
            }))?;
        } else {
            let from = before.map_or_else(String::new, |before| {
                format!("{} → ", print::status(before, None))
            });
            let text = format!(
                "{}  {}  {}  {from}{}  {note}",
                print::faint(moment::time_of_day(now)),
                row.id,
                print::first_line(&row.target),
                print::status(&row.status, result),
            );
            print::line(text.trim_end())?;
        }
    }
    Ok(())
}

fn picture(look: &Look, base: &str, screen: &Term) -> String {
    let (height, width) = screen.size();
    let now = moment::now();
    let counts: Vec<_> = look
        .counts
        .iter()
        .map(|(status, count)| {
            // a number stays with its word
            format!(
                "{}\u{a0}{}",
                print::strong(print::grouped(*count)),
                print::status(status, None)
            )
        })
        .collect();
    let counts = match counts.is_empty() {
        true => print::faint("no invocations"),
        false => print::wrapped(&counts.join("   "), "", Some(width.into())),
    };
    let frame = FRAME + counts.lines().count();
    let room = usize::from(height).saturating_sub(frame).max(1);
    let mut rows = look.passed.clone();
    rows.extend_from_slice(&look.rows);
    let more = rows.len().saturating_sub(room);
    rows.truncate(room);
    let table = list::table(&rows, now);
    let more = match more {
        0 => String::new(),
        more => print::faint(format_args!("{more} more\n")),
    };
    let rows = if table.is_empty() {
        String::new()
    } else {
        format!("\n{}{more}", table.render(Some(width.into())))
    };
    let head = print::faint(format_args!("{}  {base}", moment::time_of_day(now)));
    format!("{head}\n{counts}\n{rows}")
}

/// Replaces what was drawn before; gives how many lines of the screen there are now.
fn redraw(screen: &Term, drawn: usize, picture: &str) -> Result<usize, Failure> {
    screen.clear_last_lines(drawn).map_err(Failure::Output)?;
    print::raw(picture.as_bytes())?;
    let (_, width) = screen.size();
    Ok(lines_on_screen(picture, usize::from(width).max(1)))
}

/// A line that is wider than the screen takes several of its lines.
fn lines_on_screen(text: &str, width: usize) -> usize {
    let lines = text.lines();
    lines
        .map(|line| measure_text_width(line).div_ceil(width).max(1))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_the_screen_breaks_them() {
        assert_eq!(lines_on_screen("", 10), 0);
        assert_eq!(lines_on_screen("a\n\nb\n", 10), 3);
        assert_eq!(lines_on_screen("0123456789\n0123456789a\n", 10), 3);
    }
}
