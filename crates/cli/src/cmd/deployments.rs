//! `latchwork deployments`: where the code is: registered, looked at, changed, removed.

use super::{assignment, header};
use crate::admin::Admin;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::http::{ClientError, segment};
use crate::moment;
use crate::print::{self, Column, Mood, Table};
use crate::statement::Conditions;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use ureq::http::Method;

const EXAMPLES: &str = "\
Examples:
  latchwork deployments register http://localhost:9080
  latchwork deployments register 9080 --dry-run
  latchwork deployments list
  latchwork deployments describe dp_1aBc
  latchwork deployments update dp_1aBc --uri http://other:9080
  latchwork deployments remove dp_1aBc

A deployment is active while it has the newest revision of a service, draining while unfinished \
invocations are bound to it, and drained after that: then it can be removed.";

/// Register, list, describe, update and remove deployments
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, visible_alias = "dp", arg_required_else_help = true)]
pub(crate) struct Deployments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List all, with how many unfinished invocations are bound to each
    List,
    /// Show one, with its services
    Describe {
        /// The deployment
        id: String,
    },
    /// Tell the server where handlers are; it asks there what they are
    Register {
        /// The address of the endpoint, such as http://host:9080; a number is a port of this machine
        uri: String,
        /// Read an address again that is registered already
        #[arg(long)]
        force: bool,
        /// Let services change their type and lose handlers
        #[arg(long)]
        breaking: bool,
        /// Check only, register nothing
        #[arg(long)]
        dry_run: bool,
        /// Speak HTTP/1.1 to it
        #[arg(long)]
        http1: bool,
        /// Send this header with every request to it; may be repeated
        #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
        headers: Vec<(String, String)>,
        /// Keep this with the deployment; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
        metadata: Vec<(String, String)>,
    },
    /// Change the address or the headers of one; its invocations follow
    Update {
        /// The deployment
        id: String,
        /// Where it is now
        #[arg(long)]
        uri: Option<String>,
        /// Speak HTTP/1.1 to it
        #[arg(long)]
        http1: bool,
        /// Replace all headers by this one; may be repeated
        #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
        headers: Vec<(String, String)>,
        /// Read its services again
        #[arg(long)]
        overwrite: bool,
        /// Check only, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove one that is drained
    Remove {
        /// The deployment
        id: String,
        /// Also if unfinished invocations need it: they are left without code
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// What is read of a deployment.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) uri: Option<String>,
    arn: Option<String>,
    #[serde(default)]
    protocol_type: Option<String>,
    #[serde(default)]
    pub(super) http_version: Option<String>,
    #[serde(default)]
    pub(super) additional_headers: BTreeMap<String, String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    created_at: String,
    min_protocol_version: u32,
    max_protocol_version: u32,
    #[serde(default)]
    sdk_version: Option<String>,
    services: Vec<Offered>,
    /// Where the server says that it stands.
    #[serde(default)]
    drain: Option<Drain>,
}

#[derive(Debug, Clone, Deserialize)]
struct Drain {
    state: String,
    pinned_invocations: u64,
}

/// A service that it offers; the members after the first two are there on their own only.
#[derive(Debug, Clone, Deserialize)]
struct Offered {
    name: String,
    revision: u32,
    #[serde(default)]
    ty: Option<String>,
    #[serde(default)]
    handlers: Vec<Named>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

/// What is bound to where, for servers that do not say it themselves.
struct Use {
    /// Unfinished invocations by deployment.
    pinned: BTreeMap<String, u64>,
    /// Deployments with the newest revision of a service.
    newest: BTreeSet<String>,
}

impl Deployments {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let admin = self.connection.admin()?;
        let is_json = self.connection.json;
        match self.action {
            Action::List => list(&admin, is_json),
            Action::Describe { id } => describe(&admin, is_json, &id),
            Action::Register {
                uri,
                force,
                breaking,
                dry_run,
                http1,
                headers,
                metadata,
            } => {
                let mut body = json!({
                    "uri": endpoint(&uri), "force": force, "breaking": breaking, "dry_run": dry_run, "use_http_11": http1,
                });
                if !headers.is_empty() {
                    body["additional_headers"] = pairs(headers);
                }
                if !metadata.is_empty() {
                    body["metadata"] = pairs(metadata);
                }
                register(&admin, is_json, &body, dry_run)
            }
            Action::Update {
                id,
                uri,
                http1,
                headers,
                overwrite,
                dry_run,
            } => {
                // A body without "uri" would be read as that of a function.
                let mut body = json!({"uri": uri.map(|uri| endpoint(&uri)), "overwrite": overwrite, "dry_run": dry_run});
                if http1 {
                    body["use_http_11"] = true.into();
                }
                if !headers.is_empty() {
                    body["additional_headers"] = pairs(headers);
                }
                let reply = admin.tell(Method::PATCH, &path(&id), Some(&body))?;
                if is_json {
                    print::json(&reply.json::<Value>()?)?;
                } else {
                    let what = if dry_run {
                        "could be updated"
                    } else {
                        "updated"
                    };
                    print::say(format_args!("{id} {what}"));
                }
                Ok(Exit::Done)
            }
            Action::Remove { id, force, yes } => remove(&admin, is_json, &id, force, yes),
        }
    }
}

fn path(id: &str) -> String {
    format!("/deployments/{}", segment(id))
}

fn pairs(pairs: Vec<(String, String)>) -> Value {
    let object: Map<_, _> = pairs
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    Value::Object(object)
}

/// An address from what people write for one: a port, a host with a port, or a URL.
pub(super) fn endpoint(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        port if is_number => format!("http://localhost:{port}"),
        url if url.contains("://") => url.to_owned(),
        host => format!("http://{host}"),
    }
}

