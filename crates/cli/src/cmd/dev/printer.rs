//! Steps and remarks as lines, in one column each: time, target, invocation, what happened.
//!
//! ```text
//!   12:04:01.123  Greeter/greet         …5WxYz1  started  inv_1aBc…5WxYz1
//!   12:04:01.130  Greeter/greet         …5WxYz1  run "pick an id" = 7
//! ```
//!
//! Steps come from the loop of a partition, which does not wait: they go through a queue with a
//! bound, and what finds it full is counted and said.

use crate::moment;
use crate::print::{self, Mood};
use console::measure_text_width;
use latchwork_server::{Step, StepKind, StepSink};
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Lines that wait to be printed.
const WAITING_MAX: usize = 50_000;
/// The column of targets begins so wide, and grows to so wide.
const TARGET_WIDTH_MIN: usize = 20;
const TARGET_WIDTH_MAX: usize = 44;
/// The end of an id that tells invocations apart well enough.
const ID_CHARS: usize = 6;
/// A leap of the clock that is worth a line of its own, in ms.
const LEAP_MS: i64 = 3_600_000;

enum Line {
    Step(Step),
    Note(String),
    Trouble(String),
    End,
}

/// Prints on a thread of its own.
pub(super) struct Printer {
    lines: SyncSender<Line>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where steps come in.
pub(super) struct Sink {
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

impl StepSink for Sink {
    fn step(&self, step: Step) {
        if self.lines.try_send(Line::Step(step)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Printer {
    pub(super) fn start() -> io::Result<(Self, Sink)> {
        let (lines, arriving) = sync_channel(WAITING_MAX);
        let lost = Arc::<AtomicU64>::default();
        let sink = Sink {
            lines: lines.clone(),
            lost: lost.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || Page::default().print(&arriving, &lost))?;
        let printer = Self {
            lines,
            thread: Mutex::new(Some(thread)),
        };
        Ok((printer, sink))
    }

    /// Says something that is no step.
    pub(super) fn note(&self, text: &str) {
        self.say(Line::Note(text.to_owned()));
    }

    /// Says what went wrong.
    pub(super) fn trouble(&self, text: &str) {
        self.say(Line::Trouble(text.to_owned()));
    }

    /// Waits until all that came before is printed.
    pub(super) fn finish(&self) {
        self.say(Line::End);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic has said itself what it was.
            let _ = thread.join();
        }
    }

    fn say(&self, line: Line) {
        // The thread ends before us only if it panicked.
        let _ = self.lines.send(line);
    }
}

/// What is known of the lines so far.
#[derive(Default)]
struct Page {
    width: usize,
    last_ms: Option<i64>,
}

impl Page {
    fn print(mut self, arriving: &Receiver<Line>, lost: &AtomicU64) {
        for line in arriving {
            let text = match line {
                Line::Step(step) => self.step(&step),
                Line::Note(text) => print::strong(print::first_line(&text)),
                Line::Trouble(text) => Mood::Bad.paint(print::first_line(&text)),
                Line::End => return,
            };
            if let lost @ 1.. = lost.swap(0, Ordering::Relaxed) {
                let lost = print::counted(lost, "step");
                let text = format!("{lost} came faster than they can be printed");
                drop(print::line(Mood::Bad.paint(text)));
            }
            // Whoever read may have had enough; the server goes on.
            drop(print::line(text));
        }
    }

    fn step(&mut self, step: &Step) -> String {
        let at = i64::try_from(step.at_ms).unwrap_or(i64::MAX);
        let leap = self.last_ms.map_or(0, |last| at - last);
        self.last_ms = Some(at);
        let mut line = String::new();
        if leap >= LEAP_MS {
            let text = format!("── {} later ──\n", moment::span(leap));
            line.push_str(&print::faint(text));
        }
        let target = print::first_line(&step.target);
        let wide = measure_text_width(&target).clamp(TARGET_WIDTH_MIN, TARGET_WIDTH_MAX);
        self.width = self.width.max(wide);
        let gap = self.width.saturating_sub(measure_text_width(&target));
        let tail = step.id.len().saturating_sub(ID_CHARS);
        let tail = step.id.get(tail..).unwrap_or(&step.id);
        let text = print::first_line(&step.text);
        let text = match step.kind {
            StepKind::Begins => Mood::Active.paint(text),
            StepKind::Recorded => text,
            StepKind::Waits => Mood::Waiting.paint(text),
            StepKind::Trouble | StepKind::Failed => Mood::Bad.paint(text),
            StepKind::Succeeded => Mood::Good.paint(text),
        };
        // Once whole, to be copied.
        let id = match step.kind {
            StepKind::Begins | StepKind::Failed => print::faint(format!("  {}", step.id)),
            _ => String::new(),
        };
        let clock = moment::text(at);
        let clock = print::faint(clock.get(11..23).unwrap_or_default());
        let tail = print::faint(format!("…{tail}"));
        line.push_str(&format!("{clock}  {target}{:gap$}  {tail}  {text}{id}", ""));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at_ms: u64, kind: StepKind, target: &str, text: &str) -> Step {
        Step {
            at_ms,
            id: "inv_1abcdefghijklmnop".to_owned(),
            target: target.to_owned(),
            kind,
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_are_aligned_and_a_leap_is_seen() {
        console::set_colors_enabled(false);
        let mut page = Page::default();
        let began = 1_795_509_072_231;
        assert_eq!(
            page.step(&step(began, StepKind::Begins, "Greeter/greet", "started")),
            "08:31:12.231  Greeter/greet         …klmnop  started  inv_1abcdefghijklmnop"
        );
        assert_eq!(
            page.step(&step(
                began + 9,
                StepKind::Recorded,
                "A/b",
                "run\u{1b}[2J = 7"
            )),
            "08:31:12.240  A/b                   …klmnop  run[2J = 7"
        );
        let late = page.step(&step(
            began + 2_592_000_000,
            StepKind::Succeeded,
            "A/b",
            "completed",
        ));
        assert!(
            late.starts_with("── 30d later ──\n08:31:12.231  A/b"),
            "{late}"
        );
    }
}
