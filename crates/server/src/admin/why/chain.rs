//! Who waits for whom: those that an invocation waits for come in, the way down to the one that
//! blocks them all goes out.

use super::read::Facts;
use super::words::{Said, World, say};
use latchwork_engine::InvocationId;
use std::collections::HashSet;

/// The chain is followed so far.
const CHAIN_MAX: usize = 64;
/// Of several that are waited for, so many are looked at.
const CANDIDATES_MAX: usize = 32;

/// The way down.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Each waits for the next.
    pub(super) links: Vec<(Facts, Said)>,
    /// The last one waits for one that came before.
    pub(super) circle: bool,
}

/// Follows from `first`, which waits for `candidates`. Of several it takes the one that is least
/// likely to move by itself.
pub(super) async fn follow<E, F>(
    first: InvocationId,
    mut candidates: Vec<InvocationId>,
    world: &World<'_>,
    look: impl Fn(InvocationId) -> F,
) -> Result<Chain, E>
where
    F: Future<Output = Result<Option<Facts>, E>>,
{
    let mut seen = HashSet::from([first]);
    let mut chain = Chain::default();
    while chain.links.len() < CHAIN_MAX {
        let mut found: Option<(Facts, Said)> = None;
        for id in candidates.iter().take(CANDIDATES_MAX) {
            let Some(facts) = look(*id).await? else {
                continue;
            };
            let said = say(&facts, world);
            let better = found
                .as_ref()
                .is_none_or(|(_, best)| stuck(&said) > stuck(best));
            // What is over blocks nobody.
            if said.reason != "completed" && better {
                found = Some((facts, said));
            }
        }
        let Some((facts, said)) = found else {
            break;
        };
        if !seen.insert(facts.id) {
            chain.circle = true;
            break;
        }
        candidates.clone_from(&said.follow);
        chain.links.push((facts, said));
    }
    Ok(chain)
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
