//! Whether a server that is started on an image keeps what was promised before.

use super::image::Image;
use super::recording::{Moment, Recording};
use crate::auditor::{Counts, Violation};
use crate::crash::{Lines, ProcessError};
use crate::handlers::Sdk;
use crate::server::{Server, ServerError};
use crate::workload::Plan;
use crate::world::World;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Everything that was begun must be finished after this.
const LIMIT: Duration = Duration::from_secs(60);

/// What was seen of an image.
pub(crate) struct Verdict {
    pub(crate) heard: Counts,
    /// The server has cut a torn write.
    pub(crate) is_torn: bool,
}

/// Why an image does not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("{} broken promise(s)\n{}", .0.len(), Lines(.0))]
    Broken(Vec<Violation>),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("it could not be laid down: {0}")]
    Image(#[from] io::Error),
}

impl From<ServerError> for Cause {
    fn from(error: ServerError) -> Self {
        Self::Process(error.into())
    }
}

/// Starts a server on the image in `place`, and holds it to what was known at the moment.
pub(super) async fn check(
    moment: &Moment,
    image: &Image,
    place: &Path,
    recording: &mut Recording,
    program: &Path,
) -> Result<Verdict, Cause> {
    image.write(&place.join("data"))?;
    // The handlers of before may still be about to say something that belongs to another image.
    let witness = Arc::new(moment.witness.fork());
    recording
        .endpoint
        .kill()
        .await
        .map_err(ProcessError::from)?;
    recording.desk.hand_to(witness.clone());
    recording
        .endpoint
        .start()
        .await
        .map_err(ProcessError::from)?;

    let mut server = Server::new(program, place)?;
    let world = Arc::new(World::new(server.ingress, witness, moment.auditor.fork()));
    server.spawn()?;
    server.healthy(&world.client, &[]).await?;
    if !moment.is_registered {
        let address = recording.endpoint.address;
        server.register(&world.client, address).await?;
    }
    server.healthy(&world.client, &Sdk::Rust.services()).await?;
    world.up.send_replace(true);

    let mut tasks = JoinSet::new();
    for known in world.auditor().known() {
        let world = world.clone();
        tasks.spawn(async move { world.go_on(&known).await });
    }
    // It must also take new work. Nothing else has keys of this round.
    for task in Plan::of(0, u32::MAX, &[Sdk::Rust]).tasks {
        let world = world.clone();
        tasks.spawn(async move { world.task(&task).await });
    }
    let finish = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(LIMIT, finish).await.is_err() {
        world.auditor().out_of_time(LIMIT.as_secs());
    }
    world.reread(0).await;
    let violations = world.violations();
    if !violations.is_empty() {
        return Err(Cause::Broken(violations));
    }
    server.kill().await?;
    Ok(Verdict {
        heard: world.heard(),
        is_torn: server.has_said("torn write"),
    })
}
