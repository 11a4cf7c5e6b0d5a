//! Handlers that do next to nothing, so that what is measured is the durability.

use latchwork::{Context, Endpoint, ObjectContext, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

/// How many calls have come to the end of `note`.
#[derive(Debug, Clone, Default)]
pub(super) struct Completed(Arc<AtomicU64>);

impl Completed {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves the handlers on `listener` until the task is aborted.
pub(super) async fn serve(listener: TcpListener, completed: Completed) {
    let endpoint = Endpoint::builder()
        .bind(Plain { completed })
        .bind(Counter)
        .build();
    endpoint.serve_on(listener).await;
}

struct Plain {
    completed: Completed,
}

#[latchwork::service]
impl Plain {
    /// Gives back what it is given.
    #[handler]
    async fn echo(&self, _ctx: &Context, text: String) -> Result<String> {
        Ok(text)
    }

    /// Takes so many durable steps, one after the other.
    #[handler]
    async fn steps(&self, ctx: &Context, count: u32) -> Result<u32> {
        for step in 0..count {
            ctx.run("step", || async move { Ok(step) }).await?;
        }
        Ok(count)
    }

    /// Is counted.
    #[handler]
    async fn note(&self, _ctx: &Context, _text: String) -> Result<()> {
        self.completed.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct Counter;

#[latchwork::object]
impl Counter {
    /// Reads its state, and writes it.
    #[handler]
    async fn add(&self, ctx: &ObjectContext, by: u64) -> Result<u64> {
        let sum = ctx.get::<u64>("sum").await?.unwrap_or_default() + by;
        ctx.set("sum", sum);
        Ok(sum)
    }
}
