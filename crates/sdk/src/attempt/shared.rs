//! What the driver of an attempt and the handler's futures share: the machine, and who waits in it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::SystemTime;

use latchwork_protocol::service::message::{Combinator, NotificationResult};

use super::waker::Root;
use crate::context::Random;
use crate::vm::{AttemptError, Awaited, Leaf, Step, Vm, code};

/// Where the time comes from that sleeps and delays count from.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// One attempt, from the inside.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    pub(crate) info: Info,
    pub(crate) root: Arc<Root>,
    pub(crate) clock: Clock,
    replaying: AtomicBool,
}

/// What does not change while an attempt lasts.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) invocation_id: String,
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) limit_key: Option<String>,
    pub(crate) retries: u32,
}

pub(crate) struct Inner {
    pub(crate) vm: Vm,
    pub(crate) random: Random,
    slots: BTreeMap<u64, Slot>,
    waiters: HashMap<Leaf, BTreeSet<u64>>,
    next_slot: u64,
    /// Polls of the handler so far.
    round: u64,
    /// What this poll has come to wait for; inner nodes are combinators being polled.
    stack: Vec<Awaited>,
    /// Who waited when a cancellation came, until the next poll is over.
    cancelled: BTreeSet<u64>,
    /// Runs whose code is under way.
    executing: usize,
    /// Whether the code of a run is being polled.
    inside_run: bool,
}

/// A future that waits.
struct Slot {
    leaf: Leaf,
    waker: Waker,
    round: u64,
    run: RunState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunState {
    /// Not a run.
    None,
    /// Its code may not be executed yet: the journal may know the outcome.
    Held,
    /// Its code may be executed.
    Permitted,
}

/// What polling a leaf gave.
pub(crate) enum Polled {
    Ready(NotificationResult),
    Cancelled,
    Pending {
        /// Whether the code of a run may be executed.
        permitted: bool,
    },
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// The attempt whose handler this thread is polling.
pub(crate) fn current() -> Option<Arc<Shared>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// Whether the code that asks is part of a handler that only repeats what an earlier attempt did.
///
/// For filters of logs, so that each line appears once. With `tracing-subscriber`:
///
/// ```
/// use tracing_subscriber::filter::dynamic_filter_fn;
/// use tracing_subscriber::prelude::*;
///
/// let quiet = dynamic_filter_fn(|_, _| !latchwork::is_replaying());
/// let logs = tracing_subscriber::fmt::layer().with_filter(quiet);
/// tracing_subscriber::registry().with(logs).init();
/// ```
pub fn is_replaying() -> bool {
    CURRENT.with(|current| {
        let current = current.borrow();
        current
            .as_ref()
            .is_some_and(|shared| shared.replaying.load(Ordering::Relaxed))
    })
}

/// Makes an attempt the current one until dropped.
pub(super) struct Entered(Option<Arc<Shared>>);

impl Entered {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(CURRENT.with(|current| current.replace(Some(Arc::clone(shared)))))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| *current.borrow_mut() = self.0.take());
    }
}

impl Shared {
    pub(super) fn new(vm: Vm, root: Arc<Root>, clock: Clock) -> Self {
        let start = vm.start();
        let headers = vm.headers().iter();
        let info = Info {
            invocation_id: vm.invocation_id().to_owned(),
            key: vm.key().to_owned(),
            headers: headers
                .map(|header| (header.key.clone(), header.value.clone()))
                .collect(),
            idempotency_key: start.idempotency_key.clone(),
            scope: start.scope.clone(),
            limit_key: start.limit_key.clone(),
            retries: start.retry_count_since_last_stored_entry,
        };
        Self {
            info,
            root,
            clock,
            replaying: AtomicBool::new(vm.is_replaying()),
            inner: Mutex::new(Inner {
                random: Random::new(vm.random_seed()),
                vm,
                slots: BTreeMap::new(),
                waiters: HashMap::new(),
                next_slot: 0,
                round: 0,
                stack: Vec::new(),
                cancelled: BTreeSet::new(),
                executing: 0,
                inside_run: false,
            }),
        }
    }

