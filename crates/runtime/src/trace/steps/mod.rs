//! Steps: what invocations do, one line each, read from the rows that records write.
//!
//! What is refused writes nothing, so it is no step. Of an invocation that is not over, what its
//! commands asked for is kept, to say what an answer answers; after a restart that is not known,
//! and such answers are passed over.

mod payload;
mod words;

use super::Watcher;
use crate::clock::Clock;
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::journal::{self, JournalEntry};
use latchwork_engine::{
    AttemptFailure, Ending, Fact, InvocationId, PauseReason, Target, Transition,
};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::ingress::duration_text;
use payload::{failed, shortened};
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use words::Asked;

/// One thing that an invocation did, or that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, in ms since 1970.
    pub at_ms: u64,
    /// The id of the invocation, as text.
    pub id: String,
    /// What is called: `Service/key/handler`.
    pub target: String,
    /// Of what kind it is.
    pub kind: StepKind,
    /// What happened, in one line.
    pub text: String,
}

/// Kinds of steps, for whoever paints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// It is there, or an attempt begins.
    Begins,
    /// Something was recorded.
    Recorded,
    /// It waits.
    Waits,
    /// An attempt, or something in it, went wrong.
    Trouble,
    /// It came to a value.
    Succeeded,
    /// It came to a failure.
    Failed,
}

/// Is told of each step, in order. It is called in the loop of a partition, and must not wait.
pub trait StepSink: Send + Sync + 'static {
    /// This has happened.
    fn step(&self, step: Step);
}

/// Makes steps of rows.
pub struct Steps {
    sink: Arc<dyn StepSink>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<InvocationId, Known>>,
}

/// What is known of an invocation that is not over.
#[derive(Default)]
struct Known {
    status: Option<Status>,
    epoch: u32,
    asked: Asked,
    output: Option<String>,
}

/// Where the lines of one invocation go.
struct Told<'a> {
    sink: &'a dyn StepSink,
    at_ms: u64,
    /// The same by the handler's clock.
    theirs_ms: u64,
    id: &'a InvocationId,
    target: &'a Target,
}

impl Told<'_> {
    fn tell(&self, kind: StepKind, text: impl Into<String>) {
        self.sink.step(Step {
            at_ms: self.at_ms,
            id: invocation_text(&self.id.to_bytes()),
            target: target_text(self.target),
            kind,
            text: text.into(),
        });
    }
}

impl Steps {
    /// Tells this sink. The clock is the node's.
    pub fn new(sink: Arc<dyn StepSink>, clock: Arc<dyn Clock>) -> Self {
        Self {
            sink,
            clock,
            known: Mutex::default(),
        }
    }
}

impl Watcher for Steps {
    fn applied(&self, time_ms: u64, transition: &Transition) {
        let theirs_ms = time_ms.saturating_sub(self.clock.ahead_ms());
        let (rows, mut entries) = written(transition);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, row) in &rows {
            let told = Told {
                sink: &*self.sink,
                at_ms: time_ms,
                theirs_ms,
                id,
                target: &row.target,
            };
            let entries = entries.remove(id).unwrap_or_default();
            if row.status() == Status::Completed {
                // An old one that is tidied up is not known.
                if let Some(known) = known.get_mut(id) {
                    known.entries(&told, &entries);
                }
                continue;
            }
            let known = known.entry(*id).or_default();
            // What it waited for comes before it goes on.
            known.entries(&told, &entries);
            known.begins(&told, row);
            known.stands(&told, row);
            known.status = Some(row.status());
            known.epoch = row.epoch;
        }
        for fact in &transition.facts {
            if let Fact::Completed {
                id,
                row,
                ending,
                failure,
            } = fact
            {
                let told = Told {
                    sink: &*self.sink,
                    at_ms: time_ms,
                    theirs_ms,
                    id,
                    target: &row.target,
                };
                let mut known = known.remove(id).unwrap_or_default();
                // Its row may be forgotten with this very record.
                known.entries(&told, &entries.remove(id).unwrap_or_default());
                let took = duration_text(time_ms.saturating_sub(row.created_at));
                match (ending, failure) {
                    (Ending::Succeeded, _) => {
                        let output = known.output.map(|text| format!(": {text}"));
                        let text = format!("completed in {took}{}", output.unwrap_or_default());
                        told.tell(StepKind::Succeeded, text);
                    }
                    (ending, failure) => {
                        let why = failure.as_ref().map(|it| format!(": {}", failed(it)));
                        let text =
                            format!("{} after {took}{}", ending.text(), why.unwrap_or_default());
                        told.tell(StepKind::Failed, text);
                    }
                }
            }
        }
    }
}

