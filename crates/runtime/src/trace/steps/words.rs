//! Journal entries in words: what a handler asked for, and what came of it.

use super::payload::{failed, settled, shown};
use latchwork_engine::table::journal::{Body, Command, JournalEntry, Notification};
use latchwork_engine::{Answer, CANCEL_SIGNAL, Future, Identity};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::ingress::duration_text;
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use prost::Message;
use std::collections::BTreeMap;

/// So many of the things that are waited for are named; the rest is counted.
const NAMED_MAX: usize = 3;

/// What the commands of one invocation asked for, by the completion that answers.
pub(super) type Asked = BTreeMap<u32, Asking>;

/// A command that is not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    ty: u16,
    /// What it is about: `run "charge"`, `Ledger/main/add`.
    label: String,
    /// It was not told yet, since its answer may say it all.
    is_untold: bool,
}

/// One line about an entry, if there is anything to say; whether something went wrong with it.
pub(super) fn entry(entry: &JournalEntry, asked: &mut Asked, now: u64) -> Option<(String, bool)> {
    match entry.body.as_ref()? {
        Body::Input(_) => None,
        Body::Command(command) => self::command(command, asked, now).map(|text| (text, false)),
        Body::Notification(notification) => self::notification(notification, asked),
    }
}

/// The value of an output, if it has one.
pub(super) fn output(entry: &JournalEntry) -> Option<String> {
    let Some(Body::Command(command)) = &entry.body else {
        return None;
    };
    if command.ty != u32::from(ty::OUTPUT) {
        return None;
    }
    match wire::Output::decode(&command.raw[..]).ok()?.result? {
        wire::Outcome::Value(value) if !value.content.is_empty() => Some(shown(&value.content)),
        _ => None,
    }
}

/// Runs that have begun and have no result within the same record: they take their time.
pub(super) fn begun(asked: &mut Asked) -> Vec<String> {
    let untold = asked.values_mut().filter(|asking| asking.is_untold);
    untold
        .map(|asking| {
            asking.is_untold = false;
            format!("{} …", asking.label)
        })
        .collect()
}

