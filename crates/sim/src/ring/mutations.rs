//! Deliberate bugs, and in how many seeds the ring finds each.

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
pub(crate) fn hunt(mutation: Mutation, seeds_max: u64) -> Option<Found> {
    choose(Some(mutation));
    let found = (1..=seeds_max).find_map(|seed| {
        let played = catch_unwind(AssertUnwindSafe(|| super::play(seed)));
        let wrong = match played {
            Ok(played) => played.wrong?,
            Err(_) => "something panicked".to_owned(),
        };
        Some(Found { seeds: seed, wrong })
    });
    choose(None);
    found
}

/// The bugs with these names; all, if there are no names.
///
/// # Errors
/// If there is no bug of a name.
pub(crate) fn named(names: &[String]) -> Result<Vec<Mutation>, String> {
    if names.is_empty() {
        return Ok(Mutation::ALL.to_vec());
    }
    let named = |name: &String| {
        let mut all = Mutation::ALL.iter().copied();
        all.find(|it| it.words().0 == name)
            .ok_or_else(|| format!("there is no mutation {name:?}"))
    };
    names.iter().map(named).collect()
}
