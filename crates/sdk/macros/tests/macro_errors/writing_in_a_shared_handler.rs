use latchwork::{ObjectContext, Result, SharedObjectContext};

struct Counter;

#[latchwork::object]
impl Counter {
    #[shared]
    async fn get(&self, ctx: &ObjectContext) -> Result<()> {
        ctx.set("count", 1);
        Ok(())
    }
}

struct Other;

#[latchwork::object]
impl Other {
    #[shared]
    async fn get(&self, ctx: &SharedObjectContext) -> Result<()> {
        ctx.set("count", 1);
        Ok(())
    }
}

fn main() {}
