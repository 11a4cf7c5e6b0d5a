//! `latchwork bench`: what this machine and this disk can do.
//!
//! ```text
//!   loads (closed loops over HTTP) ──▶ a server of its own ⇄ handlers in this process
//!      │                                      │
//!      └── how many, how long each took ──▶ Figure ◀── processor time of the server
//! ```
//!
//! Start at [`run`]. The loads are in `load`, the handlers in `handlers`, and `disk` says what one
//! synced write costs, which bounds them all. Everything shares this machine, the loads too: what
//! is printed is what the whole of it does.

mod disk;
mod handlers;
mod load;
mod process;

use super::throwaway::{
    ClientError, LOG_LINES, Server, ServerError, first_ports, interrupted, listen,
};
use crate::exit::Failure;
use crate::print::{self, Column, Table};
use handlers::Completed;
use load::{Load, LoadError};
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  latchwork bench                       the main figures, in half a minute
  latchwork bench --dir /var/lib        on the disk that will hold the data
  latchwork bench --secs 10 --json      longer, for a script

Each call is synced to the disk twice before it is answered: when it is accepted, and when it is
completed. Calls that arrive together share their syncs. The handlers and the load run on this
machine as well and take their part of it.";

/// Measure what this machine and this disk can do
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bench {
    /// Where the data goes while it is measured; removed afterwards [default: the current directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How long each load runs, in seconds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    secs: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("cannot {what}: {source}. Check the rights and limits of this user.")]
    System { what: String, source: io::Error },
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Print(#[from] Failure),
    #[error("interrupted; the server is stopped and its data removed.")]
    Interrupted,
}

/// What was measured of one load.
#[derive(Debug, Serialize)]
struct Figure {
    load: &'static str,
    /// How many calls were under way at a time.
    concurrency: usize,
    per_second: f64,
    /// Absent where nobody waits for a call.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// Absent where the system does not tell.
    server_cpu_ms: Option<f64>,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    cores: usize,
    directory: String,
    /// A file system that no crash survives.
    is_in_memory: bool,
    /// Median of one synced write of a block.
    synced_write_ms: f64,
    start_ms: f64,
    idle_memory_bytes: Option<u64>,
    figures: Vec<Figure>,
    memory_bytes: Option<u64>,
}

/// Measures, prints and cleans up, whatever happens on the way.
pub(crate) fn run(bench: &Bench) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(while_trying("start the async runtime"))
        .and_then(|runtime| runtime.block_on(bench.measure()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::say(format_args!("latchwork: {error}"));
            match error {
                BenchError::Interrupted => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

impl Bench {
    async fn measure(&self) -> Result<(), BenchError> {
        let mut room = tempfile::Builder::new();
        let room = room.prefix("latchwork-bench-");
        // Not the system's directory for temporary files, which may be in memory.
        let directory = self.dir.clone().unwrap_or_else(|| PathBuf::from("."));
        let room = std::path::absolute(directory).and_then(|directory| room.tempdir_in(directory));
        let room = room.map_err(while_trying("make a directory for the data"))?;
        let program =
            std::env::current_exe().map_err(while_trying("find this program's own file"))?;
        let (ingress_port, admin_port) = first_ports();
        let mut server = Server::new(program, room.path(), ingress_port, admin_port)?;
        let measured = tokio::select! {
            measured = self.loads(&mut server, &room) => measured,
            heard = interrupted() => Err(match heard {
                Ok(()) => BenchError::Interrupted,
                Err(source) => BenchError::System { what: "listen for signals".into(), source },
            }),
        };
        let log = server.log_tail(LOG_LINES);
        if !matches!(measured, Ok(_) | Err(BenchError::Interrupted)) && !log.is_empty() {
            print::say(format_args!("The last lines of the server's log:\n{log}\n"));
        }
        let stopped = server.kill().await;
        let removed = room
            .close()
            .map_err(while_trying("remove the directory with the data"));
        let report = measured?;
        stopped?;
        removed?;
        match self.json {
            true => print::json(&report)?,
            false => report.show()?,
        }
        Ok(())
    }

    async fn loads(
        &self,
        server: &mut Server,
        room: &tempfile::TempDir,
    ) -> Result<Report, BenchError> {
        let synced = disk::synced_write(room.path())
            .map_err(while_trying("write to the directory with the data"))?;
        let completed = Completed::default();
        let (listener, address) = listen().map_err(while_trying("listen on 127.0.0.1"))?;
        let serving = tokio::spawn(handlers::serve(listener, completed.clone()));
        let started = server.start().await?;
        server
            .admin()
            .register(&format!("http://{address}"))
            .await?;
        let pid = server.pid();
        let mut report = Report {
            version: env!("CARGO_PKG_VERSION"),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            directory: room
                .path()
                .parent()
                .unwrap_or(room.path())
                .display()
                .to_string(),
            is_in_memory: disk::is_in_memory(room.path()),
            synced_write_ms: milliseconds(synced),
            start_ms: milliseconds(started),
            idle_memory_bytes: pid.and_then(process::memory),
            figures: Vec::new(),
            memory_bytes: None,
        };
        let length = Duration::from_secs(self.secs.into());
        for load in Load::ALL {
            if !self.json {
                print::say(print::faint(format_args!(
                    "measuring: {}, {} at once …",
                    load.name, load.concurrency
                )));
            }
            let before = pid.and_then(process::cpu);
            let done = load.run(server.ingress().0, length, &completed).await?;
            let spent = pid.and_then(process::cpu).zip(before);
            let spent = spent.map(|(after, before)| after.saturating_sub(before));
            report.figures.push(done.figure(load, spent));
        }
        report.memory_bytes = pid.and_then(process::memory);
        serving.abort();
        Ok(report)
    }
}

impl Report {
    fn show(&self) -> Result<(), Failure> {
        let mut table = Table::new([
            Column::fixed("LOAD"),
            Column::number("AT ONCE"),
            Column::number("PER SECOND"),
            Column::number("P50"),
            Column::number("P99"),
            Column::number("SERVER CPU").optional(),
        ]);
        let ms = |ms: Option<f64>| ms.map_or_else(|| "-".into(), |ms| format!("{ms:.2} ms"));
        for figure in &self.figures {
            table.row([
                figure.load.to_owned(),
                figure.concurrency.to_string(),
                print::grouped(figure.per_second.round() as u64),
                ms(figure.p50_ms),
                ms(figure.p99_ms),
                figure
                    .server_cpu_ms
                    .map_or_else(|| "-".into(), |ms| format!("{ms:.3} ms each")),
            ]);
        }
        print::line(table.render(print::width()))?;
        let memory = |bytes: Option<u64>| bytes.map_or_else(|| "?".into(), print::size);
        print::line(format_args!(
            "latchwork {}, {}, data in {}",
            self.version,
            print::counted(self.cores as u64, "core"),
            self.directory
        ))?;
        if self.is_in_memory {
            print::say(
                "this directory is in memory, where a sync costs nothing and keeps nothing: give one \
                 on a disk with --dir",
            );
        }
        print::line(format_args!(
            "one synced write {:.2} ms · start {:.0} ms · memory idle {}, after the loads {}",
            self.synced_write_ms,
            self.start_ms,
            memory(self.idle_memory_bytes),
            memory(self.memory_bytes),
        ))
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn while_trying(what: &'static str) -> impl FnOnce(io::Error) -> BenchError {
    move |source| BenchError::System {
        what: what.to_owned(),
        source,
    }
}
