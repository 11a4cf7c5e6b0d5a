//! Parts of sentences: what is waited for, lengths of time.

use super::read::{On, Wait};
use latchwork_engine::InvocationId;
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::ingress::{duration_text, rfc3339_nanos};
use serde_json::{Value, json};

/// So many of the things that are waited for are named; the rest is counted.
const NAMED_MAX: usize = 3;
/// So many are among the details.
const LISTED_MAX: usize = 20;

pub(super) fn listed(waits: &[Wait]) -> Value {
    let one = |wait: &Wait| {
        let mut one = match &wait.on {
            On::Timer(due) => json!({"kind": "timer", "due_at": rfc3339_nanos(*due)}),
            On::Call(id, target) => json!({"kind": "call", "id": text(*id), "target": target}),
            On::Attach(id) => json!({"kind": "attach", "id": text(*id)}),
            On::Promise(key) => json!({"kind": "promise", "promise": key}),
            On::Awakeable(id) => json!({"kind": "awakeable", "id": id}),
            On::Signal(name) => json!({"kind": "signal", "signal": name}),
            On::Run => json!({"kind": "run"}),
            On::Other => json!({"kind": "other"}),
        };
        if !wait.name.is_empty() {
            one["name"] = json!(wait.name);
        }
        if let Some(since) = wait.since {
            one["since"] = json!(rfc3339_nanos(since));
        }
        one
    };
    waits.iter().take(LISTED_MAX).map(one).collect()
}

/// The first few in words, and how many more there are.
pub(super) fn list(waits: &[&Wait], now: u64, word: &str) -> String {
    let mut names: Vec<_> = waits
        .iter()
        .take(NAMED_MAX)
        .map(|wait| named(wait, now))
        .collect();
    if let more @ 1.. = waits.len().saturating_sub(NAMED_MAX) {
        names.push(format!("{more} more"));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn named(wait: &Wait, now: u64) -> String {
    let name = match wait.name.as_str() {
        "" => String::new(),
        name => format!(" {name:?}"),
    };
    match &wait.on {
        On::Timer(due) => format!(
            "its timer{name} that is due at {}, {}",
            instant(*due),
            until(*due, now)
        ),
        On::Call(id, target) => format!("its call{name} of {target} ({})", text(*id)),
        On::Attach(id) => format!("the result of {}, which it latched on to", text(*id)),
        On::Promise(key) => format!("its promise {key:?}, which another handler must complete"),
        On::Awakeable(id) => format!("the awakeable {id}, which somebody must resolve or reject"),
        On::Signal(signal) => format!("the signal {signal:?}, which somebody must send"),
        On::Run => format!("its run{name}"),
        On::Other => "an answer of the server".to_owned(),
    }
}

pub(super) fn text(id: InvocationId) -> String {
    invocation_text(&id.to_bytes())
}

/// An instant for people, in UTC and to the second: `2026-11-24 08:31:12 UTC`.
pub(super) fn instant(unix_ms: u64) -> String {
    let text = rfc3339_nanos(unix_ms);
    let parts: Vec<_> = text.split(['T', '.']).take(2).collect();
    format!("{} UTC", parts.join(" "))
}

pub(super) fn lasting(since: u64, now: u64) -> String {
    format!("for {}", length(now.saturating_sub(since)))
}

pub(super) fn until(time: u64, now: u64) -> String {
    match time.checked_sub(now) {
        Some(rest) if rest > 0 => format!("in {}", length(rest)),
        _ => "which is now".to_owned(),
    }
}

/// A length of time without parts that nobody reads.
pub(super) fn length(ms: u64) -> String {
    let step = match ms {
        0..1_000 => 1,
        1_000..3_600_000 => 1_000,
        _ => 60_000,
    };
    duration_text(ms / step * step)
}
