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

/// Waits for all of up to six futures, and gives a tuple of their outputs.
///
/// ```
/// # use latchwork::{Context, Result};
/// # async fn handler(ctx: &Context) -> Result<()> {
/// let (price, stock) = latchwork::join!(
///     ctx.run("price", || async { Ok(12) }),
///     ctx.run("stock", || async { Ok(3) }),
/// );
/// # let _: (i32, i32) = (price?, stock?);
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! join {
    ($a:expr, $b:expr $(,)?) => { $crate::future::combine::Both::new($a, $b).await };
    ($a:expr, $b:expr, $c:expr $(,)?) => {{
        let (a, (b, c)) = $crate::join!(@nest $a, $b, $c).await;
        (a, b, c)
    }};
    ($a:expr, $b:expr, $c:expr, $d:expr $(,)?) => {{
        let (a, (b, (c, d))) = $crate::join!(@nest $a, $b, $c, $d).await;
        (a, b, c, d)
    }};
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr $(,)?) => {{
        let (a, (b, (c, (d, e)))) = $crate::join!(@nest $a, $b, $c, $d, $e).await;
        (a, b, c, d, e)
    }};
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr $(,)?) => {{
        let (a, (b, (c, (d, (e, f))))) = $crate::join!(@nest $a, $b, $c, $d, $e, $f).await;
        (a, b, c, d, e, f)
    }};
    (@nest $a:expr) => { $a };
    (@nest $a:expr, $($rest:expr),+) => {
        $crate::future::combine::Both::new($a, $crate::join!(@nest $($rest),+))
    };
}

/// Waits for all of up to six futures to succeed, or for the first to fail: a `Result` of a tuple.
///
/// ```
/// # use latchwork::{Context, Result};
/// # async fn handler(ctx: &Context) -> Result<()> {
/// let (price, stock): (i32, i32) = latchwork::try_join!(
///     ctx.run("price", || async { Ok(12) }),
///     ctx.run("stock", || async { Ok(3) }),
/// )?;
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! try_join {
    ($a:expr, $b:expr $(,)?) => { $crate::future::combine::BothOk::new($a, $b).await };
    ($a:expr, $b:expr, $c:expr $(,)?) => {
        $crate::try_join!(@nest $a, $b, $c).await.map(|(a, (b, c))| (a, b, c))
    };
    ($a:expr, $b:expr, $c:expr, $d:expr $(,)?) => {
        $crate::try_join!(@nest $a, $b, $c, $d).await.map(|(a, (b, (c, d)))| (a, b, c, d))
    };
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr $(,)?) => {
        $crate::try_join!(@nest $a, $b, $c, $d, $e)
            .await
            .map(|(a, (b, (c, (d, e))))| (a, b, c, d, e))
    };
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr $(,)?) => {
        $crate::try_join!(@nest $a, $b, $c, $d, $e, $f)
            .await
            .map(|(a, (b, (c, (d, (e, f)))))| (a, b, c, d, e, f))
    };
    (@nest $a:expr) => { $a };
    (@nest $a:expr, $($rest:expr),+) => {
        $crate::future::combine::BothOk::new($a, $crate::try_join!(@nest $($rest),+))
    };
}

