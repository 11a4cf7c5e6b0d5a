//! A statement over small tables in memory.

use super::Limits;
use super::answer::Format;
use super::dialect::compile;
use super::run::{QueryError, execute};
use super::table::Source;
use super::watch::Watch;
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::{Address, state};
use latchwork_engine::{InvocationId, MemoryView, Target, TargetKind};
use latchwork_runtime::registry::Registry;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;
const LIMITS: Limits = Limits {
    time: Duration::from_millis(500),
    rows: 1_000,
    bytes: 8 << 20,
};
/// What the engine says of a statement that it does not understand. All that is let through to it
/// is written by the dialect, so that this is the dialect's mistake.
const MISUNDERSTOOD: [&str; 5] = [
    "syntax error",
    "no such",
    "unrecognized token",
    "incomplete input",
    "wrong number of arguments",
];

pub(crate) fn statement(text: &str) {
    let Ok(compiled) = compile(text, NOW, &LIMITS.shown()) else {
        return;
    };
    let source = Source {
        partitions: vec![Arc::new(view())],
        registry: Arc::new(Registry::default()),
        handle: None,
    };
    let format = match text.len() % 2 {
        0 => Format::Json { nulls: true },
        _ => Format::Arrow,
    };
    let watch = Watch::new(LIMITS.time, Arc::default());
    let answer = execute(&compiled, Arc::new(source), &LIMITS, format, watch);
    if let Err(QueryError::Engine(reason)) = answer {
        let is_misunderstood = MISUNDERSTOOD.iter().any(|said| reason.contains(said));
        assert!(!is_misunderstood, "{reason}: {}", compiled.sql);
    }
}

fn view() -> MemoryView {
    let mut view = MemoryView::default();
    for (number, status) in [(1, Status::Running), (2, Status::Completed)] {
        let row = Invocation {
            target: Target {
                service: "Counter".into(),
                handler: "add".into(),
                key: Some(format!("k{number}")),
                kind: TargetKind::Exclusive.into(),
                scope: None,
            },
            status: status.into(),
            created_at: NOW as u64,
            ..Invocation::default()
        };
        let id = InvocationId::from_bytes([number; 24]);
        view.write(invocation::key(&id), Some(row.encode_to_vec().into()));
        let address = Address {
            service: "Counter".into(),
            scope: None,
            key: format!("k{number}"),
        };
        view.write(state::key(&address, b"n"), Some("{\"a\":[1]}".into()));
    }
    view
}
