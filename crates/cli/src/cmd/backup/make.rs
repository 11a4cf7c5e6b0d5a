//! `latchwork backup DIR`: a running server is asked, its progress shown, and its report printed.

use crate::address::is_local;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::moment;
use crate::print::{self, Mood};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The last line of the answer.
#[derive(Deserialize)]
struct Report {
    directory: PathBuf,
    generation: u64,
    duration_ms: i64,
    bytes: u64,
    written_bytes: u64,
    files_written: u64,
    files_reused: u64,
    partitions: Vec<Partition>,
    removed: Vec<u64>,
    freed_bytes: u64,
    remarks: Vec<String>,
}

#[derive(Deserialize)]
struct Partition {
    partition: u64,
    lsn: u64,
    rows: u64,
}

/// Has a backup made.
pub(super) fn run(
    connection: &Connection,
    directory: &Path,
    keep: Option<u32>,
) -> Result<Exit, Failure> {
    let admin = connection.admin()?;
    let directory = match directory.is_absolute() {
        true => directory.to_owned(),
        false if is_local(admin.base()) => {
            std::path::absolute(directory).map_err(|source| Failure::Read {
                path: directory.display().to_string(),
                source,
            })?
        }
        false => {
            return Err(Failure::Usage(format!(
                "{} is relative, and the server at {} is on another machine: name the directory there from its root on",
                directory.display(),
                admin.base()
            )));
        }
    };
    let Some(path) = directory.to_str() else {
        return Err(Failure::Usage(format!(
            "{} is no text",
            directory.display()
        )));
    };
    let bar = spinner();
    let mut last = Value::Null;
    let body = json!({"directory": path, "keep": keep});
    let asked = admin.follow("/backup", &body, &mut |line| {
        if let Some(progress) = line.get("progress") {
            let number = |name: &str| progress[name].as_u64().unwrap_or_default();
            bar.set_message(format!(
                "{} read, {} written",
                print::size(number("row_bytes")),
                print::size(number("written_bytes"))
            ));
            bar.tick();
        } else {
            last = line;
        }
    });
    bar.finish_and_clear();
    asked?;
    if let Some(message) = last["error"]["message"].as_str() {
        return Err(Failure::Refused(format!("there is no backup: {message}")));
    }
    let done = &last["done"];
    let report = Report::deserialize(done).map_err(|_| {
        Failure::Refused(
            "the answer broke off, so there is no backup that is sure to be whole: is the server running? \
             latchwork backup list shows what there is"
                .to_owned(),
        )
    })?;
    if connection.json {
        print::json(done)?;
    } else {
        report.show()?;
    }
    for remark in &report.remarks {
        print::say(Mood::Waiting.paint(format_args!("! {remark}")));
    }
    Ok(Exit::Done)
}

impl Report {
    fn show(&self) -> Result<(), Failure> {
        let reused = self.bytes.saturating_sub(self.written_bytes);
        print::line(format_args!(
            "generation {} in {}, made in {}",
            self.generation,
            self.directory.display(),
            moment::span(self.duration_ms)
        ))?;
        print::line(format_args!(
            "  {} written in {}, {} in {} were there",
            print::size(self.written_bytes),
            print::counted(self.files_written, "file"),
            print::size(reused),
            print::counted(self.files_reused, "file"),
        ))?;
        for Partition {
            partition,
            lsn,
            rows,
        } in &self.partitions
        {
            print::line(format_args!(
                "  partition {partition}: {} at record {lsn}",
                print::counted(*rows, "row")
            ))?;
        }
        if !self.removed.is_empty() {
            print::line(format_args!(
                "  {} removed, {} freed",
                print::counted(self.removed.len() as u64, "older generation"),
                print::size(self.freed_bytes)
            ))?;
        }
        Ok(())
    }
}

/// Draws on stderr, and only if that is a terminal.
fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar
}
