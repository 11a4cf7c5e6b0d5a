use latchwork::{Context, Result};

struct Greeter;

#[latchwork::service]
impl Greeter {
    #[handler]
    async fn greet(&self, ctx: &Context) -> Result<()> {
        ctx.set("count", 1);
        Ok(())
    }
}

fn main() {}
