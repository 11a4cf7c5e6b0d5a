//! `latchwork send`: a target and an input come in, the id of the invocation goes out.

use super::{call::What, outcome};
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::ingress::Sent;
use crate::{moment, print};
use latchwork_protocol::ingress::parse_delay;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  latchwork send Greeter/greet '\"Ada\"'
  latchwork send Shop/order @order.json --idempotency-key order-7
  latchwork send Mail/remind '\"tea\"' --delay 2h
  latchwork send Shop/order @order.json --wait 30s
  id=$(latchwork send Shop/order @order.json) && latchwork invocations attach $id

The id goes to stdout once the call is durable, what else there is to say to stderr.";

/// Send a call without waiting for its output, now or after a delay
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Send {
    #[command(flatten)]
    what: What,
    /// Start it after this time, such as 90s, 2h or 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    delay: Option<u64>,
    /// Wait for its output after all, at most so long; then the output goes to stdout
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    wait: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

impl Send {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let ingress = self.connection.ingress()?;
        let (target, input) = self.what.read()?;
        let sent = ingress.send(&target, &input, self.delay)?;
        let id = &sent.invocation_id;
        let is_json = self.connection.json;
        match self.wait {
            Some(wait) => {
                if !is_json {
                    print::say(print::faint(id));
                }
                let ending = ingress.attach(id, Some(Duration::from_millis(wait)))?;
                outcome::report(is_json, &self.what.shown(), Some(id), ending)
            }
            None if is_json => print::json(&sent).map(|()| Exit::Done),
            None => {
                print::line(id)?;
                print::say(print::faint(accepted(&sent, moment::now())));
                Ok(Exit::Done)
            }
        }
    }
}

/// What else there is to say.
fn accepted(sent: &Sent, now: i64) -> String {
    let start = sent.execution_time.as_deref().and_then(moment::parse);
    match (sent.was_known(), start) {
        (true, _) => "was accepted before; it is the same invocation".to_owned(),
        (false, Some(at)) => format!("accepted, starts {}", moment::beside(at, now)),
        (false, None) => "accepted".to_owned(),
    }
}
