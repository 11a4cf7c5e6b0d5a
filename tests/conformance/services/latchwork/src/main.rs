//! Handlers written with our own SDK: those of `services/rust`, and more. PORT and PROBE_DIR come
//! from the environment.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use latchwork::{
    Context, Endpoint, Failure, ObjectContext, Result, RetryPolicy, SharedObjectContext,
    SharedWorkflowContext, Target, WorkflowContext, race, select, try_join, try_join_all,
};
use serde::{Deserialize, Serialize};

/// Appends a line under the tag; gives how many there are now.
fn note(tag: &str, value: &str) -> io::Result<u64> {
    let dir = std::env::var("PROBE_DIR").unwrap_or_else(|_| ".".into());
    let path = PathBuf::from(dir).join(format!("note.{tag}"));
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)?;
    writeln!(file, "{value}")?;
    Ok(std::fs::read_to_string(&path)?.lines().count() as u64)
}

#[derive(Serialize, Deserialize)]
struct Tagged {
    tag: String,
    n: u64,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    inv: String,
    name: String,
    value: String,
}

struct Tools;

#[latchwork::service(name = "LwTools", retry(initial_delay = "30ms", max_delay = "200ms"))]
impl Tools {
    #[handler]
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(format!("Hello {name}"))
    }

    #[handler]
    async fn refuse(&self, _ctx: &Context, message: String) -> Result<String> {
        let failure = Failure::new(message).code(418).metadata("kind", "teapot");
        Err(failure.into())
    }

    /// n effects with a sleep after each of them
    #[handler]
    async fn steps(&self, ctx: &Context, it: Tagged) -> Result<Vec<u64>> {
        let mut seen = Vec::new();
        for i in 0..it.n {
            let step = ctx.run("step", || async {
                note(&it.tag, &i.to_string())?;
                Ok(i * 10)
            });
            seen.push(step.await?);
            ctx.sleep(Duration::from_millis(10)).await?;
        }
        Ok(seen)
    }

    /// fails with a retryable error until the n-th attempt
    #[handler]
    async fn flaky(&self, _ctx: &Context, it: Tagged) -> Result<u64> {
        let attempt = note(&it.tag, "attempt")?;
        if attempt <= it.n {
            return Err(io::Error::other("not yet").into());
        }
        Ok(attempt)
    }

    /// a step that fails n times, then succeeds; its policy gives up after five
    #[handler(name = "flakyStep")]
    async fn flaky_step(&self, ctx: &Context, it: Tagged) -> Result<u64> {
        let policy = RetryPolicy::default()
            .initial_delay(Duration::from_millis(20))
            .max_attempts(5);
        let step = ctx.run("flaky step", || async {
            let attempt = note(&it.tag, "attempt")?;
            if attempt <= it.n {
                return Err(io::Error::other(format!("attempt {attempt} failed")).into());
            }
            Ok(attempt)
        });
        Ok(step.retry(policy).await?)
    }

    #[handler]
    async fn panics(&self, _ctx: &Context, tag: String) -> Result<u64> {
        let attempt = note(&tag, "attempt")?;
        assert!(attempt > 1, "the first attempt panics");
        Ok(attempt)
    }

    #[handler(name = "fanOut")]
    async fn fan_out(&self, ctx: &Context, n: u64) -> Result<u64> {
        let calls = (0..n).map(|i| TotalsClient::new(ctx, format!("fan-{}", i % 7)).add(0));
        Ok(try_join_all(calls).await?.len() as u64)
    }

    /// how many of n steps, all at once, were executed
    #[handler]
    async fn parallel(&self, ctx: &Context, it: Tagged) -> Result<u64> {
        let tag = &it.tag;
        let steps = (0..it.n).map(|i| {
            ctx.run(format!("p{i}"), move || async move {
                note(tag, &i.to_string())?;
                Ok(i)
            })
        });
        Ok(try_join_all(steps).await?.iter().sum())
    }

    #[handler(name = "untilCancelled")]
    async fn until_cancelled(&self, ctx: &Context, tag: String) -> Result<String> {
        note(&tag, "waiting")?;
        match ctx.sleep(Duration::from_secs(3600)).await {
            Ok(()) => Ok("slept".into()),
            Err(failure) => {
                let undo = ctx.run("undo", || async {
                    Ok(note(&format!("{tag}.undo"), "undone")?)
                });
                undo.await?;
                Err(failure.into())
            }
        }
    }

    /// cancelled, it passes the cancellation on to the child it calls
    #[handler(name = "callUntilCancelled")]
    async fn call_until_cancelled(&self, ctx: &Context, tag: String) -> Result<String> {
        Ok(ToolsClient::new(ctx).until_cancelled(tag).await?)
    }

    #[handler(name = "waitSignal")]
    async fn wait_signal(&self, ctx: &Context, name: String) -> Result<String> {
        Ok(ctx.signal::<String>(name).await?)
    }

    #[handler(name = "sendSignal")]
    async fn send_signal(&self, ctx: &Context, it: Reply) -> Result<()> {
        ctx.invocation(it.inv).signal(it.name).resolve(it.value);
        Ok(())
    }

    /// which of the sleeps is over first, second, ...
    #[handler]
    async fn order(&self, ctx: &Context, delays: Vec<u64>) -> Result<Vec<usize>> {
        let mut left: Vec<_> = delays
            .iter()
            .map(|delay| ctx.sleep(Duration::from_millis(*delay)))
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

    /// a signal, or nothing after the time
    #[handler(name = "signalWithin")]
    async fn signal_within(&self, ctx: &Context, ms: u64) -> Result<Option<String>> {
        let signal = ctx.signal::<String>("s");
        Ok(ctx.timeout(Duration::from_millis(ms), signal).await?)
    }

    #[handler]
    async fn selects(&self, ctx: &Context, tag: String) -> Result<String> {
        let awakeable = ctx.awakeable::<String>();
        let id = awakeable.id().to_owned();
        ctx.run("publish", || async { Ok(note(&tag, &id)?) })
            .await?;
        let answer = select! {
            text = awakeable => text?,
            slept = ctx.sleep(Duration::from_secs(3600)) => {
                slept?;
                "late".to_owned()
            }
            child = TotalsClient::new(ctx, "parked").park(format!("{tag}.child")) => child?,
        };
        Ok(answer)
    }

    /// values that a replay must not change: each is noted in every attempt
    #[handler]
    async fn steady(&self, ctx: &Context, it: Tagged) -> Result<bool> {
        let drawn = format!(
            "{} {} {}",
            ctx.random_u64(),
            ctx.random_uuid(),
            ctx.random_below(9)
        );
        let now = ctx.now().await?;
        let attempt = note(&it.tag, &format!("{drawn} {now:?}"))?;
        if attempt <= it.n {
            return Err(io::Error::other("again").into());
        }
        Ok(true)
    }

    /// takes another path in its second attempt
    #[handler]
    async fn fickle(&self, ctx: &Context, tag: String) -> Result<()> {
        if note(&tag, "attempt")? % 2 == 1 {
            ctx.run("first", || async { Ok(()) }).await?;
            return Err(io::Error::other("again").into());
        }
        ctx.sleep_named("nap", Duration::from_millis(1)).await?;
        Ok(())
    }

    /// waits for a timer of the process
    #[handler(retry(max_attempts = 1, then = "kill"))]
    async fn foreign(&self, _ctx: &Context) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(())
    }

    /// sends with all options, attaches to what it sent
    #[handler(name = "sendAttach")]
    async fn send_attach(&self, ctx: &Context, key: String) -> Result<Vec<u64>> {
        let totals = TotalsClient::new(ctx, key.clone());
        let first = totals.add(5).idempotency_key("once").send();
        let second = totals.add(5).idempotency_key("once").send();
        let (a, b) = try_join!(first.id(), second.id())?;
        if a != b {
            return Err(Failure::new(format!("{a} and {b} have one key")).into());
        }
        let now = first.attach().await?;
        let later = totals
            .add(7)
            .header("x-from", "sendAttach")
            .delay(Duration::from_millis(30))
            .send();
        let late = later.attach().await?;
        let by_name: u64 = ctx.call(Target::keyed("LwTotals", key, "get"), &()).await?;
        Ok(vec![now, late, by_name])
    }

    #[handler]
    async fn header(&self, ctx: &Context, name: String) -> Result<Option<String>> {
        Ok(ctx.header(&name).map(str::to_owned))
    }
}

