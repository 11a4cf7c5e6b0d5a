//! One world: a node that is crashed and started again, clients, an operator, and the end, when
//! all that was begun must finish.

use super::Played;
use super::auditor::Auditor;
use super::faults::Fates;
use super::pipe::Pipe;
use super::random::{Random, mix};
use super::replica::{self, Unfinished};
use super::script::{Input, Stage, endpoint};
use super::storage::{Disk, SimStore};
use super::workload::{Kind, Order};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body::Body;
use latchwork::Endpoint;
use latchwork_engine::table::invocation::Status;
use latchwork_engine::{
    Answer, Document, Identity, InvocationId, Invoke, Operation, Outcome, Reply, Target, TargetKind,
};
use latchwork_protocol::derive;
use latchwork_protocol::id::{Awakeable, parse_awakeable};
use latchwork_protocol::service::manifest;
use latchwork_runtime::registry::{Deployment, Revision};
use latchwork_runtime::trace::Tracer;
use latchwork_runtime::{
    Clock, Dice, Handle, NodeLimits, OutputState, SeededDice, SteadyClock, SteppedNode,
    Surroundings,
};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long there are faults.
const FAULTS: Duration = Duration::from_secs(60);
/// After so long without faults what is paused is resumed, by then what was never answered is
/// cancelled, and when this is over everything must be.
const RESUME: Duration = Duration::from_secs(60);
const CANCEL: Duration = Duration::from_secs(400);
const REST: Duration = Duration::from_secs(4 * 3600);
/// So late no timer is while there are no faults.
const OVERDUE_MS: u64 = 2_000;
/// Turns that no world needs.
const TURNS_MAX: u64 = 200_000;
const LONGEST: Duration = Duration::from_secs(1);

type Node = SteppedNode<SimStore>;

/// The way to whoever leads just now.
#[derive(Default)]
struct Door(Mutex<Option<Handle>>);

impl Door {
    /// Waits until there is somebody.
    async fn handle(&self) -> Handle {
        loop {
            let handle = self.0.lock().expect("one thread").clone();
            match handle {
                Some(handle) => return handle,
                None => pause(20).await,
            }
        }
    }

    fn set(&self, handle: Option<Handle>) {
        *self.0.lock().expect("one thread") = handle;
    }
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// What all of a world's tasks share.
#[derive(Clone)]
struct Shared {
    stage: Stage,
    door: Arc<Door>,
    /// The server's.
    clock: Arc<SteadyClock<Arc<Fates>>>,
    /// Clients that have not got what they asked for.
    waiting: Arc<Mutex<usize>>,
    /// What clients have asked for.
    known: Arc<Mutex<Vec<InvocationId>>>,
}

pub(super) fn play(seed: u64) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime to play a world on: {error}"),
    };
    runtime.block_on(async {
        // The runtime counts whole milliseconds since it began, which was a little before.
        pause(1).await;
        let mut world = World::new(seed);
        let ended = world.run().await;
        let auditor = &world.shared.stage.auditor;
        if let Err(wrong) = ended {
            auditor.wrong(wrong);
        }
        Played {
            wrong: auditor.verdict(),
            trace: world.fates.trace.take(),
            records: world.records,
            crashes: world.crashes,
            connections: 0,
        }
    })
}

