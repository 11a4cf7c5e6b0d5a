//! `latchwork state`: the state of objects and workflows, read and changed.
//!
//! A change reads the whole state, changes it here, and sends it back with the version that was
//! read, so that a change that came between is not lost: the server refuses then.

use super::assignment;
use crate::admin::Admin;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::segment;
use crate::print::{self, Column, Table};
use crate::statement::Conditions;
use latchwork_protocol::admin::{ModifyState, StateBytes, state_version};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use ureq::http::Method;

const EXAMPLES: &str = "\
Examples:
  latchwork state list
  latchwork state list Ledger
  latchwork state get Ledger/main
  latchwork state get Ledger/main total
  latchwork state set Ledger/main total=7 'last={\"n\": 1}'
  latchwork state unset Ledger/main last
  latchwork state clear Ledger/main

Values are JSON; what is no JSON is written with --text. A change is applied after the calls that \
wait for the key, and refused if the state has changed meanwhile.";

/// Read and change the state of objects and workflows
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct State {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what is kept: of all services, of one, or of one key
    List {
        /// SERVICE or SERVICE/KEY
        of: Option<String>,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Print the state of one key, or one value of it as it is
    Get {
        /// SERVICE/KEY
        of: Object,
        /// Only this value
        name: Option<String>,
    },
    /// Set values; the others stay
    Set {
        /// SERVICE/KEY
        of: Object,
        /// What is set to what; the value is JSON
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
        values: Vec<(String, String)>,
        /// The values are text, not JSON: set them as JSON strings
        #[arg(long)]
        text: bool,
    },
    /// Remove values; the others stay
    Unset {
        /// SERVICE/KEY
        of: Object,
        /// What is removed
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Remove all values of a key
    Clear {
        /// SERVICE/KEY
        of: Object,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// An object or a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    service: String,
    key: String,
}

impl std::str::FromStr for Object {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((service, key)) if !service.is_empty() => Ok(Self {
                service: service.to_owned(),
                key: key.to_owned(),
            }),
            _ => Err("give SERVICE/KEY; the key may hold slashes".to_owned()),
        }
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.key)
    }
}

#[derive(Deserialize)]
struct Listed {
    service_name: String,
    service_key: String,
    key: String,
    value: String,
}

impl State {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let admin = self.connection.admin()?;
        let is_json = self.connection.json;
        match self.action {
            Action::List { of, limit } => list(&admin, is_json, of.as_deref(), limit),
            Action::Get { of, name: None } => get(&admin, is_json, &of),
            Action::Get {
                of,
                name: Some(name),
            } => value(&admin, &of, &name),
            Action::Set { of, values, text } => {
                let mut state = read(&admin, &of)?;
                let version = version(&state);
                for (name, value) in values {
                    state.insert(name.clone(), written(&name, value, text)?);
                }
                write(&admin, is_json, &of, version, state)
            }
            Action::Unset { of, names } => {
                let mut state = read(&admin, &of)?;
                let version = version(&state);
                for name in &names {
                    if state.remove(name).is_none() {
                        return Err(Failure::NotFound(format!(
                            "{of} has no {name}; nothing was changed"
                        )));
                    }
                }
                write(&admin, is_json, &of, version, state)
            }
            Action::Clear { of, yes } => {
                let state = read(&admin, &of)?;
                if state.is_empty() {
                    return Err(Failure::NotFound(format!("{of} has no state")));
                }
                let values = print::counted(state.len() as u64, "value");
                if !yes {
                    if !print::can_ask() {
                        return Err(Failure::Usage(format!(
                            "clear {values} of {of}? There is no terminal to ask on: add --yes if that is meant"
                        )));
                    }
                    if !print::confirm(&format!("Clear {values} of {of}?"))? {
                        print::say("nothing done");
                        return Ok(Exit::Failed);
                    }
                }
                write(&admin, is_json, &of, version(&state), BTreeMap::new())
            }
        }
    }
}

fn list(admin: &Admin, is_json: bool, of: Option<&str>, limit: u32) -> Result<Exit, Failure> {
    let mut conditions = Conditions::new();
    if let Some(of) = of {
        let (service, key) = of
            .split_once('/')
            .map_or((of, None), |(service, key)| (service, Some(key)));
        conditions.equal("service_name", service);
        if let Some(key) = key {
            conditions.equal("service_key", key);
        }
    }
    let rows: Vec<Listed> = admin.query(&format!(
        "SELECT service_name, service_key, key, value FROM state{conditions} \
         ORDER BY service_name, service_key, key LIMIT {limit}"
    ))?;
    let mut table = Table::new([
        Column::flexible("OBJECT", 16),
        Column::flexible("NAME", 12),
        Column::number("SIZE"),
        Column::flexible("VALUE", 16),
    ]);
    let mut documents = Vec::new();
    for row in rows {
        let object = format!("{}/{}", row.service_name, row.service_key);
        let bytes = bytes(&object, &row.value)?;
        table.row([
            print::first_line(&object),
            print::first_line(&row.key),
            print::size(bytes.len() as u64),
            print::first_line(&shown(&bytes)),
        ]);
        documents.push(json!({
            "service": row.service_name, "key": row.service_key, "name": row.key, "value": document(&bytes),
        }));
    }
    if is_json {
        print::json(&documents)?;
        return Ok(Exit::Done);
    }
    if !table.is_empty() {
        print::raw(table.render(print::width()).as_bytes())?;
    }
    let count = documents.len() as u64;
    let more = if count == u64::from(limit) {
        "; --limit shows more"
    } else {
        ""
    };
    print::say(print::faint(format_args!(
        "{}{more}",
        print::counted(count, "value")
    )));
    Ok(Exit::Done)
}

