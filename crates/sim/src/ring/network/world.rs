//! One world: a server and an endpoint that go down and come back, those outside, and the end, when
//! all that was begun must finish.

use super::attempts::{Attempts, Numbered};
use super::caller::Caller;
use super::endpoint::Process;
use super::fabric::{CLIENTS, ENDPOINT, Fabric, SERVER, Uplink};
use super::faults::Rates;
use super::line::{ADMIN_PORT, INGRESS_PORT, Line};
use super::wire::Then;
use super::{Shared, pause, people};
use crate::ring::Played;
use crate::ring::auditor::Auditor;
use crate::ring::faults::Fates;
use crate::ring::random::{Random, mix};
use crate::ring::replica::{self, Unfinished};
use crate::ring::rest::{self, Untold};
use crate::ring::script::{Stage, endpoint};
use crate::ring::storage::{Disk, SimStore};
use crate::ring::turn::Stall;
use crate::ring::workload::{Kind, Order};
use latchwork_engine::table::invocation::Status;
use latchwork_protocol::derive;
use latchwork_protocol::id::invocation_text;
use latchwork_runtime::trace::Tracer;
use latchwork_runtime::{
    Clock, Dice, Handle, NodeLimits, SeededDice, SteadyClock, SteppedNode, Surroundings,
};
use latchwork_server::simulation;
use latchwork_server::transport::HttpTransport;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long there are faults.
const FAULTS: Duration = Duration::from_secs(60);
/// After so long without faults what is paused is resumed, by then what was never answered is
/// cancelled, and when this is over everything must be.
const RESUME: Duration = Duration::from_secs(60);
const CANCEL: Duration = Duration::from_secs(600);
const REST: Duration = Duration::from_secs(4 * 3600);
/// Turns that no world needs.
const TURNS_MAX: u64 = 200_000;
const ENDPOINT_PORT: u16 = 9080;

type Node = SteppedNode<SimStore>;

pub(in crate::ring) fn play(seed: u64) -> Played {
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
        let Stage { auditor, fates, .. } = &world.shared.stage;
        if let Err(wrong) = ended {
            auditor.wrong(wrong);
        }
        Played {
            wrong: auditor.verdict(),
            trace: fates.trace.take(),
            records: world.records,
            crashes: world.crashes,
            connections: world.shared.fabric.made(),
        }
    })
}

struct World {
    fates: Arc<Fates>,
    shared: Shared,
    process: Process,
    disks: Vec<Disk>,
    /// The server's.
    clock: Arc<SteadyClock<Arc<Fates>>>,
    dice: Arc<dyn Dice>,
    limits: NodeLimits,
    server: Option<Server>,
    stalled: Stall,
    untold: Untold,
    records: u64,
    crashes: u64,
    turns: u64,
    /// Faults that have been paid for by a crash.
    excused: u64,
}

/// One run of the server's process.
struct Server {
    node: Node,
    ports: AbortHandle,
    lives: Arc<AtomicBool>,
}

