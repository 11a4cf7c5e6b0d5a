//! A service: a step that is remembered, and a sleep that survives restarts.
//!
//!     cargo run -p latchwork-examples --bin greeter
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     curl localhost:8080/Greeter/greet --json '"Ada"'
//!
//! Kill it while it sleeps, start it again: the answer still comes, with the same number.

use std::time::Duration;

use latchwork::{Context, Endpoint, Result};

struct Greeter;

#[latchwork::service]
impl Greeter {
    /// Greets somebody by name.
    #[handler]
    async fn greet(&self, ctx: &Context, name: String) -> Result<String> {
        let number = ctx
            .run("pick a number", || async { Ok(std::process::id()) })
            .await?;
        ctx.sleep(Duration::from_secs(2)).await?;
        Ok(format!("Hello {name}, you are number {number}"))
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9080");
    Endpoint::builder()
        .bind(Greeter)
        .build()
        .serve(address)
        .await
}
