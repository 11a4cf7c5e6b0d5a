//! `latchwork config`: the settings that a server started here would have, and where each is from.

use crate::exit::{Exit, Failure};
use crate::print::{self, Column, Table};
use latchwork_server::config::{Config as Settings, SETTINGS, Setting, Sources};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
It shows what `latchwork serve` would run with, started in this directory and with these \
variables; a running server may have been started with others.

Examples:
  latchwork config
  latchwork config --config production.toml
  latchwork config --json | jq -r .data_dir.value";

/// Show the settings in force, and where each comes from
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Config {
    /// Read settings from this file [default: latchwork.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write JSON to stdout instead of text for people
    #[arg(long)]
    json: bool,
}

impl Config {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let sources = Sources::gather(self.config, Vec::new())?;
        let settings = Settings::load(&sources)?;
        if self.json {
            let document: Map<String, Value> = SETTINGS
                .iter()
                .map(|setting| {
                    (
                        setting.key.to_owned(),
                        document(setting, &settings, &sources),
                    )
                })
                .collect();
            print::json(&document)?;
            return Ok(Exit::Done);
        }
        let mut table = Table::new([
            Column::fixed("SETTING"),
            Column::fixed("VALUE"),
            Column::fixed("FROM"),
        ]);
        for setting in SETTINGS {
            table.row([
                setting.key.to_owned(),
                value(setting, &settings),
                from(setting, &sources).unwrap_or_else(|| print::faint("default")),
            ]);
        }
        print::raw(table.render(print::width()).as_bytes())?;
        print::say(print::faint("latchwork serve --help says what each does"));
        Ok(Exit::Done)
    }
}

fn document(setting: &Setting, settings: &Settings, sources: &Sources) -> Value {
    json!({
        "value": setting.value(settings),
        "from": from(setting, sources).unwrap_or_else(|| "default".to_owned()),
        "variable": setting.variable(),
        "help": setting.help.trim(),
    })
}

/// Where it was set, if it was.
fn from(setting: &Setting, sources: &Sources) -> Option<String> {
    sources.place(setting).map(|place| place.to_string())
}

/// The value as people write it; sizes in the unit that suits them, if one does.
fn value(setting: &Setting, settings: &Settings) -> String {
    let Some(text) = setting.value(settings) else {
        return print::faint("none");
    };
    let bytes = setting.key.split('_').any(|word| word == "bytes");
    match text.parse::<u64>() {
        Ok(size) if bytes => print::size(size),
        _ => text,
    }
}
