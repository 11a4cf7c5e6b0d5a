use latchwork::{ObjectContext, Result};

#[latchwork::object]
trait Counter {
    #[handler]
    async fn add(&self, ctx: &ObjectContext, by: u64) -> Result<u64>;
}

struct Memory;

#[latchwork::service]
impl Counter for Memory {
    async fn add(&self, _ctx: &ObjectContext, by: u64) -> Result<u64> {
        Ok(by)
    }
}

fn main() {}
