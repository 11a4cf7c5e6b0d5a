//! No faults any more: everything must come to its end, and then both books must agree.

use super::World;
use crate::ring::replica::{self, Unfinished};
use latchwork_engine::Operation;
use latchwork_engine::table::invocation::Status;
use latchwork_runtime::Clock;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// After so long without faults what is paused is resumed, by then what was never answered is
/// cancelled, and when this is over everything must be.
const RESUME: Duration = Duration::from_secs(60);
const CANCEL: Duration = Duration::from_secs(400);
const REST: Duration = Duration::from_secs(4 * 3600);
/// So late no timer is while there are no faults.
const OVERDUE_MS: u64 = 2_000;

impl World {
    /// Turns until nobody waits for anything.
    pub(super) async fn come_to_rest(&mut self) -> Result<(), String> {
        let since = Instant::now();
        let (mut resumed, mut cancelled) = (since, since + CANCEL);
        loop {
            self.something().await?;
            let now = Instant::now();
            if now < resumed {
                continue;
            }
            resumed = now + Duration::from_secs(5);
            let rows = self.unfinished().await?;
            self.check_untold(&rows)?;
            self.check_overdue().await?;
            let waiting = *self.shared.waiting.lock().expect("one thread");
            if rows.is_empty() && waiting == 0 {
                return Ok(());
            }
            if now > since + REST {
                return Err(format!(
                    "it does not come to rest: {waiting} clients wait, and these are not over: \
                     {rows:#?}"
                ));
            }
            let cancels = now >= cancelled;
            if cancels {
                cancelled = now + Duration::from_secs(60);
            }
            for Unfinished { id, row, .. } in rows {
                let target = format!("{}/{:?}", row.target.service, row.target.key);
                let operation = match row.status() {
                    Status::Paused if now > since + RESUME => Operation::Resume,
                    _ if cancels => Operation::Cancel,
                    _ => continue,
                };
                self.fates.say(format_args!("{operation:?} {target}"));
                let door = self.shared.door.clone();
                tokio::spawn(async move {
                    let handle = door.handle().await;
                    // If it is lost, the next round does it again.
                    drop(handle.operate(id, operation, None).await);
                });
            }
        }
    }

    /// Asks the node something while it turns.
    async fn ask<T: Send + 'static>(
        &mut self,
        asked: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        let asked = tokio::spawn(asked);
        while !asked.is_finished() {
            self.something().await?;
        }
        asked.await.map_err(|error| error.to_string())
    }

    async fn unfinished(&mut self) -> Result<Vec<Unfinished>, String> {
        let door = self.shared.door.clone();
        let read = self.ask(async move { door.handle().await.read(replica::unfinished).await });
        let read = read.await?.map_err(|error| error.to_string())?;
        let all: Result<Vec<_>, _> = read.into_iter().collect();
        Ok(all?.concat())
    }

    /// A caller is told of the end of its call. What was said may be on its way once, not twice.
    fn check_untold(&mut self, rows: &[Unfinished]) -> Result<(), String> {
        let going_on: BTreeSet<_> = rows.iter().map(|it| it.id).collect();
        let waits = rows
            .iter()
            .flat_map(|it| it.waits_for.iter().map(|child| (it.id, *child)));
        let untold: BTreeSet<_> = waits
            .filter(|(_, child)| !going_on.contains(child))
            .collect();
        if let Some((caller, child)) = untold.intersection(&self.untold).next() {
            return Err(format!(
                "{caller:?} waits for its call of {child:?}, which is over"
            ));
        }
        self.untold = untold;
        Ok(())
    }

    /// Timers fire when they are due.
    async fn check_overdue(&mut self) -> Result<(), String> {
        let door = self.shared.door.clone();
        let first = self.ask(async move { door.handle().await.read(replica::first_timers).await });
        let first = first.await?.map_err(|error| error.to_string())?;
        let now = self.shared.clock.now_ms();
        for first in first {
            let [work, retention] = first?;
            let retention = retention.map(|time| time + self.shared.clock.leapt_ms());
            for time in [work, retention].into_iter().flatten() {
                if time + OVERDUE_MS < now {
                    return Err(format!(
                        "it is {now}, and the timer of {time} has not fired"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The logs once more, from the first record, into other tables.
    pub(super) async fn compare(&mut self) -> Result<(), String> {
        let door = self.shared.door.clone();
        let rows = self.ask(async move { door.handle().await.read(replica::rows).await });
        let rows = rows.await?.map_err(|error| error.to_string())?;
        drop(self.node.take());
        let partitions = self.disks.len() as u16;
        for ((own, disk), theirs) in (0..).zip(&self.disks).zip(rows) {
            let records = disk.records().map_err(|error| error.to_string())?;
            self.records += records.len() as u64;
            replica::compare(own, partitions, &records, &theirs?)?;
        }
        Ok(())
    }
}
