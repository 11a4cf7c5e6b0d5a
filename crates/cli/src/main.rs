//! The one binary, `latchwork`: arguments come in, one subcommand runs, its exit code goes out.
//!
//! Start at `main`, which lists the subcommands; each lives in one file or folder of `cmd/`.
//! No logic lives here: a subcommand prints, asks the server over HTTP, or starts it.

mod cmd;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = clap::Command::new("latchwork")
        .about("Durable execution server and task queue")
        .version(env!("CARGO_PKG_VERSION"))
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommand(cmd::serve::command())
        .subcommand(cmd::identity::command());
    #[cfg(feature = "demo")]
    let cli = cli.subcommand(cmd::demo::Options::command());
    match cli.get_matches().subcommand() {
        Some(("serve", arguments)) => cmd::serve::run(arguments),
        Some(("identity", arguments)) => cmd::identity::run(arguments),
        #[cfg(feature = "demo")]
        Some(("demo", arguments)) => cmd::demo::run(cmd::demo::Options::of(arguments)),
        _ => ExitCode::FAILURE,
    }
}
