//! Effects: all that may leave the engine.
//!
//! They are performed after the commit, by the leader only, at least once. Each can be
//! found again from the tables: [`crate::Partition::outstanding`].

use crate::command::Message;
use crate::id::InvocationId;
use crate::table::journal::Notification;
use crate::value::Outcome;

/// What the engine asks of the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Start this attempt; it replaces any older one.
    Run {
        /// The invocation.
        id: InvocationId,
        /// The attempt.
        epoch: u32,
    },
    /// The attempt, if there is one, has lost its right to run.
    Abort {
        /// The invocation.
        id: InvocationId,
        /// The newest attempt that is meant.
        epoch: u32,
    },
    /// Tell the attempt of this notification.
    Notify {
        /// The invocation.
        id: InvocationId,
        /// Its place in the journal.
        index: u32,
        /// What to tell.
        notification: Notification,
        /// The attempt itself proposed it, and asked for no more than an acknowledgement.
        proposed: bool,
    },
    /// Tell the attempt that its command is durable, since it asked.
    Acknowledge {
        /// The invocation.
        id: InvocationId,
        /// Index of the command, the input being 0.
        command: u32,
    },
    /// Tell all who wait outside that it is over.
    Completed {
        /// The invocation.
        id: InvocationId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A call of another invocation waits for a key: see that it does not wait in vain. Not
    /// among what is outstanding: whoever looks for deadlocks looks through the inbox first.
    Queued {
        /// The one that waits.
        id: InvocationId,
    },
    /// Look at the timers at this time, in ms since 1970.
    Arm {
        /// When.
        time: u64,
    },
    /// Bring this message to another partition.
    Deliver {
        /// The receiver.
        to: u16,
        /// Its number among those to that receiver.
        sequence: u64,
        /// The message.
        message: Message,
    },
    /// Tell another partition that we have its messages.
    ConfirmDelivery {
        /// The sender.
        to: u16,
        /// The last number that we have.
        up_to: u64,
    },
    /// The registry has changed.
    RegistryChanged,
    /// The answer to whoever proposed the record.
    Reply(Reply),
}

/// The answer to a proposal.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The invocation is there.
    Accepted {
        /// Its id.
        id: InvocationId,
        /// It was there before.
        existed: bool,
        /// When it is to start, if it was delayed.
        execution_time: Option<u64>,
    },
    /// Done.
    Done,
    /// Noted; it takes effect when the handler sees it.
    Noted,
    /// No such invocation.
    NotFound,
    /// It is over, which makes this impossible.
    Completed,
    /// It is not over, which makes this impossible.
    NotCompleted,
    /// It has not started, which makes this impossible.
    NotStarted,
    /// It is being run, which makes this impossible.
    Running,
    /// It has no pinned deployment, which makes this impossible.
    NotPinned,
    /// Workflows run once.
    IsWorkflow,
    /// What it needs of the journal is not stored.
    JournalMissing,
    /// The kept part of the journal has commands whose answer is not in it.
    OpenCommands,
    /// The state is not as it was seen, or somebody holds it.
    Changed,
    /// It is noted, at this place of the list.
    Audited {
        /// The place.
        sequence: u64,
    },
}
