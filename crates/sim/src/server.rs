//! The server under test: a real process, its data directory and its two ports.
//!
//! It is told where to listen and where to keep its data by three environment variables,
//! and keeps them over all restarts. Whatever it prints is kept beside its data.

use crate::address::{PORTS, free_addresses};
use crate::client::Client;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a server may take until it is healthy.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked whether it is.
const POLL: Duration = Duration::from_millis(5);

/// Why the server under test cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("no two free ports between {} and {}. Free some and try again.", PORTS.start, PORTS.end)]
    NoPorts,
    #[error("the log {0} cannot be written: {1}")]
    Log(PathBuf, #[source] io::Error),
    #[error(
        "{0} cannot be started: {1}. Build the server (`cargo build -p latchwork`), or name it \
         with --server."
    )]
    Spawn(PathBuf, #[source] io::Error),
    #[error("the server ended by itself ({0}). Its last words are in {1}.")]
    Ended(ExitStatus, PathBuf),
    #[error("the server is not healthy after {START_LIMIT:?}. Its last words are in {0}.")]
    NotHealthy(PathBuf),
    #[error("the server did not register the handlers: {0}")]
    NotRegistered(String),
    #[error("the server process cannot be ended or watched: {0}")]
    Process(#[source] io::Error),
}

/// The process; killed when dropped.
pub(crate) struct Server {
    program: PathBuf,
    directory: PathBuf,
    pub(crate) ingress: SocketAddr,
    admin: SocketAddr,
    settings: Vec<(&'static str, &'static str)>,
    child: Option<Child>,
}

/// Memory of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    resident_kib: u64,
    peak_kib: u64,
}

impl Memory {
    /// Resident memory in MiB.
    pub(crate) fn rss_mib(&self) -> u64 {
        self.resident_kib >> 10
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (resident, peak) = (self.rss_mib(), self.peak_kib >> 10);
        write!(f, "{resident} MiB resident, {peak} MiB at most so far")
    }
}

impl Server {
    /// A server that keeps everything in this directory, not yet started.
    pub(crate) fn new(program: &Path, directory: &Path) -> Result<Self, ServerError> {
        let [ingress, admin] = free_addresses().ok_or(ServerError::NoPorts)?;
        Ok(Self {
            program: program.into(),
            directory: directory.into(),
            ingress,
            admin,
            settings: Vec::new(),
            child: None,
        })
    }

    /// Sets a variable for all starts to come.
    pub(crate) fn set(&mut self, variable: &'static str, value: &'static str) {
        self.settings.push((variable, value));
    }

    /// Whether these words are in what it has printed.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        let log = std::fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&log).contains(words)
    }

    /// Starts the process on what is in the directory.
    pub(crate) fn spawn(&mut self) -> Result<(), ServerError> {
        let log = self.log();
        let (out, err) = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|out| Ok((out.try_clone()?, out)))
            .map_err(|error| ServerError::Log(log, error))?;
        let child = Command::new(&self.program)
            .arg("serve")
            .env("LATCHWORK_INGRESS_ADDR", self.ingress.to_string())
            .env("LATCHWORK_ADMIN_ADDR", self.admin.to_string())
            .env("LATCHWORK_DATA_DIR", self.directory.join("data"))
            .envs(self.settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ServerError::Spawn(self.program.clone(), error))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it is healthy and lists these services.
    pub(crate) async fn healthy(
        &mut self,
        client: &Client,
        services: &[String],
    ) -> Result<(), ServerError> {
        let since = Instant::now();
        while !self.answers(client, services).await {
            self.must_run()?;
            if since.elapsed() > START_LIMIT {
                return Err(ServerError::NotHealthy(self.log()));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn answers(&self, client: &Client, services: &[String]) -> bool {
        let (Ok(admin), Ok(ingress)) = (
            client.get(self.admin, "/health").await,
            client.get(self.ingress, "/restate/health").await,
        ) else {
            return false;
        };
        let listed = serde_json::from_slice::<serde_json::Value>(&ingress.body);
        let lists = |service: &String| {
            let listed = listed
                .as_ref()
                .ok()
                .and_then(|body| body["services"].as_array());
            listed.is_some_and(|listed| listed.iter().any(|name| name == service.as_str()))
        };
        admin.status.is_success() && ingress.status.is_success() && services.iter().all(lists)
    }

    /// Registers the handlers that listen at this address.
    pub(crate) async fn register(
        &self,
        client: &Client,
        endpoint: SocketAddr,
    ) -> Result<(), ServerError> {
        let body = serde_json::json!({ "uri": format!("http://{endpoint}") });
        let body = Bytes::from(body.to_string());
        let reply = client.post(self.admin, "/deployments", None, body).await;
        let reply = reply.map_err(|lost| ServerError::NotRegistered(lost.to_string()))?;
        if !reply.status.is_success() {
            let body = String::from_utf8_lossy(&reply.body);
            let message = format!("{} {body}", reply.status);
            return Err(ServerError::NotRegistered(message));
        }
        Ok(())
    }

    /// kill -9, and waits until the process is gone. It must have been alive.
    pub(crate) async fn kill(&mut self) -> Result<(), ServerError> {
        self.must_run()?;
        if let Some(mut child) = self.child.take() {
            child.kill().await.map_err(ServerError::Process)?;
        }
        Ok(())
    }

    /// What the process takes of memory just now.
    pub(crate) fn memory(&self) -> Result<Memory, ServerError> {
        let id = self.child.as_ref().and_then(Child::id).unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.map_err(ServerError::Process)?;
        let kib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        Ok(Memory {
            resident_kib: kib("VmRSS:"),
            peak_kib: kib("VmHWM:"),
        })
    }

    fn must_run(&mut self) -> Result<(), ServerError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match child.try_wait().map_err(ServerError::Process)? {
            Some(status) => Err(ServerError::Ended(status, self.log())),
            None => Ok(()),
        }
    }

    fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }
}
