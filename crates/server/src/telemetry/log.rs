//! Lines to stderr: what the server says of itself, as text for people or JSON for machines.

use std::fmt;
use std::io::{self, IsTerminal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line: `timestamp`, `level`, `target`, `message`, and the fields.
    Json,
}

impl LogFormat {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Writes what passes the filter, from here on.
pub(crate) fn log_to_stderr(filter: &str, format: LogFormat) {
    let targets = targets(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines
            .compact()
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    // An embedder may have chosen a subscriber of its own.
    drop(
        tracing_subscriber::registry()
            .with(lines)
            .with(targets)
            .try_init(),
    );
}

/// What is logged. The library of HTTP/2 warns of whatever a client does that is odd, as often as
/// that does it, so its warnings are for those who ask for more than is usual, or for it by name.
fn targets(filter: &str) -> Targets {
    let targets: Targets = filter.parse().unwrap_or_default();
    let is_asked_for = targets.iter().any(|(name, _)| name.starts_with("h2"))
        || targets.default_level() > Some(LevelFilter::INFO);
    match is_asked_for {
        true => targets,
        false => targets.with_target("h2", LevelFilter::ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_client_cannot_write_into_the_log() {
        let warns =
            |filter: &str| targets(filter).would_enable("h2::proto::ping_pong", &Level::WARN);
        assert!(!warns("info") && !warns("warn") && !warns("info,latchwork_runtime=debug"));
        assert!(warns("debug") && warns("info,h2=warn"));
        assert!(targets("info").would_enable("latchwork_server::run", &Level::INFO));
    }
}
