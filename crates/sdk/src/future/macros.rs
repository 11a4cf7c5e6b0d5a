//! `join!`, `try_join!` and `select!`: pairs of [`super::combine`], nested and taken apart again.

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
