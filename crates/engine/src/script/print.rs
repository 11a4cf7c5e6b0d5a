//! From effects and rows to short text.

use super::World;
use crate::table::invocation::Invocation;
use crate::table::journal::{Body, Notification};
use crate::{Answer, Effect, Failure, Identity, InvocationId, Letter, Outcome, Reply};
use bytes::Bytes;

/// Milliseconds, in whole seconds or hours where they are.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0 => "0s".into(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

pub(super) fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn failure(failure: &Failure) -> String {
    format!("{} {}", failure.code, failure.message)
}

fn identity(identity: Option<&Identity>) -> String {
    match identity {
        Some(Identity::Completion(id)) => format!("#{id}"),
        Some(Identity::Signal(index)) => format!("!{index}"),
        Some(Identity::NamedSignal(name)) => format!("@{name}"),
        None => "?".into(),
    }
}

impl World {
    fn name(&self, id: &InvocationId) -> &str {
        self.names.get(id).map_or("?", String::as_str)
    }

    fn answer(&self, answer: Option<&Answer>) -> String {
        match answer {
            Some(Answer::Void(_)) => "void".into(),
            Some(Answer::Value(value)) => text(value),
            Some(Answer::Failure(it)) => failure(it),
            Some(Answer::Invocation(id)) => self.name(id).into(),
            Some(Answer::StateKeys(keys)) => {
                let keys: Vec<_> = keys.keys.iter().map(text).collect();
                keys.join(",")
            }
            None => "?".into(),
        }
    }

    fn notification(&self, it: &Notification) -> String {
        let identity = identity(it.identity.as_ref());
        format!("{identity}={}", self.answer(it.answer.as_ref()))
    }

    pub(super) fn effect(&self, effect: &Effect) -> String {
        match effect {
            Effect::Run { id, epoch } => format!("run {}@{epoch}", self.name(id)),
            Effect::Abort { id, epoch } => format!("abort {}@{epoch}", self.name(id)),
            Effect::Notify {
                id,
                index,
                notification,
                proposed,
            } => {
                let verb = if *proposed { "ack-run" } else { "notify" };
                let notification = self.notification(notification);
                format!("{verb} {}[{index}] {notification}", self.name(id))
            }
            Effect::Acknowledge { id, command } => format!("ack {}[{command}]", self.name(id)),
            Effect::Completed { id, outcome } => {
                let outcome = match outcome {
                    Outcome::Value(value) => format!("={}", text(value)),
                    Outcome::Failure(it) => format!("={}", failure(it)),
                };
                format!("done {}{outcome}", self.name(id))
            }
            Effect::Queued { id } => format!("queued {}", self.name(id)),
            Effect::Arm { time: at } => format!("arm {}", time(*at)),
            Effect::Deliver {
                to,
                sequence,
                message,
            } => {
                let letter = message.letter.as_ref().map(|letter| self.letter(letter));
                format!("deliver {sequence} to {to}: {}", letter.unwrap_or_default())
            }
            Effect::ConfirmDelivery { to, up_to } => format!("confirm {up_to} to {to}"),
            Effect::RegistryChanged => "registry changed".into(),
            Effect::Reply(reply) => self.reply(reply),
        }
    }

    fn letter(&self, letter: &Letter) -> String {
        let to = letter.to();
        let to = self.name(&to);
        match letter {
            Letter::Invoke(_) => format!("invoke {to}"),
            Letter::Complete(it) => {
                format!(
                    "complete {to} #{}={}",
                    it.completion,
                    self.answer(it.answer.as_ref())
                )
            }
            Letter::Signal(it) => format!("signal {to} {}", identity(it.identity.as_ref())),
            Letter::Attach(_) => format!("attach {to}"),
            Letter::GetOutput(_) => format!("output of {to}"),
            Letter::Kill(_) => format!("kill {to}"),
        }
    }

    fn reply(&self, reply: &Reply) -> String {
        match reply {
            Reply::Accepted { id, existed, .. } => {
                let how = if *existed { "found" } else { "accepted" };
                format!("{how} {}", self.name(id))
            }
            other => format!("reply {other:?}"),
        }
    }

    /// Status, attempt and journal length; then what is out of the ordinary.
    pub(super) fn invocation(&self, id: &InvocationId, row: &Invocation) -> String {
        let mut shown = format!(
            "{}@{} {:?} {} entries",
            self.name(id),
            row.epoch,
            row.status(),
            row.journal_len
        );
        if let Some(pin) = &row.pin {
            shown += &format!(" on {}", pin.deployment);
        }
        if row.retry_count + row.policy_attempts > 0 {
            shown += &format!(" retries {}/{}", row.retry_count, row.policy_attempts);
        }
        if row.pause_reason.is_some() {
            shown += &format!(" for {:?}", row.pause_reason());
        }
        if row.journal_dropped {
            shown += " no journal";
        }
        if !row.waiters.is_empty() {
            shown += &format!(" {} waiting", row.waiters.len());
        }
        shown
    }

    pub(super) fn entry(&self, body: &Body) -> String {
        match body {
            Body::Input(_) => "input".into(),
            Body::Command(command) => text(&command.raw),
            Body::Notification(it) => self.notification(it),
        }
    }
}
