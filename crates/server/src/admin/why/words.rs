//! The words: facts of one invocation, and what the server knows besides, come in; a reason, a
//! sentence and its details go out. Pure, so that every case is a line of a test.

use super::phrases::{instant, lasting, length, list, listed, text, until};
use super::read::{Facts, On, Wait};
use latchwork_engine::table::invocation::Status;
use latchwork_engine::{AttemptFailure, InvocationId, Outcome, PauseReason, Target};
use latchwork_protocol::ingress::{duration_text, rfc3339_nanos};
use latchwork_runtime::RunningAttempt;
use latchwork_runtime::registry::Registry;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// An attempt that said nothing for longer is called idle, in ms.
const IDLE_MS: u64 = 1_000;

/// What is known besides the tables.
pub(super) struct World<'a> {
    pub(super) registry: &'a Registry,
    pub(super) attempts: &'a HashMap<InvocationId, RunningAttempt>,
    /// Attempts that may run at a time.
    pub(super) attempts_max: usize,
    /// In ms since 1970.
    pub(super) now: u64,
}

/// Why one invocation is not moving.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    /// In ms since 1970.
    pub(super) since: u64,
    pub(super) sentence: String,
    pub(super) details: Map<String, Value>,
    /// Those who must move first.
    pub(super) follow: Vec<InvocationId>,
}

/// Says it.
pub(super) fn say(facts: &Facts, world: &World<'_>) -> Said {
    let mut said = match facts.row.status() {
        Status::Completed => completed(facts),
        Status::Scheduled => scheduled(facts, world),
        Status::Inboxed => queued(facts, world),
        Status::Running | Status::BackingOff if homeless(facts, world).is_some() => {
            nowhere(facts, world)
        }
        Status::Running => running(facts, world),
        Status::BackingOff => backing_off(facts, world),
        Status::Suspended => suspended(facts, world),
        Status::Paused => paused(facts, world),
    };
    // It will matter as soon as the first reason is gone.
    if matches!(facts.row.status(), Status::Suspended | Status::Paused)
        && let Some((_, why)) = homeless(facts, world)
    {
        said.sentence
            .push_str(&format!(" Then it cannot go on all the same: {why}."));
    }
    let pin = facts.row.pin.as_ref().map(|pin| json!(pin.deployment));
    said.details
        .extend(pin.map(|pin| ("deployment".to_owned(), pin)));
    said
}

/// A sentence for one whose deployment does not answer at this moment either.
pub(super) fn unreachable(said: &mut Said, uri: &str, answer: &str) {
    said.reason = "deployment_unreachable";
    said.sentence.push_str(&format!(
        " The deployment at {uri} does not answer now either ({answer}): it must come back, or \
         the invocation be resumed on another one."
    ));
    said.details.insert("deployment_uri".into(), json!(uri));
    said.details
        .insert("deployment_error".into(), json!(answer));
}

/// What is called: `Service/key/handler`, the key where there is one.
pub(super) fn called(target: &Target) -> String {
    match &target.key {
        Some(key) => format!("{}/{key}/{}", target.service, target.handler),
        None => format!("{}/{}", target.service, target.handler),
    }
}

fn completed(facts: &Facts) -> Said {
    let since = facts.row.completed_at.unwrap_or(facts.row.modified_at);
    let at = instant(since);
    let (result, sentence) = match &facts.outcome {
        Some(Outcome::Failure(failure)) => (
            "failure",
            format!(
                "It ended at {at}, with a failure: [{}] {}.",
                failure.code,
                failure.message.trim_end_matches('.')
            ),
        ),
        _ => ("success", format!("It ended at {at}, and succeeded.")),
    };
    Said {
        status: "completed",
        reason: "completed",
        since,
        sentence,
        details: details([("result", json!(result))]),
        follow: Vec::new(),
    }
}

