use latchwork::{Context, ObjectContext, Result};

#[latchwork::service]
trait NothingMarked {
    async fn greet(&self, ctx: &Context) -> Result<()>;
}

#[latchwork::service]
trait Signatures {
    #[handler]
    fn not_async(&self, ctx: &Context) -> Result<()>;

    #[handler]
    async fn other_context(&self, ctx: &ObjectContext) -> Result<()>;

    #[shared]
    async fn shared(&self, ctx: &Context) -> Result<()>;
}

#[latchwork::service]
trait Generic<T> {
    #[handler]
    async fn greet(&self, ctx: &Context) -> Result<T>;
}

#[latchwork::service]
trait Associated {
    type Greeting;

    #[handler]
    async fn greet(&self, ctx: &Context) -> Result<Self::Greeting>;
}

#[latchwork::workflow]
trait WithoutRun {
    #[shared]
    async fn ask(&self, ctx: &latchwork::SharedWorkflowContext) -> Result<()>;
}

#[latchwork::service]
enum Neither {}

fn main() {}