    /// The machine and its waiters. For what a handler does, use [`act`](Self::act).
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that the handler does with the machine.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        inner.refuse_inside_run();
        let result = act(&mut inner);
        self.replaying
            .store(inner.vm.is_replaying(), Ordering::Relaxed);
        result
    }

    /// Ends the attempt with an error that is retried.
    pub(crate) fn fail(&self, message: impl Into<String>) {
        self.lock()
            .vm
            .fail(AttemptError::new(code::INTERNAL, message));
    }

    /// Looks for the result of a leaf; `slot` is the waiting future's, and is kept in it.
    pub(crate) fn poll_leaf(
        &self,
        leaf: &Leaf,
        slot: &mut Option<u64>,
        waker: &Waker,
        is_run: bool,
    ) -> Polled {
        self.act(|inner| inner.poll_leaf(leaf, slot, waker, is_run))
    }

    /// A future that waited is gone.
    pub(crate) fn forget(&self, slot: u64) {
        self.lock().remove_slot(slot);
    }

    /// Polls children of a combinator: what they wait for becomes a node of its own.
    pub(crate) fn node<R>(&self, combinator: Combinator, poll: impl FnOnce() -> R) -> R {
        self.lock().stack.push(Awaited::new(combinator));
        let result = poll();
        let mut inner = self.lock();
        if let Some(node) = inner.stack.pop()
            && let Some(parent) = inner.stack.last_mut()
            && !node.is_empty()
        {
            parent.add(node);
        }
        result
    }

    /// Polls the code of a run.
    pub(crate) fn inside_run<R>(&self, poll: impl FnOnce() -> R) -> R {
        self.lock().inside_run = true;
        let _left = LeaveRun(self);
        poll()
    }

    /// The code of a run begins; ends when the guard is dropped.
    pub(crate) fn begin_run(self: &Arc<Self>) -> RunUnderWay {
        self.lock().executing += 1;
        RunUnderWay(Arc::clone(self))
    }

    /// Passes on the next notification to a blocked handler. `true`: poll it again.
    pub(super) fn advance(&self) -> bool {
        let mut inner = self.lock();
        let Inner { vm, waiters, .. } = &mut *inner;
        let step = vm.advance(|leaf| waiters.contains_key(leaf));
        self.replaying
            .store(inner.vm.is_replaying(), Ordering::Relaxed);
        let wakers: Vec<Waker> = match step {
            Step::Ready(leaf) => inner.wakers_of(&leaf),
            Step::Cancelled => {
                inner.cancelled = inner.slots.keys().copied().collect();
                inner
                    .slots
                    .values()
                    .map(|slot| slot.waker.clone())
                    .collect()
            }
            Step::Blocked => inner.permit_runs(),
        };
        drop(inner);
        self.root
            .expecting(|| wakers.iter().for_each(Waker::wake_by_ref));
        !wakers.is_empty()
    }

    /// Tells the server what the handler waits for, or suspends.
    pub(super) fn block(&self) {
        let mut inner = self.lock();
        let awaited = inner.awaited();
        let executing = inner.executing > 0;
        inner.vm.block(&awaited, executing);
    }

    pub(super) fn begin_round(&self) {
        let mut inner = self.lock();
        inner.round += 1;
        inner.stack = vec![Awaited::new(Combinator::Unknown)];
    }

    pub(super) fn end_round(&self) {
        let mut inner = self.lock();
        // A panic may have left inner nodes.
        inner.stack.truncate(1);
        inner.cancelled.clear();
    }
}

impl Inner {
    fn poll_leaf(
        &mut self,
        leaf: &Leaf,
        slot: &mut Option<u64>,
        waker: &Waker,
        is_run: bool,
    ) -> Polled {
        if let Some(waiting) = *slot
            && self.cancelled.remove(&waiting)
        {
            *slot = None;
            self.remove_slot(waiting);
            return Polled::Cancelled;
        }
        if let Some(result) = self.vm.take(leaf) {
            if let Some(waiting) = slot.take() {
                self.remove_slot(waiting);
            }
            return Polled::Ready(result);
        }
        let id = *slot.get_or_insert_with(|| {
            self.next_slot += 1;
            self.next_slot
        });
        let round = self.round;
        let held = if is_run {
            RunState::Held
        } else {
            RunState::None
        };
        let entry = self.slots.entry(id).or_insert_with(|| Slot {
            leaf: leaf.clone(),
            waker: waker.clone(),
            round,
            run: held,
        });
        entry.waker.clone_from(waker);
        entry.round = round;
        let permitted = entry.run == RunState::Permitted;
        self.waiters.entry(leaf.clone()).or_default().insert(id);
        if let Some(node) = self.stack.last_mut() {
            node.leaves.push(leaf.clone());
        }
        Polled::Pending { permitted }
    }

    fn remove_slot(&mut self, id: u64) {
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

    fn wakers_of(&self, leaf: &Leaf) -> Vec<Waker> {
        let waiters = self.waiters.get(leaf).into_iter().flatten();
        waiters
            .filter_map(|id| self.slots.get(id))
            .map(|slot| slot.waker.clone())
            .collect()
    }

    /// Nothing is known of the outcomes of these runs: their code has to be executed.
    fn permit_runs(&mut self) -> Vec<Waker> {
        if self.vm.is_closed() || self.vm.is_replaying() {
            return Vec::new();
        }
        let held = self.slots.values_mut();
        held.filter(|slot| slot.run == RunState::Held)
            .map(|slot| {
                slot.run = RunState::Permitted;
                slot.waker.clone()
            })
            .collect()
    }

    /// What the last poll has come to wait for, and what earlier ones had that it did not visit: a
    /// combinator may poll only those that were woken.
    fn awaited(&self) -> Awaited {
        let mut awaited = Awaited::new(Combinator::Unknown);
        if let Some(polled) = self.stack.first() {
            awaited.clone_from(polled);
        }
        let unvisited = self.slots.values().filter(|slot| slot.round != self.round);
        awaited
            .leaves
            .extend(unvisited.map(|slot| slot.leaf.clone()));
        // A node alone is all there is.
        if awaited.leaves.is_empty() && awaited.nested.len() == 1 {
            return awaited.nested.remove(0);
        }
        awaited
    }

    fn refuse_inside_run(&mut self) {
        if self.inside_run {
            self.vm.fail(AttemptError::new(
                code::INTERNAL,
                "the handler used its context inside of ctx.run. A run is one step: the journal \
                 remembers only its result. Move what needs the context out of the closure, before \
                 or after the run.",
            ));
        }
    }
}

/// Ends the polling of a run's code also when it panics.
struct LeaveRun<'s>(&'s Shared);

impl Drop for LeaveRun<'_> {
    fn drop(&mut self) {
        self.0.lock().inside_run = false;
    }
}

/// The code of a run is under way.
pub(crate) struct RunUnderWay(Arc<Shared>);

impl Drop for RunUnderWay {
    fn drop(&mut self) {
        self.0.lock().executing -= 1;
    }
}
