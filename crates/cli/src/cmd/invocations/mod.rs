//! `latchwork invocations`: looked at, followed, and told what to do.
//!
//! ```text
//!   filter ──▶ SQL conditions ──▶ list | watch | bulk (cancel, kill, pause, …)
//!   an id  ──▶ describe: row, why, journal ──▶ timeline ──▶ text
//! ```
//!
//! Reading goes through SQL, so that one filter serves all; only operations have routes of their
//! own. Start at [`Action`].

pub(crate) mod attach;
mod bulk;
mod describe;
mod filter;
mod journal;
mod list;
mod payload;
mod timeline;
mod watch;

use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use bulk::Operation;

const EXAMPLES: &str = "\
Examples:
  latchwork invocations list --service Shop
  latchwork invocations list --status paused,backing-off --older-than 1h
  latchwork invocations describe inv_1aBc
  latchwork invocations watch --service Shop
  latchwork invocations cancel inv_1aBc
  latchwork invocations cancel --service Shop --handler order --older-than 1d
  latchwork invocations resume --status paused --on latest --yes
  latchwork invocations purge --failed --older-than 7d --dry-run";

/// List, describe, watch, cancel, kill, pause, resume, purge and restart invocations
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, visible_alias = "inv", arg_required_else_help = true)]
pub(crate) struct Invocations {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    List(list::List),
    Describe(describe::Describe),
    Watch(watch::Watch),
    Attach(attach::Attach),
    /// Ask invocations to end: their handlers see it, may clean up, and end as they like
    #[command(after_help = bulk::EXAMPLES)]
    Cancel(bulk::Plain),
    /// End invocations at once, without asking their handlers
    #[command(after_help = bulk::EXAMPLES)]
    Kill(bulk::Plain),
    /// Start no further attempts of invocations until they are resumed
    #[command(after_help = bulk::EXAMPLES)]
    Pause(bulk::Plain),
    /// Let paused invocations go on, and retry failed ones now
    #[command(after_help = bulk::EXAMPLES)]
    Resume(bulk::Resume),
    /// Forget completed invocations before their retention is over
    #[command(after_help = bulk::EXAMPLES)]
    Purge(bulk::Purge),
    /// Start completed invocations again, with the same input, as new ones
    #[command(after_help = bulk::EXAMPLES)]
    Restart(bulk::Restart),
}

impl Invocations {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let connection = &self.connection;
        match self.action {
            Action::List(list) => list.run(connection),
            Action::Describe(describe) => describe.run(connection),
            Action::Watch(watch) => watch.run(connection),
            Action::Attach(attach) => attach.run(connection),
            Action::Cancel(plain) => bulk::run(connection, &Operation::Cancel, &plain.selection),
            Action::Kill(plain) => bulk::run(connection, &Operation::Kill, &plain.selection),
            Action::Pause(plain) => bulk::run(connection, &Operation::Pause, &plain.selection),
            Action::Resume(resume) => resume.run(connection),
            Action::Purge(purge) => purge.run(connection),
            Action::Restart(restart) => restart.run(connection),
        }
    }
}
