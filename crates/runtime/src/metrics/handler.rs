//! Counts of each handler, and the bound on how many handlers have counts of their own.

use super::{Counter, Gauge, Histogram, LATENCY_US};
use latchwork_engine::{End, Ending};
use std::sync::{Arc, Mutex, PoisonError};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnding {
    /// The invocation is over.
    Completed,
    /// The invocation waits.
    Suspended,
    /// It failed.
    Failed,
    /// It was broken off: the invocation was killed or paused, or the server stops.
    Aborted,
}

impl AttemptEnding {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Completed,
        Self::Suspended,
        Self::Failed,
        Self::Aborted,
    ];

    /// How it is written in metrics and traces.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    pub(crate) fn of(end: &End) -> Self {
        match end {
            End::Completed(_) => Self::Completed,
            End::Suspended(_) => Self::Suspended,
            End::Failed(_) => Self::Failed,
        }
    }
}

/// What kind of failure an attempt's code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// 400 to 499: the endpoint, or this server, refused the request.
    Client,
    /// 570: the handler left the path of its journal.
    JournalMismatch,
    /// 571: the endpoint broke the protocol.
    Protocol,
    /// Other codes from 500 on: the handler failed, or could not be reached.
    Server,
    /// Any other code.
    Other,
}

impl FailureClass {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::JournalMismatch,
        Self::Protocol,
        Self::Server,
        Self::Other,
    ];

    /// How it is written in metrics and traces.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Client => "4xx",
            Self::JournalMismatch => "570",
            Self::Protocol => "571",
            Self::Server => "5xx",
            Self::Other => "other",
        }
    }

    /// Of a failure's code.
    pub const fn of(code: u32) -> Self {
        match code {
            400..=499 => Self::Client,
            570 => Self::JournalMismatch,
            571 => Self::Protocol,
            500..=599 => Self::Server,
            _ => Self::Other,
        }
    }
}

/// What is counted of one handler.
#[derive(Debug)]
pub struct HandlerMetrics {
    /// Its service.
    pub service: String,
    /// Its name.
    pub handler: String,
    /// Invocations that were accepted.
    pub accepted: Counter,
    completed: [Counter; Ending::ALL.len()],
    /// From the acceptance of an invocation to its end, in microseconds; known to the millisecond.
    pub latency_us: Histogram,
    /// Attempts that were started.
    pub attempts_started: Counter,
    attempts_ended: [Counter; AttemptEnding::ALL.len()],
    attempts_failed: [Counter; FailureClass::ALL.len()],
    /// From the start of an attempt to the record of its end, in microseconds.
    pub attempt_us: Histogram,
    /// Attempts that run.
    pub running: Gauge,
}

impl HandlerMetrics {
    fn new(service: &str, handler: &str) -> Self {
        Self {
            service: service.to_owned(),
            handler: handler.to_owned(),
            accepted: Counter::default(),
            completed: Default::default(),
            latency_us: Histogram::new(LATENCY_US),
            attempts_started: Counter::default(),
            attempts_ended: Default::default(),
            attempts_failed: Default::default(),
            attempt_us: Histogram::new(LATENCY_US),
            running: Gauge::default(),
        }
    }

    /// Invocations that have ended so.
    pub fn completed(&self, ending: Ending) -> &Counter {
        &self.completed[ending as usize]
    }

    /// Attempts that have ended so.
    pub fn attempts_ended(&self, ending: AttemptEnding) -> &Counter {
        &self.attempts_ended[ending as usize]
    }

    /// Attempts that have failed so.
    pub fn attempts_failed(&self, class: FailureClass) -> &Counter {
        &self.attempts_failed[class as usize]
    }
}

/// The counts of all handlers.
#[derive(Debug)]
pub struct Handlers {
    /// Handlers that may have counts of their own.
    max: usize,
    own: Mutex<Vec<Arc<HandlerMetrics>>>,
    other: Arc<HandlerMetrics>,
}

/// The name of both, of all handlers that have no counts of their own.
pub const OTHER: &str = "other";

impl Handlers {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            own: Mutex::default(),
            other: Arc::new(HandlerMetrics::new(OTHER, OTHER)),
        }
    }

    /// All that there are, in the order in which they were first heard of. The last is that of
    /// all handlers which are not registered, or came after the bound was reached: `other`.
    pub fn all(&self) -> Vec<Arc<HandlerMetrics>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = own.clone();
        all.push(self.other.clone());
        all
    }

    /// The counts of a registered handler.
    pub(super) fn registered(&self, service: &str, handler: &str) -> Arc<HandlerMetrics> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let found = (own.iter()).find(|it| it.service == service && it.handler == handler);
        if let Some(found) = found {
            return found.clone();
        }
        if own.len() >= self.max {
            return self.other.clone();
        }
        let new = Arc::new(HandlerMetrics::new(service, handler));
        own.push(new.clone());
        new
    }

    /// The counts of one that is not registered.
    pub(super) fn other(&self) -> Arc<HandlerMetrics> {
        self.other.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_handlers_share_their_counts() {
        let handlers = Handlers::new(2);
        for name in ["a", "b", "c", "d", "a"] {
            handlers.registered("S", name).accepted.one();
        }
        let counts: Vec<_> = (handlers.all().iter())
            .map(|it| (it.handler.clone(), it.accepted.get()))
            .collect();
        let expected = [("a", 2), ("b", 1), (OTHER, 2)];
        assert_eq!(
            counts,
            expected.map(|(name, count)| (name.to_owned(), count))
        );
    }

    #[test]
    fn each_has_its_place() {
        for (place, ending) in AttemptEnding::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, place);
        }
        for (place, class) in FailureClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
        for (place, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, place);
        }
    }
}
