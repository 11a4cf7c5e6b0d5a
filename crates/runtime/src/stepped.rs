//! A node that is turned by hand: no thread, no file, and no time but what its clock gives.
//!
//! ```text
//!   logs, stores ──▶ SteppedNode ──turn(partition)──▶ one turn of its loop, of whatever has come
//!                        │ due(): something has come, or it is time
//!                        └ run(): both, for ever
//! ```
//!
//! The partitions are those of [`crate::Node`], and so is everything behind them; only who turns
//! them differs. On a tokio runtime with one thread and paused time, whatever happens in such a
//! node happens in an order that a second run repeats, and a sleep of a month passes at once. For
//! that the clock has to be a [`crate::TimerClock`] and the dice seeded, and what the handlers do
//! must repeat as well.
//!
//! To drop one is to crash it: what its store had not persisted is lost, and the log has it.

use crate::assembly::{Assembly, NodeLimits, Recovery, Surroundings};
use crate::deadlock;
use crate::handle::Handle;
use crate::inbox::Wakeup;
use crate::node::Fatal;
use crate::partition::{Loop, Step};
use latchwork_engine::View;
use latchwork_storage::{Log, Store, Tables};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Longest sleep of [`SteppedNode::run`], which wakes for whatever comes before.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A node without threads. Drop it, and it has crashed.
pub struct SteppedNode<S: Store> {
    handle: Handle,
    loops: Vec<Loop<S>>,
    recovery: Recovery,
    deadlocks: AbortHandle,
    /// Where to look first, so that no partition has all the turns.
    next: usize,
}

impl<S: Store> SteppedNode<S> {
    /// Over these logs and stores, one pair for each partition: applies what the stores lack, and
    /// performs what is owed. Attempts run as tasks of the runtime in `around`.
    ///
    /// # Errors
    /// If a log or a store cannot be read, or they do not belong together.
    pub fn open(
        limits: &NodeLimits,
        storage: Vec<(Box<dyn Log>, S)>,
        around: Surroundings,
    ) -> Result<Self, Fatal> {
        let rim = around.rim.clone();
        // More than 65,535 partitions have no numbers.
        let partitions = u16::try_from(storage.len()).unwrap_or(u16::MAX);
        let mut assembly = Assembly::new(limits, partitions, around);
        let mut loops = Vec::new();
        for (own, (log, store)) in (0..partitions).zip(storage) {
            loops.push(assembly.partition(own, log, Tables::by_hand(store)?)?);
        }
        for partition in &mut loops {
            partition.begin()?;
        }
        let handle = assembly.handle();
        let deadlocks = rim.spawn(deadlock::watch(handle.clone())).abort_handle();
        Ok(Self {
            handle,
            loops,
            recovery: assembly.recovery,
            deadlocks,
            next: 0,
        })
    }

    /// The way in.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What was found when it was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Asks `breaks_off` after each step of a turn, with the number of the partition. Where it says
    /// true the turn ends with [`Fatal::Interrupted`], and the node with it.
    pub fn interrupt(
        &mut self,
        breaks_off: impl FnMut(usize, Step) -> bool + Clone + Send + 'static,
    ) {
        for (own, partition) in self.loops.iter_mut().enumerate() {
            let mut breaks_off = breaks_off.clone();
            partition.interrupt.0 = Some(Box::new(move |step| breaks_off(own, step)));
        }
    }

    /// One turn of a partition, with all that has come for it.
    ///
    /// # Errors
    /// If it must stop. The whole node then has, as its process would: nothing is answered any
    /// more, and its attempts are broken off.
    pub fn turn(&mut self, partition: usize) -> Result<(), Fatal> {
        let Some(turned) = self.loops.get_mut(partition) else {
            return Ok(());
        };
        turned.inbox.take(&mut turned.arrived, Duration::ZERO);
        let result = turned.turn();
        if result.is_err() {
            self.let_go();
        }
        result.map(drop)
    }

    /// The tables of a partition, as they are between two turns.
    pub fn view(&self, partition: usize) -> Option<&dyn View> {
        let it = self.loops.get(partition)?;
        Some(&it.tables)
    }

    /// Writes the oldest layer of a partition's tables that waits for it into its store. False:
    /// there is none.
    ///
    /// # Errors
    /// As [`SteppedNode::turn`], if the store refuses.
    pub fn write_tables(&mut self, partition: usize) -> Result<bool, Fatal> {
        let Some(turned) = self.loops.get_mut(partition) else {
            return Ok(false);
        };
        let result = turned.tables.write_layer();
        if result.is_err() {
            self.let_go();
        }
        Ok(result?)
    }

    /// Waits until a partition has something to do, but no longer than `longest`: something has
    /// come for it, or a timer is due. Gives its number.
    pub async fn due(&mut self, longest: Duration) -> usize {
        let count = self.loops.len().max(1);
        let order = (self.next..count).chain(0..self.next);
        let mut first = (longest, self.next);
        for own in order.clone() {
            if let Some(partition) = self.loops.get(own) {
                first = first.min((partition.patience(longest).min(partition.until_seal()), own));
            }
        }
        // Not the loops themselves, so that whoever waits here may be a task of any thread.
        let inboxes: Vec<_> = order
            .filter_map(|own| Some((own, self.loops.get(own)?.inbox.clone())))
            .collect();
        let arrived = poll_fn(|task| {
            let mut here = inboxes.iter();
            match here.find(|(_, inbox)| inbox.poll_arrived(task).is_ready()) {
                Some((own, _)) => Poll::Ready(*own),
                None => Poll::Pending,
            }
        });
        let own = tokio::time::timeout(first.0, arrived).await;
        let own = own.unwrap_or(first.1);
        self.next = (own + 1) % count;
        own
    }

    /// Turns whatever has something to do, and writes the tables, until it must stop.
    ///
    /// # Errors
    /// Always: why it stopped.
    pub async fn run(&mut self) -> Result<(), Fatal> {
        loop {
            let own = self.due(FOR_EVER).await;
            self.turn(own)?;
            self.write_tables(own)?;
            // Whoever was answered comes before the next turn.
            tokio::task::yield_now().await;
        }
    }

    /// Stops it in good order: no new work; attempts get `grace` to record what they have. Then
    /// everything is in the stores.
    ///
    /// # Errors
    /// If it must stop before.
    pub async fn shutdown(mut self, grace: Duration) -> Result<(), Fatal> {
        let shared = self.handle.shared.clone();
        shared.draining.store(true, Ordering::Relaxed);
        for inbox in &shared.inboxes {
            inbox.push(Wakeup::Drain);
        }
        let until = Instant::now() + grace;
        while self.loops.iter().any(|it| it.invoker.running() > 0) && Instant::now() < until {
            let own = self.due(until - Instant::now()).await;
            self.turn(own)?;
            tokio::task::yield_now().await;
        }
        for own in 0..self.loops.len() {
            self.turn(own)?;
        }
        self.let_go();
        for partition in std::mem::take(&mut self.loops) {
            partition.tables.close()?;
        }
        Ok(())
    }

    fn let_go(&mut self) {
        self.deadlocks.abort();
        for partition in &mut self.loops {
            partition.let_go();
        }
    }
}

impl<S: Store> Drop for SteppedNode<S> {
    fn drop(&mut self) {
        self.let_go();
    }
}
