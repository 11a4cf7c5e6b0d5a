//! One partition, driven.
//!
//! ```text
//!   inbox ──Command──▶ log.append(batch), durable ──Record──▶ engine.apply
//!     ▲                                                            │ Transition
//!     └─── whatever comes of them ◀─── perform(effects) ◀─── tables.commit
//! ```
//!
//! Start at [`Loop::run`]. One OS thread, no async, no lock: whatever has arrived during
//! one turn is the batch of the next, so group commit comes by itself. Nothing here
//! decides; deciding is the engine's. Who has no thread for it turns it by hand: `stepped.rs`.

use crate::clock::{Clock, Stamp};
use crate::handle::{Ending, OutputState, Shared, Standing};
use crate::inbox::{Inbox, ReplyTo, Wakeup};
use crate::invoker::Invoker;
use crate::metrics::{PartitionMetrics, Recorder};
use crate::moment::Moments;
use crate::node::Fatal;
use crate::timers::{Due, Timers};
use crate::together::Together;
use crate::waiters::Waiters;
use latchwork_engine::mutation::Mutation;
use latchwork_engine::table::invocation::Status;
use latchwork_engine::{
    Command, Effect, FireTimers, InvocationId, Partition, Record, Transition, read,
};
use latchwork_storage::{Batch, Log, LogError, Lsn, Store, Tables};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest sleep of the loop; it wakes to give the tables to disk.
const IDLE: Duration = Duration::from_secs(1);
/// The tables are sealed and written out when they hold this much in memory …
const SEAL_BYTES: usize = 8 << 20;
/// … or when the oldest of it is this old: what a restart must replay stays short. To write them out
/// takes a sync of the store's own, behind which calls may wait: a server with little to do should not
/// do so at every turn.
const SEAL_AGE: Duration = Duration::from_secs(10);

/// All that one partition's thread owns.
pub(crate) struct Loop<S: Store> {
    pub(crate) engine: Partition,
    pub(crate) log: Box<dyn Log>,
    pub(crate) tables: Tables<S>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) own: u16,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stamp: Stamp,
    pub(crate) invoker: Invoker,
    pub(crate) waiters: Waiters,
    pub(crate) moments: Moments,
    pub(crate) together: Together,
    pub(crate) timers: Timers,
    pub(crate) recorder: Recorder,
    pub(crate) batch: Batch,
    /// What has come since the last turn.
    pub(crate) arrived: Vec<Wakeup>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) interrupt: Interrupt,
    /// When the oldest write that is not sealed was made.
    pub(crate) unsealed_since: Option<Instant>,
}

/// A proposal of this turn.
pub(crate) struct Proposal {
    record: Record,
    reply: ReplyTo,
}

/// What a turn has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The batch is durable; nothing of it is applied.
    Appended,
    /// A record was applied by the engine; nothing is committed.
    Applied,
    /// What follows from a record is in the tables; nothing of it was performed.
    Committed,
    /// An effect was performed.
    Performed,
}

/// Breaks a turn off in its middle, as a crash would.
#[derive(Default)]
pub(crate) struct Interrupt(pub(crate) Option<Box<dyn FnMut(Step) -> bool + Send>>);

impl Interrupt {
    fn at(&mut self, step: Step) -> Result<(), Fatal> {
        if let Some(breaks_off) = &mut self.0
            && breaks_off(step)
        {
            return Err(Fatal::Interrupted);
        }
        Ok(())
    }
}

impl<S: Store> Loop<S> {
    /// Runs until it is told to stop, or must.
    pub(crate) fn run(mut self) -> Result<(), Fatal> {
        let result = self.turns();
        self.let_go();
        result?;
        self.tables.close().map_err(Fatal::from)
    }

    /// Lets all who wait know that nothing comes any more, and breaks off what runs.
    pub(crate) fn let_go(&mut self) {
        self.inbox.close();
        self.waiters.close();
        self.moments.close();
        self.invoker.abort_all();
    }

    fn turns(&mut self) -> Result<(), Fatal> {
        self.begin()?;
        loop {
            let limit = self.patience(IDLE);
            self.inbox.take(&mut self.arrived, limit);
            if !self.turn()? {
                return Ok(());
            }
        }
    }

    /// Performs what was owed before.
    pub(crate) fn begin(&mut self) -> Result<(), Fatal> {
        for effect in self.engine.outstanding(&self.tables)? {
            self.perform(effect, &mut ReplyTo::Nobody)?;
        }
        Ok(())
    }

    /// How long it need not turn if nothing comes.
    pub(crate) fn patience(&self, longest: Duration) -> Duration {
        let now = self.due_by(self.stamp.now(&*self.clock));
        self.moments.sleep(self.timers.sleep(now, longest))
    }

