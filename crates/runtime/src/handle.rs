//! The way in: what may be asked of the partitions, from any thread.

use crate::clock::Clock;
use crate::dice::Dice;
use crate::inbox::{Inbox, ReplyTo, Wakeup};
use crate::invoker::RunningAttempt;
use crate::metrics::Metrics;
use crate::moment::Moment;
use crate::registry::Registry;
use crate::together::Wanted;
use crate::trace::Tracer;
use arc_swap::ArcSwap;
use latchwork_engine::table::invocation::Status;
use latchwork_engine::{
    Answer, Audit, Command, Document, Identity, InvocationId, Invoke, Letter, Operate, Operation,
    Outcome, PatchState, Pin, Register, Reply, Restart, Signal, Topology, View,
};
use latchwork_storage::Snapshot;
use prost::Message;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Mutex, MutexGuard, Notify, oneshot};

/// Asks the partitions of one node. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    /// How keys are divided; `own` is of no account here.
    pub(crate) topology: Topology,
    pub(crate) inboxes: Vec<Arc<Inbox>>,
    pub(crate) registry: ArcSwap<Registry>,
    pub(crate) registering: Mutex<()>,
    pub(crate) draining: AtomicBool,
    pub(crate) together: Wanted,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    /// Calls that have begun to wait for a key, for whoever looks for deadlocks.
    queued: std::sync::Mutex<Vec<InvocationId>>,
    /// There are such.
    has_queued: Notify,
}

/// Calls that are remembered between two looks for deadlocks; more are forgotten.
const QUEUED_MAX: usize = 100_000;

impl Shared {
    pub(crate) fn new(
        topology: Topology,
        inboxes: Vec<Arc<Inbox>>,
        handlers_max: usize,
        tracer: Tracer,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Self {
        Self {
            topology,
            inboxes,
            registry: ArcSwap::from_pointee(Registry::default()),
            registering: Mutex::new(()),
            draining: AtomicBool::new(false),
            together: Wanted::default(),
            metrics: Metrics::new(topology.partitions, handlers_max),
            tracer,
            clock,
            dice,
            queued: std::sync::Mutex::default(),
            has_queued: Notify::new(),
        }
    }

    /// A call has begun to wait for a key.
    pub(crate) fn queued(&self, id: InvocationId) {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if queued.is_empty() {
            self.has_queued.notify_one();
        }
        if queued.len() < QUEUED_MAX {
            queued.push(id);
        }
    }

    /// Waits until a call has begun to wait for a key since [`Shared::take_queued`].
    pub(crate) async fn some_queued(&self) {
        self.has_queued.notified().await;
    }

    /// Those that have begun to wait since this was asked last.
    pub(crate) fn take_queued(&self) -> Vec<InvocationId> {
        std::mem::take(&mut *self.queued.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How an invocation ended, and until when that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Value or failure.
    pub outcome: Outcome,
    /// When it is forgotten, in ms since 1970; absent for who waited while it ran.
    pub expires_at: Option<u64>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub struct CallEnd {
    /// The invocation.
    pub id: InvocationId,
    /// It was there before.
    pub existed: bool,
    /// How it ended.
    pub ending: Ending,
}

/// How an invocation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputState {
    /// There is none of this id, or it is forgotten.
    Unknown,
    /// It is not over.
    Pending(Status),
    /// It is over.
    Ready(Ending),
}

/// How far a partition is, in numbers of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The last record of its log: all up to here were promised to somebody.
    pub appended: u64,
    /// The last one that its tables know of.
    pub applied: u64,
    /// The last one whose writes are on disk; a restart applies those after it again.
    pub persisted: u64,
}

/// Why a question got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// More waits than should.
    #[error("too much waits to be written; try again in a second")]
    Overloaded,
    /// The server is about to stop, or the partition has stopped.
    #[error("the server is stopping")]
    Stopping,
}

impl Handle {
    /// What is registered just now.
    pub fn registry(&self) -> Arc<Registry> {
        self.shared.registry.load_full()
    }

    /// This node's clock: whoever makes a time for it, as that of a delayed call, takes it here.
    pub fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// Where this node's random numbers come from: whoever mints an id for it takes it here.
    pub fn dice(&self) -> &dyn Dice {
        &*self.shared.dice
    }

    /// What is counted since the process began. Reading it holds nobody up.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Decides what is traced.
    pub fn tracer(&self) -> &Tracer {
        &self.shared.tracer
    }

