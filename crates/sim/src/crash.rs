//! The crash loop: submit, kill -9, start again, and compare what everybody has seen.
//!
//! ```text
//!   round:  clients submit ─┐                                  ┌─▶ every task has one outcome
//!           kill at x ms ───┴─▶ start ─▶ clients ask again ────┘
//!   every ten rounds: outcomes and counters are read once more, at the end all of them
//! ```
//!
//! The seed fixes what is submitted and when the kills come; how the machine schedules
//! it does not repeat, so a failing seed fails again often, not always.

use crate::auditor::{Auditor, Outcome, Violation};
use crate::client::{Client, Lost, Reply};
use crate::handlers::{self, FanInput, SERVICES, StepsInput};
use crate::server::{Server, ServerError};
use crate::witness::Witness;
use crate::workload::{Plan, Task, Work};
use bytes::Bytes;
use http::StatusCode;
use restate_sdk::http_server::HttpServer;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Every task of a round must be finished this long after the round began.
const ROUND_LIMIT: Duration = Duration::from_secs(30);
/// A client that was not answered asks again after this long, if the server is up.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// After so many rounds everything is read once more.
const REREAD_EVERY: u32 = 10;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Fixes the workload and the kills.
    pub(crate) seed: u64,
    /// How many rounds.
    pub(crate) rounds: u32,
    /// The server binary.
    pub(crate) server: PathBuf,
}

/// Why the loop stopped, and how to see it again.
#[derive(Debug, thiserror::Error)]
#[error(
    "{cause}\n\nrepeat with:  latchwork-sim crash --seed {} --rounds {} --server {}\n\
     data and log: {}", options.seed, options.rounds, options.server.display(), directory.display()
)]
pub(crate) struct Failed {
    cause: Cause,
    options: Options,
    directory: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("round {round}: {} broken promise(s)\n{}", violations.len(), Lines(violations))]
    Broken {
        round: u32,
        violations: Vec<Violation>,
    },
    #[error("round {round}: {source}")]
    Server {
        round: u32,
        #[source]
        source: ServerError,
    },
    #[error("the loop could not be set up: {0}")]
    SetUp(#[source] io::Error),
}

struct Lines<'a>(&'a [Violation]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in self.0 {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}

/// Runs all rounds, and keeps the data directory if a promise is broken.
///
/// # Errors
/// A promise was broken, or the server could not be started.
pub(crate) async fn run(options: &Options) -> Result<(), Failed> {
    let failed = |cause, directory| Failed {
        cause,
        options: options.clone(),
        directory,
    };
    let directory = tempfile::Builder::new()
        .prefix("latchwork-crash-")
        .tempdir();
    let directory = directory.map_err(|error| failed(Cause::SetUp(error), std::env::temp_dir()))?;
    let end = rounds(options, directory.path().into()).await;
    end.map_err(|cause| failed(cause, directory.keep()))
}

async fn rounds(options: &Options, directory: PathBuf) -> Result<(), Cause> {
    let started = Instant::now();
    std::fs::create_dir(directory.join("data")).map_err(Cause::SetUp)?;
    let at = |round| move |source| Cause::Server { round, source };
    let mut server = Server::new(&options.server, &directory).map_err(at(0))?;
    let world = Arc::new(World::new(server.ingress));
    let endpoint = world.serve_handlers().await.map_err(Cause::SetUp)?;
    server.spawn().map_err(at(0))?;
    server.healthy(&world.client, &[]).await.map_err(at(0))?;
    server
        .register(&world.client, endpoint)
        .await
        .map_err(at(0))?;
    server
        .healthy(&world.client, &SERVICES)
        .await
        .map_err(at(0))?;
    world.up.send_replace(true);

    let (mut tasks, mut reread_at) = (0, 0);
    for round in 1..=options.rounds {
        let plan = Plan::of(options.seed, round);
        tasks += plan.tasks.len();
        world.round(&plan, &mut server).await.map_err(at(round))?;
        let last = round == options.rounds;
        if last || round % REREAD_EVERY == 0 {
            // The last time, from the very beginning on.
            world.reread(if last { 0 } else { reread_at }).await;
            reread_at = handlers::now_ms();
            let (executed, recorded) = world.witness.counts();
            println!(
                "round {round}: {tasks} tasks, {executed} runs executed, {recorded} recorded, \
                 {} requests cut off, {:.1} s",
                world.cut_off.load(Ordering::Relaxed),
                started.elapsed().as_secs_f64()
            );
        }
        let violations = world.violations();
        if !violations.is_empty() {
            return Err(Cause::Broken { round, violations });
        }
    }
    println!("{} rounds, no promise broken", options.rounds);
    Ok(())
}

