//! What tables promise: rows of bytes in order, as of one LSN.
//!
//! ```text
//!   commit ──▶ Tables: active layer ──▶ sealed layers ──▶ Store, persisted
//!   View   ◀── the newest of all of them; a Snapshot is the same, held still
//! ```
//!
//! Writes come with the LSN that they follow from, and either all of a layer is on disk
//! or nothing of it. Nothing is synced on the hot path: what a crash takes away is applied
//! again from the log. Start at [`layered::Tables`].
//!
//! Absent on purpose: what the rows mean, and when it is time to seal by the clock.

pub mod disk;
mod flusher;
pub(crate) mod layer;
pub mod layered;
pub mod memory;
pub mod snapshot;

use crate::Lsn;
use bytes::Bytes;
use latchwork_engine::{ReadError, Rows, View};

/// A row to put (`Some`) or to delete (`None`).
pub type StoreRow<'a> = (&'a Bytes, Option<&'a Bytes>);

/// Why tables cannot go on. What they hold can always be rebuilt from the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TablesError {
    /// The store failed.
    #[error("the tables in {place} failed: {reason}. Look after the disk, then start again.")]
    Failed {
        /// Where they are.
        place: String,
        /// What the store says.
        reason: String,
    },
    /// The system gives no thread to write the tables with.
    #[error("no thread to write the tables with: {reason}. Allow more threads, then start again.")]
    NoThread {
        /// What the system says.
        reason: String,
    },
    /// The thread that writes the tables has died.
    #[error("the thread that writes the tables has died; start again")]
    Gone,
}

/// Where layers come to rest. Keys are at least one byte long, and the first is neither 0 nor 255.
pub trait Store: Send + Sync + 'static {
    /// The value of `key`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// All rows with `from <= key < to`, in order.
    fn scan(&self, from: &[u8], to: &[u8]) -> Rows<'_>;

    /// Writes rows and the LSN that they are of, in one step. Durable only after
    /// [`Store::persist`].
    ///
    /// # Errors
    /// If it cannot be written.
    fn write<'a>(
        &self,
        lsn: Lsn,
        rows: &mut dyn Iterator<Item = StoreRow<'a>>,
    ) -> Result<(), TablesError>;

    /// The LSN of the last write; 0 if there was none.
    ///
    /// # Errors
    /// If it cannot be read.
    fn applied(&self) -> Result<Lsn, TablesError>;

    /// Makes all writes durable.
    ///
    /// # Errors
    /// If the disk refuses.
    fn persist(&self) -> Result<(), TablesError>;

    /// What is in the store at this moment, untouched by writes to come.
    fn snapshot(&self) -> Box<dyn View + Send + Sync>;
}
