//! The handlers that the tests call.

use restate_sdk::prelude::*;
use std::time::Duration;
use tokio::net::TcpListener;

/// Serves them for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener) {
    let endpoint = Endpoint::builder()
        .bind(Shop)
        .bind(Ledger)
        .bind(Approval)
        .build();
    HttpServer::new(endpoint)
        .serve_with_cancel(listener, std::future::pending::<()>())
        .await;
}

struct Shop;

#[service]
impl Shop {
    #[handler]
    async fn greet(&self, _ctx: Context<'_>, name: String) -> Result<String, TerminalError> {
        Ok(format!("Hello {name}"))
    }

    #[handler]
    async fn refuse(&self, _ctx: Context<'_>) -> Result<(), TerminalError> {
        Err(TerminalError::new_with_code(409, "out of stock"))
    }

    /// Fails until its retries are over.
    #[handler]
    async fn broken(&self, _ctx: Context<'_>) -> Result<(), HandlerError> {
        Err(std::io::Error::other("card declined").into())
    }

    /// A step, a call and a wait.
    #[handler]
    async fn order(&self, ctx: Context<'_>, cents: u32) -> Result<u32, TerminalError> {
        ctx.run(|| async { Ok(()) }).name("reserve").await?;
        let ledger = ctx.object_client::<LedgerClient>("main");
        let total = ledger.add(cents).call().await?;
        ctx.sleep(Duration::from_millis(20)).await?;
        Ok(total)
    }

    /// Sleeps, with a step before and after.
    #[handler]
    async fn nap(&self, ctx: Context<'_>, ms: u64) -> Result<u64, TerminalError> {
        ctx.run(|| async { Ok(()) }).name("lie down").await?;
        ctx.sleep(Duration::from_millis(ms)).await?;
        ctx.run(|| async { Ok(()) }).name("get up").await?;
        Ok(ms)
    }

    /// Sleeps as long twice.
    #[handler]
    async fn nap_twice(&self, ctx: Context<'_>, ms: u64) -> Result<u64, TerminalError> {
        ctx.sleep(Duration::from_millis(ms)).await?;
        ctx.sleep(Duration::from_millis(ms)).await?;
        Ok(ms)
    }

    /// Waits for somebody who never comes.
    #[handler]
    async fn hold(&self, ctx: Context<'_>) -> Result<(), TerminalError> {
        ctx.sleep(Duration::from_secs(3_600)).await
    }
}

struct Ledger;

#[object]
impl Ledger {
    #[handler]
    async fn add(&self, ctx: ObjectContext<'_>, cents: u32) -> Result<u32, TerminalError> {
        let total = ctx.get::<u32>("total").await?.unwrap_or_default() + cents;
        ctx.set("total", total);
        Ok(total)
    }

    /// Keeps a text.
    #[handler]
    async fn note(&self, ctx: ObjectContext<'_>, text: String) -> Result<(), TerminalError> {
        ctx.set("note", text);
        Ok(())
    }

    #[handler]
    async fn total(&self, ctx: SharedObjectContext<'_>) -> Result<u32, TerminalError> {
        Ok(ctx.get::<u32>("total").await?.unwrap_or_default())
    }
}

struct Approval;

#[workflow]
impl Approval {
    /// Waits until somebody decides.
    #[handler]
    async fn run(
        &self,
        ctx: WorkflowContext<'_>,
        _question: String,
    ) -> Result<String, TerminalError> {
        ctx.promise::<String>("decision").await
    }

    #[handler]
    async fn decide(
        &self,
        ctx: SharedWorkflowContext<'_>,
        decision: String,
    ) -> Result<(), TerminalError> {
        ctx.resolve_promise::<String>("decision", decision);
        Ok(())
    }
}
