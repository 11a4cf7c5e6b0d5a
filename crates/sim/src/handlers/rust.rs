//! The handlers with the released Rust SDK.

use super::attempt::{Attempt, Inside};
use super::{FanInput, LeafInput, Reporter, StepsInput, now_ms};
use crate::desk::Report;
use restate_sdk::context::RequestTarget;
use restate_sdk::endpoint::{Endpoint, ServiceOptions};
use restate_sdk::http_server::HttpServer;
use restate_sdk::prelude::*;
use restate_sdk::service::IntoServiceDefinition;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpListener;

/// Serves the handlers at `address` for ever, reporting to the witness at `desk`.
///
/// # Errors
/// If it cannot listen there, or there is no witness.
pub(crate) async fn serve(address: SocketAddr, desk: SocketAddr) -> io::Result<()> {
    let reporter = Reporter::connect(desk).await?;
    let listener = TcpListener::bind(address).await?;
    let server = HttpServer::new(endpoint(&reporter));
    server
        .serve_with_cancel(listener, std::future::pending::<()>())
        .await;
    Ok(())
}

fn endpoint(reporter: &Reporter) -> Endpoint {
    let suspends = || ServiceOptions::new().inactivity_timeout(Duration::from_millis(1));
    Endpoint::builder()
        .bind(Steps(reporter.clone()))
        .bind(Counter(reporter.clone()))
        .bind(Fan.into_service_definition().options(suspends()))
        .bind(Leaf(reporter.clone()))
        .bind(
            Wait(reporter.clone())
                .into_service_definition()
                .options(suspends()),
        )
        .build()
}

type Execution = Pin<Box<dyn Future<Output = HandlerResult<u64>> + Send>>;

/// The code of a run.
fn execution(attempt: &Attempt, step: u32) -> impl FnOnce() -> Execution + Send + use<> {
    let attempt = attempt.clone();
    move || Box::pin(async move { Ok(attempt.execute(step).await) })
}

struct Steps(Reporter);

#[restate_sdk::service(name = "RustSteps")]
impl Steps {
    #[handler(name = "run")]
    async fn run(
        &self,
        ctx: Context<'_>,
        input: Json<StepsInput>,
    ) -> HandlerResult<Json<Vec<u64>>> {
        let attempt = Attempt::begin(&self.0, ctx.invocation_id()).await;
        let mut values = Vec::new();
        for step in 0..input.0.steps {
            if step > 0 {
                ctx.sleep(Duration::from_millis(input.0.sleep_ms)).await?;
            }
            let value = ctx.run(execution(&attempt, step)).await?;
            attempt.observe(step, value).await;
            values.push(value);
        }
        Ok(Json(values))
    }

    #[handler(name = "late")]
    async fn late(&self, ctx: Context<'_>, task: String) -> HandlerResult<u64> {
        let time = now_ms();
        self.0.report(Report::Start { task, time }).await;
        let attempt = Attempt::begin(&self.0, ctx.invocation_id()).await;
        let value = ctx.run(execution(&attempt, 0)).await?;
        attempt.observe(0, value).await;
        Ok(value)
    }
}

struct Counter(Reporter);

#[restate_sdk::object(name = "RustCounter")]
impl Counter {
    #[handler(name = "add")]
    async fn add(&self, ctx: ObjectContext<'_>) -> HandlerResult<u64> {
        let object = format!("RustCounter/{}", ctx.key());
        let _inside = Inside::enter(&self.0, object, ctx.invocation_id()).await;
        let attempt = Attempt::begin(&self.0, ctx.invocation_id()).await;
        let count = ctx.get::<u64>("count").await?.unwrap_or(0) + 1;
        let value = ctx.run(execution(&attempt, 0)).await?;
        attempt.observe(0, value).await;
        ctx.set("count", count);
        Ok(count)
    }

    #[handler(name = "get")]
    async fn get(&self, ctx: SharedObjectContext<'_>) -> HandlerResult<u64> {
        Ok(ctx.get::<u64>("count").await?.unwrap_or(0))
    }
}

struct Fan;

#[restate_sdk::service(name = "RustFan")]
impl Fan {
    #[handler(name = "fan")]
    async fn fan(&self, ctx: Context<'_>, input: Json<FanInput>) -> HandlerResult<Json<Vec<u64>>> {
        let Json(FanInput { task, width, leaf }) = input;
        let mut children = Vec::new();
        for index in 0..width {
            let task = task.clone();
            let input = Json(LeafInput { task, index });
            let target = RequestTarget::service(leaf.as_str(), "leaf");
            children.push(ctx.request::<_, u64>(target, input).call());
        }
        let mut values = Vec::new();
        for child in children {
            values.push(child.await?);
        }
        Ok(Json(values))
    }
}

struct Leaf(Reporter);

#[restate_sdk::service(name = "RustLeaf")]
impl Leaf {
    #[handler(name = "leaf")]
    async fn leaf(&self, ctx: Context<'_>, input: Json<LeafInput>) -> HandlerResult<u64> {
        let Json(LeafInput { task, index }) = input;
        let invocation = ctx.invocation_id().to_owned();
        let child = Report::Child {
            task,
            index,
            invocation,
        };
        self.0.report(child).await;
        let attempt = Attempt::begin(&self.0, ctx.invocation_id()).await;
        let value = ctx.run(execution(&attempt, 0)).await?;
        attempt.observe(0, value).await;
        Ok(value)
    }
}

struct Wait(Reporter);

#[restate_sdk::service(name = "RustWait")]
impl Wait {
    #[handler(name = "wait")]
    async fn wait(&self, ctx: Context<'_>, task: String) -> HandlerResult<String> {
        let (awakeable, answer) = ctx.awakeable::<String>();
        let reporter = self.0.clone();
        ctx.run(move || async move {
            reporter.report(Report::Publish { task, awakeable }).await;
            Ok(())
        })
        .name("publish")
        .await?;
        Ok(answer.await?)
    }
}
