//! The steps of a world, for whoever asks and for whoever has to find out what went wrong.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use latchwork_engine::Target;
use latchwork_protocol::ingress::duration_text;
use latchwork_runtime::trace::{Step, StepKind, StepSink};

use super::stage::BEGAN_MS;

/// Steps that are kept.
const KEPT_MAX: usize = 20_000;
/// Steps that are printed, the newest.
const PRINTED_MAX: usize = 200;

/// What has the steps that are no invocation's.
const SERVER: &str = "the server";

/// Keeps steps.
#[derive(Default)]
pub(super) struct Record(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    steps: VecDeque<Step>,
    /// All there were.
    count: u64,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.lock().steps.iter().cloned().collect()
    }

    /// Takes note that the server has crashed. Of what it finds in its log when it begins again, and
    /// had not told before, there are no steps.
    pub(super) fn crash(&self, at_ms: u64) {
        self.step(Step {
            at_ms,
            id: String::new(),
            target: SERVER.to_owned(),
            kind: StepKind::Trouble,
            text: "crashes, and begins again".to_owned(),
        });
    }

    /// How many steps there were.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Prints the newest steps to stderr, where a test that fails is read.
    pub(super) fn print(&self, title: &str, repeat: Option<&str>) {
        let kept = self.lock();
        let mut numbers = HashMap::new();
        for step in kept.steps.iter().filter(|step| !step.id.is_empty()) {
            let next = numbers.len() + 1;
            numbers.entry(&*step.id).or_insert(next);
        }
        let before = kept.steps.len().saturating_sub(PRINTED_MAX);
        eprintln!("\n--- {title}: {} steps", kept.count);
        for step in kept.steps.iter().skip(before) {
            let at = duration_text(step.at_ms.saturating_sub(BEGAN_MS));
            let number = numbers.get(&*step.id).map(|number| format!("#{number} "));
            let number = number.unwrap_or_default();
            eprintln!("{at:>16}  {number}{}  {}", step.target, step.text);
        }
        if let Some(command) = repeat {
            eprintln!("--- to repeat it: {command}");
        }
    }
}

impl StepSink for Record {
    fn step(&self, step: Step) {
        let mut kept = self.lock();
        kept.count += 1;
        if kept.steps.len() == KEPT_MAX {
            kept.steps.pop_front();
        }
        kept.steps.push_back(step);
    }
}

/// `Service/handler`, or `Service/key/handler`.
pub(super) fn target_text(target: &Target) -> String {
    match &target.key {
        Some(key) => format!("{}/{key}/{}", target.service, target.handler),
        None => format!("{}/{}", target.service, target.handler),
    }
}
