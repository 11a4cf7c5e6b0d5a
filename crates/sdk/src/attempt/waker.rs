//! Who woke the handler: this crate, or something that no journal remembers.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The waker a handler is polled with.
#[derive(Default)]
pub(crate) struct Root {
    /// Whose task polls the attempt.
    task: Mutex<Option<Waker>>,
    woken: AtomicBool,
    foreign: AtomicBool,
}

thread_local! {
    /// Whose wake-up this thread has a known cause for.
    static EXPECTED: Cell<*const Root> = const { Cell::new(ptr::null()) };
}

impl Root {
    /// The task to wake from now on.
    pub(super) fn set_task(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(known) => known.clone_from(waker),
            None => *task = Some(waker.clone()),
        }
    }

    /// Whether the handler wants to be polled.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    pub(super) fn set_woken(&self) {
        self.woken.store(true, Ordering::Release);
    }

    /// Whether something woke the handler that is neither an await on a context nor a run.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    /// Does something that may wake the handler, for a reason that is known.
    pub(super) fn expecting<R>(&self, cause: impl FnOnce() -> R) -> R {
        let _before = Before(EXPECTED.replace(self));
        cause()
    }
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !ptr::eq(EXPECTED.get(), Arc::as_ptr(self)) {
            self.foreign.store(true, Ordering::Release);
        }
        self.woken.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = &*task {
            task.wake_by_ref();
        }
    }
}

/// What this thread expected before; restored also when the cause panics.
struct Before(*const Root);

impl Drop for Before {
    fn drop(&mut self) {
        EXPECTED.set(self.0);
    }
}

/// The waker the code of a run is polled with: it may wait for anything.
struct RunWaker {
    root: Arc<Root>,
    outer: Waker,
}

impl Wake for RunWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.root.expecting(|| self.outer.wake_by_ref());
    }
}

/// A waker for the code of a run that is polled below `outer`.
pub(crate) fn run_waker(root: &Arc<Root>, outer: &Waker) -> Waker {
    Waker::from(Arc::new(RunWaker {
        root: Arc::clone(root),
        outer: outer.clone(),
    }))
}
