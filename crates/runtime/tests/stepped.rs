//! A node without threads: virtual time, and crashes in the middle of a turn.

use latchwork_engine::{
    Document, InvocationId, Invoke, Outcome, Record, Reply, Target, TargetKind,
};
use latchwork_protocol::service::manifest;
use latchwork_runtime::registry::{Deployment, Revision};
use latchwork_runtime::trace::Tracer;
use latchwork_runtime::transport::{BoxFuture, OpenRequest, Stream, Transport, TransportError};
use latchwork_runtime::{
    Clock, Fatal, NodeLimits, OutputState, SeededDice, Step, SteppedNode, Surroundings, TimerClock,
};
use latchwork_storage::{Log, MemoryLog, MemoryStore};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BEGAN_MS: u64 = 1_700_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Notes when which handler was to be reached, and reaches none.
struct Nowhere {
    clock: TimerClock,
    asked: Mutex<Vec<(u64, String)>>,
}

impl Transport for Nowhere {
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        let asked = (self.clock.now_ms() - BEGAN_MS, request.path);
        self.asked.lock().unwrap().push(asked);
        Box::pin(std::future::ready(Err(TransportError::Connect {
            address: request.deployment.uri.clone(),
            reason: "there is none".into(),
        })))
    }
}

/// What outlives a node.
struct World {
    log: MemoryLog,
    store: MemoryStore,
    transport: Arc<Nowhere>,
}

impl World {
    fn new() -> Self {
        Self {
            log: MemoryLog::new(),
            store: MemoryStore::default(),
            transport: Arc::new(Nowhere {
                clock: TimerClock::starting_at(BEGAN_MS),
                asked: Mutex::default(),
            }),
        }
    }

    fn open(&self) -> SteppedNode<MemoryStore> {
        self.open_by(self.transport.clock)
    }

    fn open_by(&self, clock: TimerClock) -> SteppedNode<MemoryStore> {
        let limits = NodeLimits {
            attempts_max: 10,
            attempts_bytes_max: 1 << 20,
            invocation_bytes_max: 1 << 20,
            metered_handlers_max: 1,
        };
        let around = Surroundings {
            transport: self.transport.clone(),
            clock: Arc::new(clock),
            dice: Arc::new(SeededDice::new(7)),
            tracer: Tracer::off(),
            rim: tokio::runtime::Handle::current(),
        };
        let log: Box<dyn Log> = Box::new(self.log.writer());
        SteppedNode::open(&limits, vec![(log, self.store.clone())], around).unwrap()
    }

    /// Takes away what was not persisted.
    fn crash(&mut self) {
        self.log = self.log.crash().0;
        self.store = self.store.crash();
    }
}

/// A deployment with handlers that fail for good at once.
fn deployment() -> Document {
    let manifest = r#"{
        "protocolMode": "BIDI_STREAM", "minProtocolVersion": 5, "maxProtocolVersion": 7,
        "services": [{"name": "Greeter", "ty": "SERVICE", "handlers": [
            {"name": "late"}, {"name": "later"}
        ], "retryPolicyMaxAttempts": 1, "retryPolicyOnMaxAttempts": "KILL"}]
    }"#;
    let media_type = "application/vnd.restate.endpointmanifest.v4+json";
    let manifest = manifest::parse(media_type, manifest.as_bytes()).unwrap();
    let services = manifest.validate().unwrap();
    let deployment = Deployment {
        id: "dp_1".into(),
        uri: "memory:".into(),
        http1: false,
        request_response: false,
        min_protocol_version: 5,
        max_protocol_version: 7,
        sdk_version: None,
        additional_headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        created_at: BEGAN_MS,
        services: services
            .into_iter()
            .map(|service| Revision {
                revision: 1,
                service,
            })
            .collect(),
    };
    deployment.document().unwrap()
}

