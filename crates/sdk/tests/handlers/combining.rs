//! Waiting for several things: our combinators, and those of others.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use latchwork::{
    Context, Failure, Result, join, join_all, race, race_ok, select, try_join, try_join_all,
};
use latchwork_protocol::service::message::{self as wire, Combinator, NotificationIdentity};
use latchwork_protocol::service::version::Version;

use super::world::{Ended, cancel, everywhere, read, signal};

struct Waits;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[latchwork::service]
impl Waits {
    #[handler]
    async fn all(&self, ctx: &Context) -> Result<Vec<u64>> {
        let waits = [30, 10, 20].map(|n| async move {
            ctx.sleep(seconds(n)).await?;
            ctx.run("step", || async move { Ok(n) }).await
        });
        Ok(try_join_all(waits).await?)
    }

    #[handler]
    async fn some_fail(&self, ctx: &Context) -> Result<Vec<String>> {
        let waits = [3, 1, 2].map(|n| async move {
            ctx.sleep(seconds(n)).await?;
            if n == 1 {
                return Err(Failure::new(format!("{n} failed")));
            }
            Ok(n)
        });
        let texts = join_all(waits)
            .await
            .into_iter()
            .map(|result| match result {
                Ok(n) => n.to_string(),
                Err(failure) => failure.to_string(),
            });
        Ok(texts.collect())
    }

    #[handler]
    async fn first_fails(&self, ctx: &Context) -> Result<()> {
        let slow = ctx.sleep(seconds(1000));
        let fails = async {
            ctx.sleep(seconds(1)).await?;
            Err::<(), _>(Failure::new("early"))
        };
        let ((), ()) = try_join!(slow, fails)?;
        Ok(())
    }

    #[handler]
    async fn order(&self, ctx: &Context) -> Result<Vec<usize>> {
        let mut left: Vec<_> = [9, 3, 6]
            .map(|n| ctx.sleep(seconds(n)))
            .into_iter()
            .enumerate()
            .collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let (at, slept) = race(left.iter_mut().map(|(_, sleep)| sleep)).await;
            slept?;
            order.push(left.remove(at).0);
        }
        Ok(order)
    }

    #[handler]
    async fn first_success(&self, ctx: &Context) -> Result<String> {
        let tries = [(1, false), (5, true), (2, true)].map(|(n, good)| async move {
            ctx.sleep(seconds(n)).await?;
            if good {
                Ok(format!("{n} succeeded"))
            } else {
                Err(Failure::new(format!("{n} failed")))
            }
        });
        race_ok(tries)
            .await
            .map_err(|_| Failure::new("all failed").into())
    }

    #[handler]
    async fn arms(&self, ctx: &Context) -> Result<String> {
        let (a, b, c) = join!(ctx.sleep(seconds(1)), async { 2 }, async {
            ctx.run("three", || async { Ok(3) }).await
        });
        a?;
        let c: i32 = c?;
        let text = select! {
            signal = ctx.signal::<String>("never") => signal?,
            slept = ctx.sleep(seconds(5)) => {
                slept?;
                format!("timer {b} {c}")
            }
            other = ctx.sleep(seconds(50)) => {
                other?;
                "late".to_owned()
            }
        };
        Ok(text)
    }

    #[handler]
    async fn within(&self, ctx: &Context) -> Result<(Option<String>, Option<u8>)> {
        let early = ctx.timeout(seconds(5), ctx.signal::<String>("s")).await?;
        let run = ctx.timeout(seconds(5), ctx.run("quick", || async { Ok(1u8) }));
        Ok((early, run.await?))
    }

    /// Combinators of others.
    #[handler]
    async fn foreign(&self, ctx: &Context) -> Result<Vec<u64>> {
        let mut unordered: FuturesUnordered<_> = (0..40u64)
            .map(|n| async move {
                ctx.sleep(seconds(1 + n * 7 % 40)).await?;
                ctx.run("n", || async move { Ok(n) }).await
            })
            .collect();
        let mut seen = Vec::new();
        while let Some(n) = unordered.next().await {
            seen.push(n?);
        }
        let (slept, signal) = tokio::join!(ctx.sleep(seconds(1)), ctx.signal::<u64>("n"));
        slept?;
        seen.push(signal?);
        tokio::select! {
            biased;
            slept = ctx.sleep(seconds(9)) => slept?,
            slept = ctx.sleep(seconds(1)) => slept?,
        }
        Ok(seen)
    }

    #[handler]
    async fn all_signals(&self, ctx: &Context) -> Result<Vec<u32>> {
        let a = ctx.awakeable::<u32>();
        let b = ctx.awakeable::<u32>();
        Ok(try_join_all([a, b]).await?)
    }

    #[handler]
    async fn wide(&self, ctx: &Context) -> Result<usize> {
        let waits = (0..2000).map(|n| ctx.sleep(seconds(n)));
        Ok(try_join_all(waits).await?.len())
    }

    #[handler]
    async fn cancelled_together(&self, ctx: &Context) -> Result<bool> {
        let (a, b) = join!(ctx.sleep(seconds(1000)), ctx.signal::<u8>("s"));
        let kept = ctx.sleep(seconds(5));
        kept.await?;
        Ok(a.is_err_and(|it| it.is_cancelled()) && b.is_err_and(|it| it.is_cancelled()))
    }
}

