//! `latchwork services`: what is offered, in which revision, with which settings, and how busy it is.

use super::assignment;
use crate::admin::Admin;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::segment;
use crate::print::{self, Column, Table};
use crate::statement::Conditions;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use ureq::http::Method;

const EXAMPLES: &str = "\
Examples:
  latchwork services list
  latchwork services describe Shop
  latchwork services set Shop inactivity_timeout=5m public=false
  latchwork services describe Shop --json | jq .retry_policy

What can be set: public, idempotency_retention, workflow_completion_retention, journal_retention, \
inactivity_timeout, abort_timeout and keep_headers; a newer server may take more, and refuses what it does not \
know. NAME.NAME=VALUE sets a member of a member.";

/// List and describe services, and change their settings
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, visible_alias = "svc", arg_required_else_help = true)]
pub(crate) struct Services {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List all, with how many unfinished invocations each has
    List,
    /// Show one: its settings, its handlers, its invocations
    Describe {
        /// The service
        name: String,
    },
    /// Change settings of one, for its newest revision
    Set {
        /// The service
        name: String,
        /// What is set to what
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
        settings: Vec<(String, String)>,
    },
}

/// What is read of a service.
#[derive(Debug, Deserialize)]
struct Service {
    name: String,
    ty: String,
    revision: u32,
    deployment_id: String,
    public: bool,
    handlers: Vec<Handler>,
    #[serde(default)]
    documentation: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Handler {
    name: String,
    #[serde(default)]
    ty: Option<String>,
    input_description: String,
    output_description: String,
}

impl Services {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let admin = self.connection.admin()?;
        let is_json = self.connection.json;
        match self.action {
            Action::List => list(&admin, is_json),
            Action::Describe { name } => describe(&admin, is_json, &name),
            Action::Set { name, settings } => {
                let mut body = Map::new();
                for (setting, value) in settings {
                    put(&mut body, &setting, parsed(&value))?;
                }
                let reply = admin.tell(Method::PATCH, &path(&name), Some(&Value::Object(body)))?;
                let document: Value = reply.json()?;
                if is_json {
                    print::json(&document)?;
                } else {
                    print::raw(settings_text(&document).as_bytes())?;
                }
                Ok(Exit::Done)
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("/services/{}", segment(name))
}

/// Truths, numbers and null as such; all else is text.
fn parsed(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Null)) => value,
        _ => text.into(),
    }
}

