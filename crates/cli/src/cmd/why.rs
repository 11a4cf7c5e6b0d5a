//! `latchwork why`: an id comes in, the reason why the invocation is not moving goes out.
//!
//! The server finds the reason, down the chain of those that wait for each other; here it is
//! only shown.

use super::invocation_id;
use crate::admin::Admin;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::{ClientError, segment};
use crate::statement::Conditions;
use crate::{moment, print};
use console::measure_text_width;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const EXAMPLES: &str = "\
Examples:
  latchwork why inv_1aBc
  latchwork why inv_1aBc --json | jq -r .reason";

/// Say why an invocation is not moving: what it waits for, since when, and what must change
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Why {
    /// The invocation
    #[arg(value_parser = invocation_id)]
    id: String,
    #[command(flatten)]
    connection: Connection,
}

/// The server's answer; members that are not named here are passed on in JSON.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Answer {
    id: String,
    status: String,
    reason: String,
    sentence: String,
    #[serde(default)]
    since: Value,
    #[serde(default)]
    details: Value,
    #[serde(default)]
    chain: Vec<Link>,
}

/// One of those down the chain.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Link {
    id: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    reason: String,
    sentence: String,
}

impl Why {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let admin = self.connection.admin()?;
        let Some(answer) = ask(&admin, &self.id)? else {
            return Err(unexplained(&admin, &self.id)?);
        };
        if self.connection.json {
            print::json(&answer)?;
        } else {
            print::raw(answer.text(moment::now(), print::width()).as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

/// What to say if the server does not know the question.
fn unexplained(admin: &Admin, id: &str) -> Result<Failure, Failure> {
    let mut by_id = Conditions::new();
    by_id.equal("id", id);
    let found: Vec<Value> = admin.query(&format!("SELECT id FROM sys_invocation{by_id}"))?;
    Ok(if found.is_empty() {
        Failure::NotFound(format!(
            "there is no invocation {id}: it never was, or its retention is over"
        ))
    } else {
        Failure::Refused(format!(
            "the server at {} cannot say why: it is older than this command. \
             latchwork invocations describe {id} shows what it knows.",
            admin.base()
        ))
    })
}

/// Asks the server; nothing if it does not know the question.
pub(super) fn ask(admin: &Admin, id: &str) -> Result<Option<Answer>, Failure> {
    match admin.get(&format!("/invocations/{}/why", segment(id))) {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Refused { status: 405, .. }) => Ok(None),
        // Of the path, not of the invocation.
        Err(ClientError::Refused {
            status: 404,
            message,
            ..
        }) if !message.contains(id) || message.contains("/why") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Answer {
    /// For people, seen at an instant: the sentence, then the chain down to what blocks.
    pub(super) fn text(&self, now: i64, width: Option<usize>) -> String {
        let since = match &self.since {
            Value::String(text) => moment::parse(text),
            Value::Number(unix_ms) => unix_ms.as_i64(),
            _ => None,
        };
        let status = print::status(&self.status, self.details["result"].as_str());
        let mut text = format!("{}  {status}", self.id);
        if let Some(at) = since {
            let long = format!(
                ", since {} ({})",
                moment::readable(at),
                moment::beside(at, now)
            );
            let room = width.map_or(usize::MAX, |width| {
                width.saturating_sub(measure_text_width(&text))
            });
            let since = match long.len() <= room {
                true => long,
                false if self.status == "completed" => format!(", {}", moment::beside(at, now)),
                false => format!(", for {}", moment::age(now - at)),
            };
            text.push_str(&print::faint(since));
        }
        let sentence = print::wrapped(&self.sentence, "", width);
        text.push_str(&format!("\n{sentence}\n"));
        for (depth, link) in self.chain.iter().enumerate() {
            let indent = "   ".repeat(depth);
            let (target, id) = (print::strong(&link.target), print::faint(&link.id));
            let sentence = print::wrapped(&link.sentence, &format!("{indent}   "), width);
            text.push_str(&format!("{indent}└─ {target} {id}\n{sentence}\n"));
        }
        text
    }

    /// The sentence alone.
    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_drawn_down_to_its_end() {
        let answer: Answer = serde_json::from_str(
            r#"{"id":"inv_1a","status":"suspended","reason":"awaits_call","since":"2026-11-24T08:31:12Z",
                "sentence":"It waits for the result of Ledger/main/slow.","details":{"n":1},
                "chain":[{"id":"inv_1b","target":"Ledger/main/slow","reason":"waits_for_key","sentence":"It waits for key main."},
                         {"id":"inv_1c","target":"Ledger/main/add","reason":"timer","sentence":"It sleeps."}]}"#,
        )
        .expect("an answer");
        let now = moment::parse("2026-11-24T08:34:12Z").expect("an instant");
        assert_eq!(
            answer.text(now, None),
            "\
inv_1a  suspended, since 2026-11-24 08:31:12 UTC (3m ago)
It waits for the result of Ledger/main/slow.
└─ Ledger/main/slow inv_1b
   It waits for key main.
   └─ Ledger/main/add inv_1c
      It sleeps.
"
        );
    }

    #[test]
    fn its_first_line_keeps_to_the_width() {
        let answer: Answer = serde_json::from_str(
            r#"{"id":"inv_1a","status":"completed","reason":"completed","since":"2026-11-24T08:31:12Z",
                "sentence":"It ended.","details":{"result":"failure"}}"#,
        )
        .expect("an answer");
        let now = moment::parse("2026-11-24T08:34:12Z").expect("an instant");
        for (width, head) in [
            (60, "inv_1a  failed, since 2026-11-24 08:31:12 UTC (3m ago)"),
            (50, "inv_1a  failed, 3m ago"),
        ] {
            let text = answer.text(now, Some(width));
            assert_eq!(text.lines().next(), Some(head));
        }
    }

    #[test]
    fn little_is_enough() {
        let answer: Answer = serde_json::from_str(
            r#"{"id":"i","status":"running","reason":"runs","since":null,"sentence":"It runs."}"#,
        )
        .expect("an answer");
        assert_eq!(answer.text(0, None), "i  running\nIt runs.\n");
    }
}
