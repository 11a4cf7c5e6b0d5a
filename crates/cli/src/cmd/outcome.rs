//! What became of an invocation that was waited for: an ending comes in, its output goes to
//! stdout, anything else to stderr, and the exit code tells them apart.

use crate::exit::{Exit, Failure};
use crate::ingress::Ending;
use crate::print;
use serde_json::{Value, json};

/// Reports an ending. `what` is how people would call the invocation.
pub(super) fn report(
    is_json: bool,
    what: &str,
    id: Option<&str>,
    ending: Ending,
) -> Result<Exit, Failure> {
    if is_json {
        let (status, rest, exit) = match ending {
            Ending::Output(body) => ("succeeded", ("output", value(&body)), Exit::Done),
            Ending::Failure(error) => {
                let error = json!({"code": error.code, "message": error.message, "metadata": error.metadata});
                ("failed", ("error", error), Exit::InvocationFailed)
            }
            Ending::NotReady => ("not_ready", ("output", Value::Null), Exit::NotReady),
        };
        let mut document = json!({"invocation_id": id, "status": status});
        document[rest.0] = rest.1;
        print::json(&document)?;
        return Ok(exit);
    }
    match ending {
        Ending::Output(mut body) => {
            // Text ends with a line; anything else is passed on byte for byte.
            if std::str::from_utf8(&body)
                .is_ok_and(|text| !text.is_empty() && !text.ends_with('\n'))
            {
                body.push(b'\n');
            }
            print::raw(&body)?;
            Ok(Exit::Done)
        }
        Ending::Failure(error) => {
            let failed = print::Mood::Bad.paint("failed");
            print::say(format_args!(
                "{what} {failed}: [{}] {}",
                error.code, error.message
            ));
            for (name, value) in &error.metadata {
                print::say(format_args!("  {name}: {value}"));
            }
            if let Some(id) = id {
                print::say(print::faint(format_args!(
                    "latchwork invocations describe {id} shows how it came to that"
                )));
            }
            Ok(Exit::InvocationFailed)
        }
        Ending::NotReady => {
            let id = id.unwrap_or_default();
            print::say(format_args!(
                "{what} is not over yet; it goes on. latchwork invocations attach {id} waits for its result, \
                 latchwork why {id} says what it waits for."
            ));
            Ok(Exit::NotReady)
        }
    }
}

/// An output as JSON: the value if it is one, else its text, else nothing that can be shown.
fn value(body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) if body.is_empty() => Value::Null,
        Err(_) => String::from_utf8_lossy(body).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_json_where_they_are() {
        assert_eq!(value(b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(value(b"plain"), json!("plain"));
        assert_eq!(value(b""), Value::Null);
    }
}
