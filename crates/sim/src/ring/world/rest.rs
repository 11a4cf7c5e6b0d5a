//! No faults any more: everything must come to its end, and then both books must agree.

use super::World;
use crate::ring::replica::{self, Unfinished};
use crate::ring::rest;
use latchwork_engine::Operation;
use latchwork_engine::table::invocation::Status;
use std::time::Duration;
use tokio::time::Instant;

/// After so long without faults what is paused is resumed, by then what was never answered is
/// cancelled, and when this is over everything must be.
const RESUME: Duration = Duration::from_secs(60);
const CANCEL: Duration = Duration::from_secs(400);
const REST: Duration = Duration::from_secs(4 * 3600);

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
            self.untold.look(&rows)?;
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

    /// Timers fire when they are due.
    async fn check_overdue(&mut self) -> Result<(), String> {
        let door = self.shared.door.clone();
        let first = self.ask(async move { door.handle().await.read(replica::first_timers).await });
        let first = first.await?.map_err(|error| error.to_string())?;
        rest::check_overdue(first, &*self.shared.clock)
    }

    /// The logs once more, from the first record, into other tables.
    pub(super) async fn compare(&mut self) -> Result<(), String> {
        let door = self.shared.door.clone();
        let rows = self.ask(async move { door.handle().await.read(replica::rows).await });
        let rows = rows.await?.map_err(|error| error.to_string())?;
        drop(self.node.take());
        self.records += rest::compare(&self.disks, rows)?;
        Ok(())
    }
}
