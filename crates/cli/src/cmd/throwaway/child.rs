//! The server as a process of its own, so that it can be killed for real.
//!
//! [`Server::start`] runs this very program as `latchwork serve` on a data directory and two ports
//! and returns once both ports answer; [`Server::kill`] sends SIGKILL and waits until the process is
//! gone; starting again continues on the same directory. What the process prints goes to a log file.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::client::{Admin, Ingress};

/// How long a start may take until both ports answer.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a starting server is asked whether it is healthy.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Ports tried after the first before giving up.
const PORTS_TRIED: u16 = 20;

/// Why the server process could not be started, stopped or reached.
#[derive(Debug, thiserror::Error)]
pub(in crate::cmd) enum ServerError {
    #[error("cannot start {program} serve: {source}. Check that the file exists and may be run.")]
    Spawn { program: String, source: io::Error },
    #[error("cannot write the server's log {log}: {source}. Check the space on its disk.")]
    Log { log: String, source: io::Error },
    #[error("the server ended by itself ({status}). Its log says why.")]
    Ended { status: ExitStatus },
    #[error(
        "the server did not answer on {ingress} and {admin} within {START_TIMEOUT:?}. Its log says why."
    )]
    Silent {
        ingress: SocketAddr,
        admin: SocketAddr,
    },
    #[error("no free port on 127.0.0.1 between {first} and {last}. Stop what uses them.")]
    NoPort { first: u16, last: u16 },
    #[error("cannot wait for the server process: {source}. It may still be running.")]
    Wait { source: io::Error },
}

/// A server process and what is needed to start it again.
pub(in crate::cmd) struct Server {
    program: PathBuf,
    room: PathBuf,
    ingress: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
}

impl Server {
    /// A server not started yet: `program serve`, with data and log in `room`, on the first free
    /// loopback ports from the given ones on.
    pub(in crate::cmd) fn new(
        program: PathBuf,
        room: &Path,
        ingress_port: u16,
        admin_port: u16,
    ) -> Result<Self, ServerError> {
        Ok(Self {
            program,
            room: room.to_owned(),
            ingress: free_address(ingress_port)?,
            admin: free_address(admin_port)?,
            child: None,
        })
    }

    pub(in crate::cmd) fn ingress(&self) -> Ingress {
        Ingress(self.ingress)
    }

    pub(in crate::cmd) fn admin(&self) -> Admin {
        Admin(self.admin)
    }

    /// The process id, while the process runs.
    pub(in crate::cmd) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Starts the process and waits until it is healthy; returns how long that took.
    pub(in crate::cmd) async fn start(&mut self) -> Result<Duration, ServerError> {
        let began = Instant::now();
        let child = self
            .child
            .insert(spawn(&self.program, &self.room, self.ingress, self.admin)?);
        while began.elapsed() < START_TIMEOUT {
            let ended = child.try_wait();
            if let Some(status) = ended.map_err(|source| ServerError::Wait { source })? {
                return Err(ServerError::Ended { status });
            }
            if Ingress(self.ingress).is_healthy().await && Admin(self.admin).is_healthy().await {
                return Ok(began.elapsed());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Err(ServerError::Silent {
            ingress: self.ingress,
            admin: self.admin,
        })
    }

    /// Sends SIGKILL and waits until the process is gone. Nothing happens if there is none.
    pub(in crate::cmd) async fn kill(&mut self) -> Result<(), ServerError> {
        if let Some(child) = &mut self.child {
            let killed = child.kill().await;
            killed.map_err(|source| ServerError::Wait { source })?;
            self.child = None;
        }
        Ok(())
    }

    /// Waits until the process ends by itself, for ever if there is none.
    pub(in crate::cmd) async fn ended(&mut self) -> ServerError {
        match &mut self.child {
            Some(child) => match child.wait().await {
                Ok(status) => ServerError::Ended { status },
                Err(source) => ServerError::Wait { source },
            },
            None => std::future::pending().await,
        }
    }

    /// The last `lines` lines that the process printed.
    pub(in crate::cmd) fn log_tail(&self, lines: usize) -> String {
        let log = std::fs::read(log_path(&self.room)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

fn spawn(
    program: &Path,
    room: &Path,
    ingress: SocketAddr,
    admin: SocketAddr,
) -> Result<Child, ServerError> {
    let log_path = log_path(room);
    let opened = File::options().create(true).append(true).open(&log_path);
    let logs = opened.and_then(|log| Ok((log.try_clone()?, log)));
    let (out, err) = logs.map_err(|source| ServerError::Log {
        log: log_path.display().to_string(),
        source,
    })?;

    let mut command = Command::new(program);
    command
        .arg("serve")
        .env("LATCHWORK_INGRESS_ADDR", ingress.to_string())
        .env("LATCHWORK_ADMIN_ADDR", admin.to_string())
        .env("LATCHWORK_DATA_DIR", room.join("data"))
        // Where no configuration file of the user's lies.
        .current_dir(room)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .kill_on_drop(true);
    // Ctrl-C is for this process, which then ends the server in its own time.
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(target_os = "linux")]
    die_with_parent(&mut command);
    command.spawn().map_err(|source| ServerError::Spawn {
        program: program.display().to_string(),
        source,
    })
}

/// Has the kernel kill the server should this process be killed, which runs no destructor.
///
/// The kernel means the *thread* that spawned; this is called on the main thread only.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use rustix::process::{Signal, set_parent_process_death_signal};
    let ask = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: between fork and exec the closure makes one system call (prctl), and neither allocates
    // nor takes a lock.
    unsafe { command.pre_exec(ask) };
}

fn log_path(room: &Path) -> PathBuf {
    room.join("server.log")
}

/// A loopback address that nothing listens on, the port being `first` or one soon after it.
///
/// A port that the system hands out itself (bind to 0) would not do: while the server is down, one of
/// our own connections could be given it.
fn free_address(first: u16) -> Result<SocketAddr, ServerError> {
    let last = first.saturating_add(PORTS_TRIED);
    (first..=last)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or(ServerError::NoPort { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() -> io::Result<()> {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let _held = TcpListener::bind(taken)?;
        if let Ok(free) = free_address(taken.port()) {
            assert_ne!(free, taken);
        }
        Ok(())
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_its_log() -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;

        let room = tempfile::tempdir()?;
        let program = room.path().join("broken");
        std::fs::write(
            &program,
            "#!/bin/sh\necho \"$1: no space left\" >&2\nexit 3\n",
        )?;
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;

        let mut server = Server::new(program, room.path(), 11_000, 11_500).expect("free ports");
        let ended = server.start().await.expect_err("it ends by itself");
        assert!(
            matches!(&ended, ServerError::Ended { status } if status.code() == Some(3)),
            "{ended}"
        );
        assert_eq!(server.log_tail(5), "serve: no space left");
        Ok(())
    }
}
