//! Deliberate bugs, one at a time: what shows that the simulations can fail.
//!
//! Without the feature `mutations` there are none: [`Mutation::is_on`] is `false` before the
//! compiler looks at it, and nothing that ships has more than that. With it a test chooses one for
//! its thread. They lie all over the engine, the runtime, the storage and the server; this is their list.

/// A bug that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// An attempt that was replaced is still heard.
    EpochNotChecked,
    /// A message between partitions counts each time it comes.
    DedupForgotten,
    /// What was not confirmed is not sent again after a restart.
    OutboxForgotten,
    /// A call does not wait for who has its key.
    KeyNotTaken,
    /// Who came last to a key goes first.
    InboxBackwards,
    /// A call with a known id begins anew.
    IdentityForgotten,
    /// The result of a run is told, and not stored.
    RunNotStored,
    /// Who calls what runs already is not told of its end.
    WaiterForgotten,
    /// A state entry is not written.
    StateNotWritten,
    /// A completed promise is completed again.
    PromiseTwice,
    /// What a suspended invocation waits for does not wake it.
    NeverWoken,
    /// A cancellation is noted, and nobody is told.
    CancelForgotten,
    /// A delayed call starts at once.
    DelayIgnored,
    /// Attempts that ran are not started again after a restart.
    RunsForgotten,
    /// Timers are not looked at again after a restart.
    TimersForgotten,
    /// Effects are performed before the batch is durable.
    AcknowledgedBeforeSync,
    /// An append with unknown outcome is taken for durable.
    UnknownIsDone,
    /// Timers fire half a second early.
    TimerEarly,
    /// New timers are not looked at.
    RetryNotArmed,
    /// Records are stamped with a clock that has run back.
    StampRunsBack,
    /// The clock stands still while that on the wall is set back.
    ClockStandsStill,
    /// Notifications are replayed in another order.
    ReplayBackwards,
    /// The log forgets what the tables have not persisted.
    TrimmedTooFar,
    /// Tables say persisted, and are not.
    PersistSkipped,
    /// Sealed layers are not read.
    LayerSkipped,
    /// A deletion does not hide what an older layer has.
    GravesIgnored,
    /// A restart skips the first record that it should apply.
    AppliedAhead,
    /// A frame counts without its checksum.
    TornTailAccepted,
    /// A leader that was replaced can still append.
    FenceIgnored,
    /// A caller's idempotency key is not looked at.
    IdempotencyIgnored,
    /// A run of a workflow is not known by its key.
    WorkflowNotKnown,
    /// A caller's delay is not looked at.
    RequestDelayIgnored,
    /// The body of a request that was cut off is taken for whole.
    CutBodyTaken,
    /// Who looks at what is not over is told that it gave nothing.
    PendingIsEmpty,
    /// A connection to an endpoint is used after it has ended.
    DeadConnectionKept,
    /// An attempt whose stream was cut is taken for completed.
    CutIsDone,
    /// An attempt that waits is taken for completed.
    SuspendedIsDone,
}

