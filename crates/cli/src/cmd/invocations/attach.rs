//! `latchwork invocations attach`: an id comes in, the output goes out once it is there.

use crate::cmd::{invocation_id, outcome};
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use latchwork_protocol::ingress::parse_delay;
use std::time::Duration;

/// Wait for the result of an invocation, and print it as `call` does
#[derive(Debug, clap::Args)]
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