fn scheduled(facts: &Facts, world: &World<'_>) -> Said {
    let start = facts.row.execution_time.unwrap_or(facts.row.modified_at);
    Said {
        status: "scheduled",
        reason: "scheduled",
        since: facts.row.modified_at,
        sentence: format!(
            "It was submitted to start at {}, {}, and waits for that.",
            instant(start),
            until(start, world.now)
        ),
        details: details([("starts_at", json!(rfc3339_nanos(start)))]),
        follow: Vec::new(),
    }
}

fn queued(facts: &Facts, world: &World<'_>) -> Said {
    let row = &facts.row;
    let key = row.target.key.as_deref().unwrap_or_default();
    let object = format!("{}/{key}", row.target.service);
    let ahead = facts.queue.map_or(0, |queue| queue.ahead);
    let holder = facts.queue.and_then(|queue| queue.holder);
    let held = match holder {
        Some(holder) => format!("is held by {}", text(holder)),
        None => "is being handed on".to_owned(),
    };
    let place = match ahead {
        0 => "it is the next in the queue".to_owned(),
        1 => "1 other comes before it".to_owned(),
        others => format!("{others} others come before it"),
    };
    Said {
        status: "pending",
        reason: "waiting_for_key",
        since: row.modified_at,
        sentence: format!(
            "It has waited for the key {object} {}: the key {held}, and {place}.",
            lasting(row.modified_at, world.now)
        ),
        details: details([
            ("key", json!(object)),
            ("held_by", json!(holder.map(text))),
            ("place_in_queue", json!(ahead + 1)),
        ]),
        follow: holder.into_iter().collect(),
    }
}

/// Why no attempt can be made, if so: a reason, and the same for people.
fn homeless(facts: &Facts, world: &World<'_>) -> Option<(&'static str, String)> {
    let row = &facts.row;
    if world
        .registry
        .serving(&row.target, row.pin.as_ref())
        .is_some()
    {
        return None;
    }
    let offered = format!("{}/{}", row.target.service, row.target.handler);
    Some(match &row.pin {
        None => (
            "no_deployment",
            format!("no deployment offers {offered}: register one that does"),
        ),
        Some(pin) if world.registry.deployments().contains_key(&pin.deployment) => (
            "handler_gone",
            format!(
                "deployment {}, which it is bound to, no longer offers {offered}: offer it there \
                 again, or resume the invocation on another deployment",
                pin.deployment
            ),
        ),
        Some(pin) => (
            "deployment_removed",
            format!(
                "deployment {}, which it is bound to, was removed: resume the invocation on \
                 another deployment",
                pin.deployment
            ),
        ),
    })
}

fn nowhere(facts: &Facts, world: &World<'_>) -> Said {
    let (reason, why) = homeless(facts, world).unwrap_or_default();
    let row = &facts.row;
    Said {
        status: if row.status() == Status::BackingOff {
            "backing-off"
        } else {
            "ready"
        },
        reason,
        since: row.modified_at,
        sentence: format!("It cannot go on: {why}."),
        details: details([("failed_attempts", json!(row.retry_count))]),
        follow: Vec::new(),
    }
}

