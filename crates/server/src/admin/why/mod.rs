//! Why an invocation is not moving: an id comes in, a sentence goes out, and a chain of those
//! who wait for each other, down to the one that blocks them all.
//!
//! ```text
//!   id ──▶ read (the tables of its partition) ──▶ words ──▶ follow ──▶ the next id …
//! ```
//!
//! Start at [`why`]; what is followed, and how far, is in `chain`. Nothing here changes anything.

mod chain;
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
use std::sync::Arc;
use std::time::Duration;
use words::{Said, World, called, say};

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
    let follow = std::mem::take(&mut said.follow);
    let found = chain::follow(parsed, follow, &world, |id| look(&app, id)).await?;
    let mut chain = Vec::with_capacity(found.links.len());
    for (facts, mut said) in found.links {
        probe(&app, &registry, &facts, &mut said).await;
        chain.push(WhyLink {
            id: invocations::text(facts.id),
            target: called(&facts.row.target),
            status: said.status.to_owned(),
            reason: said.reason.to_owned(),
            since: rfc3339_nanos(said.since),
            sentence: said.sentence,
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
        circle: found.circle,
    }))
}

async fn look(app: &Admin, id: InvocationId) -> Result<Option<Facts>, AdminError> {
    let read = move |view: &dyn latchwork_engine::View| read::facts(view, id);
    Ok(app.handle.read_at(id.partition_key, read).await??)
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
