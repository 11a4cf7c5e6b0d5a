//! `latchwork backup prune`: older generations are removed, without a new one being made.

use crate::exit::{Exit, Failure};
use crate::print;
use latchwork_server::generations::BackupDirectory;
use serde_json::json;
use std::path::PathBuf;

/// Which generations stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  latchwork backup prune /var/backups/latchwork --keep 7")]
pub(super) struct Prune {
    /// The directory of backups, on this machine
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Keep so many generations, the newest
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Write JSON to stdout instead of text for people
    #[arg(long)]
    json: bool,
}

impl Prune {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        // Taking a directory makes one, and here nobody wants a new one.
        BackupDirectory::list(&self.directory)?;
        let directory = BackupDirectory::take(&self.directory)?;
        let (removed, freed) = directory.prune(self.keep as usize)?;
        if self.json {
            print::json(&json!({"removed": removed, "freed_bytes": freed}))?;
        } else {
            let count = print::counted(removed.len() as u64, "generation");
            print::line(format_args!(
                "{count} removed, {} freed",
                print::size(freed)
            ))?;
        }
        Ok(Exit::Done)
    }
}