fn running(facts: &Facts, world: &World<'_>) -> Said {
    let row = &facts.row;
    let Some(attempt) = world.attempts.get(&facts.id) else {
        return ready(facts, world);
    };
    let heard = row.last_entry_at.max(attempt.since);
    let idle = world.now.saturating_sub(heard);
    let on = attempt.deployment.as_deref().unwrap_or("no deployment yet");
    let mut sentence = format!(
        "Attempt {} has run on {on} {}",
        attempt.epoch,
        lasting(attempt.since, world.now)
    );
    let opens: Vec<_> = facts
        .waits
        .iter()
        .filter(|wait| wait.on != On::Run)
        .collect();
    let runs: Vec<_> = facts
        .waits
        .iter()
        .filter(|wait| wait.on == On::Run)
        .collect();
    if idle < IDLE_MS {
        sentence.push_str(", and made progress within the last second.");
    } else {
        sentence.push_str(&format!(", and has recorded nothing for {}", length(idle)));
        sentence.push_str(&match (&opens[..], &runs[..]) {
            ([], []) => ": the handler's own code is busy, or it waits for an awakeable or a \
                         signal, which a running attempt does not report."
                .to_owned(),
            ([], runs) => format!(": it executes {}.", list(runs, world.now, "and")),
            (opens, _) => format!(
                ": its journal has no answer yet from {}.",
                list(opens, world.now, "and")
            ),
        });
    }
    Said {
        status: "running",
        reason: "running",
        since: attempt.since,
        sentence,
        details: details([
            ("attempt", json!(attempt.epoch)),
            ("runs_on", json!(attempt.deployment)),
            ("last_progress_at", json!(rfc3339_nanos(heard))),
            ("idle", json!(duration_text(idle))),
            ("failed_attempts", json!(row.retry_count)),
            ("open", listed(&facts.waits)),
        ]),
        follow: followed(&facts.waits),
    }
}

fn ready(facts: &Facts, world: &World<'_>) -> Said {
    let (taken, slots) = (world.attempts.len(), world.attempts_max);
    let row = &facts.row;
    let sentence = if taken < slots {
        format!(
            "It has been ready {}, and gets an attempt as soon as its partition has a free slot and memory \
             for its journal and state (attempts_max, attempts_bytes_max); {taken} of {slots} slots are \
             taken.",
            lasting(row.modified_at, world.now)
        )
    } else {
        format!(
            "It has been ready {}, and waits for one of {slots} slots: all are taken by attempts that \
             run. Others must end, or attempts_max be raised.",
            lasting(row.modified_at, world.now)
        )
    };
    Said {
        status: "ready",
        reason: "waiting_for_slot",
        since: row.modified_at,
        sentence,
        details: details([
            ("attempts_running", json!(taken)),
            ("attempts_max", json!(slots)),
        ]),
        follow: Vec::new(),
    }
}

fn backing_off(facts: &Facts, world: &World<'_>) -> Said {
    let row = &facts.row;
    let next = row.next_retry_at.unwrap_or(row.modified_at);
    let serving = world.registry.serving(&row.target, row.pin.as_ref());
    let max = serving.and_then(|serving| serving.settings.retry.max_attempts);
    let of = max.map_or_else(String::new, |max| format!(" of {max}"));
    let have = match (row.retry_count, max) {
        (1, None) => "attempt has",
        (1, Some(_)) => "attempts has",
        _ => "attempts have",
    };
    Said {
        status: "backing-off",
        reason: "backing_off",
        since: row.modified_at,
        sentence: format!(
            "{}{of} {have} failed since the last progress.{} The next is due at {}, {}; resume \
             it to try at once.",
            row.retry_count,
            row.last_failure.as_ref().map_or_else(String::new, failed),
            instant(next),
            until(next, world.now),
        ),
        details: details([
            ("failed_attempts", json!(row.retry_count)),
            ("attempts_used", json!(row.policy_attempts)),
            ("max_attempts", json!(max)),
            ("next_attempt_at", json!(rfc3339_nanos(next))),
            ("last_failure", failure(row.last_failure.as_ref())),
        ]),
        follow: Vec::new(),
    }
}

