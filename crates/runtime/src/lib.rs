//! The shell around the engine: drives partitions, runs attempts, retries. No sockets.
//!
//! ```text
//!   Handle ──▶ inbox ──▶ partition (one thread each: log, engine, tables) ──▶ invoker
//!                ▲                                                               │
//!                └──────────────── Progress ◀── attempt ⇄ session ⇄ Transport ◀──┘
//! ```
//!
//! Comes in: questions and commands through [`Handle`]. Goes out: requests through the
//! [`transport::Transport`] that the embedder brings. Start at [`Node::open`], then
//! `partition.rs`.
//!
//! Absent on purpose: HTTP, JSON for people, settings files. Those are the server's.

mod assembly;
mod backup;
mod clock;
mod deadlock;
mod dice;
mod directory;
mod faults;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod inbox;
mod inspect;
mod invoker;
mod memory;
mod moment;
mod node;
mod partition;
mod perform;
mod priority;
mod rest;
mod restore;
mod stepped;
mod timers;
mod together;
pub mod trace;
mod waiters;

pub mod metrics;
pub mod registry;
pub mod transport;

pub use assembly::{NodeLimits, Recovery, Surroundings};
pub use backup::{BackupRefusal, BackupReport, BackupWish, Backups, BegunBackup, PartitionReport};
pub use clock::{Clock, SteadyClock, SystemClock, TimerClock};
pub use dice::{Dice, SeededDice, SystemDice};
pub use faults::Faults;
pub use handle::{
    AskError, CallEnd, Ending, Handle, OutputState, Standing, random_id, random_incarnation,
};
pub use inspect::{Finding, Inspection, Verdict, inspect};
pub use invoker::RunningAttempt;
/// What is in a directory of backups.
pub use latchwork_storage::backup as generations;
pub use memory::{Memory, MemoryNode};
pub use moment::Moment;
pub use node::{Fatal, Node, NodeOptions, OpenError};
pub use partition::Step;
pub use priority::yield_to_others;
pub use rest::Rest;
pub use restore::{RestoreError, RestoreProgress, RestoreReport, RestoreWish, restore};
pub use stepped::SteppedNode;
