//! A server under load on a recorded disk, and moments of it.

use super::Failed;
use super::disk::Disk;
use super::recorder::{self, Step};
use crate::auditor::Auditor;
use crate::crash::ProcessError;
use crate::desk::Desk;
use crate::handlers::{Endpoint, Sdk};
use crate::server::Server;
use crate::witness::Witness;
use crate::workload::{Plan, Work};
use crate::world::World;
use fastrand::Rng;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Bytes of ballast in some inputs, so that segments and tables fill.
const BALLAST_MAX: usize = 1 << 20;
/// Rounds after which no moment more is waited for.
const ROUNDS_MAX: u32 = 100;

/// One instant: what is on the disk, and what everybody has seen.
pub(crate) struct Moment {
    pub(crate) disk: Disk,
    pub(crate) auditor: Auditor,
    pub(crate) witness: Witness,
    /// The handlers are registered, as far as anybody was told.
    pub(crate) is_registered: bool,
    /// What was going on.
    pub(crate) step: Step,
}

/// Moments, and the handlers that go on with them.
pub(crate) struct Recording {
    pub(crate) moments: Vec<Moment>,
    pub(crate) desk: Desk,
    pub(crate) endpoint: Endpoint,
}

/// Takes moments by chance: more of those in which names change than of writes, which are many.
struct Camera {
    rng: Rng,
    wanted: usize,
    moments: Vec<Moment>,
}

impl Camera {
    fn wants(&mut self, step: Step) -> bool {
        let one_in = match step {
            Step::Names => 8,
            Step::BeforeSync => 40,
            Step::Bytes => 150,
        };
        self.moments.len() < self.wanted && self.rng.u32(0..one_in) == 0
    }
}

/// Records a server from its first start on, until there are so many moments.
pub(super) async fn record(
    seed: u64,
    wanted: usize,
    program: &Path,
    directory: &Path,
) -> Result<Recording, Failed> {
    let data = directory.join("data");
    std::fs::create_dir(&data)?;
    let witness = Arc::<Witness>::default();
    let desk = Desk::open(witness.clone()).await?;
    let mut server = Server::new(program, directory).map_err(ProcessError::from)?;
    // Every other recording has two partitions, which talk to each other.
    server.set(
        "LATCHWORK_PARTITIONS",
        if seed.is_multiple_of(2) { "1" } else { "2" },
    );
    let world = Arc::new(World::new(server.ingress, witness, Auditor::default()));
    let camera = Arc::new(Mutex::new(Camera {
        rng: Rng::with_seed(seed),
        wanted,
        moments: Vec::new(),
    }));
    let is_registered = Arc::new(AtomicBool::new(false));
    let session = {
        let (camera, world, is_registered) = (camera.clone(), world.clone(), is_registered.clone());
        let watcher = move |disk: &Disk, step| {
            let mut camera = camera.lock().unwrap_or_else(PoisonError::into_inner);
            if camera.wants(step) {
                let is_registered = is_registered.load(Ordering::Acquire);
                // What comes to be known after this is not held against the disk.
                camera.moments.push(Moment {
                    auditor: world.auditor().fork(),
                    witness: world.witness.fork(),
                    disk: disk.clone(),
                    is_registered,
                    step,
                });
            }
        };
        recorder::mount(&data, Box::new(watcher)).map_err(Failed::Mount)?
    };
    let mut endpoint =
        Endpoint::new(Sdk::Rust, desk.address, directory).map_err(ProcessError::from)?;
    endpoint.start().await.map_err(ProcessError::from)?;
    server.spawn().map_err(ProcessError::from)?;
    server
        .healthy(&world.client, &[])
        .await
        .map_err(ProcessError::from)?;
    let registered = server.register(&world.client, endpoint.address).await;
    registered.map_err(ProcessError::from)?;
    is_registered.store(true, Ordering::Release);
    server
        .healthy(&world.client, &Sdk::Rust.services())
        .await
        .map_err(ProcessError::from)?;
    world.up.send_replace(true);

    let is_done = || {
        let camera = camera.lock().unwrap_or_else(PoisonError::into_inner);
        camera.moments.len() >= wanted
    };
    let mut rng = Rng::with_seed(seed);
    for round in 0..ROUNDS_MAX {
        if is_done() {
            break;
        }
        let mut tasks = JoinSet::new();
        for mut task in Plan::of(seed, round, &[Sdk::Rust]).tasks {
            if let Work::Steps { ballast, .. } = &mut task.work {
                *ballast = rng.usize(..BALLAST_MAX);
            }
            let world = world.clone();
            tasks.spawn(async move { world.task(&task).await });
        }
        while tasks.join_next().await.is_some() {}
    }
    let violations = world.violations();
    if !violations.is_empty() {
        return Err(Failed::Recording { seed, violations });
    }
    server.kill().await.map_err(ProcessError::from)?;
    session.umount_and_join().map_err(Failed::Mount)?;
    let mut camera = camera.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Recording {
        moments: std::mem::take(&mut camera.moments),
        desk,
        endpoint,
    })
}
