//! Waiting for several things.
//!
//! These combinators poll their children in order, and tell the server the shape of the wait, so
//! that a suspended handler is woken when all of [`join_all`] is there and not for each of it.
//! Children may be any futures: durable ones, runs, `async` blocks with more of them inside.
//!
//! For a fixed number of things of different types there are the macros [`join!`](crate::join),
//! [`try_join!`](crate::try_join) and [`select!`](crate::select).

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll, Wake, Waker};

use latchwork_protocol::service::message::Combinator;

use crate::attempt::Place;

/// What the children of a combinator share: whom to wake, and their place in the wait.
#[derive(Default)]
struct Hub {
    outer: Arc<Outer>,
    place: Place,
}

/// Whoever polls the combinator.
#[derive(Default)]
struct Outer(Mutex<Option<Waker>>);

impl Hub {
    /// Polls the children, in order.
    fn poll<R>(
        &mut self,
        combinator: Combinator,
        task: &mut Task<'_>,
        poll: impl FnOnce() -> R,
    ) -> R {
        let mut outer = self.outer.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *outer {
            Some(waker) => waker.clone_from(task.waker()),
            None => *outer = Some(task.waker().clone()),
        }
        drop(outer);
        self.place.poll(combinator, poll)
    }
}

/// A child of a combinator. It is polled when something woke it: of a thousand that wait, one.
struct Child<F: Future> {
    state: State<F>,
    call: Arc<Call>,
    /// What it waits for is a node of its own: it may be a foreign combinator of which any child
    /// matters.
    place: Place,
}

enum State<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(F::Output),
    Taken,
}

/// Wakes one child.
struct Call {
    woken: AtomicBool,
    outer: Arc<Outer>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let outer = self.outer.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outer) = &*outer {
            outer.wake_by_ref();
        }
    }
}

/// Nothing in it is pinned in place: the future is boxed.
impl<F: Future> Unpin for Child<F> {}

impl<F: Future> Child<F> {
    fn new(future: F, hub: &Hub) -> Self {
        Self {
            state: State::Waiting(Box::pin(future)),
            call: Arc::new(Call {
                woken: AtomicBool::new(true),
                outer: Arc::clone(&hub.outer),
            }),
            place: Place::default(),
        }
    }

    /// Whether the child is done.
    fn poll(&mut self) -> bool {
        let State::Waiting(future) = &mut self.state else {
            return true;
        };
        if !self.call.woken.swap(false, Ordering::AcqRel) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.call));
        let mut task = Task::from_waker(&waker);
        let poll = || future.as_mut().poll(&mut task);
        match self.place.poll(Combinator::Unknown, poll) {
            Poll::Pending => false,
            Poll::Ready(output) => {
                self.state = State::Done(output);
                true
            }
        }
    }

    fn take(&mut self) -> Option<F::Output> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Done(output) => Some(output),
            waiting => {
                self.state = waiting;
                None
            }
        }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Child<F> {
    fn has_failed(&self) -> bool {
        matches!(self.state, State::Done(Err(_)))
    }

    fn has_succeeded(&self) -> bool {
        matches!(self.state, State::Done(Ok(_)))
    }
}

/// The children of a list.
struct Children<F: Future> {
    hub: Hub,
    list: Vec<Child<F>>,
}

impl<F: Future> Children<F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let hub = Hub::default();
        let futures = futures.into_iter();
        let list = futures.map(|future| Child::new(future, &hub)).collect();
        Self { hub, list }
    }

    /// Polls until `enough` of a child; whether all that were polled are done.
    fn poll(
        &mut self,
        combinator: Combinator,
        task: &mut Task<'_>,
        enough: impl Fn(&Child<F>) -> bool,
    ) -> bool {
        let Self { hub, list } = self;
        hub.poll(combinator, task, || {
            let mut done = true;
            for child in list {
                done &= child.poll();
                if enough(child) {
                    break;
                }
            }
            done
        })
    }

    fn take_all(&mut self) -> impl Iterator<Item = F::Output> {
        self.list.iter_mut().filter_map(Child::take)
    }
}

/// Waits for all. The outputs are in the order of the futures.
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    JoinAll(Children::new(futures))
}

/// See [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future>(Children<F>);

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().0;
        if !children.poll(Combinator::AllCompleted, task, |_| false) {
            return Poll::Pending;
        }
        Poll::Ready(children.take_all().collect())
    }
}

/// Waits for all to succeed, or for the first to fail. The values are in the order of the futures.
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<I::Item>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    TryJoinAll(Children::new(futures))
}

/// See [`try_join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryJoinAll<F: Future>(Children<F>);

