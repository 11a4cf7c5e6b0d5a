use latchwork::{Context, Result, WorkflowContext};

struct A;

#[latchwork::service(names = "B")]
impl A {
    #[handler]
    async fn a(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct B;

#[latchwork::service(name = "restate-me")]
impl B {
    #[handler]
    async fn b(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct C;

#[latchwork::service(inactivity_timeout = "a while")]
impl C {
    #[handler(retry(max_attempts = 0))]
    async fn c(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct D;

#[latchwork::service]
impl D {
    #[handler(retry(max_attempts = 0))]
    async fn zero(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler(name = "with-dash")]
    async fn dash(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[handler(retry(then = "cry"))]
    async fn then(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct E;

#[latchwork::workflow]
impl E {
    #[handler]
    async fn run(&self, _ctx: &WorkflowContext) -> Result<()> {
        Ok(())
    }

    #[handler]
    async fn again(&self, _ctx: &WorkflowContext) -> Result<()> {
        Ok(())
    }
}

struct F;

#[latchwork::service]
impl F {
    #[handler(workflow_retention = "1d")]
    async fn run(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct G;

#[latchwork::service]
impl G {
    async fn not_marked(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

#[latchwork::service]
struct H;

fn main() {}
