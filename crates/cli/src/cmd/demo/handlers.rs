//! The code that the demo has executed durably: two ordinary services, written with our SDK.
//!
//! `Tasks` holds the five kinds of task, `Ledger` is a virtual object that collects what the
//! sub-tasks deliver, one call at a time. They are served over HTTP by the demo's own process, which
//! survives the kill, and report to its [`Tally`]. Start at [`serve`].

use std::sync::Arc;
use std::time::Duration;

use latchwork::{Context, Endpoint, ObjectContext, Result, SharedObjectContext, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::tally::{Step, StepId, Tally};

/// Sub-tasks executed at a time, so that the fan-out takes long enough to be killed in the middle.
const WORKERS: usize = 6;

/// The key of the one ledger.
pub(super) const LEDGER_KEY: &str = "demo";

/// What a sub-task delivers: which it was, and which execution's value was recorded for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) struct Receipt {
    pub(super) task: u32,
    pub(super) execution: u64,
}

/// Serves the handlers on `listener` until the task is aborted.
pub(super) async fn serve(listener: TcpListener, tally: Arc<Tally>) {
    let workers = Arc::new(Semaphore::new(WORKERS));
    let endpoint = Endpoint::builder()
        .bind(Tasks { tally, workers })
        .bind(Ledger)
        .build();
    endpoint.serve_on(listener).await;
}

struct Tasks {
    tally: Arc<Tally>,
    workers: Arc<Semaphore>,
}

#[latchwork::service]
impl Tasks {
    /// One step, at once.
    #[handler]
    async fn greet(&self, ctx: &Context, name: String) -> Result<String> {
        self.step(ctx, Step::Greet).await?;
        Ok(format!("Hello, {name}!"))
    }

    /// Meant to be sent with a delay.
    #[handler]
    async fn remind(&self, ctx: &Context, what: String) -> Result<String> {
        self.step(ctx, Step::Remind).await?;
        Ok(format!("time for {what}"))
    }

    /// Meant to be sent with an idempotency key. Answers with the number of the execution that counts.
    #[handler]
    async fn charge(&self, ctx: &Context, _cents: u32) -> Result<u64> {
        self.step(ctx, Step::Charge).await
    }

    /// Starts sub-tasks `0..count` at once and collects what each delivers.
    #[handler]
    async fn fan_out(&self, ctx: &Context, count: u32) -> Result<Vec<Receipt>> {
        let tasks = TasksClient::new(ctx);
        Ok(try_join_all((0..count).map(|task| tasks.work(task))).await?)
    }

    /// One sub-task: does its step, and enters the receipt in the ledger.
    #[handler]
    async fn work(&self, ctx: &Context, task: u32) -> Result<Receipt> {
        let execution = self.step(ctx, Step::Work(task)).await?;
        let receipt = Receipt { task, execution };
        LedgerClient::new(ctx, LEDGER_KEY).add(receipt).await?;
        Ok(receipt)
    }

    /// Waits between two steps for somebody outside to say yes.
    #[handler]
    async fn order(&self, ctx: &Context, item: String) -> Result<String> {
        self.step(ctx, Step::Pack).await?;
        let approval = ctx.awakeable::<String>();
        self.step(ctx, Step::AskForApproval).await?;
        self.tally.hand_out(approval.id().to_owned());
        let approver = approval.await?;
        self.step(ctx, Step::Ship).await?;
        Ok(format!("{item} shipped, approved by {approver}"))
    }
}

impl Tasks {
    /// One recorded run: its value is the number of the execution that produced it.
    async fn step(&self, ctx: &Context, step: Step) -> Result<u64> {
        let id = StepId {
            step,
            invocation: ctx.invocation_id().to_owned(),
        };
        let execution = ctx
            .run(step.to_string(), || async {
                let _worker = match step {
                    Step::Work(_) => Some(self.workers.acquire().await?),
                    _ => None,
                };
                let execution = self.tally.begin(&id);
                tokio::time::sleep(pretended_work(step)).await;
                Ok(execution)
            })
            .await?;
        self.tally.recorded(&id, execution);
        Ok(execution)
    }
}

/// How long a step pretends to work: 20 to 60 ms for a sub-task, differing from one to the next.
fn pretended_work(step: Step) -> Duration {
    match step {
        Step::Work(task) => Duration::from_millis(20 + u64::from(task) * 17 % 41),
        _ => Duration::from_millis(5),
    }
}

struct Ledger;

/// The state under which the ledger keeps its list.
const ENTRIES: &str = "entries";

#[latchwork::object]
impl Ledger {
    /// Appends, and never asks whether it is there already: a call delivered twice would be seen.
    #[handler]
    async fn add(&self, ctx: &ObjectContext, receipt: Receipt) -> Result<()> {
        let mut entries: Vec<Receipt> = ctx.get(ENTRIES).await?.unwrap_or_default();
        entries.push(receipt);
        ctx.set(ENTRIES, entries);
        Ok(())
    }

    /// The whole list.
    #[shared]
    async fn read(&self, ctx: &SharedObjectContext) -> Result<Vec<Receipt>> {
        Ok(ctx.get(ENTRIES).await?.unwrap_or_default())
    }
}
