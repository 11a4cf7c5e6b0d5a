//! `latchwork doctor`: a server comes in; what is well with it and what is not goes out, each with what to do.
//!
//! It looks from outside: settings, both ports, the disk if the data directory is on this
//! machine, every endpoint (which the server is made to ask, since it is the one that must reach
//! it), and work that does not move. It changes nothing, and reads no file of the data directory:
//! with `--data-dir` it does the opposite, while no server runs (`offline`).

mod offline;
mod report;

use super::deployments::{self, Deployment};
use crate::address::is_local;
use crate::admin::Admin;
use crate::connection::Connection;
use crate::exit::{Exit, Failure};
use crate::ingress::Ingress;
use crate::print;
use crate::{moment, statement};
use latchwork_server::config::{Config, Sources};
use latchwork_server::{Finding, Verdict};
use report::Report;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use ureq::http::Method;

const EXAMPLES: &str = "\
The exit code is 0 if nothing failed, 1 if something did, 4 if there is no server. What only \
wants attention does not count as failed.

With --data-dir the files of a server that is stopped are looked at: every checksum of its log, every \
row of its tables, and whether they fit together. --repair does what loses nothing, and only that; \
the exit code is then 0 if the directory is well afterwards.

Examples:
  latchwork doctor
  latchwork doctor --admin box:9070 --ingress box:8080
  latchwork doctor --json | jq '.[] | select(.verdict != \"good\")'
  latchwork doctor --data-dir /var/lib/latchwork";

/// A disk with less room than this is about to be a problem.
const FREE_LEAST: u64 = 1 << 30;
/// Work that waits longer than this is worth a look.
const LONG_MS: u64 = 3_600_000;

/// Check a server: ports, disk, endpoints, and work that does not move; or the files of a stopped one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Look at the files in this data directory instead; no server may be using it
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Mend what can be mended without a guess
    #[arg(long, requires = "data_dir")]
    repair: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        if let Some(directory) = &self.data_dir {
            return offline::run(directory, self.repair, self.connection.json);
        }
        let (admin, ingress) = (self.connection.admin()?, self.connection.ingress()?);
        let mut report = Report::new(self.connection.json);
        report.add(settings())?;
        let version = version(&admin);
        let is_there = version.verdict == Verdict::Good;
        report.add(version)?;
        if is_there {
            report.add(health(&admin))?;
            report.add(calls(&ingress))?;
        }
        report.add(disk(is_there && is_local(admin.base())))?;
        if is_there {
            let checked = endpoints(&admin)?;
            checked
                .into_iter()
                .try_for_each(|finding| report.add(finding))?;
            work(&admin)?
                .into_iter()
                .try_for_each(|finding| report.add(finding))?;
        }
        let exit = report.end()?;
        Ok(if is_there { exit } else { Exit::Unreachable })
    }
}

fn settings() -> Finding {
    let loaded = Sources::gather(None, Vec::new()).and_then(|sources| {
        Config::load(&sources)?;
        Ok(sources.file.map(|(path, _)| path))
    });
    match loaded {
        Ok(Some(file)) => Finding::new(
            "settings",
            Verdict::Good,
            format!("{} is right", file.display()),
        ),
        Ok(None) => Finding::new(
            "settings",
            Verdict::Good,
            "no latchwork.toml here; the defaults and the variables are valid",
        ),
        Err(error) => Finding::new("settings", Verdict::Failed, error.to_string())
            .advice("a server started here would refuse them; latchwork config shows all"),
    }
}

fn version(admin: &Admin) -> Finding {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    match admin.get::<Version>("/version") {
        Ok(Version { version }) => Finding::new(
            "server",
            Verdict::Good,
            format!("{version} at {}", admin.base()),
        ),
        Err(error) => Finding::new("server", Verdict::Failed, error.to_string()),
    }
}

fn health(admin: &Admin) -> Finding {
    match admin.tell(Method::GET, "/health", None) {
        Ok(_) => Finding::new("health", Verdict::Good, "it says that all is well"),
        Err(error) => Finding::new("health", Verdict::Failed, error.to_string())
            .advice("the server's log says more"),
    }
}

fn calls(ingress: &Ingress) -> Finding {
    match ingress.health() {
        Ok(()) => Finding::new("ingress", Verdict::Good, "it takes calls"),
        Err(error) => Finding::new("ingress", Verdict::Failed, error.to_string()),
    }
}

/// The room that is left for the data directory of a server that is on this machine.
fn disk(is_here: bool) -> Finding {
    let unknown = |text: String| Finding::new("disk", Verdict::Unknown, text);
    if !is_here {
        return unknown("no server on this machine, whose disk could be looked at".to_owned());
    }
    let config = Sources::gather(None, Vec::new()).and_then(|sources| Config::load(&sources));
    let directory = config.unwrap_or_default().data_dir;
    if !directory.is_dir() {
        return unknown(format!(
            "{} is not there: this is not where the server was started, or not with its settings",
            directory.display()
        ));
    }
    room(&directory)
}

