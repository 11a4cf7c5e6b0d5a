use latchwork::{Context, ObjectContext, Result};

struct Greeter;

#[latchwork::service]
impl Greeter {
    #[handler]
    fn not_async(&self, ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn no_self(ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn no_context(&self) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn owned_context(&self, ctx: Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn other_context(&self, ctx: &ObjectContext) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn borrowed_input(&self, ctx: &Context, name: &str) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn two_inputs(&self, ctx: &Context, a: u32, b: u32) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn no_result(&self, ctx: &Context) -> String {
        String::new()
    }

    #[shared]
    async fn shared(&self, ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn generic<T>(&self, ctx: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
