//! `latchwork backup`: asks a server for a backup of itself; `list`, `verify` and `prune` are for what
//! there is, and need no server.

mod list;
mod make;
mod prune;
mod verify;

use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use std::path::PathBuf;

const EXAMPLES: &str = "\
The server writes the backup itself, while it serves: DIR is on its machine. A relative DIR is taken \
from where you are, and is for a server on this machine. Only what has changed since the last backup \
in DIR is written. For a directory that is called as a command below, write ./list.

The exit code is 1 if the backup was not made, or if `verify` has found damage.

Examples:
  latchwork backup /var/backups/latchwork
  latchwork backup /var/backups/latchwork --keep 14
  latchwork backup list /var/backups/latchwork
  latchwork backup verify /var/backups/latchwork
  latchwork restore /var/backups/latchwork --data-dir /var/lib/latchwork";

/// Make a backup of a running server, or look at those there are
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Backup {
    #[command(subcommand)]
    action: Option<Action>,
    /// The directory of backups, on the server's machine; made if only it itself is missing
    #[arg(value_name = "DIR", required = true)]
    directory: Option<PathBuf>,
    /// Keep so many generations, the new one included, and remove older ones
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the generations in a directory
    List(list::List),
    /// Read every byte of the generations in a directory
    Verify(verify::Verify),
    /// Remove older generations
    Prune(prune::Prune),
}

impl Backup {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match (self.action, self.directory) {
            (Some(Action::List(list)), _) => list.run(),
            (Some(Action::Verify(verify)), _) => verify.run(),
            (Some(Action::Prune(prune)), _) => prune.run(),
            (None, Some(directory)) => make::run(&self.connection, &directory, self.keep),
            (None, None) => Err(Failure::Usage("give the directory of backups".to_owned())),
        }
    }
}