fn check(handler: &str, json: &str) {
    everywhere(|world| {
        let mut world = world.bind(Waits);
        let ended = world.invoke(&format!("Waits/{handler}"), "");
        assert_eq!(ended, Ended::Output(json.to_owned()), "{}", world.name());
        assert!(world.errors.is_empty(), "{:?}", world.errors);
    });
}

#[test]
fn all_are_waited_for_and_kept_in_order() {
    check("all", "[30,10,20]");
    check("some_fail", r#"["3","1 failed","2"]"#);
}

#[test]
fn the_first_failure_ends_the_wait() {
    everywhere(|world| {
        let mut world = world.bind(Waits);
        let ended = world.invoke("Waits/first_fails", "");
        assert_eq!(ended, Ended::Failure(500, "early".to_owned()));
    });
}

#[test]
fn races_are_won_in_every_replay_by_the_same() {
    check("order", "[1,2,0]");
    check("first_success", "\"2 succeeded\"");
    check("arms", "\"timer 2 3\"");
}

#[test]
fn a_timeout_gives_nothing_and_goes_on() {
    check("within", "[null,1]");
}

#[test]
fn combinators_of_others_are_deterministic() {
    let sorted = |n: &u64| n * 7 % 40;
    let mut expected: Vec<u64> = (0..40).collect();
    expected.sort_by_key(sorted);
    expected.push(99);
    let expected = serde_json::to_string(&expected).unwrap();
    everywhere(|world| {
        let mut world = world.bind(Waits);
        let name = NotificationIdentity::SignalName("n".to_owned());
        world.signals.push_back(signal(name, "99"));
        let ended = world.invoke("Waits/foreign", "");
        assert_eq!(ended, Ended::Output(expected.clone()), "{}", world.name());
        assert!(world.errors.is_empty(), "{:?}", world.errors);
    });
}

#[test]
fn a_suspended_join_is_woken_when_all_is_there() {
    everywhere(|world| {
        let mut world = world.bind(Waits);
        world.signals.extend([
            signal(NotificationIdentity::SignalIndex(17), "1"),
            signal(NotificationIdentity::SignalIndex(18), "2"),
        ]);
        let ended = world.invoke("Waits/all_signals", "");
        assert_eq!(ended, Ended::Output("[1,2]".to_owned()));
        if world.version() == Version::V7
            && let Some(suspension) = world.suspensions.first()
        {
            let suspension: wire::SuspensionV7 = read(suspension);
            let root = suspension.awaiting_on.unwrap();
            assert_eq!(root.combinator_type(), Combinator::FirstCompleted);
            assert_eq!(root.waiting_signals, [1]);
            let [all] = &root.nested_futures[..] else {
                panic!("{root:?}");
            };
            assert_eq!(all.combinator_type(), Combinator::AllSucceededOrFirstFailed);
            assert_eq!(all.waiting_signals, [17, 18]);
        }
    });
}

#[test]
fn what_is_told_of_a_wide_wait_grows_with_its_width_only() {
    everywhere(|world| {
        if !world.is_streaming() {
            return;
        }
        let mut world = world.bind(Waits);
        let ended = world.invoke("Waits/wide", "");
        assert_eq!(ended, Ended::Output("2000".to_owned()));
        // A message each would be some four million bytes.
        let told = world.told_bytes;
        assert!(told < 40_000, "{}: {told}", world.name());
    });
}

#[test]
fn a_cancellation_interrupts_all_that_is_awaited_and_nothing_later() {
    everywhere(|world| {
        let mut world = world.bind(Waits);
        // The timer is later than the signal in the world's order, so it must not fire.
        world.signals.push_back(cancel());
        world.hold_timers = true;
        let ended = world.invoke("Waits/cancelled_together", "");
        assert_eq!(ended, Ended::Output("true".to_owned()), "{}", world.name());
    });
}
