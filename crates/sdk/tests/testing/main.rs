//! The test kit: what its worlds can do, and that each of its three severities finds a bug that was
//! put into a handler for it, and lets the mended handler pass.

mod faults;
mod replay;
mod time;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A day.
const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

/// What handlers have done outside, in order.
#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What a piece of code panics with; nothing if it does not.
fn panic_of(code: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(code)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| format!("{:?}", panic.downcast_ref::<&str>())))
}
