//! One subcommand a module: each takes its parsed options and returns the process's exit code.
//!
//! Those that ask a server are in [`Command`]; `serve` is a server itself, `demo` and
//! `bench` start one; `main` dispatches these.

mod backup;
#[cfg(feature = "demo")]
pub(crate) mod bench;
mod call;
mod completions;
mod config;
#[cfg(feature = "demo")]
pub(crate) mod demo;
mod deployments;
#[cfg(feature = "dev")]
mod dev;
mod doctor;
mod explain;
pub(crate) mod identity;
mod invocations;
mod outcome;
mod restore;
mod send;
pub(crate) mod serve;
mod services;
mod sql;
mod state;
#[cfg(feature = "demo")]
mod throwaway;
mod token;
mod why;

use crate::exit::{Exit, Failure};
use latchwork_protocol::id::{IdError, parse_invocation};

/// The commands of a client.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Call(call::Call),
    Send(send::Send),
    Invocations(invocations::Invocations),
    Why(why::Why),
    Deployments(deployments::Deployments),
    #[cfg(feature = "dev")]
    Dev(dev::Dev),
    Services(services::Services),
    State(state::State),
    Sql(sql::Sql),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Doctor(doctor::Doctor),
    Token(token::Token),
    Config(config::Config),
    Explain(explain::Explain),
    Completions(completions::Completions),
}

impl Command {
    /// Does what it says; `program` describes all commands there are.
    pub(crate) fn run(self, program: clap::Command) -> Result<Exit, Failure> {
        match self {
            Self::Call(call) => call.run(),
            Self::Send(send) => send.run(),
            Self::Invocations(invocations) => invocations.run(),
            Self::Why(why) => why.run(),
            Self::Deployments(deployments) => deployments.run(),
            #[cfg(feature = "dev")]
            Self::Dev(dev) => dev.run(),
            Self::Services(services) => services.run(),
            Self::State(state) => state.run(),
            Self::Sql(sql) => sql.run(),
            Self::Backup(backup) => backup.run(),
            Self::Restore(restore) => restore.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Token(token) => token.run(),
            Self::Config(config) => config.run(),
            Self::Explain(explain) => explain.run(),
            Self::Completions(completions) => completions.run(program),
        }
    }
}

/// The id of an invocation, as an argument.
fn invocation_id(text: &str) -> Result<String, IdError> {
    parse_invocation(text)?;
    Ok(text.to_owned())
}

/// A name and a value around the first sign of equality or colon, as an argument.
fn pair(text: &str, separator: char) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(separator)
        .ok_or_else(|| format!("it has no {separator:?} between a name and a value"))?;
    if name.trim().is_empty() {
        return Err(format!("it has no name before the {separator:?}"));
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `NAME=VALUE`, as an argument.
fn assignment(text: &str) -> Result<(String, String), String> {
    pair(text, '=')
}

/// `NAME: VALUE`, as an argument.
fn header(text: &str) -> Result<(String, String), String> {
    pair(text, ':')
}
