//! `latchwork call`: a target and an input come in, the output of the handler goes out.

use super::{header, outcome};
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::ingress::{Input, Target};
use crate::print;
use latchwork_protocol::ingress::parse_delay;
use std::io::Read;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  latchwork call Greeter/greet '\"Ada\"'
  latchwork call Ledger/main/total
  latchwork call Ledger/total --key a/b
  latchwork call Shop/order @order.json --idempotency-key order-7 --wait 30s
  jq .order cart.json | latchwork call Shop/order -

The output goes to stdout as it is, a failure to stderr. Exit code 5 says that the invocation \
failed, 6 that it was not over in time; then it goes on, and `latchwork invocations attach ID` \
waits for its result.";

/// Call a handler and wait for its output
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Call {
    #[command(flatten)]
    what: What,
    /// Wait at most so long, such as 30s [default: as long as it takes]
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    wait: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

/// What a call and a send have in common.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// SERVICE/HANDLER, or SERVICE/KEY/HANDLER for an object or a workflow; the key may hold slashes
    target: String,
    /// The input: JSON, @FILE to read it from a file, or - to read it from stdin
    input: Option<String>,
    /// The key of the object or workflow, if it is not in the target
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The same key again is the same invocation, with the same outcome
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Send this header along; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The input is a text, not JSON: send it as a JSON string
    #[arg(long, conflicts_with = "content_type")]
    text: bool,
    /// The input is of this type: send it as it is
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

impl Call {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let ingress = self.connection.ingress()?;
        let (target, input) = self.what.read()?;
        let what = self.what.shown();
        let is_json = self.connection.json;
        let Some(wait) = self.wait else {
            let (id, ending) = ingress.call(&target, &input)?;
            return outcome::report(is_json, &what, id.as_deref(), ending);
        };
        // Sent first, so that its id is known if it is not over in time.
        let sent = ingress.send(&target, &input, None)?;
        if sent.was_known() && input.idempotency_key.is_none() {
            return Err(Failure::Refused(format!(
                "{what} was submitted before, and a workflow runs once for its key. \
                 latchwork invocations attach {} reads its result.",
                sent.invocation_id
            )));
        }
        let id = sent.invocation_id;
        let ending = ingress.attach(&id, Some(Duration::from_millis(wait)))?;
        outcome::report(is_json, &what, Some(&id), ending)
    }
}

impl What {
    /// As people call it.
    pub(super) fn shown(&self) -> String {
        match &self.key {
            Some(key) => format!("{} of {key}", self.target),
            None => self.target.clone(),
        }
    }

    /// Reads target and input.
    pub(super) fn read(&self) -> Result<(Target, Input), Failure> {
        let target = target(&self.target, self.key.as_deref())?;
        let body = match self.input.as_deref() {
            None => None,
            Some("-") => Some(stdin()?),
            Some(text) => match text.strip_prefix('@') {
                Some(path) => Some(file(path)?),
                None => Some(text.as_bytes().to_vec()),
            },
        };
        let (body, content_type) = match (body, &self.content_type) {
            (None, given) => (None, given.clone()),
            (Some(body), Some(given)) => (Some(body), Some(given.clone())),
            (Some(body), None) => {
                let json = if self.text {
                    quoted(&body)?
                } else {
                    checked(body)?
                };
                (Some(json), Some("application/json".to_owned()))
            }
        };
        let input = Input {
            body,
            content_type,
            idempotency_key: self.idempotency_key.clone(),
            headers: self.headers.clone(),
        };
        Ok((target, input))
    }
}

/// Service, key and handler from what people write: the key is all between the first slash and
/// the last.
fn target(text: &str, key: Option<&str>) -> Result<Target, Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "{text:?} is no target: give SERVICE/HANDLER, or SERVICE/KEY/HANDLER for an object or a workflow"
        ))
    };
    let (service, rest) = text.trim_matches('/').split_once('/').ok_or_else(wrong)?;
    let (within, handler) = match rest.rsplit_once('/') {
        Some((key, handler)) => (Some(key), handler),
        None => (None, rest),
    };
    if service.is_empty() || handler.is_empty() {
        return Err(wrong());
    }
    if key.is_some() && within.is_some() {
        return Err(Failure::Usage(format!(
            "{text:?} has a key already: leave --key out"
        )));
    }
    Ok(Target {
        service: service.to_owned(),
        key: key.or(within).map(str::to_owned),
        handler: handler.to_owned(),
    })
}

fn checked(body: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => Ok(body),
        Err(error) => Err(Failure::Usage(format!(
            "the input is not JSON ({error}): write a text as '\"Ada\"' or with --text, or say with --content-type what it is"
        ))),
    }
}

fn quoted(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Failure::Usage(format!(
            "the input is no text ({error}): say with --content-type what it is"
        ))
    })?;
    Ok(serde_json::Value::from(text).to_string().into_bytes())
}

fn stdin() -> Result<Vec<u8>, Failure> {
    if print::can_ask() {
        print::say(print::faint(
            "reading the input from the terminal, until Ctrl-D",
        ));
    }
    let mut body = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut body);
    read.map_err(|source| Failure::Read {
        path: "the input from stdin".to_owned(),
        source,
    })?;
    Ok(body)
}

fn file(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_people_write_them() {
        for (text, key, path) in [
            ("Greeter/greet", None, "Greeter/greet"),
            ("/Ledger/main/add", None, "Ledger/main/add"),
            ("Ledger/a/b/add", None, "Ledger/a%2Fb/add"),
            ("Ledger/add", Some("a b"), "Ledger/a%20b/add"),
            ("Ledger//add", None, "Ledger//add"),
        ] {
            let read = target(text, key).expect(text);
            assert_eq!(read.to_string(), path);
        }
        for (text, key) in [("Greeter", None), ("", None), ("A/k/h", Some("k"))] {
            assert_eq!(target(text, key).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }

    #[test]
    fn an_input_is_json_unless_it_is_said_to_be_something_else() {
        assert!(checked(b"{\"a\": [1]}".to_vec()).is_ok());
        let refusal = checked(b"Ada".to_vec()).unwrap_err().to_string();
        assert!(refusal.contains("--text"), "{refusal}");
        assert_eq!(
            quoted("say \"hi\"".as_bytes()).expect("text"),
            br#""say \"hi\"""#
        );
        assert!(quoted(&[0xff]).is_err());
    }
}
