use std::rc::Rc;

use latchwork::{Context, Result};

trait NoAttribute {
    async fn greet(&self, ctx: &Context, name: String) -> Result<String>;
}

struct One;

#[latchwork::service]
impl NoAttribute for One {
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

#[latchwork::service]
trait Greeter {
    #[handler]
    async fn greet(&self, ctx: &Context, name: String) -> Result<String>;

    #[handler]
    async fn wave(&self, ctx: &Context) -> Result<()>;
}

struct OneMissing;

#[latchwork::service]
impl Greeter for OneMissing {
    async fn wave(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct OtherInput;

#[latchwork::service]
impl Greeter for OtherInput {
    async fn greet(&self, _ctx: &Context, times: u32) -> Result<String> {
        Ok(times.to_string())
    }

    async fn wave(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct NotSend;

#[latchwork::service]
impl Greeter for NotSend {
    async fn greet(&self, ctx: &Context, name: String) -> Result<String> {
        let name = Rc::new(name);
        ctx.now().await?;
        Ok(name.to_string())
    }

    async fn wave(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
