//! A job scheduler: an object for each job, which calls itself later.
//!
//!     cargo run -p latchwork-examples --bin job-scheduler
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     curl localhost:8080/Job/report/schedule --json '{"every_ms": 5000, "times": 3, "text": "tick"}'
//!     curl localhost:8080/Job/report/status
//!     curl localhost:8080/Job/report/stop -X POST
//!
//! The next run is a delayed call to the job's own key, so it is as durable as any call; the object
//! runs one handler at a time, so schedule, run and stop never meet.

use std::time::Duration;

use latchwork::{Context, Endpoint, ObjectContext, Result, SharedObjectContext};
use serde::{Deserialize, Serialize};

/// What to do, how often.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    every_ms: u64,
    times: u32,
    text: String,
}

/// How far a job is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Status {
    done: u32,
    left: u32,
}

struct Job;

#[latchwork::object]
impl Job {
    /// Starts a job, in place of an earlier plan.
    #[handler]
    async fn schedule(&self, ctx: &ObjectContext, plan: Plan) -> Result<()> {
        // Runs of an earlier plan carry another generation, and do nothing.
        let generation = ctx.get::<u32>("generation").await?.unwrap_or(0) + 1;
        ctx.set("generation", generation);
        ctx.set("plan", &plan);
        ctx.set(
            "status",
            Status {
                done: 0,
                left: plan.times,
            },
        );
        next_run(ctx, ctx.key(), &plan, generation);
        Ok(())
    }

    /// One run, and the order for the next.
    #[handler]
    async fn run(&self, ctx: &ObjectContext, generation: u32) -> Result<()> {
        let current = ctx.get::<u32>("generation").await?;
        let plan = ctx.get::<Plan>("plan").await?;
        let (Some(plan), true) = (plan, current == Some(generation)) else {
            return Ok(());
        };
        ctx.run("work", || async {
            println!("{}", plan.text);
            Ok(())
        })
        .await?;
        let mut status = ctx.get::<Status>("status").await?.unwrap_or_default();
        status.done += 1;
        status.left = status.left.saturating_sub(1);
        if status.left > 0 {
            next_run(ctx, ctx.key(), &plan, generation);
        }
        ctx.set("status", status);
        Ok(())
    }

    /// No more runs.
    #[handler]
    async fn stop(&self, ctx: &ObjectContext) -> Result<()> {
        ctx.clear("plan");
        Ok(())
    }

    /// How far it is.
    #[shared]
    async fn status(&self, ctx: &SharedObjectContext) -> Result<Option<Status>> {
        Ok(ctx.get("status").await?)
    }
}

fn next_run(ctx: &Context, key: &str, plan: &Plan, generation: u32) {
    let delay = Duration::from_millis(plan.every_ms);
    JobClient::new(ctx, key).run(generation).delay(delay).send();
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9080");
    Endpoint::builder().bind(Job).build().serve(address).await
}
