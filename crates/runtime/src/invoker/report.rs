//! What the log of the server says of attempts: that one has failed, and what follows.
//!
//! Written on the rim, not in the partition's loop, which does not wait for whoever reads it. A
//! line has the failure's message, and neither payloads nor headers.

use super::Start;
use latchwork_engine::{End, Failed, Next, PauseReason};
use latchwork_protocol::id::invocation_text;
use tracing::{debug, info, warn};

/// Characters of a failure's message that are logged.
const MESSAGE_CHARS_MAX: usize = 500;

/// An event about an attempt, with the fields that all of them have.
macro_rules! about {
    ($level:ident, $start:expr, $($rest:tt)+) => {{
        let start: &Start = $start;
        let serving = start.serving.as_ref();
        $level!(
            invocation.id = invocation_text(&start.id.to_bytes()),
            service = start.row.target.service,
            handler = start.row.target.handler,
            deployment = serving.map(|it| it.deployment.id.as_str()),
            attempt = start.epoch,
            $($rest)+
        )
    }};
}

/// An attempt begins.
pub(super) fn started(start: &Start) {
    about!(debug, start, "attempt started");
}

/// An attempt has ended.
pub(super) fn ended(start: &Start, end: &End, now_ms: u64) {
    match end {
        End::Completed(_) => about!(debug, start, "invocation completed"),
        End::Suspended(_) => about!(debug, start, "invocation suspended"),
        End::Failed(failed) => self::failed(start, failed, now_ms),
    }
}

/// It was broken off; why, whoever did it knows.
pub(super) fn aborted(start: &Start) {
    about!(debug, start, "attempt broken off");
}

fn failed(start: &Start, failed: &Failed, now_ms: u64) {
    let code = failed.failure.code;
    let error = shortened(&failed.failure.message);
    match &failed.next {
        Some(Next::RetryAt(at)) => {
            let retry_in_ms = at.saturating_sub(now_ms);
            about!(
                info,
                start,
                code,
                error,
                retry_in_ms,
                "attempt failed, another follows"
            );
        }
        Some(Next::End(_)) => {
            about!(
                warn,
                start,
                code,
                error,
                "attempt failed, the invocation ends with its failure"
            );
        }
        Some(Next::Pause(reason)) => {
            let reason = PauseReason::try_from(*reason)
                .unwrap_or(PauseReason::Operator)
                .text();
            about!(
                warn,
                start,
                code,
                error,
                reason,
                "attempt failed, the invocation is paused"
            );
        }
        None => about!(
            warn,
            start,
            code,
            error,
            "attempt failed, the invocation is paused"
        ),
    }
}

fn shortened(message: &str) -> &str {
    let cut = message.char_indices().nth(MESSAGE_CHARS_MAX);
    cut.map_or(message, |(at, _)| &message[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(shortened("no"), "no");
        let long = "ö".repeat(MESSAGE_CHARS_MAX + 1);
        assert_eq!(shortened(&long).chars().count(), MESSAGE_CHARS_MAX);
    }
}