    /// What waits in front of a partition to be written and answered, and its bytes; nothing if
    /// there is no partition of this number.
    pub fn waiting(&self, partition: usize) -> Option<(usize, usize)> {
        let inbox = self.shared.inboxes.get(partition)?;
        Some(inbox.waiting())
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Creates or finds an invocation; durable when this returns.
    ///
    /// # Errors
    /// If the server is overloaded or stopping; after `Stopping` the invocation may exist.
    pub async fn invoke(&self, invoke: Invoke) -> Result<Reply, AskError> {
        let id = invoke.id;
        self.ask(id.partition_key, Letter::Invoke(Box::new(invoke)).into())
            .await
    }

    /// Creates or finds an invocation and waits for its end.
    ///
    /// # Errors
    /// As [`Handle::invoke`]; after `Stopping` the invocation, if accepted, goes on when
    /// the server is back.
    pub async fn call(&self, invoke: Invoke) -> Result<CallEnd, AskError> {
        let partition_key = invoke.id.partition_key;
        let (reply, heard) = oneshot::channel();
        let command = Letter::Invoke(Box::new(invoke)).into();
        self.propose(partition_key, command, ReplyTo::Call(reply))?;
        heard.await.map_err(|_| AskError::Stopping)
    }

    /// Waits for the end of an invocation; nothing if there is none of this id.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn attach(&self, id: InvocationId) -> Result<Option<Ending>, AskError> {
        let (reply, heard) = oneshot::channel();
        self.inbox(id.partition_key).push(Wakeup::Attach(id, reply));
        heard.await.map_err(|_| AskError::Stopping)
    }

    /// How an invocation stands.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn output(&self, id: InvocationId) -> Result<OutputState, AskError> {
        let (reply, heard) = oneshot::channel();
        self.inbox(id.partition_key).push(Wakeup::Output(id, reply));
        heard.await.map_err(|_| AskError::Stopping)
    }

    /// Sends a signal; durable when this returns.
    ///
    /// # Errors
    /// If the server is overloaded or stopping.
    pub async fn signal(
        &self,
        id: InvocationId,
        identity: Identity,
        answer: Answer,
    ) -> Result<Reply, AskError> {
        let signal = Signal {
            id,
            identity: Some(identity),
            answer: Some(answer),
        };
        self.ask(id.partition_key, Letter::Signal(signal).into())
            .await
    }

    /// Does what an operator wishes; durable when this returns.
    ///
    /// # Errors
    /// If the server is overloaded or stopping.
    pub async fn operate(
        &self,
        id: InvocationId,
        operation: Operation,
        deployment: Option<String>,
    ) -> Result<Reply, AskError> {
        let operate = Operate {
            id,
            operation: operation.into(),
            deployment,
        };
        self.ask(id.partition_key, Command::Operate(operate)).await
    }

    /// Starts a new invocation with the first entries of an old one's journal.
    ///
    /// # Errors
    /// If the server is overloaded or stopping.
    pub async fn restart(
        &self,
        from: InvocationId,
        last_command: u32,
        pin: Option<Pin>,
    ) -> Result<Reply, AskError> {
        let mut bytes = self.dice().id();
        bytes[..8].copy_from_slice(&from.partition_key.to_be_bytes());
        let restart = Restart {
            from,
            id: InvocationId::from_bytes(bytes),
            last_command,
            pin,
        };
        self.ask(from.partition_key, Command::Restart(restart))
            .await
    }

    /// Replaces the state of a key, after what already waits for it.
    ///
    /// # Errors
    /// If the server is overloaded or stopping.
    pub async fn patch_state(&self, patch: PatchState) -> Result<Reply, AskError> {
        self.ask(patch.partition_key, Command::PatchState(patch))
            .await
    }

