//! Tests of handlers: the server in memory, in the test's own process, where time costs nothing
//! and everything that may go wrong does.
//!
//! ```text
//!   test ─▶ World::client ─▶ runtime (the server's own), turned by hand ─▶ faults ─▶ handlers
//!                               │ virtual time: when nobody has anything to do, the next timer
//!                               └ a crash between any two steps, and it begins again
//! ```
//!
//! ```
//! # use std::time::Duration;
//! # use latchwork::{Context, Result};
//! # struct Reminder;
//! # #[latchwork::service]
//! # impl Reminder {
//! #     #[handler]
//! #     async fn remind(&self, ctx: &Context, days: u64) -> Result<u64> {
//! #         ctx.sleep(Duration::from_secs(days * 24 * 3600)).await?;
//! #         Ok(days)
//! #     }
//! # }
//! latchwork::testing::check(|world| async move {
//!     let world = world.bind(Reminder).start().await;
//!     let days = ReminderClient::new(world.client()).remind(30_u64).await.unwrap();
//!     assert_eq!(days, 30);
//! });
//! ```
//!
//! [`check`] plays a test in many worlds: one calm, one in which each await of a handler ends its
//! attempt so that all before is replayed, and others with faults of a seed. [`World::builder`]
//! makes one such world for a test that is a `#[tokio::test]`. The same seed gives the same run, as
//! far as the handlers and the test itself always do the same.
//!
//! Deliberately absent: sockets, threads and files. While a test waits for such, its time runs
//! ahead.

mod builder;
mod check;
mod driver;
mod record;
mod stage;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use builder::Builder;
pub use check::{check, check_seeds};
pub use latchwork_engine::table::listing::Standing;
pub use latchwork_runtime::trace::{Step, StepKind};

use latchwork_engine::View;
use latchwork_engine::table::invocation;
use latchwork_protocol::id::invocation_text;
use latchwork_runtime::Clock;
use prost::Message;
use tokio::task::AbortHandle;

use crate::client::Client;
use crate::embedded::door::Host;
use record::target_text;
use stage::Stage;

/// A server with handlers, all of it within one test. If the test panics, its steps are printed.
pub struct World {
    stage: Arc<Stage>,
    client: Client,
    driver: AbortHandle,
    /// What it is like, in words.
    title: String,
    /// How the run is repeated, if a seed was drawn for it.
    repeat: Option<String>,
}

/// How an invocation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invocation {
    /// Its id.
    pub id: String,
    /// What is called: `Service/handler` or `Service/key/handler`.
    pub target: String,
    /// Where it stands.
    pub standing: Standing,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Why the last attempt failed, if it did and nothing came after it.
    pub last_failure: Option<String>,
}

impl Invocation {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.standing, Standing::Succeeded | Standing::Failed)
    }
}

impl std::fmt::Display for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:?}", self.target, self.standing)?;
        if let Some(failure) = &self.last_failure {
            write!(f, ": {failure}")?;
        }
        f.write_str(")")
    }
}

impl World {
    /// A world without handlers yet.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The way in: the clients that the attributes make call through it. A question waits for as
    /// long as anything can happen, and panics when nothing can: then nobody would ever answer.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What time it is there. A world begins in the year 2030.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.stage.clock.now_ms())
    }

    /// How long it has gone on.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.stage.clock.now_ms().saturating_sub(stage::BEGAN_MS))
    }

    /// Lets time pass. Everything that becomes due meanwhile happens, in its order. Time passes
    /// by itself while the test waits for an answer.
    pub async fn advance(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// What has happened so far, in order; of very much the newest. A crash of the server is a step
    /// without an invocation's id.
    pub fn steps(&self) -> Vec<Step> {
        self.stage.record.steps()
    }

    /// All invocations that are not forgotten.
    pub async fn invocations(&self) -> Vec<Invocation> {
        let asked = self
            .stage
            .ask(|handle| async move { handle.read(invocations).await });
        // It asks again until it is answered.
        asked.await.unwrap_or_default().concat()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.driver.abort();
        if std::thread::panicking() {
            self.stage.record.print(&self.title, self.repeat.as_deref());
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}

/// The invocations in the tables of a partition.
fn invocations(view: &dyn View) -> Vec<Invocation> {
    let (from, to) = invocation::all();
    let rows = view.scan(&from, &to).filter_map(|row| {
        let (key, value) = row.ok()?;
        let row = invocation::Invocation::decode(value).ok()?;
        Some(Invocation {
            id: invocation_text(&invocation::parse_key(&key)?.to_bytes()),
            target: target_text(&row.target),
            standing: Standing::of(&row),
            attempts: row.epoch,
            last_failure: row
                .last_failure
                .map(|it| format!("[{}] {}", it.code, it.message)),
        })
    });
    rows.collect()
}
