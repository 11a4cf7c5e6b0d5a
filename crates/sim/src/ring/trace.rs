//! What was seen, in order: for comparing two runs of one seed, and for reading what led to a
//! failure.

use std::sync::Mutex;
use tokio::time::Instant;

/// A growing list of lines, each with its virtual time.
#[derive(Debug)]
pub(super) struct Trace {
    began: Instant,
    lines: Mutex<Vec<String>>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            lines: Mutex::default(),
        }
    }

    pub(super) fn say(&self, what: impl std::fmt::Display) {
        let at = self.began.elapsed();
        let line = format!("{:9.3} {what}", at.as_secs_f64());
        self.lines.lock().expect("one thread").push(line);
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().expect("one thread"))
    }
}