struct World {
    fates: Arc<Fates>,
    shared: Shared,
    endpoint: Endpoint,
    disks: Vec<Disk>,
    dice: Arc<dyn Dice>,
    limits: NodeLimits,
    node: Option<Node>,
    /// One that was replaced and does not know it.
    old: Option<Node>,
    /// A partition that stands still, and until when.
    stalled: Option<(usize, Instant)>,
    /// Who waited for a call that was over, when that was last looked at.
    untold: BTreeSet<(InvocationId, InvocationId)>,
    records: u64,
    crashes: u64,
    turns: u64,
    /// Faults that have been paid for by a crash.
    excused: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let fates = Fates::new(seed);
        let stage = Stage {
            seed,
            fates: fates.clone(),
            auditor: Arc::new(Auditor::new(fates.clone())),
        };
        let endpoint = endpoint(&stage, fates.chance(200));
        let partitions = 1 + fates.below(3);
        let in_files = fates.chance(250);
        Self {
            endpoint,
            disks: (0..partitions)
                .map(|_| Disk::new(&fates, in_files))
                .collect(),
            dice: Arc::new(SeededDice::new(mix(&[seed, 0xD1CE]))),
            limits: NodeLimits {
                attempts_max: [2, 5, 1000][fates.below(3) as usize] * partitions as usize,
                attempts_bytes_max: [2_000, 1 << 30][fates.below(2) as usize],
                invocation_bytes_max: 1 << 20,
                metered_handlers_max: 4,
                inactivity_max: None,
            },
            shared: Shared {
                stage,
                door: Arc::default(),
                clock: Arc::new(SteadyClock::over(fates.clone())),
                waiting: Arc::default(),
                known: Arc::default(),
            },
            fates,
            node: None,
            old: None,
            stalled: None,
            untold: BTreeSet::new(),
            records: 0,
            crashes: 0,
            turns: 0,
            excused: 0,
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        self.start().await?;
        let document = self.document()?;
        let register = register(self.shared.door.clone(), document);
        let register = tokio::spawn(register);
        self.clients();
        tokio::spawn(answerer(self.shared.clone()));
        tokio::spawn(operator(self.shared.clone()));
        let until = Instant::now() + FAULTS;
        while Instant::now() < until {
            self.something().await?;
        }
        self.fates.say("no faults from here on");
        self.fates.stop();
        self.stalled = None;
        drop(self.old.take());
        self.crash().await?;
        self.come_to_rest().await?;
        register.abort();
        self.shared.stage.auditor.check_order();
        self.compare().await
    }