    /// Taken by whoever reads the registry in order to change it.
    pub async fn registering(&self) -> MutexGuard<'_, ()> {
        self.shared.registering.lock().await
    }

    /// Remembers and forgets documents of the registry, in one step.
    ///
    /// # Errors
    /// If the server is overloaded or stopping.
    pub async fn register(&self, documents: Vec<Document>) -> Result<Reply, AskError> {
        // The registry lives in the first partition.
        self.ask(0, Command::Register(Register { documents })).await
    }

    /// Notes what an operator does; durable when this returns.
    ///
    /// # Errors
    /// If the server is overloaded or stopping.
    pub async fn audit(&self, audit: Audit) -> Result<Reply, AskError> {
        // Beside the registry, which most of it is about.
        self.ask(0, Command::Audit(audit)).await
    }

    /// Reads the tables of every partition, each at one place of its log, one after the other.
    /// The function runs between two turns of the loop: it should be quick.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&dyn View) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, AskError> {
        let mut all = Vec::with_capacity(self.shared.inboxes.len());
        for partition in 0..self.shared.inboxes.len() {
            all.push(self.read_partition(partition, read.clone()).await?);
        }
        Ok(all)
    }

    /// The attempts that run just now, of all partitions.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn attempts(&self) -> Result<Vec<RunningAttempt>, AskError> {
        let mut all = Vec::new();
        for inbox in &self.shared.inboxes {
            let (reply, heard) = oneshot::channel();
            inbox.push(Wakeup::Attempts(reply));
            all.extend(heard.await.map_err(|_| AskError::Stopping)?);
        }
        Ok(all)
    }

    /// The tables of every partition, each held still at one place of its log that is not
    /// before the question. Reading them holds nobody up.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn moments(&self) -> Result<Vec<Arc<Moment>>, AskError> {
        let asked: Vec<_> = self
            .shared
            .inboxes
            .iter()
            .map(|inbox| {
                let (reply, heard) = oneshot::channel();
                inbox.push(Wakeup::Moment(reply));
                heard
            })
            .collect();
        let mut all = Vec::with_capacity(asked.len());
        for heard in asked {
            all.push(heard.await.map_err(|_| AskError::Stopping)?);
        }
        Ok(all)
    }

    /// The tables of all partitions at one moment, which is not before the question: whatever is
    /// in one of them, all that led to it is in the others. Nobody waits for anybody.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn together(&self) -> Result<Vec<Snapshot>, AskError> {
        let _turn = self.shared.together.turn.lock().await;
        let number = self.shared.together.want();
        let asked: Vec<_> = self
            .shared
            .inboxes
            .iter()
            .map(|inbox| {
                let (reply, heard) = oneshot::channel();
                inbox.push(Wakeup::Together(number, reply));
                heard
            })
            .collect();
        let mut all = Vec::with_capacity(asked.len());
        for heard in asked {
            all.push(heard.await.map_err(|_| AskError::Stopping)?);
        }
        Ok(all)
    }

    /// Reads the tables of the partition that owns a key, as [`Handle::read`] does.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn read_at<T: Send + 'static>(
        &self,
        partition_key: u64,
        read: impl FnOnce(&dyn View) -> T + Send + 'static,
    ) -> Result<T, AskError> {
        let partition = self.shared.topology.owner(partition_key);
        self.read_partition(usize::from(partition), read).await
    }

    /// How far a partition is; the answer itself shows that its loop turns.
    ///
    /// # Errors
    /// If the server is stopping, or there is no partition of this number.
    pub async fn standing(&self, partition: usize) -> Result<Standing, AskError> {
        let inbox = (self.shared.inboxes.get(partition)).ok_or(AskError::Stopping)?;
        let (reply, heard) = oneshot::channel();
        inbox.push(Wakeup::Standing(reply));
        heard.await.map_err(|_| AskError::Stopping)
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.shared.inboxes.len()
    }

    /// Reads the tables of one partition, counted from 0, as [`Handle::read`] does. Whoever
    /// reads much reads in slices, so that the partition can go on between them.
    ///
    /// # Errors
    /// If the server is stopping, or there is no partition of this number.
    pub async fn read_partition<T: Send + 'static>(
        &self,
        partition: usize,
        read: impl FnOnce(&dyn View) -> T + Send + 'static,
    ) -> Result<T, AskError> {
        let inbox = (self.shared.inboxes.get(partition)).ok_or(AskError::Stopping)?;
        let (reply, heard) = oneshot::channel();
        inbox.push(Wakeup::Read(Box::new(move |view| {
            // Whoever asked may have gone away.
            let _ = reply.send(read(view));
        })));
        heard.await.map_err(|_| AskError::Stopping)
    }

    /// The place, in what [`Handle::moments`] gives, of the partition that owns a key.
    pub fn owner(&self, partition_key: u64) -> usize {
        usize::from(self.shared.topology.owner(partition_key))
    }

    async fn ask(&self, partition_key: u64, command: Command) -> Result<Reply, AskError> {
        let (reply, heard) = oneshot::channel();
        self.propose(partition_key, command, ReplyTo::Reply(reply))?;
        heard.await.map_err(|_| AskError::Stopping)
    }

    fn propose(
        &self,
        partition_key: u64,
        command: Command,
        reply: ReplyTo,
    ) -> Result<(), AskError> {
        if self.is_draining() {
            self.shared.metrics.refused_stopping.one();
            return Err(AskError::Stopping);
        }
        let inbox = self.inbox(partition_key);
        if inbox.is_full() {
            self.shared.metrics.refused_overloaded.one();
            return Err(AskError::Overloaded);
        }
        inbox.push(propose(command, reply));
        Ok(())
    }

    /// The queue of the partition that has an invocation.
    pub(crate) fn inbox_of(&self, id: &InvocationId) -> &Inbox {
        self.inbox(id.partition_key)
    }

    fn inbox(&self, partition_key: u64) -> &Inbox {
        &self.shared.inboxes[usize::from(self.shared.topology.owner(partition_key))]
    }
}

/// A proposal with the room it takes.
pub(crate) fn propose(command: Command, reply: ReplyTo) -> Wakeup {
    let bytes = match &command {
        Command::Message(message) => message.encoded_len(),
        Command::Progress(progress) => progress.entries.iter().map(|e| e.raw.len() + 64).sum(),
        Command::Deliver(deliver) => deliver.encoded_len(),
        Command::Audit(audit) => audit.encoded_len(),
        _ => 64,
    };
    Wakeup::Propose {
        command: Box::new(command),
        reply,
        bytes,
    }
}

/// Tells one bearer of an id that is derived from a key from the next.
pub fn random_incarnation() -> u32 {
    rand::random()
}

/// 24 random bytes: an id that nobody else has.
pub fn random_id() -> [u8; 24] {
    rand::random()
}
