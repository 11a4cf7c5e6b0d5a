//! A step of user code whose outcome the journal remembers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use super::{read, value};
use crate::attempt::{Polled, RunUnderWay, Shared, run_waker};
use crate::clock::Started;
use crate::error::{Error, Failure};
use crate::payload::{Decode, Encode};
use crate::vm::{AttemptError, Leaf, RetryPolicy};

/// A run, made by [`Context::run`](crate::Context::run). Await it for its outcome.
///
/// The code is executed when the run is awaited and the journal does not know the outcome; once it
/// does, never again. If the process dies between the execution and its record, the code is
/// executed again: at least once, recorded exactly once.
#[must_use = "the code is executed when the run is awaited"]
pub struct Run<'c, T> {
    shared: &'c Arc<Shared>,
    name: String,
    policy: Option<RetryPolicy>,
    leaf: Option<Leaf>,
    slot: Option<u64>,
    code: Code<'c, T>,
}

/// Boxed, so that neither the closure nor its future is part of a handler's type: the compiler
/// cannot prove of lists of such that they are `Send`.
type Start<'c, T> = Box<dyn FnOnce() -> Executing<'c, T> + Send + 'c>;
type Executing<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

enum Code<'c, T> {
    Waiting(Start<'c, T>),
    UnderWay {
        future: Executing<'c, T>,
        since: Started,
        _under_way: RunUnderWay,
    },
    Done,
}

impl<'c, T: Encode + Decode> Run<'c, T> {
    pub(crate) fn new<F, Fut>(shared: &'c Arc<Shared>, name: String, code: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'c,
        Fut: Future<Output = Result<T, Error>> + Send + 'c,
    {
        Self {
            shared,
            name,
            policy: None,
            leaf: None,
            slot: None,
            code: Code::Waiting(Box::new(move || Box::pin(code()))),
        }
    }

    /// Sets how errors of the code are retried, and when they become final. Without it the retry
    /// policy of the handler decides.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    fn execute(&mut self, leaf: &Leaf, waker: &Waker) {
        if let Code::Waiting(_) = self.code
            && let Code::Waiting(code) = std::mem::replace(&mut self.code, Code::Done)
        {
            self.code = Code::UnderWay {
                future: self.shared.inside_run(code),
                since: self.shared.clock.start(),
                _under_way: self.shared.begin_run(),
            };
        }
        let Code::UnderWay { future, since, .. } = &mut self.code else {
            return;
        };
        let waker = run_waker(&self.shared.root, waker);
        let mut task = Task::from_waker(&waker);
        let Poll::Ready(result) = self.shared.inside_run(|| future.as_mut().poll(&mut task)) else {
            return;
        };
        let executed_for = self.shared.clock.elapsed(*since);
        self.code = Code::Done;
        let result = result.and_then(|value| {
            value.encode().map_err(|error| {
                Error::retryable(format!(
                    "the result of run {:?} cannot be recorded: {error}",
                    self.name
                ))
            })
        });
        let outcome: Result<_, AttemptError> = match result {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) => error.into_outcome().map(Err),
        };
        let policy = self.policy.as_ref();
        self.shared.act(|inner| match outcome {
            Ok(outcome) => inner.vm.propose(leaf, outcome.map_err(Failure::into)),
            Err(error) => inner.vm.run_failed(leaf, error, policy, executed_for),
        });
    }
}

impl<T: Encode + Decode> Future for Run<'_, T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let leaf = match &this.leaf {
            Some(leaf) => leaf.clone(),
            None => {
                let leaf = this.shared.act(|inner| inner.vm.run(&this.name));
                this.leaf.insert(leaf).clone()
            }
        };
        let polled = this
            .shared
            .poll_leaf(&leaf, &mut this.slot, task.waker(), true);
        match polled {
            Polled::Pending { permitted } => {
                if permitted {
                    this.execute(&leaf, task.waker());
                }
                Poll::Pending
            }
            Polled::Cancelled => {
                this.code = Code::Done;
                Poll::Ready(Err(Failure::cancelled()))
            }
            Polled::Ready(result) => {
                this.code = Code::Done;
                read(this.shared, value, result)
            }
        }
    }
}

impl<T> Drop for Run<'_, T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.shared.forget(slot);
        }
    }
}
