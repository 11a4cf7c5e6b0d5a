//! Durable promises as a service: anybody awaits one by name, anybody completes it, once.
//!
//!     cargo run -p latchwork-examples --bin promises
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     curl localhost:8080/Promise/launch/peek
//!     curl localhost:8080/Promise/launch/wait &
//!     curl localhost:8080/Promise/launch/resolve --json '{"go": true}'
//!
//! The object keeps the value, and the awakeables of those that wait: each of them is an invocation
//! that costs nothing while it does.

use latchwork::{Endpoint, Failure, ObjectContext, Result, SharedObjectContext};
use serde::{Deserialize, Serialize};

/// What a promise was completed with. The value is any JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Resolved(serde_json::Value),
    Rejected(String),
}

struct Promise;

#[latchwork::object]
impl Promise {
    /// The outcome, if there is one.
    #[shared]
    async fn peek(&self, ctx: &SharedObjectContext) -> Result<Option<Outcome>> {
        Ok(ctx.get("outcome").await?)
    }

    /// Waits for the value.
    #[shared]
    async fn wait(&self, ctx: &SharedObjectContext) -> Result<serde_json::Value> {
        let outcome = ctx.awakeable::<Outcome>();
        PromiseClient::new(ctx, ctx.key())
            .subscribe(outcome.id())
            .send();
        match outcome.await? {
            Outcome::Resolved(value) => Ok(value),
            Outcome::Rejected(reason) => Err(Failure::new(reason).code(409).into()),
        }
    }

    /// Completes an awakeable with the outcome, now or when there is one.
    #[handler(private)]
    async fn subscribe(&self, ctx: &ObjectContext, awakeable: String) -> Result<()> {
        if let Some(outcome) = ctx.get::<Outcome>("outcome").await? {
            ctx.complete(awakeable).resolve(outcome);
            return Ok(());
        }
        let mut waiting: Vec<String> = ctx.get("waiting").await?.unwrap_or_default();
        waiting.push(awakeable);
        ctx.set("waiting", waiting);
        Ok(())
    }

    /// Gives it a value; whether that was the first completion.
    #[handler]
    async fn resolve(&self, ctx: &ObjectContext, value: serde_json::Value) -> Result<bool> {
        complete(ctx, Outcome::Resolved(value)).await
    }

    /// Makes it fail; whether that was the first completion.
    #[handler]
    async fn reject(&self, ctx: &ObjectContext, reason: String) -> Result<bool> {
        complete(ctx, Outcome::Rejected(reason)).await
    }
}

async fn complete(ctx: &ObjectContext, outcome: Outcome) -> Result<bool> {
    if ctx.get::<Outcome>("outcome").await?.is_some() {
        return Ok(false);
    }
    ctx.set("outcome", &outcome);
    for awakeable in ctx.get::<Vec<String>>("waiting").await?.unwrap_or_default() {
        ctx.complete(awakeable).resolve(&outcome);
    }
    ctx.clear("waiting");
    Ok(true)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9080");
    Endpoint::builder()
        .bind(Promise)
        .build()
        .serve(address)
        .await
}
