//! `latchwork identity`: makes the key that requests to endpoints are signed with, and shows the
//! public half, which endpoints are told.
//!
//! The secret goes into a file and nowhere else: what is printed may be seen by anybody.

use clap::{Arg, ArgMatches, Command, value_parser};
use latchwork_protocol::service::identity::{KeyError, Signer, private_key_pem};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a key goes if nobody says where.
const FILE: &str = "latchwork-identity.pem";

const EXAMPLES: &str = "\
Examples:
  latchwork identity generate                              into latchwork-identity.pem
  latchwork identity generate /etc/latchwork/identity.pem
  latchwork serve --identity-key-file latchwork-identity.pem
  latchwork identity show latchwork-identity.pem           the public key again";

/// Why there is no key, or none to show.
#[derive(Debug, thiserror::Error)]
enum IdentityError {
    #[error(
        "{0} is there already, and a key that is overwritten is lost: name another file, or \
         move this one away"
    )]
    Exists(PathBuf),
    #[error("cannot write {path}: {source}. Check that its directory is there and may be written.")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {path}: {source}. Check that it is there and may be read.")]
    Read { path: PathBuf, source: io::Error },
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("{path}: {source}")]
    Key { path: PathBuf, source: KeyError },
}

/// The subcommand and its own.
pub(crate) fn command() -> Command {
    let file = |help: &'static str| {
        Arg::new("file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .default_value(FILE)
            .help(help)
    };
    Command::new("identity")
        .about("Make the key that requests to endpoints are signed with, or show its public half")
        .after_help(EXAMPLES)
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommand(
            Command::new("generate")
                .about("Make a key; only its owner may read the file")
                .arg(file(
                    "Where to write it; an existing file is never overwritten",
                )),
        )
        .subcommand(
            Command::new("show")
                .about("Print the public key, which endpoints are told")
                .arg(file("Where it is")),
        )
}

/// Makes or shows a key.
pub(crate) fn run(arguments: &ArgMatches) -> ExitCode {
    let done = match arguments.subcommand() {
        Some(("generate", arguments)) => generate(file(arguments)),
        Some((_, arguments)) => public_key(file(arguments)),
        None => return ExitCode::FAILURE,
    };
    match done {
        Ok(public_key) => {
            println!("{public_key}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("latchwork: {error}");
            ExitCode::FAILURE
        }
    }
}

fn file(arguments: &ArgMatches) -> &Path {
    let file = arguments.get_one::<PathBuf>("file");
    file.map_or(Path::new(FILE), PathBuf::as_path)
}

/// Makes a key; returns its public half.
fn generate(path: &Path) -> Result<String, IdentityError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(IdentityError::Random)?;
    let refused = |source| IdentityError::Key {
        path: path.to_owned(),
        source,
    };
    let pem = private_key_pem(secret).map_err(refused)?;
    let signer = Signer::from_pem(&pem).map_err(refused)?;
    write_new(path, &pem).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => IdentityError::Exists(path.to_owned()),
        _ => IdentityError::Write {
            path: path.to_owned(),
            source,
        },
    })?;
    eprintln!(
        "The key is in {0}. Start the server with --identity-key-file {0}, and give this public \
         key to the SDK of each endpoint, so that it serves nobody else:",
        path.display()
    );
    Ok(signer.public_key().to_owned())
}

/// A file that was not there before, for its owner alone from the first moment on.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let written = write_synced(file, text);
    if written.is_err() {
        // Half a key is of no use, and would be in the way of the next attempt.
        drop(fs::remove_file(path));
    }
    written
}

fn write_synced(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn public_key(path: &Path) -> Result<String, IdentityError> {
    let pem = fs::read_to_string(path).map_err(|source| IdentityError::Read {
        path: path.to_owned(),
        source,
    })?;
    let signer = Signer::from_pem(&pem).map_err(|source| IdentityError::Key {
        path: path.to_owned(),
        source,
    })?;
    Ok(signer.public_key().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_owner_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let made = generate(&path).unwrap();
        assert!(made.starts_with("publickeyv1_"), "{made}");
        assert_eq!(public_key(&path).unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let refusal = generate(&path).unwrap_err();
        assert!(matches!(refusal, IdentityError::Exists(_)), "{refusal}");
        assert_eq!(public_key(&path).unwrap(), made);
    }

    #[test]
    fn no_two_keys_are_equal() {
        let directory = tempfile::tempdir().unwrap();
        let make = |name| generate(&directory.path().join(name)).unwrap();
        assert_ne!(make("a"), make("b"));
    }

    #[test]
    fn what_cannot_be_written_or_read_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none").join("key.pem");
        for refusal in [generate(&path).unwrap_err(), public_key(&path).unwrap_err()] {
            let text = refusal.to_string();
            assert!(text.contains(&path.display().to_string()), "{text}");
        }
        let garbage = directory.path().join("garbage");
        fs::write(&garbage, "no key").unwrap();
        assert!(matches!(
            public_key(&garbage),
            Err(IdentityError::Key { .. })
        ));
    }
}
