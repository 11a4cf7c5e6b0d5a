//! The handlers with our own SDK.

use super::attempt::{Attempt, Inside};
use super::{FanInput, LeafInput, Reporter, StepsInput, now_ms};
use crate::desk::Report;
use latchwork::{
    Context, Endpoint, ObjectContext, Result, SharedObjectContext, Target, try_join_all,
};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Serves the handlers at `address` for ever, reporting to the witness at `desk`.
///
/// # Errors
/// If it cannot listen there, or there is no witness.
pub(crate) async fn serve(address: SocketAddr, desk: SocketAddr) -> io::Result<()> {
    let reporter = Reporter::connect(desk).await?;
    let endpoint = Endpoint::builder()
        .bind(Steps(reporter.clone()))
        .bind(Counter(reporter.clone()))
        .bind(Fan)
        .bind(Leaf(reporter.clone()))
        .bind(Wait(reporter))
        .build();
    endpoint.serve(address).await
}

struct Steps(Reporter);

#[latchwork::service(name = "LatchworkSteps")]
impl Steps {
    #[handler]
    async fn run(&self, ctx: &Context, input: StepsInput) -> Result<Vec<u64>> {
        let attempt = at_once(Attempt::begin(&self.0, ctx.invocation_id()));
        let mut values = Vec::new();
        for step in 0..input.steps {
            if step > 0 {
                ctx.sleep(Duration::from_millis(input.sleep_ms)).await?;
            }
            values.push(run(ctx, &attempt, step).await?);
        }
        Ok(values)
    }

    #[handler]
    async fn late(&self, ctx: &Context, task: String) -> Result<u64> {
        let time = now_ms();
        at_once(self.0.report(Report::Start { task, time }));
        let attempt = at_once(Attempt::begin(&self.0, ctx.invocation_id()));
        run(ctx, &attempt, 0).await
    }
}

struct Counter(Reporter);

#[latchwork::object(name = "LatchworkCounter")]
impl Counter {
    #[handler]
    async fn add(&self, ctx: &ObjectContext) -> Result<u64> {
        let object = format!("LatchworkCounter/{}", ctx.key());
        let _inside = at_once(Inside::enter(&self.0, object, ctx.invocation_id()));
        let attempt = at_once(Attempt::begin(&self.0, ctx.invocation_id()));
        let count = ctx.get::<u64>("count").await?.unwrap_or(0) + 1;
        run(ctx, &attempt, 0).await?;
        ctx.set("count", count);
        Ok(count)
    }

    #[shared]
    async fn get(&self, ctx: &SharedObjectContext) -> Result<u64> {
        Ok(ctx.get("count").await?.unwrap_or(0))
    }
}

struct Fan;

#[latchwork::service(name = "LatchworkFan", inactivity_timeout = "1ms")]
impl Fan {
    #[handler]
    async fn fan(&self, ctx: &Context, input: FanInput) -> Result<Vec<u64>> {
        let FanInput { task, width, leaf } = input;
        let children = (0..width).map(|index| {
            let task = task.clone();
            let target = Target::service(leaf.as_str(), "leaf");
            ctx.call::<u64, _>(target, &LeafInput { task, index })
        });
        Ok(try_join_all(children).await?)
    }
}

struct Leaf(Reporter);

#[latchwork::service(name = "LatchworkLeaf")]
impl Leaf {
    #[handler]
    async fn leaf(&self, ctx: &Context, input: LeafInput) -> Result<u64> {
        let LeafInput { task, index } = input;
        let child = Report::Child {
            task,
            index,
            invocation: ctx.invocation_id().to_owned(),
        };
        at_once(self.0.report(child));
        let attempt = at_once(Attempt::begin(&self.0, ctx.invocation_id()));
        run(ctx, &attempt, 0).await
    }
}

struct Wait(Reporter);

#[latchwork::service(name = "LatchworkWait", inactivity_timeout = "1ms")]
impl Wait {
    #[handler]
    async fn wait(&self, ctx: &Context, task: String) -> Result<String> {
        let answer = ctx.awakeable::<String>();
        let publish = Report::Publish {
            task,
            awakeable: answer.id().to_owned(),
        };
        ctx.run("publish", || async {
            self.0.report(publish).await;
            Ok(())
        })
        .await?;
        Ok(answer.await?)
    }
}

/// A run that is executed before the witness, whose result it sees too.
async fn run(ctx: &Context, attempt: &Attempt, step: u32) -> Result<u64> {
    let executed = attempt.clone();
    let value = ctx
        .run(format!("step {step}"), || async {
            Ok(executed.execute(step).await)
        })
        .await?;
    at_once(attempt.observe(step, value));
    Ok(value)
}

/// Waits with the thread: outside of runs, the SDK lets a handler wait for nothing that no journal
/// remembers, and what the witness hears is none of the journal's business.
fn at_once<T>(told: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(told))
}
