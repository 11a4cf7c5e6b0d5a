//! How a command ends: what went wrong comes in, an exit code for scripts goes out.
//!
//! Every command returns `Result<Exit, Failure>`. A [`Failure`] has a text for people, which
//! `main` prints to stderr, and an [`Exit`] that says to scripts what kind of failure it was.

use crate::address::AddressError;
use crate::http::ClientError;
use latchwork_server::config::ConfigError;
use latchwork_server::generations::BackupError;
use std::io;
use std::process::ExitCode;

/// The exit codes, as the help explains them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  it failed, the server refused it, or you answered no
  2  the command line or a setting is wrong
  3  there is no such invocation, deployment, service, key, path or backup
  4  the server cannot be reached, or did not answer in time
  5  the invocation that was waited for failed
  6  the invocation is not over yet; it goes on";

/// The kinds of ending that scripts can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Unreachable = 4,
    InvocationFailed = 5,
    NotReady = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Address(#[from] AddressError),
    /// What was asked for makes no sense; the text says what would.
    #[error("{0}")]
    Usage(String),
    /// The server has no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It was not done.
    #[error("{0}")]
    Refused(String),
    #[error("cannot read {path}: {source}. Check that it is there and may be read.")]
    Read { path: String, source: io::Error },
    /// The system refuses something that is needed.
    #[error("cannot {what}: {source}. Check the rights and limits of this user.")]
    System {
        what: &'static str,
        source: io::Error,
    },
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::NoBackups(_) | BackupError::NoGeneration { .. } => {
                Self::NotFound(error.to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl Failure {
    /// What the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => error.exit(),
            Self::Config(_) | Self::Address(_) | Self::Usage(_) | Self::Read { .. } => Exit::Usage,
            Self::NotFound(_) => Exit::NotFound,
            Self::Refused(_) | Self::System { .. } => Exit::Failed,
            // Whoever read has had enough, as `head` does.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// Whether there is anybody left to be told.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The stable code of what the server refused, if it has one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Client(ClientError::Refused { code, .. }) => code.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_explains_every_code() {
        for exit in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::Unreachable,
            Exit::InvocationFailed,
            Exit::NotReady,
        ] {
            assert!(HELP.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert!(closed.is_silent() && closed.exit() == Exit::Done);
        let full = Failure::Output(io::ErrorKind::StorageFull.into());
        assert!(!full.is_silent() && full.exit() == Exit::Failed);
    }
}