impl Known {
    /// It is there for the first time, or has a new attempt.
    fn begins(&self, told: &Told<'_>, row: &Invocation) {
        let wait =
            |at: Option<u64>| duration_text(at.unwrap_or(told.at_ms).saturating_sub(told.at_ms));
        match row.status() {
            Status::Scheduled if self.status.is_none() => {
                told.tell(
                    StepKind::Waits,
                    format!("starts in {}", wait(row.execution_time)),
                );
            }
            Status::Inboxed if self.status.is_none() => {
                told.tell(StepKind::Waits, "waits for its key");
            }
            Status::Running if row.epoch != self.epoch => match self.status {
                Some(Status::BackingOff) => {
                    told.tell(StepKind::Begins, format!("attempt {}", row.epoch));
                }
                Some(Status::Suspended) => told.tell(StepKind::Begins, "goes on"),
                Some(Status::Paused) => told.tell(StepKind::Begins, "resumed"),
                _ if row.epoch <= 1 => told.tell(StepKind::Begins, "started"),
                _ => told.tell(StepKind::Begins, format!("attempt {}", row.epoch)),
            },
            _ => {}
        }
    }

    fn entries(&mut self, told: &Told<'_>, entries: &BTreeMap<u32, JournalEntry>) {
        for entry in entries.values() {
            if let Some(output) = words::output(entry) {
                self.output = Some(output);
            }
            if let Some((text, is_failure)) = words::entry(entry, &mut self.asked, told.theirs_ms) {
                let kind = match is_failure {
                    true => StepKind::Trouble,
                    false => StepKind::Recorded,
                };
                told.tell(kind, text);
            }
        }
        for text in words::begun(&mut self.asked) {
            told.tell(StepKind::Recorded, text);
        }
    }

    /// It has come to wait for something.
    fn stands(&self, told: &Told<'_>, row: &Invocation) {
        let why = || {
            row.last_failure
                .as_ref()
                .map(attempt_failed)
                .unwrap_or_default()
        };
        let is_new = self.status != Some(row.status()) || self.epoch != row.epoch;
        match row.status() {
            Status::Suspended if is_new => {
                let awaiting = row.awaiting.as_ref();
                let awaited = awaiting.map(|future| words::awaited(future, &self.asked));
                let awaited = awaited.filter(|text| !text.is_empty());
                let on = awaited.map(|text| format!(", waits for {text}"));
                let text = format!("suspended{}", on.unwrap_or_default());
                told.tell(StepKind::Waits, text);
            }
            Status::BackingOff if is_new => {
                let wait = row.next_retry_at.unwrap_or(told.at_ms);
                let wait = duration_text(wait.saturating_sub(told.at_ms));
                let text = format!("attempt {} failed: {}; again in {wait}", row.epoch, why());
                told.tell(StepKind::Trouble, text);
            }
            Status::Paused if is_new => {
                let reason = row
                    .pause_reason
                    .and_then(|it| PauseReason::try_from(it).ok());
                let reason = reason.unwrap_or(PauseReason::Operator);
                let why = match reason {
                    PauseReason::Operator => String::new(),
                    _ => format!(": {}", why()),
                };
                let reason = reason.text().replace('_', " ");
                told.tell(StepKind::Trouble, format!("paused ({reason}){why}"));
            }
            _ => {}
        }
    }
}

/// The rows of invocations, and the entries of journals, that a record wrote.
fn written(
    transition: &Transition,
) -> (
    BTreeMap<InvocationId, Invocation>,
    HashMap<InvocationId, BTreeMap<u32, JournalEntry>>,
) {
    let (first, last) = invocation::all();
    let rows = transition
        .writes
        .range(first..last)
        .filter_map(|(key, value)| {
            let row = Invocation::decode(value.clone()?).ok()?;
            Some((invocation::parse_key(key)?, row))
        });
    let mut entries: HashMap<_, BTreeMap<_, _>> = HashMap::new();
    for (key, value) in &transition.writes {
        if let (Some((id, index)), Some(value)) = (journal::parse_key(key), value)
            && let Ok(entry) = JournalEntry::decode(value.clone())
        {
            entries.entry(id).or_default().insert(index, entry);
        }
    }
    (rows.collect(), entries)
}

fn attempt_failed(failure: &AttemptFailure) -> String {
    format!("[{}] {}", failure.code, shortened(&failure.message))
}

fn target_text(target: &Target) -> String {
    match &target.key {
        Some(key) => format!("{}/{}/{}", target.service, shortened(key), target.handler),
        None => format!("{}/{}", target.service, target.handler),
    }
}
