//! `latchwork invocations attach`: an id comes in, the output goes out once it is there.

use crate::cmd::{invocation_id, outcome};
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use latchwork_protocol::ingress::parse_delay;
use std::time::Duration;

const EXAMPLES: &str = "\
Exit code 5 says that the invocation failed, 6 that it is not over.

Examples:
  latchwork invocations attach inv_1aBc
  latchwork invocations attach inv_1aBc --wait 30s
  latchwork invocations attach inv_1aBc --wait 0 && echo it is over";

/// Wait for the result of an invocation, and print it as `call` does
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Attach {
    /// The invocation
    #[arg(value_parser = invocation_id)]
    id: String,
    /// Wait at most so long, such as 30s; 0 asks only whether it is over [default: as long as it takes]
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    wait: Option<u64>,
}

impl Attach {
    pub(super) fn run(self, connection: &Connection) -> Result<Exit, Failure> {
        let ingress = connection.ingress()?;
        let ending = match self.wait {
            Some(0) => ingress.output(&self.id)?,
            wait => ingress.attach(&self.id, wait.map(Duration::from_millis))?,
        };
        outcome::report(connection.json, &self.id, Some(&self.id), ending)
    }
}
