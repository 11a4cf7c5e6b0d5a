//! The log, which is the truth, and the tables, which are a cache of it.
//!
//! ```text
//!   log     trimmed │ ─────────── records ─────────── │ tail
//!                   └ persisted ≤ applied ────────────┘
//!   tables  store (disk) ◀── sealed layers ◀── active layer ◀── commit(lsn, writes)
//! ```
//!
//! Comes in: batches of opaque records, and rows of opaque bytes with the LSN they follow
//! from. Goes out: the same, in order, after any crash. Start at [`Log`] and [`Tables`].
//!
//! Absent on purpose: what a record or a row means (that is the engine's), async, and any
//! lock on the path of a read or a commit.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod log;
pub mod meter;
pub mod tables;

pub use log::file::{FileLog, FileLogOptions};
pub use log::memory::{Fault, MemoryLog};
pub use log::{Batch, Cut, Log, LogError, LogMeter, Lsn, Records, Recovery};
pub use tables::disk::DiskStore;
pub use tables::layered::Tables;
pub use tables::memory::MemoryStore;
pub use tables::snapshot::Snapshot;
pub use tables::{Store, StoreRow, TablesError};