/// All deployments, in the order of the server.
pub(super) fn all(admin: &Admin) -> Result<Vec<Deployment>, Failure> {
    #[derive(Deserialize)]
    struct List {
        deployments: Vec<Deployment>,
    }
    Ok(admin.get::<List>("/deployments")?.deployments)
}

impl Deployment {
    /// Where it is.
    pub(super) fn place(&self) -> &str {
        self.uri
            .as_deref()
            .or(self.arn.as_deref())
            .unwrap_or_default()
    }
}

impl Use {
    fn read(admin: &Admin) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Pinned {
            id: Option<String>,
            n: u64,
        }
        #[derive(Deserialize)]
        struct Services {
            services: Vec<Newest>,
        }
        #[derive(Deserialize)]
        struct Newest {
            deployment_id: String,
        }
        let pinned: Vec<Pinned> = admin.query(
            "SELECT pinned_deployment_id AS id, COUNT(1) AS n FROM sys_invocation_status \
             WHERE status != 'completed' GROUP BY pinned_deployment_id",
        )?;
        let services: Services = admin.get("/services")?;
        Ok(Self {
            pinned: pinned
                .into_iter()
                .filter_map(|row| Some((row.id?, row.n)))
                .collect(),
            newest: services
                .services
                .into_iter()
                .map(|service| service.deployment_id)
                .collect(),
        })
    }

    fn of(&self, id: &str) -> Drain {
        let pinned_invocations = self.pinned.get(id).copied().unwrap_or_default();
        let state = match (self.newest.contains(id), pinned_invocations) {
            (true, _) => "active",
            (false, 0) => "drained",
            (false, _) => "draining",
        };
        Drain {
            state: state.to_owned(),
            pinned_invocations,
        }
    }
}

impl Drain {
    /// Where all of these stand, in their order.
    fn of(admin: &Admin, deployments: &[Deployment]) -> Result<Vec<Self>, Failure> {
        let told: Option<Vec<_>> = deployments.iter().map(|one| one.drain.clone()).collect();
        if let Some(told) = told {
            return Ok(told);
        }
        let in_use = Use::read(admin)?;
        Ok(deployments.iter().map(|one| in_use.of(&one.id)).collect())
    }

    fn shown(&self) -> String {
        let mood = match self.state.as_str() {
            "active" => Mood::Good,
            "draining" => Mood::Waiting,
            _ => Mood::Calm,
        };
        mood.paint(&self.state)
    }
}

