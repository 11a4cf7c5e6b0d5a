//! Forced replay: a handler that does not always do the same.

use std::collections::HashMap;
use std::sync::Mutex;

use latchwork::testing::{Builder, World, check};
use latchwork::{Context, Result};

use crate::panic_of;

/// Converts money, and asks for each rate only once.
struct Exchange {
    rates: Mutex<HashMap<String, u64>>,
    has_bug: bool,
}

impl Exchange {
    fn new(has_bug: bool) -> Self {
        Self {
            rates: Mutex::default(),
            has_bug,
        }
    }
}

#[latchwork::service]
impl Exchange {
    #[handler]
    async fn convert(&self, ctx: &Context, (cents, currency): (u64, String)) -> Result<u64> {
        // The bug: the first attempt finds nothing here, and a replay does.
        let known = self.rates.lock().unwrap().get(&currency).copied();
        let rate = match known.filter(|_| self.has_bug) {
            Some(rate) => rate,
            None => {
                let rate = ctx.run("ask for the rate", || async { Ok(3_u64) }).await?;
                self.rates.lock().unwrap().insert(currency, rate);
                rate
            }
        };
        ctx.run("book", || async { Ok(()) }).await?;
        Ok(cents * rate)
    }
}

async fn converts(world: Builder, has_bug: bool) {
    let world = world.bind(Exchange::new(has_bug)).start().await;
    let exchange = ExchangeClient::new(world.client());
    let sum = exchange.convert((5, "chf".to_owned())).await;
    assert_eq!(sum.unwrap(), 15);
}

#[tokio::test]
async fn without_replay_nothing_is_seen() {
    converts(World::builder(), true).await;
}

#[test]
fn another_path_in_a_replay_is_found() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    let found = panic_of(|| {
        let world = World::builder().always_replay();
        runtime().unwrap().block_on(converts(world, true));
    });
    let found = found.expect("it is found");
    assert!(found.contains("Exchange/convert (Paused: [570]"), "{found}");
}

#[test]
fn a_handler_that_always_does_the_same_passes() {
    check(|world| converts(world, false));
}
