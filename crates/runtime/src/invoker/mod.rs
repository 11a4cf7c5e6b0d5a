//! Attempts: who may have one, and who has.
//!
//! ```text
//!   Run ──▶ ready queue ──admit──▶ attempt (a task of the rim) ⇄ session ⇄ transport
//!                                      │
//!            inbox ◀──── Progress ◀────┘
//! ```
//!
//! Nothing starts an attempt except through [`Invoker::admit`], which is the one chooser
//! between ready and running. Its rule: there is a slot, and room for the journal. Lives in the partition's thread.

mod attempt;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod mismatch;
mod report;
mod retry;
mod session;

use crate::clock::Clock;
use crate::handle::{Shared, propose};
use crate::inbox::{Inbox, ReplyTo};
use crate::metrics::{AttemptEnding, FailureClass, HandlerMetrics, PartitionMetrics, Recorder};
use crate::node::Fatal;
use crate::registry::{Deployment, Serving};
use crate::trace::{AttemptSpan, Passed};
use crate::transport::Transport;
use attempt::Attempt;
use bytes::Bytes;
use latchwork_engine::table::Address;
use latchwork_engine::table::invocation::{Invocation, Status};
use latchwork_engine::table::journal::{JournalEntry, Notification};
use latchwork_engine::{
    AttemptFailure, Command, End, Failed, InvocationId, Next, PauseReason, Progress, TargetKind,
    View, read,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes of state that are sent along with the start of an attempt; the handler asks for
/// the rest when it needs it.
const EAGER_STATE_BYTES_MAX: usize = 8 << 20;
/// Pause after an attempt whose task was lost, in ms.
const LOST_RETRY_MS: u64 = 1_000;

/// An attempt that runs just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningAttempt {
    /// The invocation.
    pub id: InvocationId,
    /// The attempt's number.
    pub epoch: u32,
    /// When it was started, in ms since 1970.
    pub since: u64,
    /// Where it runs; absent while no deployment offers the handler. Its invocation is bound
    /// to it from the first progress on.
    pub deployment: Option<String>,
}

/// What the attempts of one partition may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Attempts at a time.
    pub(crate) slots: usize,
    /// Bytes of journals and state of all attempts together. One attempt may always run.
    pub(crate) attempts_bytes: u64,
    /// Bytes of one journal.
    pub(crate) invocation_bytes: u64,
}

/// What an attempt needs of the world.
pub(crate) struct World {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What an attempt begins with: everything known, at one place of the log.
struct Start {
    id: InvocationId,
    epoch: u32,
    row: Invocation,
    journal: Vec<JournalEntry>,
    /// Empty for plain services, and where the handler wants to ask for it.
    state: Vec<(Bytes, Bytes)>,
    /// There may be state that is not in `state`.
    partial_state: bool,
    /// Bytes that its journal may grow to.
    bytes_max: u64,
    /// Where it goes; nothing if no deployment offers the handler.
    serving: Option<Serving>,
    /// What it passes on of its trace.
    trace: Option<Passed>,
}

impl Start {
    fn bytes(&self) -> u64 {
        let state = self
            .state
            .iter()
            .map(|(key, value)| key.len() + value.len());
        self.row.journal_bytes + state.sum::<usize>() as u64
    }
}

/// What a running attempt may be told.
enum ToAttempt {
    Notification {
        index: u32,
        notification: Notification,
        proposed: bool,
    },
    Acknowledge {
        command: u32,
    },
    /// It has lost its right to run.
    Abort,
    /// Come to an end as soon as there is nothing to do but to wait.
    Suspend,
}

struct Running {
    epoch: u32,
    incarnation: u32,
    /// When it was started, in ms since 1970.
    since: u64,
    started: Instant,
    meter: Arc<HandlerMetrics>,
    /// Where it is traced.
    span: Option<AttemptSpan>,
    deployment: Option<Arc<Deployment>>,
    /// What it counts for among those that run.
    bytes: u64,
    events: mpsc::UnboundedSender<ToAttempt>,
}

/// The attempts of one partition.
pub(crate) struct Invoker {
    world: Arc<World>,
    rim: tokio::runtime::Handle,
    limits: Limits,
    recorder: Recorder,
    ready: VecDeque<(InvocationId, u32)>,
    running: HashMap<InvocationId, Running>,
    /// Of all that run.
    bytes: u64,
    draining: bool,
}

impl Invoker {
    pub(crate) fn new(world: Arc<World>, rim: tokio::runtime::Handle, limits: Limits) -> Self {
        Self {
            recorder: Recorder::new(world.shared.clone()),
            world,
            rim,
            limits,
            ready: VecDeque::new(),
            running: HashMap::new(),
            bytes: 0,
            draining: false,
        }
    }

    /// An invocation must have an attempt.
    pub(crate) fn ready(&mut self, id: InvocationId, epoch: u32) {
        self.ready.push_back((id, epoch));
    }