fn suspended(facts: &Facts, world: &World<'_>) -> Said {
    let reason = |wait: &Wait| match wait.on {
        On::Timer(_) => "waiting_for_timer",
        On::Call(..) => "waiting_for_call",
        On::Attach(_) => "waiting_for_attach",
        On::Promise(_) => "waiting_for_promise",
        On::Awakeable(_) => "waiting_for_awakeable",
        On::Signal(_) => "waiting_for_signal",
        On::Run | On::Other => "waiting_for_answer",
    };
    let mut reasons: Vec<_> = facts.waits.iter().map(reason).collect();
    reasons.dedup();
    let (word, several) = match (facts.any_is_enough, facts.waits.len()) {
        (_, 0 | 1) => ("and", ""),
        (true, _) => ("or", "whichever comes first of these: "),
        (false, _) => ("and", "all of these: "),
    };
    let waits: Vec<_> = facts.waits.iter().collect();
    let since = facts.row.modified_at;
    Said {
        status: "suspended",
        reason: match reasons[..] {
            [one] => one,
            [] => "waiting_for_answer",
            _ => "waiting_for_several",
        },
        since,
        sentence: if waits.is_empty() {
            "It is suspended, and waits for nothing that its journal knows of: only a cancellation \
             or a resume can wake it."
                .to_owned()
        } else {
            format!(
                "It has been suspended {}, and waits for {several}{}.",
                lasting(since, world.now),
                list(&waits, world.now, word)
            )
        },
        details: details([
            ("waits_for", listed(&facts.waits)),
            ("any_is_enough", json!(facts.any_is_enough)),
        ]),
        follow: followed(&facts.waits),
    }
}

fn paused(facts: &Facts, world: &World<'_>) -> Said {
    let row = &facts.row;
    let since = lasting(row.modified_at, world.now);
    let reason = row
        .pause_reason
        .and_then(|it| PauseReason::try_from(it).ok());
    let (reason, why, what) = match reason {
        None | Some(PauseReason::Operator) => (
            "paused_by_operator",
            "an operator paused it",
            "Resume it to let it go on.",
        ),
        Some(PauseReason::RetriesExhausted) => (
            "paused_retries_exhausted",
            "all attempts of its retry policy have failed",
            "Remove the cause, then resume it.",
        ),
        Some(PauseReason::Handler) => (
            "paused_by_handler",
            "its handler asked for it",
            "Resume it when the cause is gone.",
        ),
        Some(PauseReason::JournalMismatch) => (
            "paused_journal_mismatch",
            "its handler took another path than its journal: the code was changed, or is not \
             deterministic",
            "Resume it on a deployment with the code it began with, or restart it as new.",
        ),
        Some(PauseReason::OverBudget) => (
            "paused_over_budget",
            "its journal has outgrown its budget",
            "Raise invocation_bytes_max and resume it, or kill it.",
        ),
    };
    let failure_text = match row.last_failure.as_ref() {
        Some(AttemptFailure {
            mismatch: Some(mismatch),
            ..
        }) => format!(
            " Its journal has {}; the handler did {}.",
            mismatch.expected, mismatch.found
        ),
        Some(failure) => failed(failure),
        None => String::new(),
    };
    Said {
        status: "paused",
        reason,
        since: row.modified_at,
        sentence: format!("It has been paused {since}, because {why}.{failure_text} {what}"),
        details: details([
            ("failed_attempts", json!(row.retry_count)),
            ("last_failure", failure(row.last_failure.as_ref())),
        ]),
        follow: Vec::new(),
    }
}

fn details<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn failed(failure: &AttemptFailure) -> String {
    let message = failure.message.trim_end_matches('.');
    format!(" The last one failed with [{}] {message}.", failure.code)
}

fn failure(failure: Option<&AttemptFailure>) -> Value {
    failure.map_or(Value::Null, |failure| {
        json!({
            "code": failure.code, "message": failure.message,
            "command_index": failure.command_index, "command_name": failure.command_name,
            "expected": failure.mismatch.as_ref().map(|it| &it.expected),
            "found": failure.mismatch.as_ref().map(|it| &it.found),
        })
    })
}

fn followed(waits: &[Wait]) -> Vec<InvocationId> {
    let ids = waits.iter().filter_map(|wait| match wait.on {
        On::Call(id, _) | On::Attach(id) => Some(id),
        _ => None,
    });
    ids.collect()
}
