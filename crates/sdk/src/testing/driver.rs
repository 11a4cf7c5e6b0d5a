//! Turns the server, crashes it, and sees when nothing can happen any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use latchwork_runtime::trace::{Steps, Tracer};
use latchwork_runtime::transport::Transport;
use latchwork_runtime::{
    Clock, Dice, Fatal, Memory, MemoryNode, NodeLimits, Rest, SeededDice, Surroundings,
};
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;

use super::invocations;
use super::stage::Stage;

/// A world in which for so long nothing was asked, nothing has happened and no timer is left has
/// come to its end. Whoever outside waits for less may still wake up before.
const QUIET: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Steps that no test needs.
const STEPS_MAX: u64 = 50_000;
/// A world with faults crashes at one of so many steps of its turns …
const CRASH_ONE_IN: u64 = 60;
/// … and at most so often.
const CRASHES_MAX: u64 = 12;
/// How long it is down at most, in ms.
const DOWN_MS_MAX: u64 = 500;

/// Decides where the server crashes.
pub(super) struct Crashes {
    dice: SeededDice,
    left: AtomicU64,
    has_begun: AtomicBool,
}

impl Crashes {
    /// Those of a seed, which do not begin yet.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            // Other numbers than those that ids are made of.
            dice: SeededDice::new(!seed),
            left: AtomicU64::new(CRASHES_MAX),
            has_begun: AtomicBool::new(false),
        }
    }

    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    fn strikes(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
            && self.dice.roll().is_multiple_of(CRASH_ONE_IN)
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
    }
}

/// Whoever turns the server.
pub(super) struct Driver {
    stage: Arc<Stage>,
    memory: Memory,
    limits: NodeLimits,
    transport: Arc<dyn Transport>,
    dice: Arc<dyn Dice>,
    crashes: Arc<Crashes>,
    /// Tells steps. It outlives the server, and so knows after a crash what was before.
    steps: Arc<Steps>,
}

impl Driver {
    pub(super) fn new(
        stage: Arc<Stage>,
        limits: NodeLimits,
        transport: Arc<dyn Transport>,
        dice: Arc<dyn Dice>,
        crashes: Arc<Crashes>,
    ) -> Self {
        let steps = Steps::new(stage.record.clone(), Arc::new(stage.clock));
        Self {
            stage,
            memory: Memory::default(),
            limits,
            transport,
            dice,
            crashes,
            steps: Arc::new(steps),
        }
    }

    /// Goes on until nothing can happen any more.
    pub(super) async fn run(mut self) {
        let why = loop {
            match self.serve().await {
                Err(Fatal::Interrupted) => {
                    self.stage.is_down();
                    self.stage.record.crash(self.stage.clock.now_ms());
                    self.memory.crash();
                    let down = Duration::from_millis(self.crashes.dice.roll() % DOWN_MS_MAX);
                    tokio::time::sleep(down).await;
                }
                Err(fatal) => break format!("the server has stopped, which is a defect: {fatal}"),
                Ok(why) => break why,
            }
        };
        self.stage.is_over(why);
    }

    fn open(&self) -> Result<MemoryNode, Fatal> {
        let around = Surroundings {
            transport: self.transport.clone(),
            clock: Arc::new(self.stage.clock),
            dice: self.dice.clone(),
            tracer: Tracer::off().watched_by(self.steps.clone()),
            rim: Runtime::current(),
        };
        let mut node = self.memory.open(&self.limits, around)?;
        let crashes = self.crashes.clone();
        node.interrupt(move |_, _| crashes.strikes());
        Ok(node)
    }

    /// Turns it until it crashes, or until nothing can happen any more: why that is.
    async fn serve(&self) -> Result<String, Fatal> {
        let mut node = self.open()?;
        self.stage.is_up(node.handle());
        let mut seen = (self.stage.activity(), Instant::now());
        loop {
            let own = node.due(QUIET).await;
            node.turn(own)?;
            node.write_tables(own)?;
            // Whoever was answered comes before the next turn.
            tokio::task::yield_now().await;
            let activity = self.stage.activity();
            if activity != seen.0 {
                seen = (activity, Instant::now());
            }
            if self.stage.record.count() > STEPS_MAX {
                return Ok(format!(
                    "{STEPS_MAX} steps, and the test still goes on: does a handler go round in \
                     circles?"
                ));
            }
            if seen.1.elapsed() >= QUIET
                && self.stage.is_waited_for()
                && let Some(why) = stuck(&node)
            {
                return Ok(why);
            }
        }
    }
}

/// Why nothing can happen any more, if so.
fn stuck(node: &MemoryNode) -> Option<String> {
    let view = node.view(0)?;
    let rest = Rest::of(view);
    if rest.is_busy || rest.next.is_some() {
        return None;
    }
    let unfinished: Vec<_> = invocations(view)
        .into_iter()
        .filter(|it| !it.is_over())
        .map(|it| it.to_string())
        .collect();
    Some(format!(
        "the test waits, and nothing can happen any more: no timer is left, and these are not over: \
         {}",
        unfinished.join("; ")
    ))
}
