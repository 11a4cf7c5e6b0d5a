use std::time::Duration;

use latchwork::{Context, Result};

struct Greeter;

#[latchwork::service]
impl Greeter {
    #[handler]
    async fn greet(&self, ctx: &Context) -> Result<()> {
        tokio::spawn(async move { ctx.sleep(Duration::from_secs(1)).await });
        Ok(())
    }
}

fn main() {}