    /// What is due at the time `now`.
    fn due_by(&self, now: u64) -> Due {
        Due {
            work: now,
            retention: now.saturating_sub(self.clock.leapt_ms()),
        }
    }

    /// How long until it is time to give the tables to disk.
    pub(crate) fn until_seal(&self) -> Duration {
        self.unsealed_since.map_or(Duration::MAX, |since| {
            SEAL_AGE.saturating_sub(since.elapsed())
        })
    }

    /// Does all that has arrived. False: it was told to stop.
    pub(crate) fn turn(&mut self) -> Result<bool, Fatal> {
        // After the inbox was emptied, before anything of it counts: see `together`.
        let wanted = self.shared.together.wanted();
        if self.together.hold(wanted, &mut self.tables)? {
            self.unsealed_since = None;
        }
        let now = self.stamp.now(&*self.clock);
        let early = if Mutation::TimerEarly.is_on() { 500 } else { 0 };
        // Before what has arrived: what is due was so when it came.
        let due = self.timers.due(&self.tables, self.due_by(now + early))?;
        let mut proposals = std::mem::take(&mut self.proposals);
        if !due.is_empty() {
            self.metrics().timers_fired.add(due.len() as u64);
            proposals.push(Proposal {
                record: Record {
                    time: now,
                    command: Some(Command::FireTimers(FireTimers { timers: due })),
                },
                reply: ReplyTo::Nobody,
            });
        }
        let mut questions = Vec::new();
        let mut goes_on = true;
        for wakeup in self.arrived.drain(..) {
            match wakeup {
                Wakeup::Propose { command, reply, .. } => proposals.push(Proposal {
                    record: Record {
                        time: now,
                        command: Some(*command),
                    },
                    reply,
                }),
                Wakeup::Stop => goes_on = false,
                question => questions.push(question),
            }
        }
        let first = self.log.tail();
        self.encode(&proposals)?;
        if Mutation::AcknowledgedBeforeSync.is_on() {
            self.apply(first, &mut proposals)?;
        }
        self.append(first)?;
        self.apply(first, &mut proposals)?;
        self.proposals = proposals;
        for question in questions {
            self.answer(question)?;
        }
        self.invoker.admit(&self.tables)?;
        self.give_moments()?;
        self.keep_house()?;
        self.measure();
        Ok(goes_on)
    }

    /// Makes a batch of the proposals.
    fn encode(&mut self, proposals: &[Proposal]) -> Result<(), Fatal> {
        self.batch.clear();
        for proposal in proposals {
            self.batch.push(|buffer| proposal.record.encode(buffer))?;
        }
        Ok(())
    }

    /// Makes the batch durable, from `first` on.
    fn append(&mut self, first: Lsn) -> Result<(), Fatal> {
        if self.batch.is_empty() {
            return Ok(());
        }
        match self.log.append(&mut self.batch, first) {
            Err(LogError::Unknown { .. }) if Mutation::UnknownIsDone.is_on() => {}
            appended => drop(appended?),
        }
        self.interrupt.at(Step::Appended)
    }

    /// Applies what is durable, and then performs what follows from it.
    fn apply(&mut self, first: Lsn, proposals: &mut Vec<Proposal>) -> Result<(), Fatal> {
        let mut owed = Vec::with_capacity(proposals.len());
        for (lsn, Proposal { record, reply }) in (first..).zip(proposals.drain(..)) {
            if let Some(Command::Progress(progress)) = &record.command
                && progress.end.is_some()
            {
                self.invoker.ended(progress);
            }
            let time = record.time;
            let transition = self.engine.apply(&self.tables, record)?;
            self.shared.tracer.applied(time, &transition);
            let Transition {
                writes,
                effects,
                facts,
            } = transition;
            self.interrupt.at(Step::Applied)?;
            self.tables.commit(lsn, writes)?;
            self.interrupt.at(Step::Committed)?;
            for fact in &facts {
                self.recorder.fact(fact);
            }
            owed.push((effects, reply));
        }
        if !owed.is_empty() {
            self.unsealed_since.get_or_insert_with(Instant::now);
        }
        for (effects, mut reply) in owed {
            for effect in effects {
                self.perform(effect, &mut reply)?;
                self.interrupt.at(Step::Performed)?;
            }
        }
        Ok(())
    }

