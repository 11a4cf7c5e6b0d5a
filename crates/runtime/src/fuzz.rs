//! For the fuzzing targets: an attempt's session against an endpoint that says whatever it likes.
//!
//! What the session lets through is applied by the engine, as it would be, and afterwards every
//! row of the tables must still be right: "no byte of an endpoint can make a record that the
//! engine could not apply" is what `invoker/session.rs` promises.

use crate::invoker::fuzz::Conversation;
use crate::registry::{Deployment, Registry};
use bytes::Bytes;
use latchwork_engine::{
    Command, Input, InvocationId, Invoke, Letter, MemoryView, Message, Partition, Record, Target,
    TargetKind, Topology, check,
};
use latchwork_protocol::service::version::Version;
use std::sync::Arc;

const NOW: u64 = 1_700_000_000_000;
/// The last part of the input is one chunk, so that this many cuts are enough.
const CHUNKS_MAX: usize = 8;

/// Feeds a session. The first byte chooses the version of the protocol and the kind of handler,
/// the second how long the chunks are; the rest is what the endpoint sends.
///
/// # Panics
/// If what is let through cannot be applied, or breaks a rule of the tables.
pub fn session(data: &[u8]) {
    let [choice, cut, rest @ ..] = data else {
        return;
    };
    let version = [Version::V5, Version::V6, Version::V7][usize::from(*choice) % 3];
    let (service, kind) = [
        ("S", TargetKind::Plain),
        ("O", TargetKind::Exclusive),
        ("W", TargetKind::WorkflowRun),
    ][usize::from(*choice / 3) % 3];
    let mut world = World::default();
    world.apply(invoke(service, kind));
    let mut conversation = Conversation::begin(Arc::new(registry()), &world.view, ID, version);
    let length = usize::from(*cut) + 1;
    let mut rest = Bytes::copy_from_slice(rest);
    for turn in 0..=CHUNKS_MAX {
        let chunk = if turn == CHUNKS_MAX {
            std::mem::take(&mut rest)
        } else {
            rest.split_to(length.min(rest.len()))
        };
        let (progress, goes_on) = conversation.hear(chunk);
        if let Some(progress) = progress {
            world.apply(Command::Progress(progress));
        }
        if !goes_on || rest.is_empty() {
            break;
        }
    }
    if let Err(wrong) = check::check(&world.view) {
        panic!("the tables are wrong: {wrong:#?}");
    }
}

const ID: InvocationId = InvocationId {
    partition_key: 7,
    high: 1,
    low: 2,
};

fn invoke(service: &str, kind: TargetKind) -> Command {
    let target = Target {
        service: service.to_owned(),
        handler: "h".to_owned(),
        key: (kind != TargetKind::Plain).then(|| "k".to_owned()),
        kind: kind.into(),
        scope: None,
    };
    let invoke = Invoke {
        id: ID,
        target,
        input: Input::default(),
        ..Invoke::default()
    };
    Command::Message(Message {
        letter: Some(Letter::Invoke(Box::new(invoke))),
    })
}

fn registry() -> Registry {
    let service = |name: &str, kind: &str, handler: &str| {
        serde_json::json!({"revision": 1, "service": {"name": name, "kind": kind, "handlers": [{
            "name": "h", "kind": handler, "input": "Any",
            "output": {"content_type": null, "set_if_empty": false},
        }]}})
    };
    let deployment: Deployment = serde_json::from_value(serde_json::json!({
        "id": "dp_a", "uri": "http://a/", "http1": false, "request_response": false,
        "min_protocol_version": 5, "max_protocol_version": 7, "created_at": 1,
        "services": [
            service("S", "Service", "Plain"),
            service("O", "VirtualObject", "Exclusive"),
            service("W", "Workflow", "WorkflowRun"),
        ],
    }))
    .expect("a deployment");
    Registry::new(vec![deployment], Default::default())
}

/// The engine over tables in memory.
#[derive(Default)]
struct World {
    view: MemoryView,
}

impl World {
    fn apply(&mut self, command: Command) {
        let record = Record {
            time: NOW,
            command: Some(command),
        };
        let applied = Partition::new(Topology::SINGLE).apply(&self.view, record);
        for (key, value) in applied.expect("it can be applied").writes {
            self.view.write(key, value);
        }
    }
}
