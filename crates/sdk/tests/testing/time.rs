//! Virtual time: months pass at once, and in their order.

use std::time::Instant;

use futures_util::future::join_all;
use latchwork::testing::{World, check};
use latchwork::{Context, Result, WorkflowContext};

use crate::{Diary, days, panic_of};

/// A trial of thirty days, with a warning three days before its end.
struct Trial {
    diary: Diary,
    has_bug: bool,
}

#[latchwork::workflow]
impl Trial {
    #[handler]
    async fn run(&self, ctx: &WorkflowContext) -> Result<()> {
        ctx.sleep(days(27)).await?;
        ctx.run("warn", || async {
            self.diary.note("warned");
            Ok(())
        })
        .await?;
        // The bug: thirty days from here are not thirty days from the beginning.
        let left = if self.has_bug { days(30) } else { days(3) };
        ctx.sleep(left).await?;
        ctx.run("end", || async {
            self.diary.note("ended");
            Ok(())
        })
        .await?;
        Ok(())
    }
}

async fn ends_after_thirty_days(has_bug: bool) {
    let diary = Diary::default();
    let trial = Trial {
        diary: diary.clone(),
        has_bug,
    };
    let world = World::builder().bind(trial).start().await;
    let ada = TrialClient::new(world.client(), "ada");
    let trial = ada.run().send().await.unwrap();
    world.advance(days(26)).await;
    assert_eq!(diary.lines(), [""; 0]);
    world.advance(days(2)).await;
    assert_eq!(diary.lines(), ["warned"]);
    trial.attach().await.unwrap();
    assert_eq!(diary.lines(), ["warned", "ended"]);
    assert_eq!(world.elapsed().as_secs() / (24 * 3600), 30);
}

#[tokio::test]
async fn a_trial_ends_when_it_should() {
    let began = Instant::now();
    ends_after_thirty_days(false).await;
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_trial_that_ends_too_late_is_found() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    let found = panic_of(|| runtime().unwrap().block_on(ends_after_thirty_days(true)));
    // 57 days in place of 30.
    assert!(found.is_some_and(|text| text.contains("left: 57")));
}

struct Alarm(Diary);

#[latchwork::service]
impl Alarm {
    #[handler]
    async fn after(&self, ctx: &Context, count: u64) -> Result<()> {
        ctx.sleep(days(count)).await?;
        self.0.note(count.to_string());
        Ok(())
    }
}

#[test]
fn timers_fire_in_their_order_whatever_order_they_were_made_in() {
    check(|world| async move {
        let diary = Diary::default();
        let world = world.bind(Alarm(diary.clone())).start().await;
        let alarm = AlarmClient::new(world.client());
        let mut all = Vec::new();
        for count in [30, 1, 365, 7] {
            all.push(alarm.after(count).send().await.unwrap());
        }
        alarm.after(0).delay(days(9)).send().await.unwrap();
        // At once: a result is forgotten as soon as a server would forget it.
        for ended in join_all(all.iter().map(|one| one.attach())).await {
            ended.unwrap();
        }
        let mut lines = diary.lines();
        // What stands outside of a run may be done again.
        lines.dedup();
        assert_eq!(lines, ["1", "7", "0", "30", "365"]);
    });
}