/// defined by a trait, as for callers that have no code of it
#[latchwork::object(name = "LwTotals")]
trait Totals {
    #[handler]
    async fn add(&self, ctx: &ObjectContext, n: u64) -> Result<u64>;

    #[handler(name = "addSlowly")]
    async fn add_slowly(&self, ctx: &ObjectContext, n: u64) -> Result<u64>;

    #[shared]
    async fn get(&self, ctx: &SharedObjectContext) -> Result<u64>;

    #[handler]
    async fn park(&self, ctx: &ObjectContext, tag: String) -> Result<String>;

    /// writes, lists and clears, with a suspension in between
    #[handler]
    async fn keys(&self, ctx: &ObjectContext) -> Result<Vec<Vec<String>>>;
}

struct Sums;

#[latchwork::object]
impl Totals for Sums {
    async fn add(&self, ctx: &ObjectContext, n: u64) -> Result<u64> {
        let now = ctx.get::<u64>("n").await?.unwrap_or(0) + n;
        ctx.set("n", now);
        Ok(now)
    }

    async fn add_slowly(&self, ctx: &ObjectContext, n: u64) -> Result<u64> {
        let now = ctx.get::<u64>("n").await?.unwrap_or(0) + n;
        ctx.sleep(Duration::from_millis(20)).await?;
        ctx.set("n", now);
        Ok(now)
    }

