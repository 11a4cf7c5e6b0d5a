//! `latchwork sql`: a statement comes in, its rows go out.

use crate::admin::Row;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::print;
use console::{Alignment, measure_text_width, pad_str};
use serde_json::Value;
use std::io::Read;

const EXAMPLES: &str = "\
Examples:
  latchwork sql 'SELECT status, COUNT(*) AS n FROM sys_invocation GROUP BY status'
  latchwork sql \"SELECT * FROM sys_invocation WHERE id = 'inv_1aBc'\"
  latchwork sql \"SELECT * FROM state WHERE service_name = 'Ledger'\" --json
  latchwork sql - < report.sql

Rows that are wider than the terminal are written one below the other. Tables: sys_invocation, \
sys_journal, state, sys_inbox, sys_promise, sys_deployment, sys_service, and more.";

/// Ask the live tables with SQL
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sql {
    /// The statement, or - to read it from stdin
    statement: String,
    #[command(flatten)]
    connection: Connection,
}

impl Sql {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let statement = match self.statement.as_str() {
            "-" => {
                let mut text = String::new();
                let read = std::io::stdin().lock().read_to_string(&mut text);
                read.map_err(|source| Failure::Read {
                    path: "the statement from stdin".to_owned(),
                    source,
                })?;
                text
            }
            text => text.to_owned(),
        };
        let rows: Vec<Row> = self.connection.admin()?.query(&statement)?;
        if self.connection.json {
            print::json(&rows)?;
            return Ok(Exit::Done);
        }
        if !rows.is_empty() {
            print::raw(text(&rows, print::width()).as_bytes())?;
        }
        let count = print::counted(rows.len() as u64, "row");
        print::say(print::faint(count));
        Ok(Exit::Done)
    }
}

/// A table, or one record below the other if a table would be too wide.
fn text(rows: &[Row], width: Option<usize>) -> String {
    let columns = columns(rows);
    let cells: Vec<Vec<(String, bool)>> = rows
        .iter()
        .map(|row| {
            let value = |name: &&str| row.0.iter().find(|(column, _)| column == name);
            let cells = columns.iter().map(|name| match value(name) {
                Some((_, value)) => (cell(value), value.is_number()),
                None => (String::new(), false),
            });
            cells.collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = cells.iter().map(|row| measure_text_width(&row[at].0));
            cells
                .chain([measure_text_width(name)])
                .max()
                .unwrap_or_default()
        })
        .collect();
    let total = widths
        .iter()
        .map(|width| width + 2)
        .sum::<usize>()
        .saturating_sub(2);
    if width.is_some_and(|width| total > width) {
        return records(&columns, &cells);
    }
    let titles: Vec<_> = columns
        .iter()
        .map(|name| ((*name).to_owned(), false))
        .collect();
    let mut text = print::faint(aligned(&titles, &widths));
    text.push('\n');
    for row in &cells {
        text.push_str(&aligned(row, &widths));
        text.push('\n');
    }
    text
}

fn aligned(row: &[(String, bool)], widths: &[usize]) -> String {
    let parts: Vec<_> = row
        .iter()
        .zip(widths)
        .map(|((cell, is_number), width)| {
            let alignment = if *is_number {
                Alignment::Right
            } else {
                Alignment::Left
            };
            pad_str(cell, *width, alignment, None).into_owned()
        })
        .collect();
    parts.join("  ").trim_end().to_owned()
}

fn records(columns: &[&str], rows: &[Vec<(String, bool)>]) -> String {
    let widest = columns
        .iter()
        .map(|name| measure_text_width(name))
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        text.push_str(&format!(
            "{}\n",
            print::strong(format_args!("row {}", at + 1))
        ));
        for (name, (cell, _)) in columns.iter().zip(row) {
            if !cell.is_empty() {
                let name = pad_str(name, widest, Alignment::Left, None);
                text.push_str(&format!("  {}  {cell}\n", print::faint(name)));
            }
        }
    }
    text
}

/// All columns, in order of appearance: a row may leave out those without a value.
fn columns(rows: &[Row]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    let mut last = 0;
    for row in rows {
        for (name, _) in &row.0 {
            match columns.iter().position(|known| known == name) {
                Some(at) => last = at + 1,
                None => {
                    // Beside its neighbour of this row, where it would have been.
                    columns.insert(last.min(columns.len()), name);
                    last += 1;
                }
            }
        }
        last = 0;
    }
    columns
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let text = r#"[{"id":"a","n":7,"note":"x\ny"},{"id":"bb","m":true,"n":1234}]"#;
        serde_json::from_str(text).expect("rows")
    }

    #[test]
    fn columns_that_rows_leave_out_find_their_place() {
        assert_eq!(columns(&rows()), ["id", "m", "n", "note"]);
        assert!(columns(&[]).is_empty());
    }

    #[test]
    fn rows_are_a_table_or_records() {
        assert_eq!(
            text(&rows(), None),
            "id  m     n     note\n\
             a            7  x y\n\
             bb  true  1234\n"
        );
        assert_eq!(
            text(&rows(), Some(10)),
            "row 1\n  id    a\n  n     7\n  note  x y\nrow 2\n  id    bb\n  m     true\n  n     1234\n"
        );
    }
}
