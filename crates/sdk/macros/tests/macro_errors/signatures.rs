use latchwork::{Context, ObjectContext, Result};

struct Greeter;

#[latchwork::service]
impl Greeter {
    #[handler]
    fn not_async(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn no_self(_ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn no_context(&self) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn owned_context(&self, _ctx: Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn other_context(&self, _ctx: &ObjectContext) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn borrowed_input(&self, _ctx: &Context, _name: &str) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn two_inputs(&self, _ctx: &Context, _a: u32, _b: u32) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn no_result(&self, _ctx: &Context) -> String {
        String::new()
    }

    #[shared]
    async fn shared(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn generic<T>(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
