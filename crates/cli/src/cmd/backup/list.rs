//! `latchwork backup list`: the generations in a directory, whole or damaged, from old to new.

use crate::exit::{Exit, Failure};
use crate::moment;
use crate::print::{self, Column, Mood, Table};
use latchwork_server::generations::{BackupDirectory, Listed, Manifest};
use serde_json::{Value, json};
use std::path::PathBuf;

const COLUMNS: [Column; 7] = [
    Column::number("GENERATION"),
    Column::fixed("TAKEN"),
    Column::number("SIZE"),
    Column::number("OWN"),
    Column::number("ROWS"),
    Column::number("PARTITIONS").optional(),
    Column::fixed("SERVER").optional(),
];

/// The generations in a directory.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "SIZE is all that a restore reads; OWN is what the generation added to what was there.

Examples:
  latchwork backup list /var/backups/latchwork
  latchwork backup list /var/backups/latchwork --json | jq '.[-1].taken_at'"
)]
pub(super) struct List {
    /// The directory of backups, on this machine
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write JSON to stdout instead of text for people
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let listed = BackupDirectory::list(&self.directory)?;
        if self.json {
            print::json(&listed.iter().map(document).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        let now = moment::now();
        let mut table = Table::new(COLUMNS);
        for Listed { number, manifest } in &listed {
            match manifest {
                Ok(manifest) => table.row(row(manifest, now)),
                Err(error) => print::say(Mood::Bad.paint(format_args!(
                    "generation {number} cannot be restored: {error}"
                ))),
            }
        }
        if listed.is_empty() {
            print::say("no generations: no backup has come to its end here");
        }
        if !table.is_empty() {
            print::raw(table.render(print::width()).as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

fn rows(manifest: &Manifest) -> u64 {
    manifest.partitions.iter().map(|entry| entry.rows).sum()
}

/// Bytes of the files that this generation has written.
fn own(manifest: &Manifest) -> u64 {
    let prefix = format!("{:06}-", manifest.generation);
    let files = manifest.files.iter();
    files
        .filter(|(name, _)| name.starts_with(&prefix))
        .map(|(_, file)| file.bytes)
        .sum()
}

fn row(manifest: &Manifest, now: i64) -> Vec<String> {
    let taken = i64::try_from(manifest.taken_at).unwrap_or(i64::MAX);
    vec![
        manifest.generation.to_string(),
        format!(
            "{} ({})",
            moment::readable(taken),
            moment::beside(taken, now)
        ),
        print::size(manifest.bytes()),
        print::size(own(manifest)),
        print::grouped(rows(manifest)),
        manifest.partitions.len().to_string(),
        manifest.server.clone(),
    ]
}

fn document(listed: &Listed) -> Value {
    match &listed.manifest {
        Ok(manifest) => json!({
            "generation": listed.number,
            "taken_at": moment::text(i64::try_from(manifest.taken_at).unwrap_or(i64::MAX)),
            "bytes": manifest.bytes(),
            "own_bytes": own(manifest),
            "rows": rows(manifest),
            "lsn": manifest.partitions.iter().map(|entry| entry.lsn).collect::<Vec<_>>(),
            "server": manifest.server,
            "origin": manifest.origin,
        }),
        Err(error) => json!({"generation": listed.number, "error": error.to_string()}),
    }
}
