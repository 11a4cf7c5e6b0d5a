//! Waiting for several things.
//!
//! These combinators poll their children in order, and tell the server the shape of the wait, so
//! that a suspended handler is woken when all of [`join_all`] is there and not for each of it.
//! Children may be any futures: durable ones, runs, `async` blocks with more of them inside.
//!
//! For a fixed number of things of different types there are the macros [`join!`](crate::join),
//! [`try_join!`](crate::try_join) and [`select!`](crate::select).

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use latchwork_protocol::service::message::Combinator;

use crate::attempt::current;

/// Polls the children of a combinator as one node of what the handler waits for.
fn node<R>(combinator: Combinator, poll: impl FnOnce() -> R) -> R {
    match current() {
        Some(attempt) => attempt.node(combinator, poll),
        None => poll(),
    }
}

/// A child of a combinator.
enum Child<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(F::Output),
    Taken,
}

/// Nothing in it is pinned in place: the future is boxed.
impl<F: Future> Unpin for Child<F> {}

impl<F: Future> Child<F> {
    fn new(future: F) -> Self {
        Self::Waiting(Box::pin(future))
    }

    /// Whether the child is done. What it waits for is a node of its own: it may be a foreign
    /// combinator of which any child matters.
    fn poll(&mut self, task: &mut Task<'_>) -> bool {
        if let Self::Waiting(future) = self {
            match node(Combinator::Unknown, || future.as_mut().poll(task)) {
                Poll::Pending => return false,
                Poll::Ready(output) => *self = Self::Done(output),
            }
        }
        true
    }

    fn take(&mut self) -> Option<F::Output> {
        match std::mem::replace(self, Self::Taken) {
            Self::Done(output) => Some(output),
            waiting => {
                *self = waiting;
                None
            }
        }
    }
}

/// Waits for all. The outputs are in the order of the futures.
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    JoinAll {
        children: futures.into_iter().map(Child::new).collect(),
    }
}

/// See [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    children: Vec<Child<F>>,
}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().children;
        let done = node(Combinator::AllCompleted, || {
            let mut done = true;
            for child in children.iter_mut() {
                done &= child.poll(task);
            }
            done
        });
        if !done {
            return Poll::Pending;
        }
        Poll::Ready(children.iter_mut().filter_map(Child::take).collect())
    }
}

/// Waits for all to succeed, or for the first to fail. The values are in the order of the futures.
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<I::Item>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    TryJoinAll {
        children: futures.into_iter().map(Child::new).collect(),
    }
}

/// See [`try_join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryJoinAll<F: Future> {
    children: Vec<Child<F>>,
}

impl<F, T, E> Future for TryJoinAll<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().children;
        let done = node(Combinator::AllSucceededOrFirstFailed, || {
            let mut done = true;
            for child in children.iter_mut() {
                done &= child.poll(task);
                if let Child::Done(Err(_)) = child {
                    break;
                }
            }
            done
        });
        let failed = children
            .iter_mut()
            .find(|child| matches!(child, Child::Done(Err(_))));
        if let Some(Err(error)) = failed.and_then(Child::take) {
            return Poll::Ready(Err(error));
        }
        if !done {
            return Poll::Pending;
        }
        Poll::Ready(children.iter_mut().filter_map(Child::take).collect())
    }
}

/// Waits for the first that is done; the others are dropped. Gives its place and its output. Of
/// none at all it waits for ever.
pub fn race<I>(futures: I) -> Race<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    Race {
        children: futures.into_iter().map(Child::new).collect(),
    }
}

/// See [`race`].
#[must_use = "futures do nothing unless awaited"]
pub struct Race<F: Future> {
    children: Vec<Child<F>>,
}

impl<F: Future> Future for Race<F> {
    type Output = (usize, F::Output);

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().children;
        let first = node(Combinator::FirstCompleted, || {
            children.iter_mut().position(|child| child.poll(task))
        });
        let output = first.and_then(|place| Some((place, children[place].take()?)));
        match output {
            None => Poll::Pending,
            Some(output) => {
                children.clear();
                Poll::Ready(output)
            }
        }
    }
}

