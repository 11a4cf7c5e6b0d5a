//! The one binary, `latchwork`: arguments come in, one subcommand runs, its exit code goes out.
//!
//! ```text
//!   arguments ──▶ cmd (one subcommand a module) ──▶ admin | ingress ──▶ http ──▶ a server
//!   exit code ◀── exit ◀── print ◀──────────────────────┘
//! ```
//!
//! Start at `main`, then `cmd::Command`. `serve` and `demo` are described as data, since their
//! flags are the server's settings; the commands of a client, with their hundred flags, by derive.
//! No logic lives here: a subcommand prints, asks the server over HTTP, or starts it.

mod address;
mod admin;
mod cmd;
mod connection;
mod exit;
mod http;
mod ingress;
mod moment;
mod print;
mod statement;
#[cfg(feature = "tls")]
mod tls;

use clap::{FromArgMatches, Subcommand};
use exit::{Exit, Failure};
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "Durable execution server and task queue, and its command line";

const EXAMPLES: &str = "\
Examples:
  latchwork serve                                       run a server
  latchwork deployments register http://localhost:9080  say where handlers are
  latchwork call Greeter/greet '\"Ada\"'                  call one
  latchwork invocations list                            see what is going on
  latchwork why inv_1aBc                                see why it is not

`latchwork COMMAND --help` has more of them. Commands write data to stdout and talk to stderr; \
with --json, data is JSON: one document, or for `invocations watch` one object on a line. Colours \
are used on a terminal only, and never if NO_COLOR is set.
";

fn program() -> clap::Command {
    let program = clap::Command::new("latchwork")
        .version(env!("CARGO_PKG_VERSION"))
        .arg_required_else_help(true)
        .subcommand_required(true)
        .max_term_width(110)
        .after_help(format!("{EXAMPLES}\n{}", exit::HELP))
        .subcommand(cmd::serve::command())
        .subcommand(cmd::identity::command());
    #[cfg(feature = "demo")]
    let program = program
        .subcommand(cmd::demo::Options::command())
        .subcommand(<cmd::bench::Bench as clap::Args>::augment_args(
            clap::Command::new("bench"),
        ));
    cmd::Command::augment_subcommands(program).about(ABOUT)
}

fn main() -> ExitCode {
    let matches = program().get_matches();
    match matches.subcommand() {
        Some(("serve", arguments)) => cmd::serve::run(arguments),
        Some(("identity", arguments)) => cmd::identity::run(arguments),
        #[cfg(feature = "demo")]
        Some(("demo", arguments)) => cmd::demo::run(cmd::demo::Options::of(arguments)),
        #[cfg(feature = "demo")]
        Some(("bench", arguments)) => match cmd::bench::Bench::from_arg_matches(arguments) {
            Ok(bench) => cmd::bench::run(&bench),
            Err(error) => error.exit(),
        },
        _ => match cmd::Command::from_arg_matches(&matches) {
            Ok(command) => ended(command.run(program())),
            Err(error) => error.exit(),
        },
    }
}

fn ended(outcome: Result<Exit, Failure>) -> ExitCode {
    let failure = match outcome {
        Ok(exit) => return exit.into(),
        Err(failure) => failure,
    };
    if !failure.is_silent() {
        print::say(format_args!("latchwork: {failure}"));
        if let Some(code) = failure.code() {
            print::say(print::faint(format_args!(
                "latchwork explain {code} says more"
            )));
        }
    }
    failure.exit().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        program().debug_assert();
    }

    /// Whoever reads the help of a command finds an example, or is shown to where one is.
    #[test]
    fn every_command_of_a_client_has_examples() {
        let program = program();
        let clients = program
            .get_subcommands()
            .filter(|command| !["serve", "demo"].contains(&command.get_name()));
        for command in clients {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }
}
