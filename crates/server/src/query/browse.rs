//! One look at the invocations: on a thread of its own that yields to all that serves calls, and
//! for a moment only.

use super::run::QueryError;
use super::table::browse::{self, Filter, Found, Page};
use super::table::{ReadError, Source};
use super::watch::Watch;
use latchwork_runtime::Handle;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// How long one look takes at most: a page must come quickly, also when it must be asked for again.
const LOOK: Duration = Duration::from_millis(120);
/// How long a look waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks at a time; others wait.
static SLOTS: Semaphore = Semaphore::const_new(2);

/// Looks at invocations from where the page says, for a moment.
///
/// # Errors
/// If the tables cannot be read, or too many others look.
pub(crate) async fn browse(
    handle: &Handle,
    filter: Filter,
    page: Page,
) -> Result<Found, QueryError> {
    let slot = tokio::time::timeout(PATIENCE, SLOTS.acquire())
        .await
        .map_err(|_| QueryError::Busy)?
        .map_err(|_| QueryError::Abandoned)?;
    let moments = handle.moments().await?;
    let source = Source {
        partitions: moments.into_iter().map(|moment| moment as _).collect(),
        registry: handle.registry(),
        handle: Some(handle.clone()),
    };
    let (reply, heard) = oneshot::channel::<Result<Found, ReadError>>();
    std::thread::Builder::new()
        .name("browse".into())
        .spawn(move || {
            Watch::yield_to_others();
            let mut watch = Watch::new(LOOK, Arc::new(AtomicBool::new(false)));
            let found = browse::browse(&source, &filter, page, || watch.is_over());
            drop(source);
            drop(slot);
            // Whoever asked may have gone away.
            drop(reply.send(found));
        })
        .map_err(QueryError::Thread)?;
    Ok(heard.await.map_err(|_| QueryError::Abandoned)??)
}