    /// One turn of whoever has something to do, and perhaps a fault.
    async fn something(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.shared.stage.auditor.verdict() {
            return Err(wrong);
        }
        self.turns += 1;
        if self.turns > TURNS_MAX {
            return Err("it goes round in circles".into());
        }
        if self.fates.strikes(|rates| rates.clock / 4) {
            self.fates.jump();
        }
        self.turn_the_old_one();
        if self.old.is_none()
            && self.disks.iter().all(Disk::can_be_shared)
            && self.fates.strikes(|rates| rates.two_leaders / 100)
        {
            self.part();
            return self.start().await;
        }
        let Some(node) = &mut self.node else {
            return self.start().await;
        };
        let own = node.due(LONGEST).await;
        if self.fates.strikes(|rates| rates.stall / 5) {
            let lasts = Duration::from_millis(self.fates.below(3_000));
            self.fates
                .say(format_args!("partition {own} stands still for {lasts:?}"));
            self.stalled = Some((own, Instant::now() + lasts));
        }
        if let Some((stalled, until)) = self.stalled
            && stalled == own
            && Instant::now() < until
        {
            pause(5).await;
            return Ok(());
        }
        if self.fates.chance(300) {
            // A sync takes its time, and more comes meanwhile.
            pause(self.fates.below(8)).await;
        }
        let mut result = node.turn(own);
        while result.is_ok() && self.fates.chance(300) {
            match node.write_tables(own) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fatal) => result = Err(fatal),
            }
        }
        tokio::task::yield_now().await;
        match result {
            Ok(()) => Ok(()),
            Err(fatal) => {
                if self.fates.count() == self.excused {
                    return Err(format!("it stopped for no reason: {fatal}"));
                }
                self.excused = self.fates.count();
                self.fates.say(format_args!("stopped: {fatal}"));
                self.crash().await
            }
        }
    }

    /// The leader that was replaced goes on with what it believes.
    fn turn_the_old_one(&mut self) {
        let Some(old) = &mut self.old else {
            return;
        };
        let partition = self.fates.below(self.disks.len() as u64) as usize;
        if old.turn(partition).is_err() || self.fates.chance(20) {
            self.fates.say("the old leader is gone");
            self.old = None;
        }
    }

    /// The process ends, and another begins.
    async fn crash(&mut self) -> Result<(), String> {
        self.crashes += 1;
        self.shared.door.set(None);
        drop((self.node.take(), self.old.take()));
        for disk in &mut self.disks {
            disk.crash();
        }
        pause(self.fates.below(2_000)).await;
        self.start().await
    }

    /// Another begins while the process still goes on.
    fn part(&mut self) {
        self.fates.say("a second leader comes");
        self.old = self.node.take();
        for disk in &mut self.disks {
            disk.part();
        }
    }

    /// Opens the storage, as often as it takes.
    async fn start(&mut self) -> Result<(), String> {
        loop {
            match self.open() {
                Ok(node) => {
                    let replayed = node.recovery().replayed;
                    self.fates
                        .say(format_args!("starts, and applies {replayed} again"));
                    self.shared.door.set(Some(node.handle()));
                    self.node = Some(node);
                    return Ok(());
                }
                Err(wrong) if self.fates.count() == self.excused => return Err(wrong),
                Err(wrong) => {
                    self.excused = self.fates.count();
                    self.fates.say(format_args!("cannot start: {wrong}"));
                    for disk in &mut self.disks {
                        disk.crash();
                    }
                    pause(100).await;
                }
            }
        }
    }

    fn open(&mut self) -> Result<Node, String> {
        let mut storage = Vec::new();
        for disk in &mut self.disks {
            storage.push(disk.open().map_err(|error| error.to_string())?);
        }
        let around = Surroundings {
            transport: Arc::new(Pipe {
                fates: self.fates.clone(),
                endpoint: self.endpoint.clone(),
            }),
            clock: self.shared.clock.clone(),
            dice: self.dice.clone(),
            tracer: Tracer::off(),
            rim: tokio::runtime::Handle::current(),
        };
        let node = SteppedNode::open(&self.limits, storage, around);
        let mut node = node.map_err(|fatal| fatal.to_string())?;
        let fates = self.fates.clone();
        node.interrupt(move |own, step| {
            let strikes = fates.strikes(|rates| rates.crash / 4);
            if strikes {
                fates.say(format_args!("partition {own} is broken off: {step:?}"));
            }
            strikes
        });
        Ok(node)
    }

    async fn come_to_rest(&mut self) -> Result<(), String> {
        let since = Instant::now();
        let (mut resumed, mut cancelled) = (since, since + CANCEL);
        loop {
            self.something().await?;
            let now = Instant::now();
            if now < resumed {
                continue;
            }
            resumed = now + Duration::from_secs(5);
            let rows = self.unfinished().await?;
            self.check_untold(&rows)?;
            self.check_overdue().await?;
            let waiting = *self.shared.waiting.lock().expect("one thread");
            if rows.is_empty() && waiting == 0 {
                return Ok(());
            }
            if now > since + REST {
                return Err(format!(
                    "it does not come to rest: {waiting} clients wait, and these are not over: \
                     {rows:#?}"
                ));
            }
            let cancels = now >= cancelled;
            if cancels {
                cancelled = now + Duration::from_secs(60);
            }
            for Unfinished { id, row, .. } in rows {
                let target = format!("{}/{:?}", row.target.service, row.target.key);
                let operation = match row.status() {
                    Status::Paused if now > since + RESUME => Operation::Resume,
                    _ if cancels => Operation::Cancel,
                    _ => continue,
                };
                self.fates.say(format_args!("{operation:?} {target}"));
                let door = self.shared.door.clone();
                tokio::spawn(async move {
                    let handle = door.handle().await;
                    // If it is lost, the next round does it again.
                    drop(handle.operate(id, operation, None).await);
                });
            }
        }
    }

    /// Asks the node something while it turns.
    async fn ask<T: Send + 'static>(
        &mut self,
        asked: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        let asked = tokio::spawn(asked);
        while !asked.is_finished() {
            self.something().await?;
        }
        asked.await.map_err(|error| error.to_string())
    }

    async fn unfinished(&mut self) -> Result<Vec<Unfinished>, String> {
        let door = self.shared.door.clone();
        let read = self.ask(async move { door.handle().await.read(replica::unfinished).await });
        let read = read.await?.map_err(|error| error.to_string())?;
        let all: Result<Vec<_>, _> = read.into_iter().collect();
        Ok(all?.concat())
    }

    /// A caller is told of the end of its call. What was said may be on its way once, not twice.
    fn check_untold(&mut self, rows: &[Unfinished]) -> Result<(), String> {
        let going_on: BTreeSet<_> = rows.iter().map(|it| it.id).collect();
        let waits = rows
            .iter()
            .flat_map(|it| it.waits_for.iter().map(|child| (it.id, *child)));
        let untold: BTreeSet<_> = waits
            .filter(|(_, child)| !going_on.contains(child))
            .collect();
        if let Some((caller, child)) = untold.intersection(&self.untold).next() {
            return Err(format!(
                "{caller:?} waits for its call of {child:?}, which is over"
            ));
        }
        self.untold = untold;
        Ok(())
    }

    /// Timers fire when they are due.
    async fn check_overdue(&mut self) -> Result<(), String> {
        let door = self.shared.door.clone();
        let first = self.ask(async move { door.handle().await.read(replica::first_timers).await });
        let first = first.await?.map_err(|error| error.to_string())?;
        let now = self.shared.clock.now_ms();
        for first in first {
            let [work, retention] = first?;
            let retention = retention.map(|time| time + self.shared.clock.leapt_ms());
            for time in [work, retention].into_iter().flatten() {
                if time + OVERDUE_MS < now {
                    return Err(format!(
                        "it is {now}, and the timer of {time} has not fired"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The logs once more, from the first record, into other tables.
    async fn compare(&mut self) -> Result<(), String> {
        let door = self.shared.door.clone();
        let rows = self.ask(async move { door.handle().await.read(replica::rows).await });
        let rows = rows.await?.map_err(|error| error.to_string())?;
        drop(self.node.take());
        let partitions = self.disks.len() as u16;
        for ((own, disk), theirs) in (0..).zip(&self.disks).zip(rows) {
            let records = disk.records().map_err(|error| error.to_string())?;
            self.records += records.len() as u64;
            replica::compare(own, partitions, &records, &theirs?)?;
        }
        Ok(())
    }

    /// What the endpoint offers, as it says itself.
    fn document(&self) -> Result<Document, String> {
        let request = http::Request::get("/discover")
            .version(http::Version::HTTP_2)
            .header(ACCEPT, manifest::ACCEPT)
            .body(String::new());
        let response = self.endpoint.handle(request.map_err(|it| it.to_string())?);
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|it| it.to_str().ok()).unwrap_or("");
        let media_type = media_type.to_owned();
        let mut body = response.into_body();
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        let mut bytes = Bytes::new();
        if let std::task::Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut task) {
            bytes = frame.into_data().unwrap_or_default();
        }
        let parsed = manifest::parse(&media_type, &bytes).map_err(|it| it.to_string())?;
        let request_response = String::from_utf8_lossy(&bytes).contains("REQUEST_RESPONSE");
        let services = parsed.validate().map_err(|it| it.to_string())?;
        let deployment = Deployment {
            id: "dp_1".into(),
            uri: "pipe:".into(),
            http1: false,
            request_response,
            min_protocol_version: 5,
            max_protocol_version: 5 + self.fates.below(3) as u32,
            sdk_version: None,
            additional_headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            created_at: 0,
            services: services
                .into_iter()
                .map(|service| Revision {
                    revision: 1,
                    service,
                })
                .collect(),
        };
        deployment.document().map_err(|it| it.to_string())
    }

    /// Clients, each with one thing to ask for.
    fn clients(&self) {
        let mut random = Random::new(mix(&[self.shared.stage.seed, 0xC11E]));
        let count = 8 + random.below(16);
        *self.shared.waiting.lock().expect("one thread") = count as usize;
        for number in 0..count {
            let client = Client {
                shared: self.shared.clone(),
                order: Order::draw(&mut random, 0),
                number: mix(&[self.shared.stage.seed, number]),
                begins_ms: random.below(40_000),
                delay_ms: match random.below(4) {
                    0 => Some(random.below(5_000)),
                    _ => None,
                },
                calls: random.chance(500),
            };
            tokio::spawn(client.run());
        }
    }
}

async fn register(door: Arc<Door>, document: Document) {
    while door
        .handle()
        .await
        .register(vec![document.clone()])
        .await
        .is_err()
    {
        pause(50).await;
    }
}

/// Somebody outside who wants one call made, whatever happens.
struct Client {
    shared: Shared,
    order: Order,
    number: u64,
    begins_ms: u64,
    delay_ms: Option<u64>,
    /// Waits for the result in the same request.
    calls: bool,
}

impl Client {
    async fn run(self) {
        pause(self.begins_ms).await;
        let Stage { fates, auditor, .. } = &self.shared.stage;
        let identity = self.order.identity();
        let text = identity.clone().unwrap_or(format!("{:x}", self.number));
        let until = self.delay_ms.map(|delay| fates.counted_ms() + delay);
        let clock = &self.shared.clock;
        let execution_time = self.delay_ms.map(|delay| clock.now_ms() + delay);
        let invoke = self.invoke(execution_time);
        let id = invoke.id;
        self.shared.known.lock().expect("one thread").push(id);
        if let (Some(until), None) = (until, &identity) {
            auditor.delayed(self.number, until);
        }
        if identity.is_none() && execution_time.is_none() && self.order.kind == Kind::Object {
            auditor.sends(self.number);
        }
        let (mut accepted, mut known) = (false, None);
        loop {
            let handle = self.shared.door.handle().await;
            if self.calls && !accepted {
                if let Ok(end) = handle.call(invoke.clone()).await {
                    known = Some(end.ending.outcome);
                    break;
                }
            } else if !accepted {
                if let Ok(Reply::Accepted { .. }) = handle.invoke(invoke.clone()).await {
                    fates.say(format_args!("{text} is accepted"));
                    auditor.accepted(self.number);
                    accepted = true;
                    continue;
                }
            } else {
                match handle.attach(id).await {
                    Ok(Some(ending)) => {
                        known = Some(ending.outcome);
                        break;
                    }
                    Ok(None) => {
                        auditor.wrong(format!("{text} was accepted, and is not there"));
                        break;
                    }
                    Err(_) => {}
                }
            }
            pause(50 + fates.below(400)).await;
        }
        let Some(outcome) = known else {
            return;
        };
        self.heard(&text, identity.is_none(), &outcome);
        // Whoever looks again later is told the same.
        for _ in 0..2 {
            pause(fates.below(20_000)).await;
            let handle = self.shared.door.handle().await;
            match handle.output(id).await {
                Ok(OutputState::Ready(ending)) => {
                    self.heard(&text, identity.is_none(), &ending.outcome);
                }
                Ok(other) => auditor.wrong(format!("{text} was over, and is {other:?}")),
                Err(_) => {}
            }
        }
        *self.shared.waiting.lock().expect("one thread") -= 1;
    }

    fn heard(&self, text: &str, is_unique: bool, outcome: &Outcome) {
        let Stage { fates, auditor, .. } = &self.shared.stage;
        let told = match outcome {
            Outcome::Value(value) => String::from_utf8_lossy(value).into_owned(),
            Outcome::Failure(failure) => format!("failed: {}", failure.message),
        };
        fates.say(format_args!("{text} ended: {told}"));
        auditor.ended(text, is_unique.then_some(self.number), &told);
    }

    fn invoke(&self, execution_time: Option<u64>) -> Invoke {
        let Order {
            kind,
            depth,
            key,
            idempotency_key,
        } = &self.order;
        let (service, handler) = (kind.service(*depth), kind.handler());
        let dice = mix(&[self.number, 7]);
        let unique = (u128::from(dice) << 64) | u128::from(self.number);
        let id = match (key, idempotency_key) {
            (Some(key), _) if *kind == Kind::Workflow => derive::workflow_run(None, &service, key),
            (key, Some(idempotency_key)) => {
                derive::idempotent(None, &service, key.as_deref(), handler, idempotency_key)
            }
            (Some(key), None) => derive::join(derive::partition_key(None, &service, key), unique),
            (None, None) => derive::join(mix(&[self.number, 9]), unique),
        };
        let kind = match kind {
            Kind::Plain => TargetKind::Plain,
            Kind::Object => TargetKind::Exclusive,
            Kind::Workflow => TargetKind::WorkflowRun,
            Kind::Beside => TargetKind::WorkflowShared,
        };
        let input = serde_json::to_vec(&Input {
            invocation: self.number,
        });
        let mut invoke = Invoke {
            id: InvocationId::from_bytes(id),
            target: Target {
                service,
                handler: handler.into(),
                key: key.clone(),
                kind: kind.into(),
                scope: None,
            },
            idempotency_key: idempotency_key.clone(),
            execution_time,
            completion_retention_ms: 1 << 40,
            journal_retention_ms: 5_000,
            incarnation: self.number as u32,
            ..Invoke::default()
        };
        invoke.input.body = input.unwrap_or_default().into();
        invoke
    }
}

/// Completes the awakeables that handlers have given away, each twice: the first counts.
async fn answerer(shared: Shared) {
    let Stage { fates, auditor, .. } = shared.stage;
    loop {
        pause(100).await;
        let Some(text) = auditor.asked() else {
            continue;
        };
        let Ok(Awakeable::Signal { invocation, index }) = parse_awakeable(&text) else {
            auditor.wrong(format!("{text} is no awakeable"));
            return;
        };
        let (door, fates) = (shared.door.clone(), fates.clone());
        tokio::spawn(async move {
            pause(fates.below(3_000)).await;
            let id = InvocationId::from_bytes(invocation);
            for answer in [fates.below(1_000), 5_000] {
                loop {
                    let value = Answer::Value(answer.to_string().into());
                    let handle = door.handle().await;
                    let told = handle.signal(id, Identity::Signal(index), value).await;
                    // Before its attempt has recorded anything it may be unknown; it is not.
                    if told.is_ok() {
                        break;
                    }
                    pause(200).await;
                }
            }
        });
    }
}

/// Somebody who interferes with what clients have asked for.
async fn operator(shared: Shared) {
    let Stage { fates, .. } = shared.stage;
    loop {
        pause(500).await;
        if !fates.strikes(|rates| rates.operate) {
            continue;
        }
        let known = shared.known.lock().expect("one thread").clone();
        if known.is_empty() {
            continue;
        }
        let id = known[fates.below(known.len() as u64) as usize];
        let operation = match fates.below(6) {
            0 => Operation::Cancel,
            1 => Operation::Kill,
            2 | 3 => Operation::Pause,
            4 => Operation::PurgeJournal,
            _ => Operation::Resume,
        };
        fates.say(format_args!("{operation:?} {id:?}"));
        let handle = shared.door.handle().await;
        // Whether it was done does not matter to an operator like this.
        let done = handle.operate(id, operation, None);
        if operation == Operation::Pause && fates.chance(500) {
            // One who has second thoughts, before the attempt has heard of the first.
            let again = handle.operate(id, Operation::Resume, None);
            drop(tokio::join!(biased; done, again));
        } else {
            drop(done.await);
        }
    }
}
