//! The handlers that the server calls. They run in this process and tell the witness.
//!
//! Each kind of work is one service, and the inputs name the task, so that the witness
//! can tell whose they are. Two of the services have next to no inactivity timeout: what
//! they wait for suspends them, so that recovery meets suspended invocations too.

use crate::witness::{Attempt, Witness};
use restate_sdk::endpoint::{Endpoint, ServiceOptions};
use restate_sdk::prelude::*;
use restate_sdk::service::IntoServiceDefinition;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The services that the server must know.
pub(crate) const SERVICES: [&str; 5] = [
    "CrashSteps",
    "CrashCounter",
    "CrashFan",
    "CrashLeaf",
    "CrashWait",
];

/// All services, reporting to one witness.
pub(crate) fn endpoint(witness: &Arc<Witness>) -> Endpoint {
    let suspends = || ServiceOptions::new().inactivity_timeout(Duration::from_millis(1));
    Endpoint::builder()
        .bind(Steps(witness.clone()))
        .bind(Counter(witness.clone()))
        .bind(Fan.into_service_definition().options(suspends()))
        .bind(Leaf(witness.clone()))
        .bind(
            Wait(witness.clone())
                .into_service_definition()
                .options(suspends()),
        )
        .build()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Input of `CrashSteps/run`.
#[derive(Serialize, Deserialize)]
pub(crate) struct StepsInput {
    /// How many runs.
    pub(crate) steps: u32,
    /// The sleep between two of them, in ms.
    pub(crate) sleep_ms: u64,
}

/// Input of `CrashFan/fan`.
#[derive(Serialize, Deserialize)]
pub(crate) struct FanInput {
    /// The task.
    pub(crate) task: String,
    /// How many children.
    pub(crate) width: u32,
}

/// Input of `CrashLeaf/leaf`.
#[derive(Serialize, Deserialize)]
struct LeafInput {
    task: String,
    index: u32,
}

type Execution = Pin<Box<dyn Future<Output = HandlerResult<u64>> + Send>>;

/// The code of a run: it gives the number of its execution.
fn execution(
    witness: &Arc<Witness>,
    attempt: &Attempt,
    step: u32,
) -> impl FnOnce() -> Execution + Send + use<> {
    let (witness, attempt) = (witness.clone(), attempt.clone());
    move || {
        Box::pin(async move {
            let execution = witness.execute(&attempt, step);
            // A run takes a moment, so that kills fall into it.
            tokio::time::sleep(Duration::from_millis(execution % 5)).await;
            Ok(execution)
        })
    }
}

struct Steps(Arc<Witness>);

#[restate_sdk::service(name = "CrashSteps")]
impl Steps {
    #[handler(name = "run")]
    async fn run(
        &self,
        ctx: Context<'_>,
        input: Json<StepsInput>,
    ) -> HandlerResult<Json<Vec<u64>>> {
        let attempt = self.0.begin(ctx.invocation_id());
        let mut values = Vec::new();
        for step in 0..input.0.steps {
            if step > 0 {
                ctx.sleep(Duration::from_millis(input.0.sleep_ms)).await?;
            }
            let value = ctx.run(execution(&self.0, &attempt, step)).await?;
            self.0.observe(&attempt, step, value);
            values.push(value);
        }
        Ok(Json(values))
    }

    #[handler(name = "late")]
    async fn late(&self, ctx: Context<'_>, task: String) -> HandlerResult<u64> {
        self.0.start(&task, now_ms());
        let attempt = self.0.begin(ctx.invocation_id());
        let value = ctx.run(execution(&self.0, &attempt, 0)).await?;
        self.0.observe(&attempt, 0, value);
        Ok(value)
    }
}

struct Counter(Arc<Witness>);

#[restate_sdk::object(name = "CrashCounter")]
impl Counter {
    #[handler(name = "add")]
    async fn add(&self, ctx: ObjectContext<'_>) -> HandlerResult<u64> {
        let _inside = self.0.enter(ctx.key(), ctx.invocation_id());
        let attempt = self.0.begin(ctx.invocation_id());
        let count = ctx.get::<u64>("count").await?.unwrap_or(0) + 1;
        let value = ctx.run(execution(&self.0, &attempt, 0)).await?;
        self.0.observe(&attempt, 0, value);
        ctx.set("count", count);
        Ok(count)
    }

    #[handler(name = "get")]
    async fn get(&self, ctx: SharedObjectContext<'_>) -> HandlerResult<u64> {
        Ok(ctx.get::<u64>("count").await?.unwrap_or(0))
    }
}

struct Fan;

#[restate_sdk::service(name = "CrashFan")]
impl Fan {
    #[handler(name = "fan")]
    async fn fan(&self, ctx: Context<'_>, input: Json<FanInput>) -> HandlerResult<Json<Vec<u64>>> {
        let Json(FanInput { task, width }) = input;
        let mut children = Vec::new();
        for index in 0..width {
            let task = task.clone();
            let input = Json(LeafInput { task, index });
            children.push(ctx.service_client::<LeafClient>().leaf(input).call());
        }
        let mut values = Vec::new();
        for child in children {
            values.push(child.await?);
        }
        Ok(Json(values))
    }
}

struct Leaf(Arc<Witness>);

#[restate_sdk::service(name = "CrashLeaf")]
impl Leaf {
    #[handler(name = "leaf")]
    async fn leaf(&self, ctx: Context<'_>, input: Json<LeafInput>) -> HandlerResult<u64> {
        let Json(LeafInput { task, index }) = input;
        self.0.child(&task, index, ctx.invocation_id());
        let attempt = self.0.begin(ctx.invocation_id());
        let value = ctx.run(execution(&self.0, &attempt, 0)).await?;
        self.0.observe(&attempt, 0, value);
        Ok(value)
    }
}

struct Wait(Arc<Witness>);

#[restate_sdk::service(name = "CrashWait")]
impl Wait {
    #[handler(name = "wait")]
    async fn wait(&self, ctx: Context<'_>, task: String) -> HandlerResult<String> {
        let (awakeable, answer) = ctx.awakeable::<String>();
        let witness = self.0.clone();
        ctx.run(move || async move {
            witness.publish(&task, &awakeable);
            Ok(())
        })
        .name("publish")
        .await?;
        Ok(answer.await?)
    }
}