impl<F, T, E> Future for TryJoinAll<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().0;
        let combinator = Combinator::AllSucceededOrFirstFailed;
        let done = children.poll(combinator, task, Child::has_failed);
        let failed = children.list.iter_mut().find(|child| child.has_failed());
        if let Some(Err(error)) = failed.and_then(Child::take) {
            return Poll::Ready(Err(error));
        }
        if !done {
            return Poll::Pending;
        }
        children.take_all().collect::<Result<_, E>>().into()
    }
}

/// Waits for the first that is done; the others are dropped. Gives its place and its output. Of
/// none at all it waits for ever.
pub fn race<I>(futures: I) -> Race<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    Race(Children::new(futures))
}

/// See [`race`].
#[must_use = "futures do nothing unless awaited"]
pub struct Race<F: Future>(Children<F>);

impl<F: Future> Future for Race<F> {
    type Output = (usize, F::Output);

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().0;
        let is_done = |child: &Child<F>| matches!(child.state, State::Done(_));
        children.poll(Combinator::FirstCompleted, task, is_done);
        let mut children = children.list.iter_mut().enumerate();
        let first = children.find_map(|(place, child)| Some((place, child.take()?)));
        first.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Waits for the first that succeeds, or for all to fail; then gives all errors, in order.
pub fn race_ok<I, T, E>(futures: I) -> RaceOk<I::Item>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    RaceOk(Children::new(futures))
}

/// See [`race_ok`].
#[must_use = "futures do nothing unless awaited"]
pub struct RaceOk<F: Future>(Children<F>);

impl<F, T, E> Future for RaceOk<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Vec<E>>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let children = &mut self.get_mut().0;
        let combinator = Combinator::FirstSucceededOrAllFailed;
        let done = children.poll(combinator, task, Child::has_succeeded);
        let succeeded = children.list.iter_mut().find(|child| child.has_succeeded());
        if let Some(Ok(value)) = succeeded.and_then(Child::take) {
            return Poll::Ready(Ok(value));
        }
        if !done {
            return Poll::Pending;
        }
        Poll::Ready(Err(children.take_all().filter_map(Result::err).collect()))
    }
}

/// Waits for both: what [`join!`](crate::join) is made of.
#[must_use = "futures do nothing unless awaited"]
pub struct Both<A: Future, B: Future>(Hub, Child<A>, Child<B>);

impl<A: Future, B: Future> Both<A, B> {
    /// Waits for `a` and `b`.
    pub fn new(a: A, b: B) -> Self {
        let hub = Hub::default();
        let (a, b) = (Child::new(a, &hub), Child::new(b, &hub));
        Self(hub, a, b)
    }
}

impl<A: Future, B: Future> Future for Both<A, B> {
    type Output = (A::Output, B::Output);

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Self(hub, a, b) = self.get_mut();
        if !hub.poll(Combinator::AllCompleted, task, || a.poll() & b.poll()) {
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
pub struct BothOk<A: Future, B: Future>(Hub, Child<A>, Child<B>);

impl<A: Future, B: Future> BothOk<A, B> {
    /// Waits for `a` and `b`.
    pub fn new(a: A, b: B) -> Self {
        let hub = Hub::default();
        let (a, b) = (Child::new(a, &hub), Child::new(b, &hub));
        Self(hub, a, b)
    }
}

impl<A, B, T, U, E> Future for BothOk<A, B>
where
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<U, E>>,
{
    type Output = Result<(T, U), E>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Self(hub, a, b) = self.get_mut();
        let done = hub.poll(Combinator::AllSucceededOrFirstFailed, task, || {
            let a_done = a.poll();
            a.has_failed() || (b.poll() & a_done)
        });
        if a.has_failed()
            && let Some(Err(error)) = a.take()
        {
            return Poll::Ready(Err(error));
        }
        if b.has_failed()
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
pub struct Or<A: Future, B: Future>(Hub, Child<A>, Child<B>);

impl<A: Future, B: Future> Or<A, B> {
    /// Waits for `a` or `b`.
    pub fn new(a: A, b: B) -> Self {
        let hub = Hub::default();
        let (a, b) = (Child::new(a, &hub), Child::new(b, &hub));
        Self(hub, a, b)
    }
}

impl<A: Future, B: Future> Future for Or<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Self(hub, a, b) = self.get_mut();
        hub.poll(Combinator::FirstCompleted, task, || a.poll() || b.poll());
        if let Some(a) = a.take() {
            return Poll::Ready(Either::First(a));
        }
        match b.take() {
            Some(b) => Poll::Ready(Either::Second(b)),
            None => Poll::Pending,
        }
    }
}
