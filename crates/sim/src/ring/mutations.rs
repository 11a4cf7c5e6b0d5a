//! Deliberate bugs, and in how many seeds the ring finds each.

use super::Ring;
use latchwork_engine::mutation::{Mutation, choose};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a bug was found.
pub(crate) struct Found {
    /// Seeds that were played until then.
    pub(crate) seeds: u64,
    /// What was seen to be wrong.
    pub(crate) wrong: String,
}

/// Plays seeds from 1 on with this bug switched on, until one fails.
pub(crate) fn hunt(ring: Ring, mutation: Mutation, seeds_max: u64) -> Option<Found> {
    choose(Some(mutation));
    let found = (1..=seeds_max).find_map(|seed| {
        let played = catch_unwind(AssertUnwindSafe(|| ring.play(seed)));
        let wrong = match played {
            Ok(played) => played.wrong?,
            Err(_) => "something panicked".to_owned(),
        };
        Some(Found { seeds: seed, wrong })
    });
    choose(None);
    found
}

/// The bugs with these names; if there are no names, all that the ring can meet.
///
/// # Errors
/// If there is no bug of a name.
pub(crate) fn named(ring: Ring, names: &[String]) -> Result<Vec<Mutation>, String> {
    if names.is_empty() {
        let all = Mutation::ALL.iter().copied();
        let can_meet =
            |it: &Mutation| ring == Ring::Network || !Mutation::OF_THE_SERVER.contains(it);
        return Ok(all.filter(can_meet).collect());
    }
    let named = |name: &String| {
        let mut all = Mutation::ALL.iter().copied();
        all.find(|it| it.words().0 == name)
            .ok_or_else(|| format!("there is no mutation {name:?}"))
    };
    names.iter().map(named).collect()
}
