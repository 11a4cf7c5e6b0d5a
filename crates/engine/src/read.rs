//! What others may want to know of one invocation, from any view of the tables.

use crate::Halt;
use crate::id::InvocationId;
use crate::table::invocation::{self, Invocation};
use crate::table::journal::{self, Body, JournalEntry};
use crate::table::{Address, state};
use crate::transition::decode;
use crate::value::{Answer, Outcome};
use crate::view::View;
use bytes::Bytes;

/// The row of an invocation.
///
/// # Errors
/// If the tables cannot be read, as for all functions here.
pub fn invocation(view: &dyn View, id: &InvocationId) -> Result<Option<Invocation>, Halt> {
    let key = invocation::key(id);
    view.get(&key)?.map(|value| decode(&key, value)).transpose()
}

/// One entry of a journal.
///
/// # Errors
/// As above.
pub fn entry(view: &dyn View, id: &InvocationId, index: u32) -> Result<Option<JournalEntry>, Halt> {
    let key = journal::key(id, index);
    view.get(&key)?.map(|value| decode(&key, value)).transpose()
}

/// A whole journal, in order.
///
/// # Errors
/// As above.
pub fn journal(view: &dyn View, id: &InvocationId, len: u32) -> Result<Vec<JournalEntry>, Halt> {
    // Short journals are the rule, and single reads are cheaper than a scan.
    const FEW: u32 = 8;
    if len <= FEW {
        return (0..len)
            .filter_map(|index| entry(view, id, index).transpose())
            .collect();
    }
    let (from, to) = journal::all_of(id);
    view.scan(&from, &to)
        .map(|row| {
            let (key, value) = row?;
            decode(&key, value)
        })
        .collect()
}

/// How an invocation ended, if it has.
///
/// # Errors
/// As above.
pub fn outcome(
    view: &dyn View,
    id: &InvocationId,
    row: &Invocation,
) -> Result<Option<Outcome>, Halt> {
    if row.status() != invocation::Status::Completed {
        return Ok(None);
    }
    if let Some(failure) = &row.failure {
        return Ok(Some(Outcome::Failure(failure.clone())));
    }
    let Some(index) = row.output_index else {
        return Ok(Some(Outcome::Value(Bytes::new())));
    };
    let Some(JournalEntry {
        body: Some(Body::Command(command)),
        ..
    }) = entry(view, id, index)?
    else {
        return Ok(Some(Outcome::Value(Bytes::new())));
    };
    let answer = command
        .settled
        .as_ref()
        .map(|settled| settled.to_answer(&command.raw));
    Ok(Some(match answer {
        Some(Answer::Value(value)) => Outcome::Value(value),
        Some(Answer::Failure(failure)) => Outcome::Failure(failure),
        _ => Outcome::Value(Bytes::new()),
    }))
}

/// All state of an object: state keys and values, in order.
///
/// # Errors
/// As above.
pub fn state(view: &dyn View, address: &Address) -> Result<Vec<(Bytes, Bytes)>, Halt> {
    let (from, to) = state::all_of(address);
    view.scan(&from, &to)
        .map(|row| {
            let (key, value) = row?;
            Ok((key.slice(from.len()..), value))
        })
        .collect()
}
