//! What an invocation was given, and what it gave: small payloads come in, lines for people go out.
//!
//! The server writes the bytes of a payload as numbers, several times their size; so only small
//! ones are asked for.

use crate::admin::Admin;
use crate::exit::Failure;
use crate::print;
use crate::statement::Conditions;
use serde::Deserialize;
use serde_json::Value;

/// Larger entries are not read.
const ENTRY_BYTES_MAX: usize = 16 << 10;
/// Characters that are shown.
const SHOWN: usize = 200;

/// Both, where there is something to show.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Payloads {
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
}

/// Reads them from the journal of an invocation.
pub(super) fn read(admin: &Admin, by_id: &Conditions) -> Result<Payloads, Failure> {
    let mut small = by_id.clone();
    small.one_of(
        "entry_type",
        &["Command: Input".to_owned(), "Command: Output".to_owned()],
    );
    small.holds(format!("raw_length <= {ENTRY_BYTES_MAX}"));
    let sql = format!("SELECT entry_json FROM sys_journal{small}");
    Ok(payloads(&admin.query(&sql)?))
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    entry_json: Option<String>,
}

fn payloads(entries: &[Entry]) -> Payloads {
    let mut payloads = Payloads::default();
    for entry in entries {
        let json = entry.entry_json.as_deref().unwrap_or_default();
        let entry: Value = serde_json::from_str(json).unwrap_or_default();
        let command = &entry["Command"];
        payloads.input = payloads.input.or(shown(&command["Input"]["payload"]));
        payloads.output = payloads
            .output
            .or(shown(&command["Output"]["result"]["Success"]));
    }
    payloads
}

/// The text of a list of bytes; nothing if there are none.
fn shown(bytes: &Value) -> Option<String> {
    let bytes: Vec<u8> = Vec::deserialize(bytes).ok()?;
    if bytes.is_empty() {
        return None;
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Some(print::faint(format_args!(
            "{}, not text",
            print::size(bytes.len() as u64)
        )));
    };
    let line = print::first_line(text);
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => Some(format!("{}…", &line[..at])),
        None => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(json: &Value) -> Entry {
        Entry {
            entry_json: Some(json.to_string()),
        }
    }

    #[test]
    fn payloads_are_shown_as_the_text_that_they_are() {
        let entries = [
            entry(&json!({"Command": {"Input": {"headers": [], "payload": [34, 120, 34]}}})),
            Entry { entry_json: None },
            entry(&json!({"Command": {"Output": {"result": {"Success": [255, 0]}}}})),
        ];
        assert_eq!(
            payloads(&entries),
            Payloads {
                input: Some("\"x\"".to_owned()),
                output: Some("2 B, not text".to_owned()),
            }
        );
    }

    #[test]
    fn what_is_empty_or_too_long_is_not_shown_or_cut() {
        assert_eq!(shown(&json!([])), None);
        assert_eq!(shown(&Value::Null), None);
        assert_eq!(shown(&json!([300])), None);
        let long = shown(&json!("é".repeat(SHOWN + 1).into_bytes())).expect("a text");
        assert_eq!(long, format!("{}…", "é".repeat(SHOWN)));
    }
}
