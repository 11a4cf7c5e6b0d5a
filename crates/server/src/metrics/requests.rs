//! Counts of what callers and operators ask for over HTTP, and of SQL statements.

use latchwork_protocol::ingress::Route;
use latchwork_runtime::metrics::{Counter, Gauge, Histogram, LATENCY_US};
use std::time::Instant;

/// What a request at the ingress asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A call whose end is waited for.
    Call,
    /// A call that is only accepted.
    Send,
    /// The end of an invocation, waited for.
    Attach,
    /// The end of an invocation, if there is one.
    Output,
    /// Which invocation a key leads to.
    Lookup,
    /// The end of an awakeable.
    Awakeable,
    /// Whether work is done.
    Health,
    /// Nothing that is served.
    Unknown,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Call,
        Self::Send,
        Self::Attach,
        Self::Output,
        Self::Lookup,
        Self::Awakeable,
        Self::Health,
        Self::Unknown,
    ];

    pub(crate) fn of(route: &Route) -> Self {
        match route {
            Route::Call(_) => Self::Call,
            Route::Send(_) => Self::Send,
            Route::Attach(_) | Route::AttachByBody => Self::Attach,
            Route::Output(_) | Route::OutputByBody => Self::Output,
            Route::Lookup => Self::Lookup,
            Route::ResolveAwakeable { .. } | Route::RejectAwakeable { .. } => Self::Awakeable,
            Route::Health => Self::Health,
        }
    }

    /// How it is written in metrics and traces.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Send => "send",
            Self::Attach => "attach",
            Self::Output => "output",
            Self::Lookup => "lookup",
            Self::Awakeable => "awakeable",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }
}

/// Statuses that are counted apart, and the classes of all others. A handler may end with any
/// status: the list bounds the series.
const STATUSES: [(u16, &str); 22] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (429, "429"),
    (470, "470"),
    (500, "500"),
    (503, "503"),
    (2, "2xx"),
    (4, "4xx"),
    (5, "5xx"),
    // The client went away before it was answered.
    (0, "gone"),
];

/// Answers by status.
#[derive(Debug, Default)]
struct Statuses([Counter; STATUSES.len()]);

impl Statuses {
    /// `None`: nobody was there to be answered.
    fn count(&self, status: Option<u16>) {
        let status = status.unwrap_or(0);
        let place = STATUSES
            .iter()
            .position(|(known, _)| *known == status)
            .or_else(|| {
                STATUSES
                    .iter()
                    .position(|(class, _)| *class == status / 100)
            })
            .unwrap_or(STATUSES.len() - 1);
        self.0[place].one();
    }

    /// Those that were given.
    fn given(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = STATUSES.iter().zip(&self.0);
        counts
            .map(|((_, name), count)| (*name, count.get()))
            .filter(|(_, count)| *count > 0)
    }
}

/// Requests of one kind.
#[derive(Debug)]
pub struct Watched {
    statuses: Statuses,
    /// Those that are being answered.
    pub running: Gauge,
    /// From the head of a request to that of its answer, in microseconds.
    pub latency_us: Histogram,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            statuses: Statuses::default(),
            running: Gauge::default(),
            latency_us: Histogram::new(LATENCY_US),
        }
    }
}

impl Watched {
    /// Begins to watch a request.
    pub(crate) fn begin(&self) -> Watching<'_> {
        self.running.up();
        Watching {
            of: self,
            began: Instant::now(),
            status: None,
        }
    }

    /// How often each status was answered, but those that never were.
    pub fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.statuses.given()
    }
}

/// A request that is being answered; counted when it is dropped.
pub(crate) struct Watching<'a> {
    of: &'a Watched,
    began: Instant,
    status: Option<u16>,
}

impl Watching<'_> {
    /// It was answered so.
    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        self.status = Some(status.as_u16());
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.of.running.down();
        self.of.statuses.count(self.status);
        self.of.latency_us.observe_time(self.began.elapsed());
    }
}

/// All requests.
#[derive(Debug)]
pub struct Requests {
    ingress: [Watched; RequestKind::ALL.len()],
    /// At the admin API.
    pub admin: Watched,
    /// Statements that were answered.
    pub statements_answered: Counter,
    /// Statements that were refused, or failed.
    pub statements_failed: Counter,
    /// How long they took, in microseconds.
    pub statement_us: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            ingress: Default::default(),
            admin: Watched::default(),
            statements_answered: Counter::default(),
            statements_failed: Counter::default(),
            statement_us: Histogram::new(LATENCY_US),
        }
    }
}

impl Requests {
    /// Those of one kind at the ingress.
    pub fn ingress(&self, kind: RequestKind) -> &Watched {
        &self.ingress[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (place, kind) in RequestKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn a_request_is_counted_when_it_is_over() {
        let watched = Watched::default();
        for status in [200, 404, 418, 204, 599] {
            let mut watching = watched.begin();
            assert_eq!(watched.running.get(), 1);
            watching.answered(http::StatusCode::from_u16(status).unwrap());
        }
        drop(watched.begin());
        let given: Vec<_> = watched.statuses().collect();
        let expected = ["200", "404", "2xx", "4xx", "5xx", "gone"];
        assert_eq!(given, expected.map(|status| (status, 1)));
        assert_eq!(watched.latency_us.read().count(), 6);
        assert_eq!(watched.running.get(), 0);
    }
}
