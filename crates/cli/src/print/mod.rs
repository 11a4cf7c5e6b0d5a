//! What people and programs read: data goes to stdout, talk to stderr.
//!
//! ```text
//!   rows ──▶ table (widths, colours) ──▶ stdout        --json: one document, or one a line
//!   remarks, questions, progress ──────▶ stderr
//! ```
//!
//! Colours are there on a terminal only, and never with NO_COLOR; without a terminal nothing is
//! cut to a width. Start at [`Table`].

mod table;

pub(crate) use table::{Column, Table};

use crate::exit::Failure;
use console::{Style, Term, strip_ansi_codes};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

/// Longer lines of prose are hard to read.
const TEXT_WIDTH_MAX: usize = 100;

/// Writes one line of data.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    raw(format!("{text}\n").as_bytes())
}

/// Writes data as it is.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Writes one document of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(|error| Failure::Output(error.into()))?)
}

/// Writes JSON on one line, one of many.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?)
}

/// Says something that is no data.
pub(crate) fn say(text: impl Display) {
    let text = text.to_string();
    let mut err = io::stderr();
    // Texts are painted for stdout, which may be a terminal where stderr is none.
    let text = if err.is_terminal() {
        text.into()
    } else {
        strip_ansi_codes(&text)
    };
    // Nobody may be listening; the exit code still tells.
    let _ = writeln!(err, "{text}");
}

/// The width that lines should keep to; nothing if they are not for a terminal.
pub(crate) fn width() -> Option<usize> {
    let (_, columns) = Term::stdout().size_checked()?;
    io::stdout().is_terminal().then_some(columns.into())
}

/// Whether questions can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a yes; anything else is a no.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let mut err = io::stderr();
    let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    asked.map_err(Failure::Output)?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Failure::Read {
        path: "the answer".to_owned(),
        source,
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What is less important.
pub(crate) fn faint(text: impl Display) -> String {
    Style::new().dim().apply_to(text).to_string()
}

/// What is more important.
pub(crate) fn strong(text: impl Display) -> String {
    Style::new().bold().apply_to(text).to_string()
}

/// What went well, wants attention, or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Active,
    Waiting,
    Bad,
    Calm,
}

impl Mood {
    /// A text in its colour.
    pub(crate) fn paint(self, text: impl Display) -> String {
        let style = Style::new();
        match self {
            Self::Good => style.green(),
            Self::Active => style.cyan(),
            Self::Waiting => style.yellow(),
            Self::Bad => style.red(),
            Self::Calm => style.dim(),
        }
        .apply_to(text)
        .to_string()
    }

    /// That of an invocation's status, and of how it ended if it is over.
    pub(crate) fn of(status: &str, result: Option<&str>) -> Self {
        match (status, result) {
            ("completed", Some("failure")) => Self::Bad,
            ("completed", _) => Self::Good,
            ("running" | "ready", _) => Self::Active,
            ("backing-off" | "paused", _) => Self::Bad,
            ("scheduled" | "pending", _) => Self::Calm,
            _ => Self::Waiting,
        }
    }
}

/// A status in its colour; a failed invocation is called so.
pub(crate) fn status(status: &str, result: Option<&str>) -> String {
    let word = match (status, result) {
        ("completed", Some("failure")) => "failed",
        ("completed", Some("success")) => "succeeded",
        (other, _) => other,
    };
    Mood::of(status, result).paint(word)
}

/// `1 invocation`, `2,000 invocations`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in the unit that suits it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A text in lines that keep to a width where there is one, each after an indent.
pub(crate) fn wrapped(text: &str, indent: &str, width: Option<usize>) -> String {
    let width = width.map_or(usize::MAX, |width| width.min(TEXT_WIDTH_MAX));
    let options = textwrap::Options::new(width)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        // Times and ids are copied, and have hyphens.
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}

/// The first line of a text, without control characters, for a cell of a table.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "invocation"), "1 invocation");
        assert_eq!(counted(2_000, "invocation"), "2,000 invocations");
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }

    #[test]
    fn a_cell_is_one_line_and_moves_no_cursor() {
        assert_eq!(
            first_line("\n[500] no\u{1b}[2J way\n  at x"),
            "[500] no[2J way"
        );
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn prose_keeps_to_a_width() {
        let text = "It waits for inv_19QiLrvnBqhy6jWyNWINUc0co8mM5rh4S2.";
        assert_eq!(wrapped(text, "  ", None), format!("  {text}"));
        assert_eq!(
            wrapped(text, "  ", Some(20)),
            "  It waits for\n  inv_19QiLrvnBqhy6jWyNWINUc0co8mM5rh4S2."
        );
        assert_eq!(
            wrapped("due on 2026-11-24, at noon", "", Some(12)),
            "due on\n2026-11-24,\nat noon"
        );
    }

    #[test]
    fn endings_have_words_of_their_own() {
        assert_eq!(status("completed", Some("failure")), "failed");
        assert_eq!(status("completed", Some("success")), "succeeded");
        assert_eq!(status("completed", None), "completed");
        assert_eq!(status("paused", None), "paused");
    }
}