impl Mutation {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::EpochNotChecked,
        Self::DedupForgotten,
        Self::OutboxForgotten,
        Self::KeyNotTaken,
        Self::InboxBackwards,
        Self::IdentityForgotten,
        Self::RunNotStored,
        Self::WaiterForgotten,
        Self::StateNotWritten,
        Self::PromiseTwice,
        Self::NeverWoken,
        Self::CancelForgotten,
        Self::DelayIgnored,
        Self::RunsForgotten,
        Self::TimersForgotten,
        Self::AcknowledgedBeforeSync,
        Self::UnknownIsDone,
        Self::TimerEarly,
        Self::RetryNotArmed,
        Self::StampRunsBack,
        Self::ClockStandsStill,
        Self::ReplayBackwards,
        Self::TrimmedTooFar,
        Self::PersistSkipped,
        Self::LayerSkipped,
        Self::GravesIgnored,
        Self::AppliedAhead,
        Self::TornTailAccepted,
        Self::FenceIgnored,
        Self::IdempotencyIgnored,
        Self::WorkflowNotKnown,
        Self::RequestDelayIgnored,
        Self::CutBodyTaken,
        Self::PendingIsEmpty,
        Self::DeadConnectionKept,
        Self::CutIsDone,
        Self::SuspendedIsDone,
    ];

    /// Those on a server's way in and out: only a world with a network can meet them.
    pub const OF_THE_SERVER: &[Self] = &[
        Self::IdempotencyIgnored,
        Self::WorkflowNotKnown,
        Self::RequestDelayIgnored,
        Self::CutBodyTaken,
        Self::PendingIsEmpty,
        Self::DeadConnectionKept,
    ];

    /// Its name, and what it does, in a few words.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::EpochNotChecked => (
                "epoch-not-checked",
                "an attempt that was replaced is still heard",
            ),
            Self::DedupForgotten => (
                "dedup-forgotten",
                "a message between partitions counts each time it comes",
            ),
            Self::OutboxForgotten => (
                "outbox-forgotten",
                "what was not confirmed is not sent again after a restart",
            ),
            Self::KeyNotTaken => ("key-not-taken", "a call does not wait for who has its key"),
            Self::InboxBackwards => ("inbox-backwards", "who came last to a key goes first"),
            Self::IdentityForgotten => ("identity-forgotten", "a call with a known id begins anew"),
            Self::RunNotStored => (
                "run-not-stored",
                "the result of a run is told, and not stored",
            ),
            Self::WaiterForgotten => (
                "waiter-forgotten",
                "who calls what runs already is not told of its end",
            ),
            Self::StateNotWritten => ("state-not-written", "a state entry is not written"),
            Self::PromiseTwice => ("promise-twice", "a completed promise is completed again"),
            Self::NeverWoken => (
                "never-woken",
                "what a suspended invocation waits for does not wake it",
            ),
            Self::CancelForgotten => (
                "cancel-forgotten",
                "a cancellation is noted, and nobody is told",
            ),
            Self::DelayIgnored => ("delay-ignored", "a delayed call starts at once"),
            Self::RunsForgotten => (
                "runs-forgotten",
                "attempts that ran are not started again after a restart",
            ),
            Self::TimersForgotten => (
                "timers-forgotten",
                "timers are not looked at again after a restart",
            ),
            Self::AcknowledgedBeforeSync => (
                "acknowledged-before-sync",
                "effects are performed before the batch is durable",
            ),
            Self::UnknownIsDone => (
                "unknown-is-done",
                "an append with unknown outcome is taken for durable",
            ),
            Self::TimerEarly => ("timer-early", "timers fire half a second early"),
            Self::RetryNotArmed => ("retry-not-armed", "new timers are not looked at"),
            Self::StampRunsBack => (
                "stamp-runs-back",
                "records are stamped with a clock that has run back",
            ),
            Self::ClockStandsStill => (
                "clock-stands-still",
                "the clock stands still while that on the wall is set back",
            ),
            Self::ReplayBackwards => (
                "replay-backwards",
                "notifications are replayed in another order",
            ),
            Self::TrimmedTooFar => (
                "trimmed-too-far",
                "the log forgets what the tables have not persisted",
            ),
            Self::PersistSkipped => ("persist-skipped", "tables say persisted, and are not"),
            Self::LayerSkipped => ("layer-skipped", "sealed layers are not read"),
            Self::GravesIgnored => (
                "graves-ignored",
                "a deletion does not hide what an older layer has",
            ),
            Self::AppliedAhead => (
                "applied-ahead",
                "a restart skips the first record that it should apply",
            ),
            Self::TornTailAccepted => ("torn-tail-accepted", "a frame counts without its checksum"),
            Self::FenceIgnored => (
                "fence-ignored",
                "a leader that was replaced can still append",
            ),
            Self::IdempotencyIgnored => (
                "idempotency-ignored",
                "a caller's idempotency key is not looked at",
            ),
            Self::WorkflowNotKnown => (
                "workflow-not-known",
                "a run of a workflow is not known by its key",
            ),
            Self::RequestDelayIgnored => {
                ("request-delay-ignored", "a caller's delay is not looked at")
            }
            Self::CutBodyTaken => (
                "cut-body-taken",
                "the body of a request that was cut off is taken for whole",
            ),
            Self::PendingIsEmpty => (
                "pending-is-empty",
                "who looks at what is not over is told that it gave nothing",
            ),
            Self::DeadConnectionKept => (
                "dead-connection-kept",
                "a connection to an endpoint is used after it has ended",
            ),
            Self::CutIsDone => (
                "cut-is-done",
                "an attempt whose stream was cut is taken for completed",
            ),
            Self::SuspendedIsDone => (
                "suspended-is-done",
                "an attempt that waits is taken for completed",
            ),
        }
    }

    /// Whether it is on in this thread.
    #[cfg(feature = "mutations")]
    pub fn is_on(self) -> bool {
        chosen::get() == Some(self)
    }

    /// It is off.
    #[cfg(not(feature = "mutations"))]
    #[inline(always)]
    pub const fn is_on(self) -> bool {
        false
    }
}

#[cfg(feature = "mutations")]
pub use chosen::choose;

#[cfg(feature = "mutations")]
mod chosen {
    use super::Mutation;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    pub(super) fn get() -> Option<Mutation> {
        CHOSEN.get()
    }

    /// Switches one on in this thread, and all others off.
    pub fn choose(mutation: Option<Mutation>) {
        CHOSEN.set(mutation);
    }
}