/// Waits for the first that succeeds, or for all to fail; then gives all errors, in order.
pub fn race_ok<I, T, E>(futures: I) -> RaceOk<I::Item>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    RaceOk {
        children: futures.into_iter().map(Child::new).collect(),
    }
}

/// See [`race_ok`].
#[must_use = "futures do nothing unless awaited"]
pub struct RaceOk<F: Future> {
    children: Vec<Child<F>>,
}

impl<F, T, E> Future for RaceOk<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Vec<E>>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().children;
        let done = node(Combinator::FirstSucceededOrAllFailed, || {
            let mut done = true;
            for child in children.iter_mut() {
                done &= child.poll(task);
                if let Child::Done(Ok(_)) = child {
                    break;
                }
            }
            done
        });
        let succeeded = children
            .iter_mut()
            .find(|child| matches!(child, Child::Done(Ok(_))));
        if let Some(Ok(value)) = succeeded.and_then(Child::take) {
            children.clear();
            return Poll::Ready(Ok(value));
        }
        if !done {
            return Poll::Pending;
        }
        let outputs = children.iter_mut().filter_map(Child::take);
        Poll::Ready(Err(outputs.filter_map(Result::err).collect()))
    }
}

/// Waits for both: what [`join!`](crate::join) is made of.
#[must_use = "futures do nothing unless awaited"]
pub struct Both<A: Future, B: Future>(Child<A>, Child<B>);

impl<A: Future, B: Future> Both<A, B> {
    /// Waits for `a` and `b`.
    pub fn new(a: A, b: B) -> Self {
        Self(Child::new(a), Child::new(b))
    }
}

impl<A: Future, B: Future> Future for Both<A, B> {
    type Output = (A::Output, B::Output);

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Self(a, b) = self.get_mut();
        if !node(Combinator::AllCompleted, || a.poll(task) & b.poll(task)) {
            return Poll::Pending;
        }
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            _ => Poll::Pending,
        }
    }
}

/// Waits for both to succeed, or one to fail: what [`try_join!`](crate::try_join) is made of.
#[must_use = "futures do nothing unless awaited"]
pub struct BothOk<A: Future, B: Future>(Child<A>, Child<B>);

impl<A: Future, B: Future> BothOk<A, B> {
    /// Waits for `a` and `b`.
    pub fn new(a: A, b: B) -> Self {
        Self(Child::new(a), Child::new(b))
    }
}

impl<A, B, T, U, E> Future for BothOk<A, B>
where
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<U, E>>,
{
    type Output = Result<(T, U), E>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Self(a, b) = self.get_mut();
        let done = node(Combinator::AllSucceededOrFirstFailed, || {
            let a_done = a.poll(task);
            if matches!(a, Child::Done(Err(_))) {
                return true;
            }
            b.poll(task) & a_done
        });
        if let Child::Done(Err(_)) = a
            && let Some(Err(error)) = a.take()
        {
            return Poll::Ready(Err(error));
        }
        if let Child::Done(Err(_)) = b
            && let Some(Err(error)) = b.take()
        {
            return Poll::Ready(Err(error));
        }
        if !done {
            return Poll::Pending;
        }
        match (a.take(), b.take()) {
            (Some(Ok(a)), Some(Ok(b))) => Poll::Ready(Ok((a, b))),
            _ => Poll::Pending,
        }
    }
}

/// One of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Waits for either, the first before the second if both are there: what
/// [`select!`](crate::select) is made of.
#[must_use = "futures do nothing unless awaited"]
pub struct Or<A: Future, B: Future>(Child<A>, Child<B>);

impl<A: Future, B: Future> Or<A, B> {
    /// Waits for `a` or `b`.
    pub fn new(a: A, b: B) -> Self {
        Self(Child::new(a), Child::new(b))
    }
}

impl<A: Future, B: Future> Future for Or<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Self(a, b) = self.get_mut();
        node(Combinator::FirstCompleted, || {
            let _ = a.poll(task) || b.poll(task);
        });
        if let Some(a) = a.take() {
            return Poll::Ready(Either::First(a));
        }
        match b.take() {
            Some(b) => Poll::Ready(Either::Second(b)),
            None => Poll::Pending,
        }
    }
}
