//! Services that a trait defines: callers know the trait, an implementation is bound.

use latchwork::handler::Service;
use latchwork::{Context, ObjectContext, Result, SharedObjectContext};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use serde_json::json;

use super::world::{Ended, everywhere, read};

/// What a crate of the callers has: no code of any handler.
mod callers {
    use latchwork::{Context, ObjectContext, Result, SharedObjectContext};

    /// Counts.
    #[latchwork::object(name = "my.Counter", lazy_state)]
    pub(super) trait Counter {
        /// The name that results are written under.
        const UNIT: &'static str;

        /// Adds, and gives the sum.
        #[handler(inactivity_timeout = "5s")]
        async fn add(&self, ctx: &ObjectContext, by: u64) -> Result<String>;

        #[shared]
        async fn read(&self, ctx: &SharedObjectContext) -> Result<String>;

        /// With code of its own, which an implementation may replace.
        #[shared(name = "unit")]
        async fn name_of_unit(&self, ctx: &SharedObjectContext) -> Result<String> {
            Ok(format!("{} of {}", Self::UNIT, ctx.key()))
        }

        /// No handler.
        fn written(&self, number: u64) -> String {
            format!("{number} {}", Self::UNIT)
        }
    }

    #[latchwork::service]
    pub(super) trait Shop {
        #[handler]
        async fn buy(&self, ctx: &Context, pieces: u64) -> Result<String>;
    }
}

use callers::{Counter, CounterClient};

struct Apples;

#[latchwork::object]
impl Counter for Apples {
    const UNIT: &'static str = "apples";

    async fn add(&self, ctx: &ObjectContext, by: u64) -> Result<String> {
        let sum = ctx.get::<u64>("sum").await?.unwrap_or(0) + by;
        ctx.set("sum", sum);
        Ok(self.written(sum))
    }

    async fn read(&self, ctx: &SharedObjectContext) -> Result<String> {
        Ok(self.written(ctx.get("sum").await?.unwrap_or(0)))
    }
}

struct FruitShop;

#[latchwork::service]
impl callers::Shop for FruitShop {
    async fn buy(&self, ctx: &Context, pieces: u64) -> Result<String> {
        let left = CounterClient::new(ctx, "fruits").add(pieces).await?;
        Ok(format!("now {left}"))
    }
}

#[test]
fn an_implementation_is_the_service() {
    everywhere(|world| {
        let mut world = world.bind(Apples);
        let name = world.name();
        assert_eq!(
            world.invoke("my.Counter/add", "3"),
            Ended::Output("\"3 apples\"".to_owned()),
            "{name}"
        );
    });
    everywhere(|world| {
        let mut world = world.bind(Apples);
        world.state.insert("sum".into(), "7".into());
        let name = world.name();
        assert_eq!(
            world.invoke("my.Counter/read", ""),
            Ended::Output("\"7 apples\"".to_owned()),
            "{name}"
        );
    });
    everywhere(|world| {
        let mut world = world.bind(Apples);
        let Ended::Output(unit) = world.invoke("my.Counter/unit", "") else {
            panic!("{}", world.name());
        };
        assert!(unit.starts_with("\"apples of "), "{unit}");
    });
}

#[test]
fn the_client_of_a_trait_calls_by_its_names() {
    everywhere(|world| {
        let mut world = world.bind(FruitShop);
        let answer = Ok("\"8 apples\"");
        world.answers.insert("add".to_owned(), answer);
        let name = world.name();
        assert_eq!(
            world.invoke("Shop/buy", "8"),
            Ended::Output("\"now 8 apples\"".to_owned()),
            "{name}"
        );
        let call: wire::Call = read(world.journaled(ty::CALL)[0]);
        let target = (&*call.service_name, &*call.key, &*call.handler_name);
        assert_eq!(target, ("my.Counter", "fruits", "add"), "{name}");
    });
}

#[test]
fn the_description_is_that_of_the_trait() {
    let described = serde_json::to_value(Apples.describe()).unwrap();
    assert_eq!(described["name"], "my.Counter");
    assert_eq!(described["ty"], "VIRTUAL_OBJECT");
    assert_eq!(described["documentation"], "Counts.");
    assert_eq!(described["enableLazyState"], true);
    let handlers = described["handlers"].as_array().unwrap();
    let of = |field: &str| -> Vec<_> { handlers.iter().map(|it| it[field].clone()).collect() };
    assert_eq!(of("name"), [json!("add"), json!("read"), json!("unit")]);
    assert_eq!(
        of("ty"),
        [json!("EXCLUSIVE"), json!("SHARED"), json!("SHARED")]
    );
    assert_eq!(handlers[0]["inactivityTimeout"], 5000);
}
