//! `latchwork demo`: five kinds of task, one `kill -9` in the middle, and the count afterwards.
//!
//! ```text
//!   this process                                   child process
//!   story ──HTTP: register, submit, attach──▶      latchwork serve  ⇄  data directory
//!     │ ▲                                               │
//!     │ └── tally ◀── handlers (SDK) ◀──── attempts ────┘
//!     └──────────────── SIGKILL, start again ──────────▶
//! ```
//!
//! Start at [`run`], then [`story`]; what is submitted and collected is in `tasks`. The handlers live in this process, which is not killed, so what
//! they count can be held against what the server says afterwards (`checks`). Absent: any way into
//! the server but its HTTP ports.

mod checks;
mod handlers;
mod print;
mod tally;
mod tasks;

use super::throwaway::{
    ClientError, Ingress, LOG_LINES, Server, ServerError, first_ports, interrupted, listen,
};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checks::judge;
use handlers::LEDGER_KEY;
use print::Screen;
use tally::{Counts, Step, Tally};
use tasks::{Rows, SUB_TASKS};

/// The server is killed once so many of them are recorded.
const KILL_AT: usize = 80;

/// How long there is no server: long enough to be seen, and for what the kill cut off to have ended.
const DOWN_TIME: Duration = Duration::from_millis(500);

/// How long any one thing may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `latchwork demo` may be told.
pub(crate) struct Options {
    /// Leave the server and the handlers running, until Ctrl-C.
    keep: bool,
}

impl Options {
    pub(crate) fn command() -> clap::Command {
        clap::Command::new("demo")
            .about("Show a server lose its life in the middle of the work, and none of the work")
            .arg(
                clap::Arg::new("keep")
                    .long("keep")
                    .action(clap::ArgAction::SetTrue)
                    .help("Leave the server and the handlers running, until Ctrl-C"),
            )
    }

    pub(crate) fn of(arguments: &clap::ArgMatches) -> Self {
        Self {
            keep: arguments.get_flag("keep"),
        }
    }
}

/// Why the demo did not end well.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("cannot {what}: {source}. Check the rights and limits of this user.")]
    System {
        what: &'static str,
        source: io::Error,
    },
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(
        "{what} did not happen within {PATIENCE:?}. The server's log may say what it waits for."
    )]
    TimedOut { what: &'static str },
    #[error(
        "all {SUB_TASKS} sub-tasks were recorded before the kill, so it proved nothing. Try again."
    )]
    KilledTooLate,
    #[error("{findings} promises were broken, listed above. Report this as a bug.")]
    Broken { findings: usize },
    #[error("interrupted; the server is stopped and its data removed.")]
    Interrupted,
}

