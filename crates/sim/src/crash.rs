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

use crate::auditor::{Auditor, Violation};
use crate::desk::Desk;
use crate::handlers::{Endpoint, EndpointError, Sdk, now_ms};
use crate::server::{Server, ServerError};
use crate::witness::Witness;
use crate::workload::Plan;
use crate::world::World;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Every task of a round must be finished this long after the round began.
const ROUND_LIMIT: Duration = Duration::from_secs(60);
/// After so many rounds everything is read once more.
const REREAD_EVERY: u32 = 10;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Fixes the workload and the kills.
    pub(crate) seed: u64,
    /// How many rounds.
    pub(crate) rounds: u32,
    /// What handlers are written with; at least one.
    pub(crate) sdks: Vec<Sdk>,
    /// Handlers are killed too.
    pub(crate) kill_endpoints: bool,
    /// The server binary.
    pub(crate) server: PathBuf,
}

/// Why the loop stopped, and how to see it again.
#[derive(Debug, thiserror::Error)]
#[error(
    "{cause}\n\nrepeat with:  latchwork-sim crash --seed {} --rounds {} --handlers {}{} --server {}\n\
     data and logs: {}",
    options.seed,
    options.rounds,
    options.sdks.iter().map(|sdk| sdk.name()).collect::<Vec<_>>().join(","),
    if options.kill_endpoints { " --kill-endpoints" } else { "" },
    options.server.display(),
    directory.display()
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
    Process {
        round: u32,
        #[source]
        source: ProcessError,
    },
    #[error("the loop could not be set up: {0}")]
    SetUp(#[source] io::Error),
}

/// Why a process of ours cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// Violations, one a line.
pub(crate) struct Lines<'a>(pub(crate) &'a [Violation]);

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
/// A promise was broken, or a process could not be started.
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
    let end = rounds(options, directory.path()).await;
    end.map_err(|cause| failed(cause, directory.keep()))
}

async fn rounds(options: &Options, directory: &Path) -> Result<(), Cause> {
    std::fs::create_dir(directory.join("data")).map_err(Cause::SetUp)?;
    let witness = Arc::<Witness>::default();
    let desk = Desk::open(witness.clone()).await.map_err(Cause::SetUp)?;
    let at = |round| move |source| Cause::Process { round, source };
    let mut run = Run::start(options, directory, witness, &desk)
        .await
        .map_err(at(0))?;
    let started = Instant::now();
    let (mut tasks, mut reread_at) = (0, 0);
    for round in 1..=options.rounds {
        let plan = Plan::of(options.seed, round, &options.sdks);
        tasks += plan.tasks.len();
        run.round(&plan).await.map_err(at(round))?;
        let last = round == options.rounds;
        if last || round % REREAD_EVERY == 0 {
            // The last time, from the very beginning on.
            run.world.reread(if last { 0 } else { reread_at }).await;
            reread_at = now_ms();
            println!(
                "round {round}: {tasks} tasks, {} acknowledgements checked, {:.1} s",
                run.world.heard().all(),
                started.elapsed().as_secs_f64()
            );
        }
        let violations = run.world.violations();
        if !violations.is_empty() {
            return Err(Cause::Broken { round, violations });
        }
    }
    run.report(tasks);
    println!("{} rounds, no promise broken", options.rounds);
    Ok(())
}

/// The processes, and who watches them.
struct Run {
    world: Arc<World>,
    server: Server,
    endpoints: Vec<Endpoint>,
    services: Vec<String>,
    kill_endpoints: bool,
    server_kills: u32,
    endpoint_kills: u32,
}

impl Run {
    async fn start(
        options: &Options,
        directory: &Path,
        witness: Arc<Witness>,
        desk: &Desk,
    ) -> Result<Self, ProcessError> {
        let mut server = Server::new(&options.server, directory)?;
        let world = Arc::new(World::new(server.ingress, witness, Auditor::default()));
        let services: Vec<_> = options.sdks.iter().flat_map(|sdk| sdk.services()).collect();
        server.spawn()?;
        server.healthy(&world.client, &[]).await?;
        let mut endpoints = Vec::new();
        for sdk in &options.sdks {
            let mut endpoint = Endpoint::new(*sdk, desk.address, directory)?;
            endpoint.start().await?;
            server.register(&world.client, endpoint.address).await?;
            endpoints.push(endpoint);
        }
        server.healthy(&world.client, &services).await?;
        world.up.send_replace(true);
        Ok(Self {
            world,
            server,
            endpoints,
            services,
            kill_endpoints: options.kill_endpoints,
            server_kills: 0,
            endpoint_kills: 0,
        })
    }

    /// One round: all its tasks, and the kills in the middle of them.
    async fn round(&mut self, plan: &Plan) -> Result<(), ProcessError> {
        let mut tasks = JoinSet::new();
        for task in &plan.tasks {
            let (world, task) = (self.world.clone(), task.clone());
            tasks.spawn(async move { world.task(&task).await });
        }
        let finish = async { while tasks.join_next().await.is_some() {} };
        let world = self.world.clone();
        // The kills decide whether the round can go on; the tasks, whether it was kept.
        let (finished, killed) =
            tokio::join!(tokio::time::timeout(ROUND_LIMIT, finish), self.kill(plan));
        killed?;
        if finished.is_err() {
            world.auditor().out_of_time(ROUND_LIMIT.as_secs());
        }
        Ok(())
    }

    async fn kill(&mut self, plan: &Plan) -> Result<(), ProcessError> {
        let server = async {
            let (world, server) = (&self.world, &mut self.server);
            tokio::time::sleep(plan.kill_after).await;
            world.up.send_replace(false);
            let pauses = [Some(Duration::ZERO), plan.kill_recovery_after];
            for pause in pauses.into_iter().flatten() {
                tokio::time::sleep(pause).await;
                server.kill().await?;
                world.witness.server_killed();
                self.server_kills += 1;
                server.spawn()?;
            }
            server.healthy(&world.client, &self.services).await?;
            // On a busy machine an attempt under the killed server may report only after it.
            world.witness.server_killed();
            world.up.send_replace(true);
            Ok::<_, ProcessError>(())
        };
        let handlers = async {
            let Some((sdk, after)) = plan.kill_handlers.filter(|_| self.kill_endpoints) else {
                return Ok(());
            };
            tokio::time::sleep(after).await;
            for endpoint in self.endpoints.iter_mut().filter(|one| one.sdk == sdk) {
                endpoint.kill().await?;
                self.endpoint_kills += 1;
                endpoint.start().await?;
            }
            Ok::<_, ProcessError>(())
        };
        let (server, handlers) = tokio::join!(server, handlers);
        server.and(handlers)
    }

    fn report(&self, tasks: usize) {
        let (executed, recorded) = self.world.witness.counts();
        println!(
            "{} kills of the server, {} of handlers, {} requests cut off",
            self.server_kills,
            self.endpoint_kills,
            self.world.cut_off()
        );
        println!("{tasks} tasks, {}", self.world.heard());
        println!(
            "{executed} executions of runs witnessed: {recorded} recorded, {} cut off",
            executed - recorded
        );
    }
}