/// Everything that outlives the server.
struct World {
    client: Client,
    ingress: SocketAddr,
    witness: Arc<Witness>,
    auditor: Mutex<Auditor>,
    /// Whether the server is there to be asked.
    up: watch::Sender<bool>,
    /// Requests that were not answered.
    cut_off: AtomicU64,
}

impl World {
    fn new(ingress: SocketAddr) -> Self {
        Self {
            client: Client::new(),
            ingress,
            witness: Arc::default(),
            auditor: Mutex::default(),
            up: watch::Sender::new(false),
            cut_off: AtomicU64::new(0),
        }
    }

    async fn serve_handlers(&self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let server = HttpServer::new(handlers::endpoint(&self.witness));
        tokio::spawn(server.serve_with_cancel(listener, std::future::pending::<()>()));
        Ok(address)
    }

    fn auditor(&self) -> MutexGuard<'_, Auditor> {
        self.auditor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn violations(&self) -> Vec<Violation> {
        let mut violations = self.witness.violations();
        violations.extend(self.auditor().violations());
        violations
    }

    /// One round: all its tasks, and the kills in the middle of them.
    async fn round(self: &Arc<Self>, plan: &Plan, server: &mut Server) -> Result<(), ServerError> {
        let mut tasks = JoinSet::new();
        for task in &plan.tasks {
            let (world, task) = (self.clone(), task.clone());
            tasks.spawn(async move { world.task(&task).await });
        }
        let finish = async { while tasks.join_next().await.is_some() {} };
        let kill = async {
            tokio::time::sleep(plan.kill_after).await;
            self.up.send_replace(false);
            server.kill().await?;
            self.witness.server_killed();
            server.spawn()?;
            if let Some(after) = plan.kill_recovery_after {
                tokio::time::sleep(after).await;
                server.kill().await?;
                self.witness.server_killed();
                server.spawn()?;
            }
            server.healthy(&self.client, &SERVICES).await?;
            self.up.send_replace(true);
            Ok::<_, ServerError>(())
        };
        // The kill decides whether the round can go on; the tasks, whether it was kept.
        let both = async {
            let (finished, killed) = tokio::join!(tokio::time::timeout(ROUND_LIMIT, finish), kill);
            killed.map(|()| finished.is_ok())
        };
        if !both.await? {
            self.auditor().out_of_time(ROUND_LIMIT.as_secs());
        }
        Ok(())
    }

    /// One task: submitted until it is accepted, then read in every way there is.
    async fn task(&self, task: &Task) {
        tokio::time::sleep(task.submit_after).await;
        self.auditor().submitted(task, handlers::now_ms());
        tokio::join!(self.submit_and_read(task), self.resolve(task));
    }

    async fn submit_and_read(&self, task: &Task) {
        if task.waits && !self.call(task).await {
            return;
        }
        // After a call this asks with a known key: it must find the same invocation.
        if let Some(invocation) = self.send(task).await {
            self.read(task, "attach", &invocation).await;
        }
    }

    /// Calls and waits for the outcome.
    async fn call(&self, task: &Task) -> bool {
        let (path, body) = request(&task.work, &task.key);
        let reply = self.ask(&path, Some((&task.key, body))).await;
        if reply.status != StatusCode::OK && !reply.from_invocation {
            self.auditor().refused(&task.key, "call", outcome(reply));
            return false;
        }
        if let Some(invocation) = &reply.invocation {
            self.auditor().accepted(task, invocation);
        }
        let mut auditor = self.auditor();
        auditor.answered(task, outcome(reply), &self.witness);
        true
    }