    /// Starts what is ready, while there are slots and room. What does not fit waits at the
    /// head of the queue: it is not overtaken by what is small.
    pub(crate) fn admit(&mut self, view: &dyn View) -> Result<(), Fatal> {
        while !self.draining && self.running.len() < self.limits.slots {
            let Some((id, epoch)) = self.ready.pop_front() else {
                break;
            };
            let row = match read::invocation(view, &id)? {
                Some(row) if row.status() == Status::Running && row.epoch == epoch => row,
                // It has been overtaken.
                _ => continue,
            };
            if row.journal_bytes > self.limits.invocation_bytes {
                self.refuse(id, &row);
                continue;
            }
            let room = self.limits.attempts_bytes.saturating_sub(self.bytes);
            if !self.running.is_empty() && row.journal_bytes > room {
                self.ready.push_front((id, epoch));
                break;
            }
            let start = self.start(view, id, row)?;
            // An older attempt that is still there has lost its place.
            if let Some(old) = self.remove(&id, AttemptEnding::Aborted) {
                tell(&old, ToAttempt::Abort);
            }
            let meter = self.recorder.of(&start.row.target);
            meter.attempts_started.one();
            meter.running.up();
            let (events, heard) = mpsc::unbounded_channel();
            let since = self.world.clock.now_ms();
            let running = Running {
                epoch,
                incarnation: start.row.incarnation,
                since,
                span: self.span(&start, since),
                started: Instant::now(),
                meter,
                deployment: start.serving.as_ref().map(|it| it.deployment.clone()),
                bytes: start.bytes(),
                events,
            };
            self.bytes += running.bytes;
            self.running.insert(id, running);
            let attempt = Attempt::new(self.world.clone(), start, heard);
            self.rim.spawn(attempt.run());
        }
        Ok(())
    }

    /// Pauses what cannot be loaded.
    fn refuse(&self, id: InvocationId, row: &Invocation) {
        let failure = over_budget(row.journal_bytes, self.limits.invocation_bytes);
        self.fail(
            id,
            row.epoch,
            row.incarnation,
            failure,
            pause(PauseReason::OverBudget),
        );
    }

    /// Collects what an attempt begins with.
    fn start(&self, view: &dyn View, id: InvocationId, row: Invocation) -> Result<Start, Fatal> {
        let registry = self.world.shared.registry.load();
        let serving = registry.serving(&row.target, row.pin.as_ref());
        let lazy = serving.as_ref().is_some_and(|it| it.settings.lazy_state);
        let mut state = Vec::new();
        let mut partial_state = true;
        if let Some(address) = Address::of(&row.target)
            && row.target.kind() != TargetKind::Plain
            && !lazy
        {
            state = read::state(view, &address)?;
            partial_state = cut(&mut state);
        }
        Ok(Start {
            trace: self.world.shared.tracer.passed(&id, &row),
            journal: read::journal(view, &id, row.journal_len)?,
            id,
            epoch: row.epoch,
            row,
            state,
            partial_state,
            bytes_max: self.limits.invocation_bytes,
            serving,
        })
    }

    fn span(&self, start: &Start, since: u64) -> Option<AttemptSpan> {
        let on = start.serving.as_ref().and_then(|serving| {
            let version = match &start.row.pin {
                Some(pin) => pin.version,
                None => serving.deployment.version()?.number(),
            };
            Some((serving.deployment.id.as_str(), version))
        });
        let tracer = &self.world.shared.tracer;
        tracer.attempt(&start.id, &start.row, since, on)
    }

    /// Tells an attempt what happened; it was in its replay if it has started since.
    pub(crate) fn notify(
        &self,
        id: &InvocationId,
        index: u32,
        notification: Notification,
        proposed: bool,
    ) {
        if let Some(running) = self.running.get(id) {
            tell(
                running,
                ToAttempt::Notification {
                    index,
                    notification,
                    proposed,
                },
            );
        }
    }

    /// Tells an attempt that its command is durable.
    pub(crate) fn acknowledge(&self, id: &InvocationId, command: u32) {
        if let Some(running) = self.running.get(id) {
            tell(running, ToAttempt::Acknowledge { command });
        }
    }

    /// An attempt has said how it ended: its slot is free.
    pub(crate) fn ended(&mut self, last: &Progress) {
        let Some(end) = &last.end else {
            return;
        };
        let Some(running) = self.running.get_mut(&last.id) else {
            return;
        };
        if running.epoch != last.epoch || running.incarnation != last.incarnation {
            return;
        }
        if let End::Failed(failed) = end {
            let class = FailureClass::of(failed.failure.code);
            running.meter.attempts_failed(class).one();
            if let Some(span) = &mut running.span {
                span.failed(&failed.failure, failed.next.as_ref());
            }
        }
        self.remove(&last.id, AttemptEnding::of(end));
    }