    async fn get(&self, ctx: &SharedObjectContext) -> Result<u64> {
        Ok(ctx.get::<u64>("n").await?.unwrap_or(0))
    }

    async fn park(&self, ctx: &ObjectContext, tag: String) -> Result<String> {
        let promise = ctx.awakeable::<String>();
        let id = promise.id().to_owned();
        ctx.run("publish", || async { Ok(note(&tag, &id)?) })
            .await?;
        Ok(promise.await?)
    }

    async fn keys(&self, ctx: &ObjectContext) -> Result<Vec<Vec<String>>> {
        ctx.set("b", 1);
        ctx.set("a", 2);
        let two = ctx.state_keys().await?;
        ctx.sleep(Duration::from_millis(20)).await?;
        ctx.clear("a");
        let one = ctx.state_keys().await?;
        ctx.clear_all();
        ctx.sleep(Duration::from_millis(20)).await?;
        Ok(vec![two, one, ctx.state_keys().await?])
    }
}

/// The same with state that is read entry by entry, and suspended at every wait.
struct Lazy;

#[latchwork::object(name = "LwLazy", lazy_state, inactivity_timeout = "0s")]
impl Lazy {
    #[handler]
    async fn add(&self, ctx: &ObjectContext, n: u64) -> Result<u64> {
        let now = ctx.get::<u64>("n").await?.unwrap_or(0) + n;
        ctx.sleep(Duration::from_millis(5)).await?;
        ctx.set("n", now);
        let read = ctx.get::<u64>("n").await?;
        let keys = ctx.state_keys().await?;
        if (read, keys) != (Some(now), vec!["n".to_owned()]) {
            return Err(Failure::new(format!("wrote {now}, read {read:?}")).into());
        }
        Ok(now)
    }
}

struct Gate;

#[latchwork::workflow(name = "LwGate")]
impl Gate {
    #[handler]
    async fn run(&self, ctx: &WorkflowContext, who: String) -> Result<String> {
        ctx.set("who", &who);
        let word: String = ctx.promise("word").await?;
        Ok(format!("{who}:{word}"))
    }

    #[shared]
    async fn say(&self, ctx: &SharedWorkflowContext, word: String) -> Result<()> {
        ctx.promise("word").resolve(word).await?;
        Ok(())
    }

    #[shared]
    async fn said(&self, ctx: &SharedWorkflowContext) -> Result<Option<String>> {
        Ok(ctx.promise("word").peek().await?)
    }

    #[shared]
    async fn who(&self, ctx: &SharedWorkflowContext) -> Result<String> {
        Ok(ctx.get::<String>("who").await?.unwrap_or_default())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "9080".into());
    Endpoint::builder()
        .bind(Tools)
        .bind(Sums)
        .bind(Lazy)
        .bind(Gate)
        .build()
        .serve(format!("127.0.0.1:{port}"))
        .await
}