fn invoke(handler: &str, number: u64, after_ms: u64) -> Invoke {
    Invoke {
        id: InvocationId {
            partition_key: number,
            high: number,
            low: number,
        },
        target: Target {
            service: "Greeter".into(),
            handler: handler.into(),
            kind: TargetKind::Plain.into(),
            ..Target::default()
        },
        execution_time: Some(BEGAN_MS + after_ms),
        completion_retention_ms: 365 * DAY_MS,
        ..Invoke::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_month_passes_at_once_and_in_order() {
    let real = std::time::Instant::now();
    let world = World::new();
    let mut node = world.open();
    let handle = node.handle();
    let ask = async {
        handle.register(vec![deployment()]).await.unwrap();
        let later = handle.invoke(invoke("later", 1, 30 * DAY_MS));
        let late = handle.invoke(invoke("late", 2, 10 * DAY_MS));
        let (later, late) = tokio::join!(later, late);
        assert!(matches!(later, Ok(Reply::Accepted { existed: false, .. })));
        assert!(matches!(late, Ok(Reply::Accepted { existed: false, .. })));
        let id = invoke("later", 1, 0).id;
        handle.attach(id).await.unwrap().unwrap().outcome
    };
    let outcome = tokio::select! {
        outcome = ask => outcome,
        stopped = node.run() => panic!("it stopped: {stopped:?}"),
    };
    assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
    let asked = world.transport.asked.lock().unwrap().clone();
    let asked: Vec<_> = asked
        .iter()
        .map(|(ms, path)| (ms / DAY_MS, &**path))
        .collect();
    assert_eq!(
        asked,
        [(10, "/invoke/Greeter/late"), (30, "/invoke/Greeter/later")]
    );
    assert!(real.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_step_keeps_what_was_appended() {
    for step in [
        Step::Appended,
        Step::Applied,
        Step::Committed,
        Step::Performed,
    ] {
        let mut world = World::new();
        let mut node = world.open();
        node.interrupt(move |_, at| at == step);
        let handle = node.handle();
        let asked = tokio::spawn(async move { handle.invoke(invoke("late", 1, DAY_MS)).await });
        tokio::task::yield_now().await;
        assert!(matches!(node.turn(0), Err(Fatal::Interrupted)), "{step:?}");
        drop(node);
        // Answered or not, the caller learns that it stopped.
        let answered = asked.await.unwrap().is_ok();
        assert!(!answered || step == Step::Performed, "{step:?}");
        world.crash();
        let mut node = world.open();
        assert_eq!(node.recovery().replayed, 1);
        let handle = node.handle();
        let id = invoke("late", 1, 0).id;
        let found = tokio::select! {
            found = handle.output(id) => found.unwrap(),
            stopped = node.run() => panic!("it stopped: {stopped:?}"),
        };
        assert!(matches!(found, OutputState::Pending(_)), "{step:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_the_store_has_all_and_the_log_is_not_needed() {
    let mut world = World::new();
    let mut node = world.open();
    let handle = node.handle();
    tokio::select! {
        asked = handle.invoke(invoke("late", 1, DAY_MS)) => drop(asked.unwrap()),
        stopped = node.run() => panic!("it stopped: {stopped:?}"),
    }
    node.shutdown(Duration::from_secs(1)).await.unwrap();
    world.crash();
    assert_eq!(world.open().recovery().replayed, 0);
}

#[tokio::test(start_paused = true)]
async fn time_does_not_run_back_over_a_restart_that_has_nothing_to_apply() {
    let world = World::new();
    let mut times = Vec::new();
    for began_ms in [BEGAN_MS, BEGAN_MS - DAY_MS] {
        let mut node = world.open_by(TimerClock::starting_at(began_ms));
        let handle = node.handle();
        tokio::select! {
            asked = handle.invoke(invoke("late", began_ms, DAY_MS)) => drop(asked.unwrap()),
            stopped = node.run() => panic!("it stopped: {stopped:?}"),
        }
        let last = world.log.read(world.log.tail() - 1).unwrap().next();
        let (_, record) = last.unwrap().unwrap();
        times.push(Record::decode(record).unwrap().time);
        // The tables have all of it.
        node.shutdown(Duration::ZERO).await.unwrap();
    }
    assert!(times.is_sorted(), "{times:?}");
}
