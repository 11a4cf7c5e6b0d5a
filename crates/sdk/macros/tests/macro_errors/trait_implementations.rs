use latchwork::{Context, Endpoint, Result};

#[latchwork::service]
trait Greeter {
    #[handler]
    async fn greet(&self, ctx: &Context, name: String) -> Result<String>;
}

struct Options;

#[latchwork::service(name = "Other")]
impl Greeter for Options {
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

struct Marked;

#[latchwork::service]
impl Greeter for Marked {
    #[handler]
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

struct Plain;

impl Greeter for Plain {
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

fn main() {
    Endpoint::builder().bind(Plain).build();
}
