//! Who waits for what in a handler, and in which combinators.
//!
//! A future that is polled and finds nothing has a slot until it is answered or dropped; so what is
//! known here does not depend on which children a combinator polls. The shape is put together when
//! it is asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::task::Waker;

use latchwork_protocol::service::message::Combinator;

use crate::vm::{Awaited, Leaf};

/// What is polled by the handler itself, or by combinators that are not ours.
const ROOT: u64 = 0;

/// All that waits in one handler.
#[derive(Default)]
pub(super) struct Waits {
    slots: BTreeMap<u64, Slot>,
    /// Slots by what they wait for.
    waiters: HashMap<Leaf, BTreeSet<u64>>,
    /// Slots of runs whose code may not be executed yet: the journal may know the outcome.
    held: BTreeSet<u64>,
    /// Slots that waited when a cancellation came, until the next poll is over.
    cancelled: BTreeSet<u64>,
    /// Combinators, each with the one around it.
    nodes: BTreeMap<u64, Node>,
    /// The combinators being polled, innermost last.
    polled: Vec<u64>,
    last_id: u64,
}

/// A future that waits.
struct Slot {
    leaf: Leaf,
    waker: Waker,
    /// The combinator it was polled in last.
    parent: u64,
}

/// A combinator.
struct Node {
    combinator: Combinator,
    parent: u64,
}

impl Waits {
    /// An id for a slot or a combinator; never [`ROOT`].
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// How many futures wait.
    pub(super) fn width(&self) -> usize {
        self.slots.len()
    }

    /// Whether anybody waits for this.
    pub(super) fn has(&self, leaf: &Leaf) -> bool {
        self.waiters.contains_key(leaf)
    }

    /// A future waits, or goes on to. `false`: it is a run whose code may not be executed yet.
    pub(super) fn wait(&mut self, id: u64, leaf: &Leaf, waker: &Waker, is_run: bool) -> bool {
        let parent = self.parent();
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.waker.clone_from(waker);
            slot.parent = parent;
            return !self.held.contains(&id);
        }
        let slot = Slot {
            leaf: leaf.clone(),
            waker: waker.clone(),
            parent,
        };
        self.slots.insert(id, slot);
        self.waiters.entry(leaf.clone()).or_default().insert(id);
        if is_run {
            self.held.insert(id);
        }
        !is_run
    }

    /// A future waits no more.
    pub(super) fn remove(&mut self, id: u64) {
        self.held.remove(&id);
        self.cancelled.remove(&id);
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        if let Some(waiters) = self.waiters.get_mut(&slot.leaf) {
            waiters.remove(&id);
            if waiters.is_empty() {
                self.waiters.remove(&slot.leaf);
            }
        }
    }

    /// Who waits for this.
    pub(super) fn wakers_of(&self, leaf: &Leaf) -> Vec<Waker> {
        let waiters = self.waiters.get(leaf).into_iter().flatten();
        waiters
            .filter_map(|id| self.slots.get(id))
            .map(|slot| slot.waker.clone())
            .collect()
    }

    /// Nothing is known of the outcomes of runs that wait: their code has to be executed.
    pub(super) fn permit_runs(&mut self) -> Vec<Waker> {
        let held = std::mem::take(&mut self.held).into_iter();
        held.filter_map(|id| self.slots.get(&id))
            .map(|slot| slot.waker.clone())
            .collect()
    }

    /// All that waits now is cancelled.
    pub(super) fn cancel(&mut self) -> Vec<Waker> {
        self.cancelled = self.slots.keys().copied().collect();
        let slots = self.slots.values();
        slots.map(|slot| slot.waker.clone()).collect()
    }

    /// Whether a future was cancelled; it is told once.
    pub(super) fn take_cancelled(&mut self, id: u64) -> bool {
        self.cancelled.remove(&id)
    }

    /// The handler is about to be polled.
    pub(super) fn begin_poll(&mut self) {
        // A panic may have left some.
        self.polled.clear();
    }

    /// The handler was polled: who has not taken notice of a cancellation was not awaited.
    pub(super) fn end_poll(&mut self) {
        self.cancelled.clear();
    }

    /// The children of a combinator are about to be polled.
    pub(super) fn enter(&mut self, id: u64, combinator: Combinator) {
        let parent = self.parent();
        self.nodes.insert(id, Node { combinator, parent });
        self.polled.push(id);
    }

    /// They were polled.
    pub(super) fn leave(&mut self) {
        self.polled.pop();
    }

    /// A combinator is gone.
    pub(super) fn remove_combinator(&mut self, id: u64) {
        self.nodes.remove(&id);
    }

    /// All that waits, in the shape of the combinators around it.
    pub(super) fn shape(&self) -> Awaited {
        let mut leaves: HashMap<u64, Vec<Leaf>> = HashMap::new();
        for slot in self.slots.values() {
            let siblings = leaves.entry(self.known(slot.parent)).or_default();
            siblings.push(slot.leaf.clone());
        }
        let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
        for (id, node) in &self.nodes {
            let siblings = children.entry(self.known(node.parent)).or_default();
            siblings.push(*id);
        }
        let mut shape = self.node(ROOT, &mut leaves, &children);
        // A node alone is all there is.
        if shape.leaves.is_empty() && shape.nested.len() == 1 {
            return shape.nested.remove(0);
        }
        shape
    }

    fn node(
        &self,
        id: u64,
        leaves: &mut HashMap<u64, Vec<Leaf>>,
        children: &HashMap<u64, Vec<u64>>,
    ) -> Awaited {
        let combinator = self.nodes.get(&id).map(|node| node.combinator);
        let mut node = Awaited::new(combinator.unwrap_or(Combinator::Unknown));
        node.leaves = leaves.remove(&id).unwrap_or_default();
        for child in children.get(&id).into_iter().flatten() {
            let child = self.node(*child, leaves, children);
            if !child.is_empty() {
                node.add(child);
            }
        }
        node
    }

    /// The combinator, or the handler itself if it is gone and its child was kept.
    fn known(&self, parent: u64) -> u64 {
        if self.nodes.contains_key(&parent) {
            parent
        } else {
            ROOT
        }
    }

    fn parent(&self) -> u64 {
        self.polled.last().copied().unwrap_or(ROOT)
    }
}