/// What is waited for.
pub(super) fn awaited(future: &Future, asked: &Asked) -> String {
    let mut names = Vec::new();
    collect(future, asked, &mut names);
    names.dedup();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let mut text = names.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn collect(future: &Future, asked: &Asked, names: &mut Vec<String>) {
    for id in &future.completions {
        names.push(
            asked
                .get(id)
                .map_or("an answer".to_owned(), |asking| asking.label.clone()),
        );
    }
    let signals = future
        .signals
        .iter()
        .filter(|index| **index != CANCEL_SIGNAL);
    names.extend(signals.map(|_| "an awakeable".to_owned()));
    names.extend(
        future
            .named_signals
            .iter()
            .map(|name| format!("signal {name:?}")),
    );
    for nested in &future.nested {
        collect(nested, asked, names);
    }
}

fn command(command: &Command, asked: &mut Asked, now: u64) -> Option<String> {
    let raw = &command.raw[..];
    let kind = u16::try_from(command.ty).ok()?;
    let child = || {
        let id = command
            .child
            .as_ref()
            .map(|id| invocation_text(&id.to_bytes()));
        id.map(|id| format!("  {id}")).unwrap_or_default()
    };
    let (label, text) = match kind {
        ty::RUN => {
            let label = match wire::name(raw) {
                name if name.is_empty() => "run".to_owned(),
                name => format!("run {name:?}"),
            };
            (label, None)
        }
        ty::SLEEP => {
            let due = wire::Sleep::decode(raw).ok()?.wake_up_time;
            let length = duration_text(due.saturating_sub(now));
            ("a timer".to_owned(), Some(format!("sleeps {length}")))
        }
        ty::CALL => {
            let target = wire::called(kind, raw)?;
            let text = format!("calls {target}{}", child());
            (target, Some(text))
        }
        ty::ONE_WAY_CALL => {
            let target = wire::called(kind, raw)?;
            let at = wire::OneWayCall::decode(raw).ok()?.invoke_time;
            let delay = match at.saturating_sub(now) {
                0 => String::new(),
                ms => format!(", in {}", duration_text(ms)),
            };
            let text = format!("sends to {target}{delay}{}", child());
            (target, Some(text))
        }
        ty::GET_LAZY_STATE => {
            let get = wire::GetLazyState::decode(raw).ok()?;
            (format!("state {}", shown(&get.key)), None)
        }
        ty::GET_LAZY_STATE_KEYS => ("the keys of its state".to_owned(), None),
        ty::SET_STATE => {
            let set = wire::SetState::decode(raw).ok()?;
            let value = set.value.unwrap_or_default().content;
            let text = format!("sets {} = {}", shown(&set.key), shown(&value));
            (String::new(), Some(text))
        }
        ty::CLEAR_STATE => {
            let clear = wire::ClearState::decode(raw).ok()?;
            (String::new(), Some(format!("clears {}", shown(&clear.key))))
        }
        ty::CLEAR_ALL_STATE => (String::new(), Some("clears its state".to_owned())),
        ty::GET_PROMISE => {
            let label = format!("promise {:?}", wire::GetPromise::decode(raw).ok()?.key);
            let text = format!("looks for {label}");
            (label, Some(text))
        }
        ty::PEEK_PROMISE => {
            let label = format!("promise {:?}", wire::PeekPromise::decode(raw).ok()?.key);
            (label, None)
        }
        ty::COMPLETE_PROMISE => {
            let key = wire::CompletePromise::decode(raw).ok()?.key;
            (format!("completing promise {key:?}"), None)
        }
        ty::SEND_SIGNAL => {
            let send = wire::SendSignal::decode(raw).ok()?;
            let to = send.target_invocation_id;
            let text = match send.identity? {
                wire::SignalIdentity::Index(CANCEL_SIGNAL) => format!("cancels {to}"),
                wire::SignalIdentity::Index(_) => format!("completes an awakeable of {to}"),
                wire::SignalIdentity::Name(name) => format!("signals {name:?} to {to}"),
            };
            (String::new(), Some(text))
        }
        ty::COMPLETE_AWAKEABLE => {
            let id = wire::CompleteAwakeable::decode(raw).ok()?.awakeable_id;
            (String::new(), Some(format!("completes {id}")))
        }
        ty::ATTACH_INVOCATION => {
            let text = format!("latches on to another invocation{}", child());
            ("another invocation".to_owned(), Some(text))
        }
        ty::GET_INVOCATION_OUTPUT => ("the output of another invocation".to_owned(), None),
        _ => return None,
    };
    // The last of them is the result; a call's first is the id of what it calls.
    if let Some(id) = command.completions.iter().max() {
        asked.insert(
            *id,
            Asking {
                ty: kind,
                label,
                is_untold: kind == ty::RUN,
            },
        );
    }
    text
}

fn notification(notification: &Notification, asked: &mut Asked) -> Option<(String, bool)> {
    let answer = notification.answer.as_ref()?;
    let failed_now = matches!(answer, Answer::Failure(_));
    let text = match notification.identity.as_ref()? {
        Identity::Signal(CANCEL_SIGNAL) => "is asked to stop".to_owned(),
        Identity::Signal(_) => settled("awakeable", answer, "resolved"),
        Identity::NamedSignal(name) => settled(&format!("signal {name:?}"), answer, "came"),
        Identity::Completion(id) => {
            if matches!(answer, Answer::Invocation(_)) {
                return None;
            }
            let asking = asked.remove(id)?;
            match (asking.ty, answer) {
                (ty::SLEEP, Answer::Failure(failure)) => {
                    format!("sleep failed: {}", failed(failure))
                }
                (ty::SLEEP, _) => "wakes up".to_owned(),
                (ty::RUN, _) => settled(&asking.label, answer, "done"),
                (ty::CALL | ty::ATTACH_INVOCATION, Answer::Value(value)) if !value.is_empty() => {
                    format!("{} answered {}", asking.label, shown(value))
                }
                (ty::CALL | ty::ATTACH_INVOCATION, _) => settled(&asking.label, answer, "answered"),
                (ty::ONE_WAY_CALL, _) => return None,
                (_, Answer::Void(_)) if asking.label.starts_with("completing") => {
                    asking.label.replacen("completing", "completed", 1)
                }
                (_, Answer::Void(_)) => format!("{} is empty", asking.label),
                _ => settled(&asking.label, answer, "known"),
            }
        }
    };
    Some((text, failed_now))
}