fn get(admin: &Admin, is_json: bool, of: &Object) -> Result<Exit, Failure> {
    let state = read(admin, of)?;
    if state.is_empty() {
        return Err(Failure::NotFound(format!("{of} has no state")));
    }
    if is_json {
        let values: Map<_, _> = state
            .iter()
            .map(|(name, bytes)| (name.clone(), document(bytes)))
            .collect();
        print::json(&values)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([
        Column::fixed("NAME"),
        Column::number("SIZE"),
        Column::flexible("VALUE", 16),
    ]);
    for (name, bytes) in &state {
        table.row([
            print::first_line(name),
            print::size(bytes.len() as u64),
            print::first_line(&shown(bytes)),
        ]);
    }
    print::raw(table.render(print::width()).as_bytes())?;
    Ok(Exit::Done)
}

fn value(admin: &Admin, of: &Object, name: &str) -> Result<Exit, Failure> {
    let mut state = read(admin, of)?;
    let mut bytes = state
        .remove(name)
        .ok_or_else(|| Failure::NotFound(format!("{of} has no {name}")))?;
    if std::str::from_utf8(&bytes).is_ok() {
        bytes.push(b'\n');
    }
    print::raw(&bytes)?;
    Ok(Exit::Done)
}

/// All values of a key, by name.
fn read(admin: &Admin, of: &Object) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    #[derive(Deserialize)]
    struct Row {
        key: String,
        value: String,
    }
    let mut conditions = Conditions::new();
    conditions.equal("service_name", &of.service);
    conditions.equal("service_key", &of.key);
    let rows: Vec<Row> = admin.query(&format!("SELECT key, value FROM state{conditions}"))?;
    rows.into_iter()
        .map(|row| Ok((row.key, bytes(&of.to_string(), &row.value)?)))
        .collect()
}

fn version(state: &BTreeMap<String, Vec<u8>>) -> String {
    let entries = state.iter();
    state_version(entries.map(|(name, value)| (name.as_bytes(), value.as_slice())))
}

fn write(
    admin: &Admin,
    is_json: bool,
    of: &Object,
    version: String,
    state: BTreeMap<String, Vec<u8>>,
) -> Result<Exit, Failure> {
    let count = state.len() as u64;
    let request = ModifyState {
        version: Some(version),
        object_key: of.key.clone(),
        scope: None,
        new_state: state
            .into_iter()
            .map(|(name, value)| (name, StateBytes(value)))
            .collect(),
    };
    let path = format!("/services/{}/state", segment(&of.service));
    admin.tell(Method::POST, &path, Some(&json!(request)))?;
    if is_json {
        print::json(&json!({"service": of.service, "key": of.key, "values": count}))?;
    } else {
        print::say(format_args!(
            "{of} will have {}, once the calls that wait for the key are over",
            print::counted(count, "value")
        ));
    }
    Ok(Exit::Done)
}

fn written(name: &str, value: String, is_text: bool) -> Result<Vec<u8>, Failure> {
    if is_text {
        return Ok(Value::from(value).to_string().into_bytes());
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&value) {
        Ok(_) => Ok(value.into_bytes()),
        Err(error) => Err(Failure::Usage(format!(
            "the value of {name} is not JSON ({error}): write a text as '{name}=\"text\"', or use --text"
        ))),
    }
}

/// Bytes from the hexadecimal digits of an answer.
fn bytes(of: &str, hex: &str) -> Result<Vec<u8>, Failure> {
    let byte = |at: usize| {
        hex.get(at..at + 2)
            .and_then(|two| u8::from_str_radix(two, 16).ok())
    };
    (0..hex.len()).step_by(2).map(byte).collect::<Option<_>>().ok_or_else(|| {
        Failure::Refused(format!(
            "a value of {of} is not written in hexadecimal digits. Are server and command of one version?"
        ))
    })
}

/// A value for people.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => "(not text)".to_owned(),
    }
}

/// A value as JSON: itself, else its text, else an array of its bytes.
fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_hold_slashes() {
        let object: Object = "Ledger/a/b".parse().expect("an object");
        assert_eq!(
            (object.service.as_str(), object.key.as_str()),
            ("Ledger", "a/b")
        );
        assert!("Ledger".parse::<Object>().is_err());
        assert!("/a".parse::<Object>().is_err());
    }

    #[test]
    fn versions_are_those_of_the_server() {
        let mut state = BTreeMap::new();
        assert_eq!(
            version(&state),
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
        );
        state.insert("count".to_owned(), b"2".to_vec());
        assert_eq!(
            version(&state),
            "oDVelX9rZfK0jIls7uLnmmv6QXU_3amVenCuAnBsZaQ"
        );
    }

    #[test]
    fn values_are_read_and_written_as_what_they_are() {
        assert_eq!(bytes("o", "7b7d").expect("hex"), b"{}");
        for bad in ["7", "zz", "7é"] {
            assert!(bytes("o", bad).is_err(), "{bad}");
        }
        assert_eq!(document(b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(document(b"plain"), json!("plain"));
        assert_eq!(document(&[0xff]), json!([255]));
        assert!(written("n", "plain".to_owned(), false).is_err());
        assert_eq!(
            written("n", "plain".to_owned(), true).expect("text"),
            b"\"plain\""
        );
    }
}
