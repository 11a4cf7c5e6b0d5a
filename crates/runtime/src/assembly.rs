//! The partitions of a node, put together over whatever logs and tables somebody brings.
//!
//! ```text
//!   limits, surroundings ──▶ Assembly ──log, tables──▶ the log's records applied ──▶ Loop
//! ```

use crate::clock::{Clock, Stamp};
use crate::dice::Dice;
use crate::handle::{Handle, Shared};
use crate::invoker::{Invoker, Limits, World};
use crate::metrics::Recorder;
use crate::moment::Moments;
use crate::node::Fatal;
use crate::partition::{Interrupt, Loop};
use crate::timers::Timers;
use crate::together::Together;
use crate::trace::Tracer;
use crate::transport::Transport;
use crate::waiters::Waiters;
use bytes::Bytes;
use latchwork_engine::mutation::Mutation;
use latchwork_engine::{Partition, Record, Topology};
use latchwork_storage::{Batch, Log, LogError, LogMeter, Lsn, Store, Tables};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a node may use.
#[derive(Debug, Clone)]
pub struct NodeLimits {
    /// Attempts that may run at a time, all partitions together.
    pub attempts_max: usize,
    /// Bytes of journals and state that attempts may hold at a time, all partitions together.
    /// One attempt may always run.
    pub attempts_bytes_max: u64,
    /// Bytes of one invocation's journal; one that has more is paused.
    pub invocation_bytes_max: u64,
    /// Handlers that have counts of their own; the others share theirs.
    pub metered_handlers_max: usize,
    /// How long an attempt may wait before it is asked to suspend, whatever its handler is set to.
    /// Zero: each wait ends the attempt, and what follows is a replay.
    pub inactivity_max: Option<Duration>,
}

/// What a node meets the world with.
pub struct Surroundings {
    /// How attempts reach handlers.
    pub transport: Arc<dyn Transport>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub dice: Arc<dyn Dice>,
    /// Who is told what happens.
    pub tracer: Tracer,
    /// Where attempts run, and by whose timers they wait.
    pub rim: tokio::runtime::Handle,
}

/// What was found when a node was opened.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// Records that were applied again.
    pub replayed: u64,
    /// Torn tails that were cut, in words.
    pub cut: Vec<String>,
}

/// What the partitions of one node share while they are put together.
pub(crate) struct Assembly {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    rim: tokio::runtime::Handle,
    limits: Limits,
    pub(crate) recovery: Recovery,
}

impl Assembly {
    pub(crate) fn new(limits: &NodeLimits, partitions: u16, around: Surroundings) -> Self {
        let shared = Arc::new(Shared::new(
            Topology { partitions, own: 0 },
            (0..partitions).map(|_| Arc::default()).collect(),
            limits.metered_handlers_max,
            around.tracer,
            around.clock.clone(),
            around.dice,
        ));
        let metrics = &shared.metrics;
        metrics.slots.set(limits.attempts_max as u64);
        metrics.attempts_bytes_max.set(limits.attempts_bytes_max);
        Self {
            limits: Limits {
                slots: (limits.attempts_max / usize::from(partitions)).max(1),
                attempts_bytes: limits.attempts_bytes_max / u64::from(partitions),
                invocation_bytes: limits.invocation_bytes_max,
                inactivity: limits.inactivity_max,
            },
            shared,
            transport: around.transport,
            clock: around.clock,
            rim: around.rim,
            recovery: Recovery::default(),
        }
    }

    /// The way in.
    pub(crate) fn handle(&self) -> Handle {
        Handle {
            shared: self.shared.clone(),
        }
    }

    /// Where it is counted what the log of a partition does.
    pub(crate) fn log_meter(&self, own: u16) -> Arc<LogMeter> {
        self.shared.metrics.partitions[usize::from(own)].log.clone()
    }

    /// Applies what the log has and the tables lack. The loop has not turned yet.
    pub(crate) fn partition<S: Store>(
        &mut self,
        own: u16,
        log: Box<dyn Log>,
        mut tables: Tables<S>,
    ) -> Result<Loop<S>, Fatal> {
        let engine = Partition::new(Topology {
            own,
            ..self.shared.topology
        });
        let stamp = Stamp::default();
        if let Some(last) = last_applied(&*log, tables.applied())? {
            stamp.see(last.time);
            self.clock.see(last.time);
        }
        let skipped = usize::from(Mutation::AppliedAhead.is_on());
        for record in log.read(tables.applied() + 1)?.skip(skipped) {
            let (lsn, bytes) = record?;
            let record = decode(lsn, bytes)?;
            stamp.see(record.time);
            self.clock.see(record.time);
            let transition = engine.apply(&tables, record)?;
            tables.commit(lsn, transition.writes)?;
            self.recovery.replayed += 1;
        }
        let world = Arc::new(World {
            shared: self.shared.clone(),
            inbox: self.shared.inboxes[usize::from(own)].clone(),
            transport: self.transport.clone(),
            clock: self.clock.clone(),
        });
        let partition = Loop {
            engine,
            log,
            tables,
            inbox: world.inbox.clone(),
            own,
            shared: self.shared.clone(),
            clock: self.clock.clone(),
            stamp,
            invoker: Invoker::new(world, self.rim.clone(), self.limits),
            waiters: Waiters::default(),
            moments: Moments::default(),
            together: Together::default(),
            recorder: Recorder::new(self.shared.clone()),
            timers: Timers::default(),
            batch: Batch::new(),
            arrived: Vec::new(),
            proposals: Vec::new(),
            interrupt: Interrupt::default(),
            unsealed_since: Some(Instant::now()),
        };
        if own == 0 {
            partition.load_registry()?;
        }
        Ok(partition)
    }
}

fn decode(lsn: Lsn, bytes: Bytes) -> Result<Record, Fatal> {
    Record::decode(bytes).map_err(|source| Fatal::Decode { lsn, source })
}

/// The last record that the tables know of. The log of a restored directory does not have it.
fn last_applied(log: &dyn Log, applied: Lsn) -> Result<Option<Record>, Fatal> {
    if applied == 0 {
        return Ok(None);
    }
    let first = match log.read(applied) {
        Err(LogError::Trimmed { .. }) => None,
        records => records?.next().transpose()?,
    };
    first.map(|(lsn, bytes)| decode(lsn, bytes)).transpose()
}
