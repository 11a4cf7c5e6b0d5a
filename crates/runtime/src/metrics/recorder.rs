//! One thread's way to the counts of a handler: by its names, without a lock and without a copy
//! of them once it is known.

use super::HandlerMetrics;
use crate::handle::Shared;
use latchwork_engine::table::invocation::Invocation;
use latchwork_engine::{Ending, Fact, Target};
use std::collections::HashMap;
use std::sync::Arc;

/// Finds counts, and remembers where they are.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    known: HashMap<String, HashMap<String, Arc<HandlerMetrics>>>,
}

impl Recorder {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            known: HashMap::new(),
        }
    }

    /// The counts of what is called.
    pub(crate) fn of(&mut self, target: &Target) -> Arc<HandlerMetrics> {
        let Target {
            service, handler, ..
        } = target;
        if let Some(known) = self.known.get(service).and_then(|it| it.get(handler)) {
            return known.clone();
        }
        let handlers = &self.shared.metrics.handlers;
        if self
            .shared
            .registry
            .load()
            .handler(service, handler)
            .is_none()
        {
            // It may be registered later.
            return handlers.other();
        }
        let found = handlers.registered(service, handler);
        let of_service = self.known.entry(service.clone()).or_default();
        of_service.insert(handler.clone(), found.clone());
        found
    }

    /// Counts what has become of an invocation, and has it traced.
    pub(crate) fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Accepted { row, .. } => self.of(&row.target).accepted.one(),
            Fact::Completed {
                id,
                row,
                ending,
                failure,
            } => {
                self.completed(row, *ending);
                let tracer = &self.shared.tracer;
                tracer.completed(id, row, *ending, failure.as_ref());
            }
        }
    }

    fn completed(&mut self, row: &Invocation, ending: Ending) {
        let meter = self.of(&row.target);
        meter.completed(ending).one();
        let ended = row.completed_at.unwrap_or(row.created_at);
        let ms = ended.saturating_sub(row.created_at);
        meter.latency_us.observe(ms.saturating_mul(1_000));
    }
}