/// Waits for the first of up to six futures, drops the others, and goes on with its arm. If several
/// are there, the first in the order of the arms: the same in every replay.
///
/// ```
/// # use std::time::Duration;
/// # use latchwork::{Context, Result};
/// # async fn handler(ctx: &Context) -> Result<String> {
/// let approval = ctx.awakeable::<String>();
/// let answer = latchwork::select! {
///     by = approval => format!("approved by {}", by?),
///     slept = ctx.sleep(Duration::from_secs(3600)) => {
///         slept?;
///         "nobody answered".to_owned()
///     }
/// };
/// # Ok(answer) }
/// ```
#[macro_export]
macro_rules! select {
    (@arms [$($arms:tt)*]) => { $crate::select!(@match $($arms)*) };
    (@arms [$($arms:tt)*] $pattern:pat = $future:expr => $body:block, $($rest:tt)*) => {
        $crate::select!(@arms [$($arms)* [$pattern, $future, $body]] $($rest)*)
    };
    (@arms [$($arms:tt)*] $pattern:pat = $future:expr => $body:block $($rest:tt)*) => {
        $crate::select!(@arms [$($arms)* [$pattern, $future, $body]] $($rest)*)
    };
    (@arms [$($arms:tt)*] $pattern:pat = $future:expr => $body:expr, $($rest:tt)*) => {
        $crate::select!(@arms [$($arms)* [$pattern, $future, $body]] $($rest)*)
    };
    (@arms [$($arms:tt)*] $pattern:pat = $future:expr => $body:expr) => {
        $crate::select!(@arms [$($arms)* [$pattern, $future, $body]])
    };
    (@match $([$p:pat, $f:expr, $b:expr])+) => {
        $crate::select!(@await [$crate::select!(@nest $($f),+)] $([$p, $b])+)
    };
    (@nest $a:expr) => { $a };
    (@nest $a:expr, $($rest:expr),+) => {
        $crate::future::combine::Or::new($a, $crate::select!(@nest $($rest),+))
    };
    (@await [$wait:expr] [$p1:pat, $b1:expr]) => {
        match $wait.await { $p1 => $b1 }
    };
    (@await [$wait:expr] [$p1:pat, $b1:expr] [$p2:pat, $b2:expr]) => {
        match $wait.await {
            $crate::future::combine::Either::First($p1) => $b1,
            $crate::future::combine::Either::Second($p2) => $b2,
        }
    };
    (@await [$wait:expr] [$p1:pat, $b1:expr] [$p2:pat, $b2:expr] [$p3:pat, $b3:expr]) => {{
        use $crate::future::combine::Either::{First, Second};
        match $wait.await {
            First($p1) => $b1,
            Second(First($p2)) => $b2,
            Second(Second($p3)) => $b3,
        }
    }};
    (@await [$wait:expr] [$p1:pat, $b1:expr] [$p2:pat, $b2:expr] [$p3:pat, $b3:expr]
        [$p4:pat, $b4:expr]) => {{
        use $crate::future::combine::Either::{First, Second};
        match $wait.await {
            First($p1) => $b1,
            Second(First($p2)) => $b2,
            Second(Second(First($p3))) => $b3,
            Second(Second(Second($p4))) => $b4,
        }
    }};
    (@await [$wait:expr] [$p1:pat, $b1:expr] [$p2:pat, $b2:expr] [$p3:pat, $b3:expr]
        [$p4:pat, $b4:expr] [$p5:pat, $b5:expr]) => {{
        use $crate::future::combine::Either::{First, Second};
        match $wait.await {
            First($p1) => $b1,
            Second(First($p2)) => $b2,
            Second(Second(First($p3))) => $b3,
            Second(Second(Second(First($p4)))) => $b4,
            Second(Second(Second(Second($p5)))) => $b5,
        }
    }};
    (@await [$wait:expr] [$p1:pat, $b1:expr] [$p2:pat, $b2:expr] [$p3:pat, $b3:expr]
        [$p4:pat, $b4:expr] [$p5:pat, $b5:expr] [$p6:pat, $b6:expr]) => {{
        use $crate::future::combine::Either::{First, Second};
        match $wait.await {
            First($p1) => $b1,
            Second(First($p2)) => $b2,
            Second(Second(First($p3))) => $b3,
            Second(Second(Second(First($p4)))) => $b4,
            Second(Second(Second(Second(First($p5))))) => $b5,
            Second(Second(Second(Second(Second($p6))))) => $b6,
        }
    }};
    ($pattern:pat = $($arms:tt)+) => { $crate::select!(@arms [] $pattern = $($arms)+) };
}