impl World {
    fn new(seed: u64) -> Self {
        let fates = Fates::new(seed);
        let rates = Rates::draw(seed);
        let stage = Stage {
            seed,
            fates: fates.clone(),
            auditor: Arc::new(Auditor::new(fates.clone())),
        };
        let process = Process {
            endpoint: endpoint(&stage, fates.chance(200)),
            attempts: Arc::new(Attempts::default()),
            fates: fates.clone(),
            proxy: rates.proxy,
        };
        let partitions = 1 + fates.below(3);
        let in_files = fates.chance(250);
        let shared = Shared {
            stage,
            fabric: Fabric::new(&fates, rates.clone()),
            rates,
            waiting: Arc::default(),
            known: Arc::default(),
        };
        Self {
            process,
            disks: (0..partitions)
                .map(|_| Disk::new(&fates, in_files))
                .collect(),
            clock: Arc::new(SteadyClock::over(fates.clone())),
            dice: Arc::new(SeededDice::new(mix(&[seed, 0xD1CE]))),
            limits: NodeLimits {
                attempts_max: [2, 5, 1000][fates.below(3) as usize] * partitions as usize,
                attempts_bytes_max: [2_000, 1 << 30][fates.below(2) as usize],
                invocation_bytes_max: 1 << 20,
                metered_handlers_max: 4,
                inactivity_max: None,
            },
            shared,
            fates,
            server: None,
            stalled: Stall::default(),
            untold: Untold::default(),
            records: 0,
            crashes: 0,
            turns: 0,
            excused: 0,
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        self.start().await?;
        tokio::spawn(upheaval(self.shared.clone(), self.process.clone()));
        tokio::spawn(people::register(self.shared.clone()));
        tokio::spawn(people::answerer(self.shared.clone()));
        tokio::spawn(people::operator(self.shared.clone()));
        self.callers();
        let until = Instant::now() + FAULTS;
        while Instant::now() < until {
            self.something().await?;
        }
        self.fates.say("no faults from here on");
        self.fates.stop();
        self.stalled = Stall::default();
        self.crash().await?;
        tokio::spawn(lose_endpoint(self.shared.clone()));
        self.come_to_rest().await?;
        self.shared.stage.auditor.check_order();
        self.compare().await
    }

    /// One turn of a partition that has something to do, and perhaps a fault.
    async fn something(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.shared.stage.auditor.verdict() {
            return Err(wrong);
        }
        self.turns += 1;
        if self.turns > TURNS_MAX {
            return Err("it goes round in circles".into());
        }
        let clock = self.shared.rates.clock;
        if self.fates.strikes(|_| clock) {
            self.fates.jump();
        }
        let Some(Server { node, .. }) = &mut self.server else {
            return self.start().await;
        };
        let result = self.stalled.turn(node, &self.fates).await;
        if let Err(fatal) = result {
            if self.fates.count() == self.excused {
                return Err(format!("it stopped for no reason: {fatal}"));
            }
            self.excused = self.fates.count();
            self.fates.say(format_args!("stopped: {fatal}"));
            // Before anybody hears of it but by the network.
            return self.crash().await;
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// The process ends, and another begins.
    async fn crash(&mut self) -> Result<(), String> {
        self.crashes += 1;
        self.go_down();
        for disk in &mut self.disks {
            disk.crash();
        }
        pause(self.fates.below(2_000)).await;
        self.start().await
    }

    fn go_down(&mut self) {
        self.shared.fabric.crash(SERVER);
        self.process.attempts.give_all_up();
        if let Some(server) = self.server.take() {
            server.lives.store(false, Ordering::Relaxed);
            server.ports.abort();
        }
    }

    /// Starts the server, as often as it takes.
    async fn start(&mut self) -> Result<(), String> {
        loop {
            match self.open() {
                Ok(server) => {
                    let replayed = server.node.recovery().replayed;
                    self.fates
                        .say(format_args!("starts, and applies {replayed} again"));
                    self.server = Some(server);
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

    fn open(&mut self) -> Result<Server, String> {
        let mut storage = Vec::new();
        for disk in &mut self.disks {
            storage.push(disk.open().map_err(|error| error.to_string())?);
        }
        let lives = Arc::new(AtomicBool::new(true));
        let uplink = Uplink {
            fabric: self.shared.fabric.clone(),
            host: SERVER,
            lives: lives.clone(),
        };
        let clock: Arc<dyn Clock> = self.clock.clone();
        let transport = HttpTransport::new(None, clock.clone()).through(Arc::new(uplink));
        let transport = Arc::new(transport);
        let around = Surroundings {
            transport: Arc::new(Numbered {
                transport: transport.clone(),
                attempts: self.process.attempts.clone(),
            }),
            clock: clock.clone(),
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
        let ear = |port| self.shared.fabric.listen(SocketAddr::new(SERVER, port));
        let listeners = (ear(INGRESS_PORT), ear(ADMIN_PORT));
        let ports = simulation::serve(listeners, node.handle(), transport, clock);
        let ports = tokio::spawn(ports).abort_handle();
        Ok(Server { node, ports, lives })
    }

    async fn come_to_rest(&mut self) -> Result<(), String> {
        let since = Instant::now();
        let (mut looked, mut cancelled) = (since, since + CANCEL);
        loop {
            self.something().await?;
            let now = Instant::now();
            if now < looked {
                continue;
            }
            looked = now + Duration::from_secs(5);
            let rows = self.unfinished().await?;
            self.untold.look(&rows)?;
            self.check_overdue().await?;
            let waiting = *self.shared.waiting.lock().expect("one thread");
            if rows.is_empty() && waiting == 0 {
                return Ok(());
            }
            if now > since + REST {
                return Err(format!(
                    "it does not come to rest: {waiting} callers wait, and these are not over: \
                     {rows:#?}"
                ));
            }
            let cancels = now >= cancelled;
            if cancels {
                cancelled = now + Duration::from_secs(60);
            }
            for Unfinished { id, row, .. } in rows {
                let operation = match row.status() {
                    Status::Paused if now > since + RESUME => "resume",
                    _ if cancels => "cancel",
                    _ => continue,
                };
                let shared = self.shared.clone();
                tokio::spawn(async move {
                    let mut line = Line::new(&shared.fabric, ADMIN_PORT, false);
                    let id = invocation_text(&id.to_bytes());
                    // If it is lost, the next round does it again.
                    people::operate(&mut line, &shared, &id, operation).await;
                });
            }
        }
    }

    /// Asks the node something while it turns.
    async fn ask<T, F>(&mut self, ask: impl FnOnce(Handle) -> F) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, latchwork_runtime::AskError>> + Send + 'static,
    {
        let Some(server) = &self.server else {
            return Err("there is no server to ask".into());
        };
        let asked = tokio::spawn(ask(server.node.handle()));
        while !asked.is_finished() {
            self.something().await?;
        }
        let asked = asked.await.map_err(|error| error.to_string())?;
        asked.map_err(|error| error.to_string())
    }

    async fn unfinished(&mut self) -> Result<Vec<Unfinished>, String> {
        let read = self.ask(async |handle| handle.read(replica::unfinished).await);
        let all: Result<Vec<_>, _> = read.await?.into_iter().collect();
        Ok(all?.concat())
    }

    /// Timers fire when they are due.
    async fn check_overdue(&mut self) -> Result<(), String> {
        let first = self.ask(async |handle| handle.read(replica::first_timers).await);
        let first = first.await?;
        rest::check_overdue(first, &*self.clock)
    }

    /// The logs once more, from the first record, into other tables.
    async fn compare(&mut self) -> Result<(), String> {
        let rows = self
            .ask(async |handle| handle.read(replica::rows).await)
            .await?;
        self.go_down();
        self.records += rest::compare(&self.disks, rows)?;
        Ok(())
    }

    /// Callers, each with one thing to ask for.
    fn callers(&self) {
        let mut random = Random::new(mix(&[self.shared.stage.seed, 0xC11E]));
        let count = 8 + random.below(16);
        *self.shared.waiting.lock().expect("one thread") = count as usize;
        for number in 0..count {
            let order = Order::draw(&mut random, 0);
            let may_ask_once = order.identity().is_none();
            let delay_ms = match random.below(4) {
                0 => Some(random.below(5_000)),
                _ => None,
            };
            let caller = Caller {
                shared: self.shared.clone(),
                number: mix(&[self.shared.stage.seed, number]),
                begins_ms: random.below(40_000),
                delay_ms,
                calls: random.chance(500) && delay_ms.is_none(),
                http2: random.chance(500),
                padding: random.below(2) as usize * random.below(3_000) as usize,
                asks_once: random.chance(150) && may_ask_once,
                order,
            };
            let known = &self.shared.known;
            known.lock().expect("one thread").extend(known_id(&caller));
            tokio::spawn(caller.run());
        }
    }
}

/// The id that a call will have, if it follows from what is called.
fn known_id(caller: &Caller) -> Option<String> {
    let Order {
        kind, depth, key, ..
    } = &caller.order;
    let service = kind.service(*depth);
    let id = match (key, caller.idempotency_key()) {
        (Some(key), _) if *kind == Kind::Workflow => derive::workflow_run(None, &service, key),
        (key, Some(idempotency_key)) => {
            let handler = kind.handler();
            derive::idempotent(None, &service, key.as_deref(), handler, &idempotency_key)
        }
        _ => return None,
    };
    Some(invocation_text(&id))
}

/// Connections end when there are no faults, too.
async fn lose_endpoint(shared: Shared) {
    pause(10_000).await;
    let fates = &shared.stage.fates;
    fates.say("the endpoint loses its connections");
    shared.fabric.lose_all(ENDPOINT, Then::Cut);
}

/// The endpoint goes down and comes back, and hosts are cut off from each other.
async fn upheaval(shared: Shared, process: Process) {
    let address = SocketAddr::new(ENDPOINT, ENDPOINT_PORT);
    let serve = || {
        let ear = shared.fabric.listen(address);
        tokio::spawn(process.clone().serve(ear))
    };
    let mut serving = serve();
    let (fates, rates) = (&shared.stage.fates, &shared.rates);
    loop {
        pause(500).await;
        if fates.strikes(|_| rates.split) {
            let pairs = [[SERVER, ENDPOINT], [SERVER, CLIENTS]];
            let pair = pairs[fates.below(2) as usize];
            let lasts = [1_000, 5_000, 30_000][fates.below(3) as usize];
            let lasts = Duration::from_millis(fates.below(lasts));
            shared.fabric.split(pair, lasts);
        }
        if fates.strikes(|_| rates.endpoint) {
            shared.fabric.crash(ENDPOINT);
            serving.abort();
            pause(fates.below(4_000)).await;
            fates.say("the endpoint is back");
            serving = serve();
        }
    }
}
