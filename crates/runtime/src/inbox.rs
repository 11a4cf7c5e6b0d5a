//! The bounded queue in front of a partition's loop: all that may wake it.
//!
//! Any thread pushes; the loop takes everything at once, which is its next batch. The
//! bound is in bytes and is kept by those who push: callers are refused while it is
//! exceeded, attempts wait before they read more.

use latchwork_engine::{Command, InvocationId, Reply, View};
use latchwork_storage::Snapshot;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

use crate::handle::{CallEnd, Ending, OutputState, Standing};
use crate::invoker::RunningAttempt;
use crate::moment::Moment;

/// Bytes of proposals that may wait; beyond that, callers are refused.
const BYTES_MAX: usize = 64 << 20;

/// Reads the tables between two turns.
pub(crate) type Reading = Box<dyn FnOnce(&dyn View) + Send>;

/// What wakes the loop.
pub(crate) enum Wakeup {
    /// Something to append.
    Propose {
        command: Box<Command>,
        reply: ReplyTo,
        bytes: usize,
    },
    /// Somebody wants the result of an invocation when there is one.
    Attach(InvocationId, oneshot::Sender<Option<Ending>>),
    /// Somebody wants to know how an invocation stands.
    Output(InvocationId, oneshot::Sender<OutputState>),
    /// Somebody wants to read the tables.
    Read(Reading),
    /// The attempt of this invocation, if it has one, is to come to an end as soon as it waits.
    AskToSuspend(InvocationId),
    /// Somebody wants the tables held still, to read them elsewhere.
    Moment(oneshot::Sender<Arc<Moment>>),
    /// Somebody wants the tables as they were held at the moment of this number.
    Together(u64, oneshot::Sender<Snapshot>),
    /// An attempt is gone without having said how it ended.
    AttemptLost(InvocationId, u32),
    /// Somebody wants to know how many attempts run.
    Running(oneshot::Sender<usize>),
    /// Somebody wants to know which attempts run.
    Attempts(oneshot::Sender<Vec<RunningAttempt>>),
    /// Somebody wants to know how far the partition is.
    Standing(oneshot::Sender<Standing>),
    /// Start nothing more, and ask what runs to come to an end.
    Drain,
    /// Stop, whatever still runs.
    Stop,
}

/// Who wants to hear of a proposal.
pub(crate) enum ReplyTo {
    /// Nobody.
    Nobody,
    /// Somebody wants the reply.
    Reply(oneshot::Sender<Reply>),
    /// A caller wants the result of what it invokes.
    Call(oneshot::Sender<CallEnd>),
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Wakeup>,
    bytes: usize,
    closed: bool,
    sleeper: Sleeper,
}

/// Who turns the loop, and is to be woken.
#[derive(Default)]
enum Sleeper {
    /// It is awake.
    #[default]
    Nobody,
    /// The partition's thread.
    Thread,
    /// The task that turns a node without threads.
    Task(Waker),
}

/// The queue of one partition.
#[derive(Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    arrived: Condvar,
    room: Notify,
}

impl Inbox {
    /// Adds something. What is pushed after the partition has stopped is dropped, and with
    /// it the sender of its reply, which tells whoever waits.
    pub(crate) fn push(&self, wakeup: Wakeup) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return;
        }
        if let Wakeup::Propose { bytes, .. } = &wakeup {
            queue.bytes += bytes;
        }
        queue.waiting.push(wakeup);
        let sleeper = std::mem::take(&mut queue.sleeper);
        drop(queue);
        match sleeper {
            Sleeper::Nobody => {}
            Sleeper::Thread => self.arrived.notify_one(),
            Sleeper::Task(waker) => waker.wake(),
        }
    }

    /// Whether more waits than should.
    pub(crate) fn is_full(&self) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.bytes >= BYTES_MAX
    }

    /// How much waits, and the bytes of proposals among it.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        (queue.waiting.len(), queue.bytes)
    }

    /// Waits until there is room again.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            let room = self.room.notified();
            if !self.is_full() {
                return;
            }
            room.await;
        }
    }

    /// Moves all that waits into `taken`, after waiting for something for at most `limit`.
    pub(crate) fn take(&self, taken: &mut Vec<Wakeup>, limit: Duration) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.is_empty() && !limit.is_zero() {
            queue.sleeper = Sleeper::Thread;
            queue = self
                .arrived
                .wait_timeout_while(queue, limit, |queue| queue.waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            queue.sleeper = Sleeper::Nobody;
        }
        std::mem::swap(taken, &mut queue.waiting);
        let was_full = queue.bytes >= BYTES_MAX;
        queue.bytes = 0;
        drop(queue);
        if was_full {
            self.room.notify_waiters();
        }
    }

    /// Ready while something waits; wakes the task when something comes.
    pub(crate) fn poll_arrived(&self, task: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.waiting.is_empty() {
            return Poll::Ready(());
        }
        queue.sleeper = Sleeper::Task(task.waker().clone());
        Poll::Pending
    }

    /// Refuses everything from here on, and drops what waits.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.closed = true;
        queue.bytes = 0;
        let dropped = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(dropped);
        self.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_inbox_drops_what_comes_and_tells_who_waits() {
        let inbox = Inbox::default();
        let (reply, mut heard) = oneshot::channel();
        inbox.close();
        inbox.push(Wakeup::Output(InvocationId::default(), reply));
        assert!(heard.try_recv().is_err());
        let mut taken = Vec::new();
        inbox.take(&mut taken, Duration::ZERO);
        assert!(taken.is_empty());
    }

    #[test]
    fn taking_waits_no_longer_than_it_may() {
        let inbox = Inbox::default();
        let mut taken = Vec::new();
        inbox.take(&mut taken, Duration::from_millis(1));
        assert!(taken.is_empty());
        inbox.push(Wakeup::Drain);
        inbox.take(&mut taken, Duration::from_secs(60));
        assert_eq!(taken.len(), 1);
    }
}