fn list(admin: &Admin, is_json: bool) -> Result<Exit, Failure> {
    if is_json {
        let list: Value = admin.get("/deployments")?;
        print::json(&list["deployments"])?;
        return Ok(Exit::Done);
    }
    let now = moment::now();
    let mut table = Table::new([
        Column::fixed("ID"),
        Column::flexible("ADDRESS", 22),
        Column::fixed("STATE"),
        Column::number("OPEN"),
        Column::number("AGE").optional(),
        Column::flexible("SERVICES", 12),
    ]);
    let all = all(admin)?;
    for (deployment, drain) in all.iter().zip(Drain::of(admin, &all)?) {
        let names: Vec<_> = deployment
            .services
            .iter()
            .map(|service| service.name.as_str())
            .collect();
        let age = moment::parse(&deployment.created_at).map(|at| moment::age(now - at));
        table.row([
            deployment.id.clone(),
            deployment.place().to_owned(),
            drain.shown(),
            print::grouped(drain.pinned_invocations),
            age.unwrap_or_default(),
            names.join(", "),
        ]);
    }
    if table.is_empty() {
        print::say("no deployments; latchwork deployments register http://host:9080 adds one");
    } else {
        print::raw(table.render(print::width()).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn describe(admin: &Admin, is_json: bool, id: &str) -> Result<Exit, Failure> {
    let document: Value = admin.get(&path(id))?;
    if is_json {
        print::json(&document)?;
        return Ok(Exit::Done);
    }
    let deployment: Deployment =
        serde_json::from_value(document).map_err(|error| ClientError::Unreadable {
            url: format!("{}{}", admin.base(), path(id)),
            reason: error.to_string(),
        })?;
    let drain = Drain::of(admin, std::slice::from_ref(&deployment))?;
    let state = drain.first().map(|drain| {
        let open = match drain.pinned_invocations {
            0 => String::new(),
            count => format!(
                ", {} bound to it",
                print::counted(count, "unfinished invocation")
            ),
        };
        format!("{}{open}", drain.shown())
    });
    let created = moment::parse(&deployment.created_at).map(|at| {
        format!(
            "{} ({})",
            moment::readable(at),
            moment::beside(at, moment::now())
        )
    });
    let listed = |pairs: &BTreeMap<String, String>| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        Some(pairs.join(", ")).filter(|text| !text.is_empty())
    };
    let speaks = [&deployment.http_version, &deployment.protocol_type];
    let speaks: Vec<_> = speaks.into_iter().flatten().map(String::as_str).collect();
    let fields = [
        ("address", Some(deployment.place().to_owned())),
        ("state", state),
        ("registered", created),
        ("sdk", deployment.sdk_version.clone()),
        (
            "speaks",
            Some(format!(
                "protocol {} to {}, {}",
                deployment.min_protocol_version,
                deployment.max_protocol_version,
                speaks.join(", ")
            )),
        ),
        ("headers", listed(&deployment.additional_headers)),
        ("metadata", listed(&deployment.metadata)),
    ];
    print::line(id)?;
    for (name, value) in fields {
        if let Some(value) = value {
            print::line(format_args!(
                "  {}{value}",
                print::faint(format_args!("{name:<12}"))
            ))?;
        }
    }
    print::line("")?;
    print::raw(
        offered(&deployment.services)
            .render(print::width())
            .as_bytes(),
    )?;
    Ok(Exit::Done)
}

fn offered(services: &[Offered]) -> Table {
    let mut table = Table::new([
        Column::fixed("SERVICE"),
        Column::fixed("TYPE"),
        Column::number("REVISION"),
        Column::flexible("HANDLERS", 12),
    ]);
    for service in services {
        let handlers: Vec<_> = service
            .handlers
            .iter()
            .map(|handler| handler.name.as_str())
            .collect();
        table.row([
            service.name.clone(),
            service.ty.clone().unwrap_or_default(),
            service.revision.to_string(),
            handlers.join(", "),
        ]);
    }
    table
}

fn register(admin: &Admin, is_json: bool, body: &Value, dry_run: bool) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct Registered {
        id: String,
        services: Vec<Offered>,
        #[serde(default)]
        info: Vec<Remark>,
    }
    #[derive(Deserialize)]
    struct Remark {
        message: String,
    }
    let reply = admin.tell(Method::POST, "/deployments", Some(body))?;
    if is_json {
        print::json(&reply.json::<Value>()?)?;
        return Ok(Exit::Done);
    }
    let registered: Registered = reply.json()?;
    let was_there = reply.status == 200 && body["force"] == false;
    for remark in &registered.info {
        print::say(format_args!(
            "{} {}",
            Mood::Waiting.paint("note:"),
            remark.message
        ));
    }
    let what = match (was_there, dry_run) {
        (true, _) => "is registered already and stays as it is; --force reads it again",
        (false, true) => "could be registered (dry run)",
        (false, false) => "registered",
    };
    let id = if dry_run && !was_there {
        body["uri"].as_str().unwrap_or_default()
    } else {
        &registered.id
    };
    print::line(format_args!("{id} {what}"))?;
    print::raw(
        offered(&registered.services)
            .render(print::width())
            .as_bytes(),
    )?;
    Ok(Exit::Done)
}

fn remove(admin: &Admin, is_json: bool, id: &str, force: bool, yes: bool) -> Result<Exit, Failure> {
    if force && !yes {
        let mut bound = Conditions::new();
        bound.equal("pinned_deployment_id", id);
        bound.holds("status != 'completed'");
        #[derive(Deserialize)]
        struct Count {
            n: u64,
        }
        let sql = format!("SELECT COUNT(1) AS n FROM sys_invocation_status{bound}");
        let count = admin.query::<Count>(&sql)?.first().map_or(0, |row| row.n);
        let stranded = print::counted(count, "unfinished invocation");
        if !print::can_ask() {
            return Err(Failure::Usage(format!(
                "remove {id}, which leaves {stranded} without code? There is no terminal to ask on: add --yes if that is meant"
            )));
        }
        if !print::confirm(&format!(
            "Remove {id}, which leaves {stranded} without code?"
        ))? {
            print::say("nothing done");
            return Ok(Exit::Failed);
        }
    }
    let force = if force { "?force=true" } else { "" };
    admin.tell(Method::DELETE, &format!("{}{force}", path(id)), None)?;
    if is_json {
        print::json(&json!({"removed": id}))?;
    } else {
        print::say(format_args!("{id} removed"));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, meant) in [
            ("9080", "http://localhost:9080"),
            ("host:9080", "http://host:9080"),
            ("https://host", "https://host"),
        ] {
            assert_eq!(endpoint(text), meant);
        }
    }

    #[test]
    fn a_deployment_drains_once_its_services_are_newer_elsewhere() {
        let in_use = Use {
            pinned: BTreeMap::from([("dp_old".to_owned(), 2), ("dp_new".to_owned(), 1)]),
            newest: BTreeSet::from(["dp_new".to_owned()]),
        };
        assert_eq!(in_use.of("dp_new").state, "active");
        assert_eq!(in_use.of("dp_old").state, "draining");
        assert_eq!(in_use.of("dp_older").state, "drained");
    }
}
