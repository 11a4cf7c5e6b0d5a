//! `latchwork dev`: a server for whoever is writing handlers.
//!
//! ```text
//!   endpoint ◀── a thread holds a connection, and sees it go and come ──▶ register, in-flight work
//!   server (in this process) ──steps──▶ a thread that prints them
//! ```
//!
//! The main thread is the server's; the others speak to it as any client does, over its admin
//! port. Start at [`Dev::run`]. Absent: building and starting of handlers; whatever does that, a
//! restart is seen.

mod endpoint;
mod in_flight;
mod printer;

use crate::address::{self, Port};
use crate::admin::Admin;
use crate::exit::{Exit, Failure};
use crate::http::Http;
use endpoint::Endpoint;
use in_flight::InFlight;
use latchwork_server::config::{Config, Sources};
use latchwork_server::run_for_development;
use printer::Printer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Method;

const EXAMPLES: &str = "\
Examples:
  latchwork dev http://localhost:9080                 handlers at one place
  latchwork dev 9080 9081 --in-flight kill            at two, and unfinished work ends with its code
  latchwork dev 9080 --data-dir ./dev-data            go on tomorrow
  latchwork dev 9080 --virtual-time                   a sleep of 30 days is over at once
  latchwork dev 9080 --always-replay --faults 7       be hard on them

Each step of each invocation is one line: started, what was recorded, what is waited for, what \
failed, how it ended. When the process with the handlers is started again, they are registered \
again.";

/// How often the server is asked whether it is there, while it starts.
const START_POLL: Duration = Duration::from_millis(20);

/// Run a server for development: it registers handlers, again and again, and prints each step
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dev {
    /// Where handlers are, such as http://localhost:9080; a number is a port of this machine
    #[arg(value_name = "ENDPOINT", default_value = "http://localhost:9080")]
    endpoints: Vec<String>,
    /// Keep everything in this directory [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What becomes of unfinished invocations when the code is replaced [default: ask on a terminal,
    /// else finish]
    #[arg(long, value_enum)]
    in_flight: Option<InFlight>,
    /// Where callers reach the ingress [default: 127.0.0.1:8080, unless it is set elsewhere]
    #[arg(long, value_name = "ADDR")]
    ingress_addr: Option<String>,
    /// Where the admin API and the web UI are [default: 127.0.0.1:9070, unless it is set elsewhere]
    #[arg(long, value_name = "ADDR")]
    admin_addr: Option<String>,
    /// Speak HTTP/1.1 to the endpoints
    #[arg(long)]
    http1: bool,
    /// Let time run ahead to the next timer whenever nothing else can happen
    #[arg(long)]
    virtual_time: bool,
    /// End each attempt at each wait, so that everything is replayed
    #[arg(long)]
    always_replay: bool,
    /// Break, delay and double attempts, as this number says
    #[arg(long, value_name = "SEED")]
    faults: Option<u64>,
    /// What the server logs to stderr
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    log: String,
}

impl Dev {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let failed = |what, source| Failure::System { what, source };
        // Removed when it is dropped, after the server has ended.
        let mut temporary = None;
        let data_dir = match &self.data_dir {
            Some(given) => given.clone(),
            None => {
                let made = tempfile::Builder::new().prefix("latchwork-dev-").tempdir();
                let made = made.map_err(|error| failed("make a temporary directory", error))?;
                temporary.insert(made).path().to_owned()
            }
        };
        let config = self.config(&data_dir)?;
        let in_flight = self.in_flight.unwrap_or_else(InFlight::usual);
        let (printer, sink) = Printer::start().map_err(|error| failed("start a thread", error))?;
        let printer = Arc::new(printer);
        for text in &self.endpoints {
            let base = address::base_url(&config.admin_addr, Port::Admin)?;
            let admin = Admin::over(Http::new(base, Port::Admin));
            let endpoint = Endpoint::new(text, self.http1, in_flight)?;
            let printer = printer.clone();
            let watch = move || {
                until_there(&admin);
                endpoint.watch(&admin, &printer);
            };
            std::thread::Builder::new()
                .name("endpoint".to_owned())
                .spawn(watch)
                .map_err(|error| failed("start a thread", error))?;
        }
        let dev = latchwork_server::Dev {
            steps: Some(Arc::new(sink)),
            virtual_time: self.virtual_time,
            always_replay: self.always_replay,
            faults: self.faults,
        };
        let served = run_for_development(&config, dev);
        printer.finish();
        if let Some(temporary) = temporary {
            let removed = temporary.close();
            removed.map_err(|error| failed("remove the temporary directory", error))?;
        }
        served.map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Exit::Done)
    }

    /// The settings of `latchwork serve`, with those of the command line on top.
    fn config(&self, data_dir: &std::path::Path) -> Result<Config, Failure> {
        let mut flags = vec![
            ("data_dir", data_dir.display().to_string()),
            ("log", self.log.clone()),
        ];
        let mut sources = Sources::gather(None, Vec::new())?;
        for (key, given, usual) in [
            ("ingress_addr", &self.ingress_addr, "127.0.0.1:8080"),
            ("admin_addr", &self.admin_addr, "127.0.0.1:9070"),
        ] {
            if let Some(address) = given {
                flags.push((key, address.clone()));
            } else if !sources.has(key) {
                flags.push((key, usual.to_owned()));
            }
        }
        sources.flags = flags;
        Ok(Config::load(&sources)?)
    }
}

/// Waits for the server to answer. If it never does, it has ended, and this process with it.
fn until_there(admin: &Admin) {
    while admin.tell(Method::GET, "/health", None).is_err() {
        std::thread::sleep(START_POLL);
    }
}
