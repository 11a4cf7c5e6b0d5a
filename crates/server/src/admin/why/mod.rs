//! Why an invocation is not moving: an id comes in, a sentence goes out, and a chain of those
//! who wait for each other, down to the one that blocks them all.
//!
//! ```text
//!   id ──▶ read (the tables of its partition) ──▶ words ──▶ follow ──▶ the next id …
//! ```
//!
//! Start at [`why`]. Of several that are waited for, the chain follows the one that is least
//! likely to move by itself. Nothing here changes anything.

mod phrases;
mod read;
mod words;

use super::error::AdminError;
use super::{Admin, invocations};
use crate::transport::DiscoveryError;
use axum::Json;
use axum::extract::{Path, State};
use latchwork_engine::InvocationId;
use latchwork_protocol::admin::{Why, WhyLink};
use latchwork_protocol::ingress::rfc3339_nanos;
use latchwork_runtime::registry::Registry;
use read::Facts;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use words::{Said, World, called, say};

/// The chain is followed so far.
const CHAIN_MAX: usize = 64;
/// Of several that are waited for, so many are looked at.
const CANDIDATES_MAX: usize = 32;
/// How long a deployment may take to show that it is there.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

pub(super) async fn why(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Json<Why>, AdminError> {
    let parsed = invocations::parse(&id)?;
    let attempts = app.handle.attempts().await?;
    let attempts = attempts
        .into_iter()
        .map(|attempt| (attempt.id, attempt))
        .collect();
    let registry = app.handle.registry();
    let world = World {
        registry: &registry,
        attempts: &attempts,
        attempts_max: app.attempts_max,
        now: app.clock.now_ms(),
    };
    let Some(facts) = look(&app, parsed).await? else {
        return Err(AdminError::NoInvocation(id));
    };
    let mut said = say(&facts, &world);
    probe(&app, &registry, &facts, &mut said).await;

    let mut seen = HashSet::from([parsed]);
    let mut chain = Vec::new();
    let mut circle = false;
    let mut follow = said.follow.clone();
    while chain.len() < CHAIN_MAX
        && let Some((facts, mut link)) = blocking(&app, &world, &follow).await?
    {
        if !seen.insert(facts.id) {
            circle = true;
            break;
        }
        probe(&app, &registry, &facts, &mut link).await;
        follow = std::mem::take(&mut link.follow);
        chain.push(WhyLink {
            id: invocations::text(facts.id),
            target: called(&facts.row.target),
            status: link.status.to_owned(),
            reason: link.reason.to_owned(),
            since: rfc3339_nanos(link.since),
            sentence: link.sentence,
        });
    }
    Ok(Json(Why {
        id,
        target: called(&facts.row.target),
        status: said.status.to_owned(),
        reason: said.reason.to_owned(),
        since: rfc3339_nanos(said.since),
        sentence: said.sentence,
        details: said.details,
        chain,
        circle,
    }))
}

async fn look(app: &Admin, id: InvocationId) -> Result<Option<Facts>, AdminError> {
    let read = move |view: &dyn latchwork_engine::View| read::facts(view, id);
    Ok(app.handle.read_at(id.partition_key, read).await??)
}

/// The one of several that blocks: what is over blocks nobody.
async fn blocking(
    app: &Admin,
    world: &World<'_>,
    candidates: &[InvocationId],
) -> Result<Option<(Facts, Said)>, AdminError> {
    let mut found: Option<(Facts, Said)> = None;
    for id in candidates.iter().take(CANDIDATES_MAX) {
        let Some(facts) = look(app, *id).await? else {
            continue;
        };
        let said = say(&facts, world);
        let better = found
            .as_ref()
            .is_none_or(|(_, best)| stuck(&said) > stuck(best));
        if said.reason != "completed" && better {
            found = Some((facts, said));
        }
    }
    Ok(found)
}

/// How unlikely it is to move by itself: nobody needs to look for what moves.
fn stuck(said: &Said) -> u8 {
    match said.reason {
        "no_deployment" | "deployment_removed" | "handler_gone" => 6,
        _ if said.status == "paused" => 5,
        "backing_off" => 4,
        "waiting_for_key" | "waiting_for_call" | "waiting_for_attach" => 3,
        "waiting_for_slot" | "running" => 1,
        "scheduled" | "waiting_for_timer" => 0,
        _ => 2,
    }
}

/// Of one whose last attempt failed: whether its deployment is there at all.
async fn probe(app: &Admin, registry: &Registry, facts: &Facts, said: &mut Said) {
    if said.reason != "backing_off" {
        return;
    }
    let row = &facts.row;
    let Some(serving) = registry.serving(&row.target, row.pin.as_ref()) else {
        return;
    };
    let (uri, headers) = (
        &serving.deployment.uri,
        &serving.deployment.additional_headers,
    );
    let answer = app
        .transport
        .discover(uri, serving.deployment.http1, headers, PROBE_LIMIT)
        .await;
    // Whatever else it answers, it is there.
    if let Err(error @ (DiscoveryError::Transport(_) | DiscoveryError::Silent { .. })) = answer {
        words::unreachable(said, uri, &error.to_string());
    }
}

#[cfg(test)]
mod tests;
