//! `latchwork serve`: settings come in, a server runs until it is told to stop.

use latchwork_server::config::{Config, SETTINGS, Sources};
use std::path::PathBuf;
use std::process::ExitCode;

/// The flags: one for each setting, and the file that holds settings.
pub(crate) fn command() -> clap::Command {
    let mut command = clap::Command::new("serve")
        .about("Run the server until SIGTERM or Ctrl-C")
        .after_help(
            "Settings come from latchwork.toml in the working directory, then LATCHWORK_* \
             variables, then these flags; the later wins.",
        )
        .arg(
            clap::Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Read settings from this file [default: latchwork.toml, if it is there]"),
        );
    for setting in SETTINGS {
        command = command.arg(
            clap::Arg::new(setting.key)
                .long(setting.key.replace('_', "-"))
                .value_name("VALUE")
                .help(setting.help.trim()),
        );
    }
    command
}

/// Runs the server.
pub(crate) fn run(arguments: &clap::ArgMatches) -> ExitCode {
    let flags = SETTINGS
        .iter()
        .filter_map(|setting| {
            let value = arguments.get_one::<String>(setting.key)?;
            Some((setting.key, value.clone()))
        })
        .collect();
    let file = arguments.get_one::<PathBuf>("config").cloned();
    let config = Sources::gather(file, flags).and_then(|sources| Config::load(&sources));
    let config = match config {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    match latchwork_server::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("latchwork: {error}");
    ExitCode::FAILURE
}
