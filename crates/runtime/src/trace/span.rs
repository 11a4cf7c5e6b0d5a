//! Spans, as whoever sends them takes them.

/// Takes finished spans. Called from the loops of partitions: it must not wait.
pub trait SpanSink: Send + Sync + 'static {
    /// Takes one, or drops it.
    fn record(&self, span: Span);
}

/// A finished span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace: u128,
    /// Its own id.
    pub id: u64,
    /// The span above it.
    pub parent: Option<u64>,
    /// What other tracing systems have added.
    pub state: Option<String>,
    /// For people: `Service/handler`, or more.
    pub name: String,
    /// Which side of a conversation it is.
    pub kind: SpanKind,
    /// In ns since 1970.
    pub began_ns: u64,
    /// In ns since 1970.
    pub ended_ns: u64,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened in it.
    pub events: Vec<Event>,
    /// A span of another trace that led to it.
    pub link: Option<(u128, u64)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// Which side of a conversation a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Within the server.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
}

/// Something that happened in a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, in ns since 1970.
    pub at_ns: u64,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}
