//! What the driver of an attempt and the handler's futures share: the machine, and who waits in it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use latchwork_protocol::service::message::{Combinator, NotificationResult};

use super::waits::Waits;
use super::waker::Root;
use crate::clock::Clock;
use crate::context::Random;
use crate::vm::{AttemptError, Leaf, Step, Vm, code};

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
    waits: Waits,
    /// Runs whose code is under way.
    executing: usize,
    /// Whether the code of a run is being polled.
    inside_run: bool,
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
                waits: Waits::default(),
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
        self.lock().waits.remove(slot);
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
        let Inner { vm, waits, .. } = &mut *inner;
        let step = vm.advance(|leaf| waits.has(leaf));
        let wakers = match step {
            Step::Ready(leaf) => waits.wakers_of(&leaf),
            Step::Cancelled => waits.cancel(),
            Step::Blocked if vm.is_closed() || vm.is_replaying() => Vec::new(),
            Step::Blocked => waits.permit_runs(),
        };
        self.replaying.store(vm.is_replaying(), Ordering::Relaxed);
        drop(inner);
        self.root
            .expecting(|| wakers.iter().for_each(Waker::wake_by_ref));
        !wakers.is_empty()
    }

    /// Tells the server what the handler waits for, or suspends.
    pub(super) fn block(&self) {
        let mut inner = self.lock();
        let Inner {
            vm,
            waits,
            executing,
            ..
        } = &mut *inner;
        vm.block(waits.width(), *executing > 0, || waits.shape());
    }

    /// The handler is about to be polled.
    pub(super) fn begin_round(&self) {
        self.lock().waits.begin_poll();
    }

    /// The handler was polled.
    pub(super) fn end_round(&self) {
        self.lock().waits.end_poll();
    }
}

/// A combinator's place in what the handler waits for; gone when it is dropped.
#[derive(Default)]
pub(crate) struct Place(Option<(Arc<Shared>, u64)>);

impl Place {
    /// Polls the children of a combinator.
    pub(crate) fn poll<R>(&mut self, combinator: Combinator, poll: impl FnOnce() -> R) -> R {
        if self.0.is_none() {
            self.0 = current().map(|shared| {
                let id = shared.lock().waits.next_id();
                (shared, id)
            });
        }
        // Outside of handlers there is nothing to tell.
        let Some((shared, id)) = &self.0 else {
            return poll();
        };
        shared.lock().waits.enter(*id, combinator);
        let result = poll();
        shared.lock().waits.leave();
        result
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((shared, id)) = &self.0 {
            shared.lock().waits.remove_combinator(*id);
        }
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
        let waits = &mut self.waits;
        if let Some(waiting) = *slot
            && waits.take_cancelled(waiting)
        {
            *slot = None;
            waits.remove(waiting);
            return Polled::Cancelled;
        }
        if let Some(result) = self.vm.take(leaf) {
            if let Some(waiting) = slot.take() {
                waits.remove(waiting);
            }
            return Polled::Ready(result);
        }
        let id = *slot.get_or_insert_with(|| waits.next_id());
        let permitted = waits.wait(id, leaf, waker, is_run);
        Polled::Pending { permitted }
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