    /// Effect to doing: one line each.
    fn perform(&mut self, effect: Effect, reply: &mut ReplyTo) -> Result<(), Fatal> {
        match effect {
            Effect::Run { id, epoch } => self.invoker.ready(id, epoch),
            Effect::Abort { id, epoch } => self.invoker.abort(&id, epoch),
            Effect::Notify {
                id,
                index,
                notification,
                proposed,
            } => self.invoker.notify(&id, index, notification, proposed),
            Effect::Acknowledge { id, command } => self.invoker.acknowledge(&id, command),
            Effect::Completed { id, outcome } => self.waiters.completed(&id, &outcome),
            Effect::Queued { id } => self.shared.queued(id),
            Effect::Arm { time } => {
                self.metrics().timers_armed.one();
                if !Mutation::RetryNotArmed.is_on() {
                    self.timers.arm(time);
                }
            }
            Effect::Deliver {
                to,
                sequence,
                message,
            } => self.deliver(to, sequence, message),
            Effect::ConfirmDelivery { to, up_to } => self.confirm(to, up_to),
            Effect::RegistryChanged => self.load_registry()?,
            Effect::Reply(answer) => {
                self.reply(answer, std::mem::replace(reply, ReplyTo::Nobody))?
            }
        }
        Ok(())
    }

    fn answer(&mut self, question: Wakeup) -> Result<(), Fatal> {
        match question {
            Wakeup::Attach(id, asker) => match self.output(&id)? {
                // Whoever asked may have gone away, here and below.
                OutputState::Unknown => drop(asker.send(None)),
                OutputState::Ready(ending) => drop(asker.send(Some(ending))),
                OutputState::Pending(_) => self.waiters.attach(id, asker),
            },
            Wakeup::Output(id, asker) => drop(asker.send(self.output(&id)?)),
            Wakeup::Read(read) => read(&self.tables),
            Wakeup::AskToSuspend(id) => self.invoker.ask_to_suspend(&id),
            Wakeup::Moment(asker) => self.moments.ask(asker),
            Wakeup::Together(number, asker) => self.together.give(number, asker),
            Wakeup::AttemptLost(id, epoch) => self.invoker.lost(&id, epoch),
            Wakeup::Running(asker) => drop(asker.send(self.invoker.running())),
            Wakeup::Attempts(asker) => drop(asker.send(self.invoker.attempts())),
            Wakeup::Standing(asker) => drop(asker.send(Standing {
                appended: self.log.tail().saturating_sub(1),
                applied: self.tables.applied(),
                persisted: self.tables.persisted(),
            })),
            Wakeup::Drain => self.invoker.drain(),
            Wakeup::Propose { .. } | Wakeup::Stop => {}
        }
        Ok(())
    }

    pub(crate) fn output(&self, id: &InvocationId) -> Result<OutputState, Fatal> {
        let Some(row) = read::invocation(&self.tables, id)? else {
            return Ok(OutputState::Unknown);
        };
        Ok(match read::outcome(&self.tables, id, &row)? {
            Some(outcome) => OutputState::Ready(Ending {
                outcome,
                expires_at: row.expires_at(),
            }),
            None => OutputState::Pending(Status::try_from(row.status).unwrap_or(Status::Running)),
        })
    }

    /// Holds the tables still for those who asked. After the attempts of this turn were
    /// started: whoever asks sees what was acknowledged to him as running.
    fn give_moments(&mut self) -> Result<(), Fatal> {
        let invoker = &self.invoker;
        if self.moments.give(&mut self.tables, || invoker.attempts())? {
            self.unsealed_since = None;
        }
        Ok(())
    }

    /// Gives the tables to disk now and then, and drops what the log then holds in vain.
    fn keep_house(&mut self) -> Result<(), Fatal> {
        let old = self
            .unsealed_since
            .is_some_and(|since| since.elapsed() >= SEAL_AGE);
        if old || self.tables.active_bytes() >= SEAL_BYTES {
            self.tables.seal()?;
            self.unsealed_since = None;
        }
        let persisted = match Mutation::TrimmedTooFar.is_on() {
            false => self.tables.persisted(),
            true => self.tables.applied(),
        };
        if persisted > 1 {
            // Its last record says how late it was, for a clock that has run back by the next
            // start.
            self.log.trim(persisted - 1)?;
        }
        Ok(())
    }

    fn metrics(&self) -> &PartitionMetrics {
        &self.shared.metrics.partitions[usize::from(self.own)]
    }

    /// Says how it stands, for those who count.
    fn measure(&mut self) {
        let persisted = self.tables.persisted();
        let (sealed_layers, sealed_bytes) = self.tables.sealed();
        let metrics = self.metrics();
        metrics.turns.one();
        metrics.appended_lsn.set(self.log.tail().saturating_sub(1));
        metrics.applied_lsn.set(self.tables.applied());
        metrics.persisted_lsn.set(persisted);
        metrics.active_bytes.set(self.tables.active_bytes() as u64);
        metrics.sealed_layers.set(sealed_layers as u64);
        metrics.sealed_bytes.set(sealed_bytes as u64);
        metrics.awaited.set(self.waiters.len() as u64);
        self.invoker.measure(metrics);
    }
}
