//! One attempt of a handler in Rust, whatever its SDK, and how it tells the witness what it sees.

use super::Reporter;
use crate::desk::Report;
use std::time::Duration;

/// One attempt, and the way to report what happens in it.
#[derive(Clone)]
pub(super) struct Attempt {
    reporter: Reporter,
    invocation: String,
    number: u32,
}

impl Attempt {
    /// The handler begins.
    pub(super) async fn begin(reporter: &Reporter, invocation: &str) -> Self {
        let invocation = invocation.to_owned();
        let begin = Report::Begin {
            invocation: invocation.clone(),
        };
        Self {
            number: reporter.report(begin).await as u32,
            reporter: reporter.clone(),
            invocation,
        }
    }

    /// What the code of a run does: it gives the number of its execution.
    pub(super) async fn execute(self, step: u32) -> u64 {
        let execute = Report::Execute {
            invocation: self.invocation,
            attempt: self.number,
            step,
        };
        let execution = self.reporter.report(execute).await;
        // A run takes a moment, so that kills fall into it.
        tokio::time::sleep(Duration::from_millis(execution % 5)).await;
        execution
    }

    /// The handler was given the result of a run.
    pub(super) async fn observe(&self, step: u32, value: u64) {
        let invocation = self.invocation.clone();
        let observe = Report::Observe {
            invocation,
            step,
            value,
        };
        self.reporter.report(observe).await;
    }
}

/// Inside of an object until it is dropped, also by being cut off.
pub(super) struct Inside {
    reporter: Reporter,
    ticket: u64,
}

impl Inside {
    /// The handler of an object begins.
    pub(super) async fn enter(reporter: &Reporter, object: String, invocation: &str) -> Self {
        let invocation = invocation.to_owned();
        let enter = Report::Enter { object, invocation };
        Self {
            ticket: reporter.report(enter).await,
            reporter: reporter.clone(),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let ticket = self.ticket;
        drop(self.reporter.say(Report::Leave { ticket }));
    }
}
