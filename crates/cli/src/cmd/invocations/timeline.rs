//! Marks as lines: what happened comes in, a picture on one axis of time goes out.
//!
//! ```text
//!    #   AFTER  ENTRY         TOOK  STATE  0ms                885ms
//!    1    17ms  run reserve  126ms  done   ███
//!    6   249ms  sleep        402ms  done         ░░░░░░░░
//! ```

use super::journal::{End, Mark, Shade};
use crate::moment;
use crate::print::{self, Mood};
use console::{Alignment, measure_text_width, pad_str, truncate_str};

/// The least and the most that bars are wide.
const BARS: std::ops::RangeInclusive<usize> = 20..=60;
/// The least that an entry's words are wide.
const ENTRY_LEAST: usize = 14;
/// What is assumed where there is no terminal.
const WIDTH: usize = 120;
const GAP: &str = "  ";

/// The axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Milliseconds since 1970.
    pub(super) begin: i64,
    /// The same: the end of the invocation, or now.
    pub(super) end: i64,
}

/// The picture: titles, one line for each mark, and one more for each child, whose status
/// `status_of` may know.
pub(super) fn draw(
    marks: &[Mark],
    axis: Axis,
    width: Option<usize>,
    status_of: &dyn Fn(&str) -> Option<String>,
) -> String {
    let rows: Vec<Vec<String>> = marks.iter().map(|mark| cells(mark, axis)).collect();
    let titles = ["#", "AFTER", "ENTRY", "TOOK", "STATE"].map(str::to_owned);
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| measure_text_width(&row[column]));
        cells
            .chain([titles[column].len()])
            .max()
            .unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..titles.len()).map(widest).collect();
    let width = width.unwrap_or(WIDTH);
    let others: usize = widths.iter().sum::<usize>() - widths[2] + GAP.len() * titles.len();
    let room = width.saturating_sub(others);
    widths[2] = widths[2].min(room.saturating_sub(*BARS.start()).max(ENTRY_LEAST));
    let bar_width = room
        .saturating_sub(widths[2])
        .clamp(*BARS.start(), *BARS.end());

    let mut text = print::faint(format!(
        "{}{GAP}{}",
        aligned(&titles, &widths),
        scale(axis, bar_width)
    ));
    text.push('\n');
    for (mark, row) in marks.iter().zip(&rows) {
        let line = format!(
            "{}{GAP}{}",
            aligned(row, &widths),
            bar(mark, axis, bar_width)
        );
        text.push_str(line.trim_end());
        text.push('\n');
        if let Some(child) = &mark.child {
            let status = status_of(child).map(|status| format!(" {status}"));
            let indent = widths[0] + widths[1] + 2 * GAP.len();
            let line = format!("{}└ {}", " ".repeat(indent), print::faint(child));
            text.push_str(&line);
            text.push_str(&status.unwrap_or_default());
            text.push('\n');
        }
    }
    text
}

fn cells(mark: &Mark, axis: Axis) -> Vec<String> {
    let until = mark.until.unwrap_or(axis.end);
    let took = until - mark.begin;
    let is_point = mark.until == Some(mark.begin);
    let name = print::first_line(&mark.name);
    let state = match (mark.end, mark.shade) {
        (End::Done, _) if is_point => String::new(),
        (End::Done, _) => print::faint("done"),
        (End::Failed, _) => Mood::Bad.paint("failed"),
        (End::Open, Shade::Work) => Mood::Active.paint("open"),
        (End::Open, _) => Mood::Waiting.paint("waits"),
    };
    vec![
        mark.index
            .map_or_else(String::new, |index| index.to_string()),
        moment::span(mark.begin - axis.begin),
        if name.is_empty() {
            print::strong(mark.kind)
        } else {
            format!("{} {name}", print::strong(mark.kind))
        },
        if is_point {
            String::new()
        } else {
            moment::span(took)
        },
        state,
    ]
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let parts: Vec<_> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| {
            let is_number = matches!(column, 0 | 1 | 3);
            let alignment = if is_number {
                Alignment::Right
            } else {
                Alignment::Left
            };
            let cell = truncate_str(cell, *width, "…");
            pad_str(&cell, *width, alignment, None).into_owned()
        })
        .collect();
    parts.join(GAP)
}

