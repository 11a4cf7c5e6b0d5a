//! Attempts: who may have one, and who has.
//!
//! ```text
//!   Run ──▶ ready queue ──admit──▶ attempt (a task of the rim) ⇄ session ⇄ transport
//!                                      │
//!            inbox ◀──── Progress ◀────┘
//! ```
//!
//! Nothing starts an attempt except through [`Invoker::admit`], which is the one chooser
//! between ready and running. Its rule: there is a slot. Lives in the partition's thread.

mod attempt;
mod retry;
mod session;

use crate::clock::Clock;
use crate::handle::{Shared, propose};
use crate::inbox::{Inbox, ReplyTo};
use crate::node::Fatal;
use crate::transport::Transport;
use attempt::Attempt;
use bytes::Bytes;
use latchwork_engine::table::Address;
use latchwork_engine::table::invocation::{Invocation, Status};
use latchwork_engine::table::journal::{JournalEntry, Notification};
use latchwork_engine::{
    AttemptFailure, Command, End, Failed, InvocationId, Next, Progress, TargetKind, View, read,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes of state that are sent along with the start of an attempt; the handler asks for
/// the rest when it needs it.
const EAGER_STATE_BYTES_MAX: usize = 8 << 20;
/// Pause after an attempt whose task was lost, in ms.
const LOST_RETRY_MS: u64 = 1_000;

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
    /// Come to an end: the server stops.
    Drain,
}

struct Running {
    epoch: u32,
    /// When it was started, in ms since 1970.
    since: u64,
    events: mpsc::UnboundedSender<ToAttempt>,
}

/// The attempts of one partition.
pub(crate) struct Invoker {
    world: Arc<World>,
    rim: tokio::runtime::Handle,
    slots: usize,
    ready: VecDeque<(InvocationId, u32)>,
    running: HashMap<InvocationId, Running>,
    draining: bool,
}

impl Invoker {
    pub(crate) fn new(world: Arc<World>, rim: tokio::runtime::Handle, slots: usize) -> Self {
        Self {
            world,
            rim,
            slots,
            ready: VecDeque::new(),
            running: HashMap::new(),
            draining: false,
        }
    }

    /// An invocation must have an attempt.
    pub(crate) fn ready(&mut self, id: InvocationId, epoch: u32) {
        self.ready.push_back((id, epoch));
    }

    /// Starts what is ready, while there are slots.
    pub(crate) fn admit(&mut self, view: &dyn View) -> Result<(), Fatal> {
        while !self.draining && self.running.len() < self.slots {
            let Some((id, epoch)) = self.ready.pop_front() else {
                break;
            };
            if let Some(start) = self.start(view, id, epoch)? {
                let (events, heard) = mpsc::unbounded_channel();
                // An older attempt that is still there has lost its place.
                let running = Running {
                    epoch,
                    since: self.world.clock.now_ms(),
                    events,
                };
                if let Some(old) = self.running.insert(id, running) {
                    tell(&old, ToAttempt::Abort);
                }
                let attempt = Attempt::new(self.world.clone(), start, heard);
                self.rim.spawn(attempt.run());
            }
        }
        Ok(())
    }

    /// Collects what the attempt begins with; nothing if it has been overtaken.
    fn start(&self, view: &dyn View, id: InvocationId, epoch: u32) -> Result<Option<Start>, Fatal> {
        let row = match read::invocation(view, &id)? {
            Some(row) if row.status() == Status::Running && row.epoch == epoch => row,
            _ => return Ok(None),
        };
        let mut state = Vec::new();
        let mut partial_state = true;
        if let Some(address) = Address::of(&row.target)
            && row.target.kind() != TargetKind::Plain
            && !self.wants_lazy_state(&row)
        {
            state = read::state(view, &address)?;
            partial_state = cut(&mut state);
        }
        Ok(Some(Start {
            journal: read::journal(view, &id, row.journal_len)?,
            id,
            epoch,
            row,
            state,
            partial_state,
        }))
    }

    fn wants_lazy_state(&self, row: &Invocation) -> bool {
        let registry = self.world.shared.registry.load();
        registry
            .serving(&row.target, row.pin.as_ref())
            .is_some_and(|serving| serving.settings.lazy_state)
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
    pub(crate) fn ended(&mut self, id: &InvocationId, epoch: u32) {
        if self
            .running
            .get(id)
            .is_some_and(|running| running.epoch == epoch)
        {
            self.running.remove(id);
        }
    }

    /// Breaks an attempt off, and all older ones.
    pub(crate) fn abort(&mut self, id: &InvocationId, epoch: u32) {
        if self
            .running
            .get(id)
            .is_some_and(|running| running.epoch <= epoch)
            && let Some(running) = self.running.remove(id)
        {
            tell(&running, ToAttempt::Abort);
        }
    }

    /// An attempt's task is gone without a word: another one must follow.
    pub(crate) fn lost(&mut self, id: &InvocationId, epoch: u32) {
        if self
            .running
            .get(id)
            .is_none_or(|running| running.epoch != epoch)
        {
            return;
        }
        let failed = Failed {
            failure: AttemptFailure {
                code: 500,
                message: "the server lost the attempt; this is a defect of the server".into(),
                ..AttemptFailure::default()
            },
            counts: false,
            uses_policy: false,
            next: Some(Next::RetryAt(self.world.clock.now_ms() + LOST_RETRY_MS)),
        };
        let progress = Progress {
            id: *id,
            epoch,
            pin: None,
            entries: Vec::new(),
            end: Some(End::Failed(failed)),
        };
        self.world
            .inbox
            .push(propose(Command::Progress(progress), ReplyTo::Nobody));
    }

    /// Starts nothing more, and asks what runs to come to an end.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for running in self.running.values() {
            tell(running, ToAttempt::Drain);
        }
    }

    /// How many attempts run.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// All that run, each with the time at which it was started.
    pub(crate) fn attempts(&self) -> HashMap<InvocationId, u64> {
        let all = self.running.iter();
        all.map(|(id, running)| (*id, running.since)).collect()
    }

    /// Breaks off everything.
    pub(crate) fn abort_all(&mut self) {
        for (_, running) in self.running.drain() {
            tell(&running, ToAttempt::Abort);
        }
    }
}

/// An attempt that does not listen any more has ended; its last words are on their way.
fn tell(running: &Running, event: ToAttempt) {
    drop(running.events.send(event));
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
