//! Faults: an effect that happens twice when an attempt dies between doing and recording. And what a
//! failing test says, and how it is repeated.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use latchwork::testing::check;
use latchwork::{Context, Result};

/// Set for the process in which the bug is there.
const BUG: &str = "LATCHWORK_TEST_BUG";

/// A bank that makes one payment for each number, and without a number always another.
#[derive(Debug, Clone, Default)]
struct Bank(Arc<Mutex<(u64, BTreeSet<String>)>>);

impl Bank {
    fn pay(&self, number: Option<String>) {
        let (payments, numbers) = &mut *self.0.lock().unwrap();
        if number.is_none_or(|number| numbers.insert(number)) {
            *payments += 1;
        }
    }

    fn payments(&self) -> u64 {
        self.0.lock().unwrap().0
    }
}

struct Orders {
    bank: Bank,
    has_bug: bool,
}

#[latchwork::service]
impl Orders {
    #[handler]
    async fn order(&self, ctx: &Context) -> Result<()> {
        let number = ctx.random_uuid().to_string();
        // The bug: an attempt that dies before this is recorded pays again.
        let number = (!self.has_bug).then_some(number);
        ctx.run("pay", || async {
            self.bank.pay(number);
            Ok(())
        })
        .await?;
        ctx.run("ship", || async { Ok(()) }).await?;
        Ok(())
    }
}

#[test]
fn an_order_is_paid_once() {
    let has_bug = std::env::var_os(BUG).is_some();
    check(|world| async move {
        let bank = Bank::default();
        let orders = Orders {
            bank: bank.clone(),
            has_bug,
        };
        let world = world.bind(orders).start().await;
        OrdersClient::new(world.client()).order().await.unwrap();
        assert_eq!(bank.payments(), 1);
    });
}

/// The test above in a process of its own, with the bug, and with a seed if one is given.
fn with_the_bug(seed: Option<&str>) -> (Output, String) {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "faults::an_order_is_paid_once", "--nocapture"]);
    test.env(BUG, "1").env_remove("LATCHWORK_SEED");
    if let Some(seed) = seed {
        test.env("LATCHWORK_SEED", seed);
    }
    let output = test.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, err)
}

/// What was printed of the world, without what the test harness adds.
fn steps(err: &str) -> &str {
    &err[err.find("\n---").expect("the steps")..]
}

#[test]
fn a_payment_that_is_made_twice_is_found_and_its_seed_repeats_it() {
    let (output, err) = with_the_bug(None);
    assert!(!output.status.success(), "{err}");
    assert!(err.contains("Orders/order  started"), "{err}");
    let repeat = "--- to repeat it: LATCHWORK_SEED=";
    let (_, repeat) = err.split_once(repeat).expect("how to repeat it");
    let (seed, command) = repeat.trim_end().split_once(' ').unwrap();
    assert_eq!(command, "cargo test faults::an_order_is_paid_once");
    assert!(seed.parse::<u64>().is_ok_and(|seed| seed >= 2), "{seed}");

    let (output, again) = with_the_bug(Some(seed));
    assert!(!output.status.success(), "{again}");
    assert_eq!(steps(&again), steps(&err));
    // The calm world does not show it.
    let (output, err) = with_the_bug(Some("0"));
    assert!(output.status.success(), "{err}");
    let (output, err) = with_the_bug(Some("seven"));
    assert!(!output.status.success());
    assert!(err.contains("LATCHWORK_SEED is \"seven\""), "{err}");
}
