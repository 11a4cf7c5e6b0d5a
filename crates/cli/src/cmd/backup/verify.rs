//! `latchwork backup verify`: every byte of the generations in a directory, read and checked.

use crate::exit::{Exit, Failure};
use crate::print::{self, Mood};
use indicatif::{ProgressBar, ProgressStyle};
use latchwork_server::generations::{BackupDirectory, Verified};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Whether generations can be restored.
#[derive(Debug, clap::Args)]
#[command(after_help = "The exit code is 1 if anything is damaged.

Examples:
  latchwork backup verify /var/backups/latchwork
  latchwork backup verify /var/backups/latchwork --at 12")]
pub(super) struct Verify {
    /// The directory of backups, on this machine
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only this generation
    #[arg(long, value_name = "GENERATION")]
    at: Option<u64>,
    /// Write JSON to stdout instead of text for people
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let directory = BackupDirectory::open(&self.directory)?;
        let numbers: Vec<_> = match self.at {
            Some(number) => vec![number],
            None => {
                let listed = directory.generations()?;
                listed.iter().map(|listed| listed.number).collect()
            }
        };
        if numbers.is_empty() {
            return Err(Failure::NotFound(format!(
                "{} holds no generations: no backup has come to its end there",
                self.directory.display()
            )));
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {bytes} read") {
            bar.set_style(style);
        }
        let verified = directory.verify(&numbers, &mut |bytes| bar.inc(bytes));
        bar.finish_and_clear();
        let verified = verified?;
        if self.json {
            print::json(&verified.iter().map(document).collect::<Vec<_>>())?;
        } else {
            verified.iter().try_for_each(show)?;
        }
        let is_whole = verified.iter().all(|one| one.damage.is_empty());
        Ok(if is_whole { Exit::Done } else { Exit::Failed })
    }
}

fn show(one: &Verified) -> Result<(), Failure> {
    let files = print::counted(one.files as u64, "file");
    let size = print::size(one.bytes);
    if one.damage.is_empty() {
        let sign = Mood::Good.paint("✓");
        return print::line(format_args!(
            "{sign} generation {}: {files}, {size}",
            one.number
        ));
    }
    let sign = Mood::Bad.paint("✗");
    print::line(format_args!(
        "{sign} generation {}: cannot be restored",
        one.number
    ))?;
    for damage in &one.damage {
        print::line(print::wrapped(&damage.to_string(), "    ", print::width()))?;
    }
    Ok(())
}

fn document(one: &Verified) -> Value {
    let damage: Vec<_> = one.damage.iter().map(ToString::to_string).collect();
    json!({"generation": one.number, "files": one.files, "bytes": one.bytes, "damage": damage})
}
