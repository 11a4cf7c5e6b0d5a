//! `latchwork token`: makes a token, and the lines by which a server knows it.
//!
//! The token is printed once and kept nowhere: what goes into the server's file is its hash.

use crate::exit::{Exit, Failure};
use crate::print;
use latchwork_server::access::{PREFIX, Role, hash_text, is_name};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  latchwork token create --name ada --role admin
  latchwork token create --name shop --role caller --service Shop --service Cart
  latchwork token create --name ci --role operator --expires 2027-01-31T12:00:00Z >> tokens.toml
  latchwork serve --auth-file tokens.toml

The token goes to stderr, the lines for the file to stdout. A running server reads its file again when it \
changes; a token is taken back by removing its lines. Show it to `latchwork` in LATCHWORK_TOKEN, to the \
Restate CLI in RESTATE_AUTH_TOKEN, and to the server in general as `authorization: Bearer TOKEN`.";

/// Make tokens, by which a server knows who may do what
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make one: the token to stderr, the lines for the server's file to stdout
    #[command(after_help = EXAMPLES)]
    Create(Create),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Who will show it
    #[arg(long, value_parser = name)]
    name: String,
    /// caller (handlers, at the ingress), viewer (reads), operator (also invocations and state) or
    /// admin (also deployments, settings, backups)
    #[arg(long, value_parser = role)]
    role: Role,
    /// A service that a caller may call, as often as there are such [default: all]
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// When it ends, such as 2027-01-31T12:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires: Option<jiff::Timestamp>,
    /// Write JSON with the token and its lines to stdout
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let Command::Create(create) = self.command;
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| {
            Failure::Refused(format!("the system gives no random bytes: {error}"))
        })?;
        if !create.services.is_empty() && create.role != Role::Caller {
            let role = create.role;
            return Err(Failure::Usage(format!(
                "--service is for the role caller, not for {role}"
            )));
        }
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!("{PREFIX}{digits}");
        let lines = create.lines(&token);
        if create.json {
            print::json(&json!({"token": token, "lines": lines}))?;
            return Ok(Exit::Done);
        }
        print::raw(lines.as_bytes())?;
        print::say(format_args!("The token, which is shown this once: {token}"));
        Ok(Exit::Done)
    }
}

impl Create {
    /// What the server's file has of it.
    fn lines(&self, token: &str) -> String {
        // A string of JSON without control characters is one of TOML.
        let mut lines = format!(
            "[[token]]\nname = {}\nrole = \"{}\"\nsha256 = \"{}\"\n",
            json!(self.name),
            self.role,
            hash_text(token)
        );
        if !self.services.is_empty() {
            lines += &format!("services = {}\n", json!(self.services));
        }
        if let Some(expires) = self.expires {
            lines += &format!("expires = {expires}\n");
        }
        lines + "\n"
    }
}

fn name(text: &str) -> Result<String, String> {
    match is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a name has 1 to 100 bytes and no control characters".to_owned()),
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "use caller, viewer, operator or admin".to_owned())
}