/// Both ends of the axis, written at its ends.
fn scale(axis: Axis, width: usize) -> String {
    let total = moment::span(axis.end - axis.begin);
    format!(
        "0ms{}",
        pad_str(&total, width.saturating_sub(3), Alignment::Right, None)
    )
}

/// The bar of a mark, at its place.
fn bar(mark: &Mark, axis: Axis, width: usize) -> String {
    let span = (axis.end - axis.begin).max(1);
    let last = width.saturating_sub(1);
    let place = |at: i64| {
        let share = (at - axis.begin).clamp(0, span) as f64 / span as f64;
        ((share * width as f64) as usize).min(last)
    };
    let from = place(mark.begin);
    let until = place(mark.until.unwrap_or(axis.end)).max(from);
    let (fill, mood) = match mark.shade {
        Shade::Work => ("█", Mood::Good),
        Shade::Wait => ("░", Mood::Waiting),
        Shade::Call => ("▓", Mood::Active),
        Shade::Point => ("│", Mood::Calm),
        Shade::Trouble if mark.until == Some(mark.begin) => ("✗", Mood::Bad),
        Shade::Trouble => ("█", Mood::Bad),
    };
    let length = until - from + 1;
    let drawn = match (mark.shade, mark.until) {
        (Shade::Point, _) => fill.to_owned(),
        (_, Some(_)) => fill.repeat(length),
        // It goes on beyond what can be seen.
        (_, None) => format!("{}▶", fill.repeat(length - 1)),
    };
    format!("{}{}", " ".repeat(from), mood.paint(drawn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(
        index: u32,
        kind: &'static str,
        name: &str,
        begin: i64,
        until: Option<i64>,
        shade: Shade,
    ) -> Mark {
        Mark {
            index: Some(index),
            kind,
            name: name.to_owned(),
            begin,
            until,
            end: if until.is_some() {
                End::Done
            } else {
                End::Open
            },
            shade,
            child: None,
        }
    }

    fn story() -> Vec<Mark> {
        let mut call = mark(3, "call", "Ledger/main/add", 150, Some(250), Shade::Call);
        call.child = Some("inv_1child".to_owned());
        let failure = Mark {
            index: None,
            end: End::Failed,
            ..mark(
                0,
                "failure",
                "[500] declined\n at x",
                300,
                Some(300),
                Shade::Trouble,
            )
        };
        vec![
            mark(0, "input", "", 0, Some(0), Shade::Point),
            mark(1, "run", "reserve", 10, Some(130), Shade::Work),
            call,
            failure,
            mark(6, "sleep", "1m", 400, None, Shade::Wait),
        ]
    }

    const AXIS: Axis = Axis {
        begin: 0,
        end: 1_000,
    };

    #[test]
    fn waits_can_be_seen_and_open_ones_point_on() {
        let drawn = draw(&story(), AXIS, Some(80), &|_| Some("completed".to_owned()));
        assert_eq!(
            drawn,
            "\
#  AFTER  ENTRY                    TOOK  STATE   0ms                       1.00s
0    0ms  input                                  │
1   10ms  run reserve             120ms  done    █████
3  150ms  call Ledger/main/add    100ms  done        ▓▓▓▓
          └ inv_1child completed
   300ms  failure [500] declined         failed           ✗
6  400ms  sleep 1m                600ms  waits               ░░░░░░░░░░░░░░░░░░▶
"
        );
        let widest = drawn.lines().map(measure_text_width).max();
        assert!(widest <= Some(80), "{widest:?}\n{drawn}");
    }

    #[test]
    fn a_narrow_terminal_cuts_words_and_not_the_picture() {
        let drawn = draw(&story(), AXIS, Some(60), &|_| None);
        assert!(drawn.contains("call Ledger/m…"), "{drawn}");
        assert!(drawn.contains('▶'), "{drawn}");
    }

    #[test]
    fn no_time_at_all_is_drawn_too() {
        let axis = Axis { begin: 5, end: 5 };
        let marks = [mark(0, "input", "", 5, Some(5), Shade::Point)];
        assert!(draw(&marks, axis, Some(80), &|_| None).contains('│'));
        assert_eq!(draw(&[], axis, Some(80), &|_| None).lines().count(), 1);
    }
}