    /// Sends, and returns the invocation.
    async fn send(&self, task: &Task) -> Option<String> {
        let (path, body) = request(&task.work, &task.key);
        let delay = match task.work {
            Work::Late { delay_ms } => format!("?delay={delay_ms}ms"),
            _ => String::new(),
        };
        let path = format!("{path}/send{delay}");
        let reply = self.ask(&path, Some((&task.key, body))).await;
        let accepted = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
        let invocation = accepted.and_then(|body| Some(body["invocationId"].as_str()?.to_owned()));
        let mut auditor = self.auditor();
        match invocation {
            Some(invocation) if reply.status == StatusCode::ACCEPTED => {
                auditor.accepted(task, &invocation);
                Some(invocation)
            }
            _ => {
                auditor.refused(&task.key, "send", outcome(reply));
                None
            }
        }
    }

    /// Reads the outcome of an invocation: `attach` waits for it, `output` does not.
    async fn read(&self, task: &Task, how: &str, invocation: &str) {
        let path = format!("/restate/{how}/{invocation}");
        let reply = self.ask(&path, None).await;
        let mut auditor = self.auditor();
        let lost = reply.status == StatusCode::NOT_FOUND;
        if reply.status == StatusCode::OK || (reply.from_invocation && !lost) {
            auditor.answered(task, outcome(reply), &self.witness);
        } else {
            auditor.refused(&task.key, how, outcome(reply));
        }
    }

    /// Resolves the awakeable of a task that waits for one.
    async fn resolve(&self, task: &Task) {
        let Work::Wait {
            value,
            contradicted,
        } = &task.work
        else {
            return;
        };
        let awakeable = self.witness.awakeable(&task.key).await;
        let path = format!("/restate/awakeables/{awakeable}/resolve");
        let values = [
            Some(value.as_str()),
            contradicted.then_some("contradiction"),
        ];
        for value in values.into_iter().flatten() {
            let body = Bytes::from(serde_json::json!(value).to_string());
            let reply = self.ask(&path, Some(("", body))).await;
            if reply.status != StatusCode::ACCEPTED {
                self.auditor().refused(&task.key, "resolve", outcome(reply));
            }
        }
    }

    /// Reads what was submitted since then once more, and all counters: nothing may have
    /// changed.
    async fn reread(&self, since: u64) {
        let (finished, objects) = {
            let auditor = self.auditor();
            (auditor.finished(since), auditor.objects())
        };
        for (task, invocation) in finished {
            self.read(&task, "output", &invocation).await;
        }
        for object in objects {
            let path = format!("/CrashCounter/{object}/get");
            let reply = self.ask(&path, None).await;
            match serde_json::from_slice(&reply.body) {
                Ok(count) => self.auditor().counted(&object, count),
                Err(_) => self.auditor().refused(&object, "get", outcome(reply)),
            }
        }
    }

    /// Asks until there is an answer: over every kill, and while the server is busy.
    async fn ask(&self, path: &str, post: Option<(&str, Bytes)>) -> Reply {
        let mut up = self.up.subscribe();
        loop {
            // The sender lives as long as we do, so this cannot fail.
            let _ = up.wait_for(|up| *up).await;
            let reply = match &post {
                Some((key, body)) => {
                    let key = Some(*key).filter(|key| !key.is_empty());
                    let post = self.client.post(self.ingress, path, key, body.clone());
                    post.await
                }
                None => self.client.get(self.ingress, path).await,
            };
            match reply {
                Ok(reply) if reply.from_invocation || !is_busy(reply.status) => return reply,
                Ok(_) | Err(Lost) => {
                    self.cut_off.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
}

fn outcome(reply: Reply) -> Outcome {
    Outcome {
        status: reply.status,
        body: reply.body,
    }
}

/// Path and body of the call that does this work.
fn request(work: &Work, task: &str) -> (String, Bytes) {
    use serde_json::json;
    let (path, body) = match work {
        Work::Steps { steps, sleep_ms } => {
            let (steps, sleep_ms) = (*steps, *sleep_ms);
            (
                "/CrashSteps/run".into(),
                json!(StepsInput { steps, sleep_ms }),
            )
        }
        Work::Late { .. } => ("/CrashSteps/late".into(), json!(task)),
        Work::Add { object } => {
            let path = format!("/CrashCounter/{object}/add");
            return (path, Bytes::new());
        }
        Work::Fan { width } => {
            let (task, width) = (task.to_owned(), *width);
            ("/CrashFan/fan".into(), json!(FanInput { task, width }))
        }
        Work::Wait { .. } => ("/CrashWait/wait".into(), json!(task)),
    };
    (path, Bytes::from(body.to_string()))
}
