//! One world: a node that is crashed and started again among [`people`], until it is left in peace
//! and all that was begun must finish ([`rest`]).

mod people;
mod registration;
mod rest;

use super::Played;
use super::auditor::Auditor;
use super::faults::Fates;
use super::pipe::Pipe;
use super::random::mix;
use super::rest::Untold;
use super::script::{Stage, endpoint};
use super::storage::{Disk, SimStore};
use super::turn::Stall;
use latchwork::Endpoint;
use latchwork_engine::InvocationId;
use latchwork_runtime::trace::Tracer;
use latchwork_runtime::{
    Dice, Handle, NodeLimits, SeededDice, SteadyClock, SteppedNode, Surroundings,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long there are faults.
const FAULTS: Duration = Duration::from_secs(60);
/// Turns that no world needs.
const TURNS_MAX: u64 = 200_000;

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
    stalled: Stall,
    untold: Untold,
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
        let document = registration::document(&self.endpoint, &self.fates)?;
        let register = registration::register(self.shared.door.clone(), document);
        let register = tokio::spawn(register);
        people::come(&self.shared);
        let until = Instant::now() + FAULTS;
        while Instant::now() < until {
            self.something().await?;
        }
        self.fates.say("no faults from here on");
        self.fates.stop();
        self.stalled = Stall::default();
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
        let result = self.stalled.turn(node, &self.fates).await;
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
}