/// Runs the demo to its end and cleans up, whatever happens on the way.
pub(crate) fn run(options: Options) -> ExitCode {
    let screen = Screen::new();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(while_trying("start the async runtime"))
        .and_then(|runtime| runtime.block_on(demo(&options, &screen)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo: {error}");
            match error {
                DemoError::Interrupted => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Sets the stage, plays the story, and clears the stage.
async fn demo(options: &Options, screen: &Screen) -> Result<(), DemoError> {
    let room = tempfile::Builder::new()
        .prefix("latchwork-demo-")
        .tempdir()
        .map_err(while_trying("make a temporary directory"))?;
    let program = std::env::current_exe().map_err(while_trying("find this program's own file"))?;
    let (ingress_port, admin_port) = ports(options.keep);
    let mut server = Server::new(program, room.path(), ingress_port, admin_port)?;

    let tally = Arc::new(Tally::new());
    let (listener, address) = listen().map_err(while_trying("listen on 127.0.0.1"))?;
    let endpoint = format!("http://{address}");
    let serving = tokio::spawn(handlers::serve(listener, tally.clone()));

    let mut outcome = tokio::select! {
        outcome = story(screen, &mut server, &tally, &endpoint) => outcome,
        outcome = interruption() => outcome.and(Err(DemoError::Interrupted)),
    };
    screen.close();
    if options.keep && outcome.is_ok() {
        invite(screen, &server, &endpoint);
        outcome = tokio::select! {
            outcome = interruption() => outcome,
            ended = server.ended() => Err(ended.into()),
        };
    }

    let log = server.log_tail(LOG_LINES);
    if !matches!(outcome, Ok(()) | Err(DemoError::Interrupted)) && !log.is_empty() {
        eprintln!("\nThe last lines of the server's log:\n{log}");
    }
    let stopped = server.kill().await.map_err(DemoError::from);
    serving.abort();
    let removed = room.close();
    outcome
        .and(stopped)
        .and(removed.map_err(while_trying("remove the temporary directory")))
}

/// The story: start, submit, kill, start again, collect, judge.
async fn story(
    screen: &Screen,
    server: &mut Server,
    tally: &Tally,
    endpoint: &str,
) -> Result<(), DemoError> {
    let began = Instant::now();
    screen.say("\n  Five kinds of task, one kill -9, nothing lost and nothing done twice.\n");
    open(screen, server, endpoint).await?;

    let rows = Rows::new(screen);
    let ingress = server.ingress();
    let played = async {
        let submissions = tasks::submit(&rows, ingress).await?;
        let awakeable = crash(screen, server, tally).await?;
        tasks::collect(&rows, ingress, tally, submissions, &awakeable).await
    };
    let evidence = tokio::select! {
        evidence = played => evidence?,
        never = tasks::follow(tally, &rows.fan_out) => match never {},
    };
    screen.close();

    let verdicts = judge(&evidence);
    let elapsed = began.elapsed().as_secs_f64();
    screen.say(format_args!("\n  The count, after {elapsed:.1} s:\n"));
    screen.table(&verdicts);
    screen.say(
        "\n  How it was counted: the handlers ran in this process, which was not killed. Each execution of a\n  \
         step took a number of its own as it began, and that number is the value the server recorded.\n  \
         The numbers in the results and in the ledger were then compared with those acknowledged.",
    );
    match verdicts.iter().map(|verdict| verdict.findings.len()).sum() {
        0 => Ok(()),
        findings => Err(DemoError::Broken { findings }),
    }
}

/// Starts the server and has it take on the handlers.
async fn open(screen: &Screen, server: &mut Server, endpoint: &str) -> Result<(), DemoError> {
    let healthy_after = server.start().await?;
    let (Ingress(ingress), admin) = (server.ingress(), server.admin());
    screen.fact(
        "server",
        format_args!(
            "pid {} healthy after {healthy_after:.0?}, calls to http://{ingress}, admin http://{}",
            server.pid().unwrap_or_default(),
            admin.0
        ),
    );
    let registered = patiently("the registration", admin.register(endpoint)).await?;
    let names: Vec<_> = registered
        .services
        .into_iter()
        .map(|service| service.name)
        .collect();
    screen.fact(
        "handlers",
        format_args!(
            "{endpoint} offers {}, taken on as {}",
            names.join(" and "),
            registered.id
        ),
    );
    screen.say("");
    Ok(())
}

/// Kills the server in the middle of the fan-out and starts it again on what it left on the disk.
/// Returns the awakeable that the order handed out before.
async fn crash(screen: &Screen, server: &mut Server, tally: &Tally) -> Result<String, DemoError> {
    let in_the_middle = tally.wait_for(|counts: &Counts| {
        let middle = counts.work_recorded() >= KILL_AT && counts.has_recorded(Step::Charge);
        counts.awakeable().filter(|_| middle).map(str::to_owned)
    });
    let middle = async { Ok::<_, DemoError>(in_the_middle.await) };
    let awakeable = patiently("the middle of the fan-out", middle).await?;

    let pid = server.pid().unwrap_or_default();
    server.kill().await?;
    let counts = tally.counts();
    let (recorded, open) = (counts.work_recorded(), counts.begun() - counts.recorded());
    if recorded >= SUB_TASKS as usize {
        return Err(DemoError::KilledTooLate);
    }
    screen.alarm(
        "kill -9",
        format_args!("pid {pid}, with {recorded} of {SUB_TASKS} sub-tasks recorded and {open} steps under way"),
    );
    tokio::time::sleep(DOWN_TIME).await;
    tally.mark_kill();

    let healthy_after = server.start().await?;
    screen.fact(
        "server",
        format_args!(
            "pid {} on the same data, healthy after {healthy_after:.0?}",
            server.pid().unwrap_or_default()
        ),
    );
    Ok(awakeable)
}

/// Says what can be tried with a server that is kept.
fn invite(screen: &Screen, server: &Server, endpoint: &str) {
    const JSON: &str = "-H content-type:application/json";
    let (Ingress(ingress), admin) = (server.ingress(), server.admin().0);
    screen.say(format_args!(
        "\n  Still running, until Ctrl-C: calls http://{ingress}, admin http://{admin}, handlers {endpoint}. Try:\n"
    ));
    for line in [
        format!("curl http://{ingress}/Tasks/greet {JSON} -d '\"Ada\"'"),
        format!("curl 'http://{ingress}/Tasks/remind/send?delay=10s' {JSON} -d '\"tea\"'"),
        format!("curl http://{ingress}/Ledger/{LEDGER_KEY}/read"),
    ] {
        screen.say(format_args!("    {line}"));
    }
}

/// Where the search for free ports begins: the usual two for a server that is kept.
fn ports(keep: bool) -> (u16, u16) {
    if keep { (8080, 9070) } else { first_ports() }
}

/// Returns once somebody wants the demo to end.
async fn interruption() -> Result<(), DemoError> {
    interrupted()
        .await
        .map_err(while_trying("listen for signals"))
}

/// Bounds a wait, and says what was waited for.
async fn patiently<T, E: Into<DemoError>>(
    what: &'static str,
    wait: impl Future<Output = Result<T, E>>,
) -> Result<T, DemoError> {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(DemoError::TimedOut { what }),
    }
}

fn while_trying(what: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::System { what, source }
}
