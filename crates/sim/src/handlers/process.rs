//! An endpoint process: started, killed, and started again at the same address.

use super::{Sdk, typescript};
use crate::address::free_addresses;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long handlers may take until they can be called.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Why handlers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("no free port for the handlers. Free some and try again.")]
    NoPort,
    #[error("the handlers cannot be installed: {0}")]
    Install(String),
    #[error(
        "{0} cannot be started: {1}. It runs the handlers: install it, or choose others with --handlers."
    )]
    Spawn(PathBuf, #[source] io::Error),
    #[error("the handlers ended by themselves ({0}). Their last words are in {1}.")]
    Ended(ExitStatus, PathBuf),
    #[error("the handlers do not listen after {START_LIMIT:?}. Their last words are in {0}.")]
    NotListening(PathBuf),
    #[error("the process of the handlers cannot be ended or watched: {0}")]
    Process(#[source] io::Error),
}

/// The process; killed when dropped.
pub(crate) struct Endpoint {
    /// What its handlers are written with.
    pub(crate) sdk: Sdk,
    /// Where they are called.
    pub(crate) address: SocketAddr,
    command: Vec<PathBuf>,
    desk: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
}

impl Endpoint {
    /// Handlers that report to the witness at `desk`, not yet started. What they print is kept in
    /// `directory`.
    pub(crate) fn new(sdk: Sdk, desk: SocketAddr, directory: &Path) -> Result<Self, EndpointError> {
        let [address] = free_addresses().ok_or(EndpointError::NoPort)?;
        let command = match sdk {
            Sdk::Rust | Sdk::Latchwork => {
                let this = std::env::current_exe().map_err(EndpointError::Process)?;
                vec![this, "handlers".into(), sdk.name().into()]
            }
            Sdk::TypeScript => {
                let program = typescript::install().map_err(EndpointError::Install)?;
                vec![typescript::node(), program]
            }
        };
        Ok(Self {
            sdk,
            address,
            command,
            desk,
            log: directory.join(format!("{}.log", sdk.prefix())),
            child: None,
        })
    }

    /// Starts the process, and waits until it can be called.
    pub(crate) async fn start(&mut self) -> Result<(), EndpointError> {
        let program = &self.command[0];
        let spawned = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .and_then(|out| {
                Command::new(program)
                    .args(&self.command[1..])
                    .env("HANDLERS_ADDR", self.address.to_string())
                    .env("WITNESS_ADDR", self.desk.to_string())
                    .stdin(Stdio::null())
                    .stdout(out.try_clone()?)
                    .stderr(out)
                    .kill_on_drop(true)
                    .spawn()
            });
        let mut child = spawned.map_err(|error| EndpointError::Spawn(program.clone(), error))?;
        let since = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = child.try_wait().map_err(EndpointError::Process)? {
                return Err(EndpointError::Ended(status, self.log.clone()));
            }
            if since.elapsed() > START_LIMIT {
                return Err(EndpointError::NotListening(self.log.clone()));
            }
            tokio::time::sleep(POLL).await;
        }
        self.child = Some(child);
        Ok(())
    }

    /// kill -9, and waits until the process is gone. It must have been alive.
    pub(crate) async fn kill(&mut self) -> Result<(), EndpointError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        match child.try_wait().map_err(EndpointError::Process)? {
            Some(status) => Err(EndpointError::Ended(status, self.log.clone())),
            None => child.kill().await.map_err(EndpointError::Process),
        }
    }
}
