//! What a stepped node without a disk has in place of one: it outlives the node, as a disk does.

use crate::assembly::{NodeLimits, Surroundings};
use crate::node::Fatal;
use crate::stepped::SteppedNode;
use latchwork_storage::{MemoryLog, MemoryStore};

/// A stepped node whose log and tables are in memory.
pub type MemoryNode = SteppedNode<MemoryStore>;

/// Log and tables of a node with one partition.
#[derive(Debug, Default)]
pub struct Memory {
    log: MemoryLog,
    store: MemoryStore,
}

impl Memory {
    /// Starts a node on what is here. There is to be one at a time.
    ///
    /// # Errors
    /// If what is here cannot be read.
    pub fn open(&self, limits: &NodeLimits, around: Surroundings) -> Result<MemoryNode, Fatal> {
        let storage = vec![(Box::new(self.log.writer()) as _, self.store.clone())];
        SteppedNode::open(limits, storage, around)
    }

    /// Takes what was not synced, as when the power is lost. The node is to be dropped before.
    pub fn crash(&mut self) {
        self.log = self.log.crash().0;
        self.store = self.store.crash();
    }
}
