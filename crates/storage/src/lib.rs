//! The log, which is the truth, and the tables, which are a cache of it.
//!
//! ```text
//!   log     trimmed │ ─────────── records ─────────── │ tail
//!                   └ persisted ≤ applied ────────────┘
//!   tables  store (disk) ◀── sealed layers ◀── active layer ◀── commit(lsn, writes)
//!   backup  what differs from the last generation ◀── a snapshot of the tables
//! ```
//!
//! Comes in: batches of opaque records, and rows of opaque bytes with the LSN they follow
//! from. Goes out: the same, in order, after any crash. Start at [`Log`] and [`Tables`];
//! [`backup`] keeps copies of the rows elsewhere.
//!
//! Absent on purpose: what a record or a row means (that is the engine's), async, and any
//! lock on the path of a read or a commit.

pub mod backup;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod durable;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
pub mod log;
pub mod meter;
pub mod tables;

pub use log::file::{FileLog, FileLogOptions};
pub use log::memory::{Fault, MemoryLog};
pub use log::{Batch, Cut, Log, LogError, LogMeter, LogSurvey, Lsn, Records, Recovery, survey};
pub use tables::disk::DiskStore;
pub use tables::layered::Tables;
pub use tables::memory::MemoryStore;
pub use tables::snapshot::Snapshot;
pub use tables::{Store, StoreRow, TablesError};
