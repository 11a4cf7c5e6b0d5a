//! What the demo shows: lines that stay, rows that change, the table at the end.
//!
//! On a terminal the rows are drawn in place, below the lines, in colour; anywhere else each change
//! worth knowing is a plain line of its own.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::checks::Verdict;

/// Width of the labels before each row.
const LABEL_WIDTH: usize = 10;

/// Where the demo writes.
pub(super) struct Screen {
    rows: MultiProgress,
    on_terminal: bool,
}

impl Screen {
    /// Standard output, live if it is a terminal.
    pub(super) fn new() -> Self {
        let on_terminal = std::io::stdout().is_terminal();
        let target = match on_terminal {
            true => ProgressDrawTarget::stdout(),
            false => ProgressDrawTarget::hidden(),
        };
        Self {
            rows: MultiProgress::with_draw_target(target),
            on_terminal,
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: impl Display) {
        self.rows.suspend(|| print(format_args!("{line}")));
    }

    /// A line with a label, in the same column as the rows.
    pub(super) fn fact(&self, label: &str, text: impl Display) {
        let label = format!("{label:LABEL_WIDTH$}");
        self.say(format!("    {} {text}", style(label).bold()));
    }

    /// The crash itself, which nobody should overlook.
    pub(super) fn alarm(&self, label: &str, text: impl Display) {
        let label = format!("{label:LABEL_WIDTH$}");
        self.say(format!(
            "  {} {} {text}",
            style("✗").red(),
            style(label).red().bold()
        ));
    }

    /// A row that changes until it is done.
    pub(super) fn row(&self, label: &'static str) -> Row {
        self.add(label, None)
    }

    /// A row with a bar of `len` parts.
    pub(super) fn bar(&self, label: &'static str, len: u32) -> Row {
        self.add(label, Some(len))
    }

    fn add(&self, label: &'static str, len: Option<u32>) -> Row {
        let bar = match len {
            Some(len) => ProgressBar::new(len.into()),
            None => ProgressBar::new_spinner(),
        };
        let template = match len {
            Some(_) => "  {spinner:.cyan} {prefix:10.bold} {bar:32.cyan/dim} {pos}/{len} {msg}",
            None => "  {spinner:.cyan} {prefix:10.bold} {msg}",
        };
        let bar = self
            .rows
            .add(bar.with_style(styled(template)).with_prefix(label));
        if self.on_terminal {
            bar.enable_steady_tick(Duration::from_millis(80));
        }
        Row {
            label,
            bar,
            on_terminal: self.on_terminal,
        }
    }

    /// Ends the live part: rows still open stay as they are.
    pub(super) fn close(&self) {
        if !self.rows.is_hidden() {
            self.rows.set_draw_target(ProgressDrawTarget::hidden());
            // The cursor still stands at the end of the last row.
            self.say("");
        }
    }

    /// The table of all tasks, with what was found wrong below each.
    pub(super) fn table(&self, verdicts: &[Verdict]) {
        let width = |column: fn(&Verdict) -> &str| {
            let widths = verdicts
                .iter()
                .map(|verdict| column(verdict).chars().count());
            widths.max().unwrap_or(0)
        };
        let (task, promise) = (
            width(|verdict| verdict.task),
            width(|verdict| verdict.promise),
        );
        for verdict in verdicts {
            let mark = match verdict.findings.is_empty() {
                true => style("✓").green(),
                false => style("✗").red(),
            };
            self.say(format!(
                "  {mark} {} {}  {}",
                style(format!("{:task$}", verdict.task)).bold(),
                style(format!("{:promise$}", verdict.promise)).dim(),
                verdict.outcome,
            ));
            for finding in &verdict.findings {
                self.say(format!("      {}", style(finding).red()));
            }
        }
    }
}

/// One row of the live part.
pub(super) struct Row {
    label: &'static str,
    bar: ProgressBar,
    on_terminal: bool,
}

impl Row {
    /// What the task is doing.
    pub(super) fn doing(&self, text: impl Display) {
        self.bar.set_message(text.to_string());
        self.plain("·", text);
    }

    /// How far the bar has come. Without a terminal, each quarter is a line.
    pub(super) fn reached(&self, position: usize) {
        let before = self.bar.position();
        let len = self.bar.length().unwrap_or(0).max(1);
        self.bar.set_position(position as u64);
        if position as u64 * 4 / len > before * 4 / len {
            self.plain("·", format!("{position} of {len} recorded"));
        }
    }

    /// The task is done, and this is what came of it.
    pub(super) fn done(&self, text: impl Display) {
        let template = match self.bar.length() {
            Some(_) => "  {prefix:12.bold} {bar:32.green/dim} {pos}/{len} {msg}",
            None => "  {prefix:12.bold} {msg}",
        };
        self.bar.set_style(styled(template));
        self.bar
            .set_prefix(format!("{} {}", style("✓").green(), self.label));
        self.bar.abandon_with_message(text.to_string());
        self.plain("✓", text);
    }

    fn plain(&self, mark: &str, text: impl Display) {
        if !self.on_terminal {
            print(format_args!("  {mark} {:LABEL_WIDTH$} {text}", self.label));
        }
    }
}

fn print(line: std::fmt::Arguments<'_>) {
    // Somebody who closed our output wants no more of it; that is no failure of the demo.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn styled(template: &str) -> ProgressStyle {
    // The templates are constants of this file; should one be wrong, the default is good enough.
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