/// Puts a value under a name with dots.
fn put(body: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Failure> {
    let Some((first, rest)) = name.split_once('.') else {
        body.insert(name.to_owned(), value);
        return Ok(());
    };
    let member = body
        .entry(first)
        .or_insert_with(|| Value::Object(Map::new()));
    match member {
        Value::Object(member) => put(member, rest, value),
        _ => Err(Failure::Usage(format!(
            "{first} is set both to a value and to members of it"
        ))),
    }
}

fn list(admin: &Admin, is_json: bool) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct List {
        services: Vec<Service>,
    }
    if is_json {
        let list: Value = admin.get("/services")?;
        print::json(&list["services"])?;
        return Ok(Exit::Done);
    }
    #[derive(Deserialize)]
    struct Open {
        service: String,
        n: u64,
    }
    let open: Vec<Open> = admin.query(
        "SELECT target_service_name AS service, COUNT(1) AS n FROM sys_invocation_status \
         WHERE status != 'completed' GROUP BY target_service_name",
    )?;
    let open: BTreeMap<_, _> = open.into_iter().map(|row| (row.service, row.n)).collect();
    let mut services = admin.get::<List>("/services")?.services;
    services.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = Table::new([
        Column::fixed("SERVICE"),
        Column::fixed("TYPE"),
        Column::number("OPEN"),
        Column::number("REVISION").optional(),
        Column::fixed("DEPLOYMENT").optional(),
        Column::flexible("HANDLERS", 12),
    ]);
    for service in services {
        let handlers: Vec<_> = service
            .handlers
            .iter()
            .map(|handler| handler.name.as_str())
            .collect();
        let private = if service.public { "" } else { " (private)" };
        table.row([
            format!("{}{}", service.name, print::faint(private)),
            service.ty,
            print::grouped(open.get(&service.name).copied().unwrap_or_default()),
            service.revision.to_string(),
            service.deployment_id,
            handlers.join(", "),
        ]);
    }
    if table.is_empty() {
        print::say(
            "no services; latchwork deployments register http://host:9080 adds those of an endpoint",
        );
    } else {
        print::raw(table.render(print::width()).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn describe(admin: &Admin, is_json: bool, name: &str) -> Result<Exit, Failure> {
    let document: Value = admin.get(&path(name))?;
    if is_json {
        print::json(&document)?;
        return Ok(Exit::Done);
    }
    let service: Service = serde_json::from_value(document.clone()).map_err(|error| {
        Failure::Refused(format!(
            "what the server says of {name} cannot be read: {error}. Are server and command of one version?"
        ))
    })?;
    let kind = format!(
        "{}, revision {} on {}",
        service.ty, service.revision, service.deployment_id
    );
    print::line(format_args!(
        "{}  {}",
        print::strong(&service.name),
        print::faint(kind)
    ))?;
    if let Some(documentation) = &service.documentation {
        print::line(format_args!("{}\n", documentation.trim()))?;
    }
    print::raw(settings_text(&document).as_bytes())?;

    let busy = busy(admin, name)?;
    let mut table = Table::new([
        Column::fixed("HANDLER"),
        Column::fixed("TYPE"),
        Column::flexible("INPUT", 10),
        Column::flexible("OUTPUT", 10),
        Column::flexible("OPEN INVOCATIONS", 12),
    ]);
    for handler in service.handlers {
        let open = busy.get(&handler.name).map(|states| {
            let states: Vec<_> = states
                .iter()
                .map(|(status, count)| {
                    format!("{} {}", print::grouped(*count), print::status(status, None))
                })
                .collect();
            states.join(", ")
        });
        table.row([
            handler.name,
            handler.ty.unwrap_or_default(),
            handler.input_description,
            handler.output_description,
            open.unwrap_or_default(),
        ]);
    }
    print::line("")?;
    print::raw(table.render(print::width()).as_bytes())?;
    Ok(Exit::Done)
}

/// Unfinished invocations of a service: how many in each state, by handler.
fn busy(admin: &Admin, name: &str) -> Result<BTreeMap<String, Vec<(String, u64)>>, Failure> {
    #[derive(Deserialize)]
    struct Group {
        handler: String,
        status: String,
        n: u64,
    }
    let mut conditions = Conditions::new();
    conditions.equal("target_service_name", name);
    conditions.holds("status != 'completed'");
    let groups: Vec<Group> = admin.query(&format!(
        "SELECT target_handler_name AS handler, status, COUNT(1) AS n FROM sys_invocation{conditions} \
         GROUP BY target_handler_name, status ORDER BY target_handler_name, status"
    ))?;
    let mut busy: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for group in groups {
        busy.entry(group.handler)
            .or_default()
            .push((group.status, group.n));
    }
    Ok(busy)
}

/// Every member of the document that is a setting, as `name  value  source`; the names are those
/// that `set` takes. The source is not there if the server does not say it.
fn settings_text(document: &Value) -> String {
    const OTHERS: [&str; 9] = [
        "name",
        "ty",
        "handlers",
        "documentation",
        "metadata",
        "deployment_id",
        "revision",
        "info",
        "in_force",
    ];
    let Value::Object(members) = document else {
        return String::new();
    };
    let settings = members
        .iter()
        .filter(|(name, _)| !OTHERS.contains(&name.as_str()));
    let mut lines = Vec::new();
    for (name, value) in settings {
        match value {
            Value::Object(members) => {
                let members = members.iter();
                lines.extend(
                    members.map(|(member, value)| (format!("{name}.{member}"), plain(value))),
                );
            }
            value => lines.push((name.clone(), plain(value))),
        }
    }
    let line = |(name, value): (String, String)| {
        let label = print::faint(format_args!("{name:<37}"));
        match document["in_force"][&name]["source"].as_str() {
            Some(source) => format!("  {label}{value:<10}  {}\n", print::faint(source)),
            None => format!("  {label}{value}\n"),
        }
    };
    lines.into_iter().map(line).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_of_the_type_that_they_look_like() {
        let mut body = Map::new();
        for (name, value) in [
            ("public", "false"),
            ("inactivity_timeout", "5m"),
            ("retry_policy.max_attempts", "7"),
            ("retry_policy.max_interval", "10s"),
        ] {
            put(&mut body, name, parsed(value)).expect(name);
        }
        assert_eq!(
            Value::Object(body.clone()),
            json!({"public": false, "inactivity_timeout": "5m",
                   "retry_policy": {"max_attempts": 7, "max_interval": "10s"}})
        );
        assert!(put(&mut body, "public.x", Value::Null).is_err());
    }

    #[test]
    fn settings_are_listed_apart_from_what_is_none() {
        let document = json!({"name": "S", "handlers": [], "public": true, "abort_timeout": "10m",
                              "retry_policy": {"max_attempts": null, "initial_interval": "500ms"}});
        assert_eq!(
            settings_text(&document),
            "  abort_timeout                        10m\n  \
             public                               true\n  \
             retry_policy.initial_interval        500ms\n  \
             retry_policy.max_attempts            none\n"
        );
        let document = json!({"public": true, "retry_policy": {"max_attempts": 7}, "in_force": {
            "public": {"value": true, "source": "default"},
            "retry_policy.max_attempts": {"value": 7, "source": "code"}}});
        assert_eq!(
            settings_text(&document),
            "  public                               true        default\n  \
             retry_policy.max_attempts            7           code\n"
        );
    }
}
