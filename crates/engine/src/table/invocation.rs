//! Invocations: all about one but its journal.

use super::listing::Standing;
use super::{key_of, number, take_id, whole};
use crate::command::{AttemptFailure, Caller, PauseReason};
use crate::future::Future;
use crate::id::InvocationId;
use crate::value::{Failure, Pin, Target, Trace, Waiter};
use bytes::Bytes;

/// One invocation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Invocation {
    /// What is called.
    #[prost(message, required, tag = "1")]
    pub target: Target,
    /// Where it stands.
    #[prost(enumeration = "Status", tag = "2")]
    pub status: i32,
    /// Who called; absent: through the ingress.
    #[prost(message, optional, tag = "3")]
    pub caller: Option<Caller>,
    /// When it was accepted, in ms since 1970, like all times here.
    #[prost(uint64, tag = "4")]
    pub created_at: u64,
    /// When its row last changed.
    #[prost(uint64, tag = "5")]
    pub modified_at: u64,
    /// The idempotency key it was submitted with.
    #[prost(string, optional, tag = "6")]
    pub idempotency_key: Option<String>,
    /// How long the result is kept, in ms.
    #[prost(uint64, tag = "7")]
    pub completion_retention_ms: u64,
    /// How long the journal is kept, in ms.
    #[prost(uint64, tag = "8")]
    pub journal_retention_ms: u64,
    /// Not to start before.
    #[prost(uint64, optional, tag = "9")]
    pub execution_time: Option<u64>,
    /// Number of the current attempt; 0 before the first.
    #[prost(uint32, tag = "10")]
    pub epoch: u32,
    /// Number of journal entries: commands and notifications, the input counted.
    #[prost(uint32, tag = "11")]
    pub journal_len: u32,
    /// Number of commands among them.
    #[prost(uint32, tag = "12")]
    pub commands: u32,
    /// What it is bound to since its first progress.
    #[prost(message, optional, tag = "13")]
    pub pin: Option<Pin>,
    /// Failed attempts since the last new command.
    #[prost(uint32, tag = "14")]
    pub retry_count: u32,
    /// Those of them that used up an attempt of the policy.
    #[prost(uint32, tag = "15")]
    pub policy_attempts: u32,
    /// When the next attempt is due, while backing off.
    #[prost(uint64, optional, tag = "16")]
    pub next_retry_at: Option<u64>,
    /// Why the last attempt failed; kept until there is progress.
    #[prost(message, optional, tag = "17")]
    pub last_failure: Option<AttemptFailure>,
    /// What it waits for, while suspended.
    #[prost(message, optional, tag = "18")]
    pub awaiting: Option<Future>,
    /// Invocations that wait for its result.
    #[prost(message, repeated, tag = "19")]
    pub waiters: Vec<Waiter>,
    /// Journal index of the last output.
    #[prost(uint32, optional, tag = "20")]
    pub output_index: Option<u32>,
    /// Its failure, where that is no output: killed, cancelled before it started, given up.
    #[prost(message, optional, tag = "21")]
    pub failure: Option<Failure>,
    /// When it was completed.
    #[prost(uint64, optional, tag = "22")]
    pub completed_at: Option<u64>,
    /// Its place in the inbox, while it waits there.
    #[prost(uint64, optional, tag = "23")]
    pub inbox_sequence: Option<u64>,
    /// When the newest journal entry was stored.
    #[prost(uint64, tag = "24")]
    pub last_entry_at: u64,
    /// The invocation whose journal it was started with.
    #[prost(message, optional, tag = "25")]
    pub restarted_from: Option<InvocationId>,
    /// Limit key within the scope.
    #[prost(string, optional, tag = "26")]
    pub limit_key: Option<String>,
    /// The journal was dropped before its time.
    #[prost(bool, tag = "27")]
    pub journal_dropped: bool,
    /// Tells it from an earlier bearer of its id that was forgotten.
    #[prost(fixed32, tag = "28")]
    pub incarnation: u32,
    /// Why it is paused, while it is.
    #[prost(enumeration = "PauseReason", optional, tag = "29")]
    pub pause_reason: Option<i32>,
    /// Bytes of the stored journal entries.
    #[prost(uint64, tag = "30")]
    pub journal_bytes: u64,
    /// It is over, and its outcome is a failure.
    #[prost(bool, tag = "31")]
    pub has_failed: bool,
    /// The list that it is in; see [`listing`](super::listing).
    #[prost(enumeration = "Standing", tag = "32")]
    pub listed: i32,
    /// What led to it, if that is traced.
    #[prost(message, optional, tag = "40")]
    pub trace: Option<Trace>,
}

/// Where an invocation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Status {
    /// Waits for its execution time.
    Scheduled = 0,
    /// Waits for the key of its object.
    Inboxed = 1,
    /// Has an attempt, or gets one as soon as there is room.
    Running = 2,
    /// Waits for something its handler awaits.
    Suspended = 3,
    /// Waits for the next attempt after a failure.
    BackingOff = 4,
    /// Waits for an operator.
    Paused = 5,
    /// Over.
    Completed = 6,
}

impl Invocation {
    /// Whether its handler has been started and is not over.
    pub fn in_flight(&self) -> bool {
        matches!(
            self.status(),
            Status::Running | Status::Suspended | Status::BackingOff | Status::Paused
        )
    }

    /// As one that waits for an answer.
    pub(crate) fn waiter(&self, id: InvocationId, completion: u32) -> Waiter {
        Waiter {
            id,
            completion,
            incarnation: self.incarnation,
        }
    }

    /// When its result is forgotten; absent: never, since it is not over.
    pub fn expires_at(&self) -> Option<u64> {
        Some(
            self.completed_at?
                .saturating_add(self.completion_retention_ms),
        )
    }

    /// When its journal is dropped; absent: it is not over, has none any more, or keeps it
    /// as long as its result.
    pub fn drops_journal_at(&self) -> Option<u64> {
        let keeps = self.journal_retention_ms;
        let is_due = keeps > 0 && keeps < self.completion_retention_ms && !self.journal_dropped;
        self.completed_at
            .filter(|_| is_due)
            .map(|at| at.saturating_add(keeps))
    }
}

/// Key of an invocation's row.
pub fn key(id: &InvocationId) -> Bytes {
    key_of(number::INVOCATION, id, 0).freeze()
}

/// Range of all invocations.
pub fn all() -> (Bytes, Bytes) {
    whole(number::INVOCATION)
}

/// The invocation that a key of this table names.
pub fn parse_key(key: &[u8]) -> Option<InvocationId> {
    take_id(key.get(1..)?).map(|(id, _)| id)
}
