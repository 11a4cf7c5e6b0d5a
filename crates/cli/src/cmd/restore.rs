//! `latchwork restore`: a generation of a backup comes in, a data directory for a server goes out.

use crate::exit::{Exit, Failure};
use crate::moment;
use crate::print;
use indicatif::{ProgressBar, ProgressStyle};
use latchwork_server::{RestoreError, RestoreProgress, RestoreReport, RestoreWish, restore};
use std::path::PathBuf;

const EXAMPLES: &str = "\
The directory must be empty or missing; it is not touched unless the backup is whole. Restore into it \
only when no other server runs from the same data: see docs/backup.md.

Examples:
  latchwork restore /var/backups/latchwork --data-dir /var/lib/latchwork
  latchwork restore /var/backups/latchwork --at 12 --data-dir ./drill";

/// Make a data directory out of a backup
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Restore {
    /// The directory of backups, on this machine
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The new data directory
    #[arg(long, value_name = "NEW")]
    data_dir: PathBuf,
    /// This generation instead of the newest; `latchwork backup list` shows all
    #[arg(long, value_name = "GENERATION")]
    at: Option<u64>,
    /// Write JSON to stdout instead of text for people
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let wish = RestoreWish {
            from: self.directory,
            generation: self.at,
            into: self.data_dir,
        };
        let bar = ProgressBar::new(0);
        let restored = restore(&wish, &mut |progress| follow(&bar, progress));
        bar.finish_and_clear();
        let report = restored.map_err(|error| match error {
            RestoreError::Backup(error) => error.into(),
            error => Failure::Refused(error.to_string()),
        })?;
        if self.json {
            print::json(&report)?;
        } else {
            print::line(format_args!(
                "generation {} is in {}: {}",
                report.generation,
                report.directory.display(),
                print::counted(report.rows, "row")
            ))?;
        }
        print::say(to_know(&report));
        Ok(Exit::Done)
    }
}

fn follow(bar: &ProgressBar, progress: RestoreProgress) {
    let (done, all, template) = match progress {
        RestoreProgress::Checked(done, all) => {
            (done, all, "{bar:40} {bytes} of {total_bytes} checked")
        }
        RestoreProgress::Written(done, all) => (
            done,
            all,
            "{bar:40} {human_pos} of {human_len} rows written",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("██░"));
    }
    bar.set_length(all);
    bar.set_position(done);
}

/// What whoever starts the server must know.
fn to_know(report: &RestoreReport) -> String {
    let taken = i64::try_from(report.taken_at).unwrap_or(i64::MAX);
    format!(
        "This is how it was at {} ({}).\n\
         - What was accepted after that is not in it. Callers that send it again, with their idempotency\n  \
           keys, are served as if for the first time.\n\
         - A step whose result was recorded by then does not run again. What was under way at that moment\n  \
           goes on from its last record: what came after that, and had been done, is done again.\n\
         - Only one server may run from this data. If the old one still runs, or another is restored\n  \
           from the same backup, both do the same work. Stop the old one first, for good.\n\
         Start it: latchwork serve --data-dir {}",
        moment::readable(taken),
        moment::beside(taken, moment::now()),
        report.directory.display()
    )
}