    fn remove(&mut self, id: &InvocationId, ending: AttemptEnding) -> Option<Running> {
        let mut running = self.running.remove(id)?;
        let took = running.started.elapsed();
        running.meter.running.down();
        running.meter.attempts_ended(ending).one();
        running.meter.attempt_us.observe_time(took);
        if let Some(span) = running.span.take() {
            let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            let tracer = &self.world.shared.tracer;
            tracer.attempt_ended(span, ending.text(), took_ns);
        }
        self.bytes -= running.bytes;
        Some(running)
    }

    /// Breaks an attempt off, and all older ones.
    pub(crate) fn abort(&mut self, id: &InvocationId, epoch: u32) {
        if self
            .running
            .get(id)
            .is_some_and(|running| running.epoch <= epoch)
            && let Some(running) = self.remove(id, AttemptEnding::Aborted)
        {
            tell(&running, ToAttempt::Abort);
        }
    }

    /// An attempt's task is gone without a word: another one must follow.
    pub(crate) fn lost(&mut self, id: &InvocationId, epoch: u32) {
        let Some(running) = self.running.get(id) else {
            return;
        };
        if running.epoch == epoch {
            let failure = AttemptFailure {
                code: 500,
                message: "the server lost the attempt; this is a defect of the server".into(),
                ..AttemptFailure::default()
            };
            let next = Next::RetryAt(self.world.clock.now_ms() + LOST_RETRY_MS);
            self.fail(*id, epoch, running.incarnation, failure, next);
        }
    }

    /// Says in an attempt's place that it failed, for no fault of the handler's.
    fn fail(
        &self,
        id: InvocationId,
        epoch: u32,
        incarnation: u32,
        failure: AttemptFailure,
        next: Next,
    ) {
        let failed = Failed {
            failure,
            counts: false,
            uses_policy: false,
            next: Some(next),
        };
        let progress = Progress {
            id,
            epoch,
            incarnation,
            pin: None,
            entries: Vec::new(),
            end: Some(End::Failed(failed)),
        };
        self.world
            .inbox
            .push(propose(Command::Progress(progress), ReplyTo::Nobody));
    }

    /// Asks an attempt to come to an end as soon as it waits.
    pub(crate) fn ask_to_suspend(&self, id: &InvocationId) {
        if let Some(running) = self.running.get(id) {
            tell(running, ToAttempt::Suspend);
        }
    }

    /// Starts nothing more, and asks what runs to come to an end.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for (_, running) in in_order(&self.running) {
            tell(running, ToAttempt::Suspend);
        }
    }

    /// Says what runs and what waits.
    pub(crate) fn measure(&self, metrics: &PartitionMetrics) {
        metrics.ready.set(self.ready.len() as u64);
        metrics.running.set(self.running.len() as u64);
        metrics.attempts_bytes.set(self.bytes);
    }

    /// How many attempts run.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// The attempts that run.
    pub(crate) fn attempts(&self) -> Vec<RunningAttempt> {
        let running = in_order(&self.running).into_iter();
        let attempts = running.map(|(id, running)| RunningAttempt {
            id: *id,
            epoch: running.epoch,
            since: running.since,
            deployment: running.deployment.as_ref().map(|it| it.id.clone()),
        });
        attempts.collect()
    }

    /// Breaks off everything.
    pub(crate) fn abort_all(&mut self) {
        self.bytes = 0;
        for (_, running) in in_order(&self.running) {
            tell(running, ToAttempt::Abort);
        }
        self.running.clear();
    }
}

/// All that run, in an order that a second run of the same would give too.
fn in_order(running: &HashMap<InvocationId, Running>) -> Vec<(&InvocationId, &Running)> {
    let mut all: Vec<_> = running.iter().collect();
    all.sort_unstable_by_key(|(id, _)| **id);
    all
}

/// An attempt that does not listen any more has ended; its last words are on their way.
fn tell(running: &Running, event: ToAttempt) {
    drop(running.events.send(event));
}

fn pause(reason: PauseReason) -> Next {
    Next::Pause(reason.into())
}

/// Says that a journal is too large.
fn over_budget(bytes: u64, max: u64) -> AttemptFailure {
    AttemptFailure {
        code: 413,
        message: format!(
            "the journal has {bytes} bytes, and an invocation may have {max} \
             (invocation_bytes_max). Raise the setting and resume the invocation, or kill it; \
             pass large values by reference"
        ),
        ..AttemptFailure::default()
    }
}

/// Cuts state down to what is sent along; true if something was left out.
fn cut(state: &mut Vec<(Bytes, Bytes)>) -> bool {
    let mut bytes = 0;
    let fits = state
        .iter()
        .take_while(|(key, value)| {
            bytes += key.len() + value.len();
            bytes <= EAGER_STATE_BYTES_MAX
        })
        .count();
    let partial = fits < state.len();
    state.truncate(fits);
    partial
}
