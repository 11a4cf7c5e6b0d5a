//! What a doctor says: each finding as soon as it is there, or all as one document, and an exit code.

use crate::exit::{Exit, Failure};
use crate::print::{self, Mood};
use latchwork_server::{Finding, Verdict};

/// Where the text of a finding begins.
const INDENT: usize = 15;

/// Shows each finding as soon as it is there.
pub(super) struct Report {
    is_json: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, finding: Finding) -> Result<(), Failure> {
        if !self.is_json {
            print::raw(shown(&finding, print::width()).as_bytes())?;
        }
        self.findings.push(finding);
        Ok(())
    }

    pub(super) fn end(self) -> Result<Exit, Failure> {
        let count = |verdict| {
            self.findings
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .count() as u64
        };
        let (failed, attention) = (count(Verdict::Failed), count(Verdict::Attention));
        if self.is_json {
            print::json(&self.findings)?;
        } else {
            print::say(match (failed, attention) {
                (0, 0) => Mood::Good.paint("all is well"),
                (0, some) => Mood::Waiting
                    .paint(format_args!("{} to look at", print::counted(some, "thing"))),
                (some, _) => Mood::Bad.paint(format_args!("{some} failed")),
            });
        }
        Ok(if failed == 0 {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

fn shown(finding: &Finding, width: Option<usize>) -> String {
    let sign = match finding.verdict {
        Verdict::Good => Mood::Good.paint("✓"),
        Verdict::Attention => Mood::Waiting.paint("!"),
        Verdict::Failed => Mood::Bad.paint("✗"),
        Verdict::Unknown => Mood::Calm.paint("?"),
    };
    let below = " ".repeat(INDENT);
    let text = print::wrapped(&finding.text, &below, width);
    let advice = finding.advice.as_deref().map(|advice| {
        let advice = print::wrapped(&format!("→ {advice}"), &below, width);
        format!("{advice}\n")
    });
    format!(
        "{sign} {}{}\n{}",
        print::faint(format_args!("{:<width$}", finding.what, width = INDENT - 2)),
        text.trim_start(),
        advice.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do_below_it() {
        let finding =
            Finding::new("work", Verdict::Attention, "2 invocations paused").advice("resume them");
        assert_eq!(
            shown(&finding, None),
            "! work         2 invocations paused\n               → resume them\n"
        );
    }
}
