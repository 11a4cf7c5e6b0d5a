//! The engine: decides everything, touches nothing.
//!
//! ```text
//!   Record ──▶ Partition::apply(view) ──▶ Transition { writes, effects, facts }
//! ```
//!
//! Comes in: a durable [`Record`] and a [`View`] of the tables just before it. Goes out:
//! the rows to commit, the effects to perform after that, and what became of invocations. Same tables and same record
//! give the same bytes, on every machine, for ever.
//!
//! Start at [`Partition`]; what is stored is in [`table`], what happens in `apply/`, one
//! command a file.
//!
//! Absent on purpose: clocks, randomness, I/O, async, settings. Time, ids and whatever
//! changes a decision arrive with the record.

mod apply;
pub mod check;
mod command;
mod effect;
mod fact;
mod future;
mod id;
pub mod mutation;
mod partition;
pub mod read;
#[cfg(test)]
mod script;
#[doc(hidden)]
pub mod seeded;
mod transition;
mod value;
mod view;

pub mod table;

pub use command::{
    Answered, Attach, AttachTo, AttemptFailure, Audit, AuditStep, Awaited, BreakDeadlock, Call,
    Caller, Command, Complete, CompletePromise, Deliver, Delivered, Document, End, Entry, Failed,
    FireTimers, GetState, Invoke, Kill, Letter, Message, Mismatch, Next, Op, Operate, Operation,
    Output, PatchState, PauseReason, Progress, PromiseRead, ProposeRun, Record, Register, Restart,
    SendSignal, SetState, Signal, Sleep, StateEntry, Suspended, Unchanged,
};
pub use effect::{Effect, Reply};
pub use fact::{Ending, Fact};
pub use future::{Combinator, Future};
pub use id::{InvocationId, Topology};
pub use partition::{Halt, Partition};
pub use transition::Transition;
pub use value::{
    Answer, CANCEL_SIGNAL, Failure, Header, Identity, Input, Metadata, Outcome, Pin, Settled, Span,
    StateKeys, Target, TargetKind, Trace, Waiter,
};
pub use view::{MemoryView, ReadError, Row, Rows, View};