/// The room that is left for a directory.
fn room(directory: &Path) -> Finding {
    match free(directory) {
        Ok(free) if free < FREE_LEAST => Finding::new(
            "disk",
            Verdict::Attention,
            format!(
                "only {} left for {}",
                print::size(free),
                directory.display()
            ),
        )
        .advice("make room: a server that cannot write ends"),
        Ok(free) => Finding::new(
            "disk",
            Verdict::Good,
            format!("{} left for {}", print::size(free), directory.display()),
        ),
        Err(error) => Finding::new(
            "disk",
            Verdict::Unknown,
            format!("the disk of {} does not say: {error}", directory.display()),
        ),
    }
}

/// Bytes that are left for a directory.
#[cfg(unix)]
fn free(directory: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statvfs(directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> std::io::Result<u64> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Makes the server ask every endpoint again what it offers; nothing is registered.
fn endpoints(admin: &Admin) -> Result<Vec<Finding>, Failure> {
    let all = deployments::all(admin)?;
    if all.is_empty() {
        let none = Finding::new(
            "deployments",
            Verdict::Attention,
            "there are none, so nothing can be called",
        );
        return Ok(vec![
            none.advice("latchwork deployments register http://host:9080"),
        ]);
    }
    Ok(all
        .iter()
        .map(|deployment| endpoint(admin, deployment))
        .collect())
}

fn endpoint(admin: &Admin, deployment: &Deployment) -> Finding {
    let Some(uri) = &deployment.uri else {
        return Finding::new(
            "deployment",
            Verdict::Unknown,
            format!("{} is no HTTP endpoint", deployment.id),
        );
    };
    // Headers that are not given stay as they are stored.
    let body = json!({
        "uri": uri, "force": true, "breaking": true, "dry_run": true,
        "use_http_11": deployment.http_version.as_deref() == Some("HTTP/1.1"),
    });
    let name = format!("{} at {uri}", deployment.id);
    match admin.tell(Method::POST, "/deployments", Some(&body)) {
        Ok(_) => Finding::new("deployment", Verdict::Good, format!("{name} answers")),
        Err(error) => {
            let code = match &error {
                crate::http::ClientError::Refused {
                    code: Some(code), ..
                } => code.clone(),
                _ => "META0003".to_owned(),
            };
            Finding::new(
                "deployment",
                Verdict::Failed,
                format!("{name} does not answer: {error}"),
            )
            .advice(format!(
                "latchwork explain {code}; latchwork deployments remove {} if it is gone for good",
                deployment.id
            ))
        }
    }
}

/// Work that does not move, or moves only in circles.
fn work(admin: &Admin) -> Result<Vec<Finding>, Failure> {
    let long = statement::text(&moment::text(
        moment::now().saturating_sub_unsigned(LONG_MS),
    ));
    let groups = [
        (
            "status = 'paused'".to_owned(),
            "paused",
            "latchwork invocations resume --status paused, once the reason is gone",
        ),
        (
            format!("status = 'backing-off' AND created_at < {long}"),
            "failing for more than an hour",
            "latchwork invocations list --status backing-off --older-than 1h",
        ),
        (
            format!("status = 'pending' AND created_at < {long}"),
            "waiting for their key for more than an hour",
            "latchwork invocations list --status pending --older-than 1h, and latchwork why ID",
        ),
        (
            "status != 'completed' AND pinned_deployment_id IS NOT NULL \
             AND pinned_deployment_id NOT IN (SELECT id FROM sys_deployment)"
                .to_owned(),
            "bound to a deployment that was removed",
            "latchwork invocations resume --on latest ID, or kill them",
        ),
    ];
    #[derive(Deserialize)]
    struct Found {
        n: u64,
        first: Option<Value>,
    }
    let mut findings = Vec::new();
    for (condition, what, advice) in groups {
        let sql =
            format!("SELECT COUNT(1) AS n, MIN(id) AS first FROM sys_invocation WHERE {condition}");
        let Some(found) = admin
            .query::<Found>(&sql)?
            .into_iter()
            .next()
            .filter(|found| found.n > 0)
        else {
            continue;
        };
        let example = found
            .first
            .and_then(|id| Some(format!(", such as {}", id.as_str()?)));
        let count = print::counted(found.n, "invocation");
        let text = format!("{count} {what}{}", example.unwrap_or_default());
        findings.push(Finding::new("work", Verdict::Attention, text).advice(advice));
    }
    if findings.is_empty() {
        findings.push(Finding::new(
            "work",
            Verdict::Good,
            "nothing is paused, stranded, or stuck for more than an hour",
        ));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_disk_of_this_machine_is_looked_at() {
        assert!(is_local("http://127.0.0.1:9070") && is_local("http://localhost:1"));
        assert!(!is_local("http://box:9070") && !is_local("http://10.0.0.1:9070"));
        assert_eq!(disk(false).verdict, Verdict::Unknown);
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_says_how_much_room_is_left() {
        assert!(free(Path::new("/")).expect("a root") > 0);
    }
}
