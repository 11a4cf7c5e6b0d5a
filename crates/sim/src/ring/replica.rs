//! The log, read once more into tables of its own: they must be the same to the byte, and what the
//! records say must be lawful.

use bytes::Bytes;
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::journal::Body;
use latchwork_engine::table::timer;
use latchwork_engine::{
    Command, End, Identity, InvocationId, MemoryView, Partition, Record, Topology, View, check,
    read,
};
use latchwork_storage::Lsn;
use prost::Message;
use std::collections::BTreeMap;

/// All rows of tables.
pub(super) type Rows = Vec<(Bytes, Bytes)>;

/// All rows of a view.
///
/// # Errors
/// If they cannot be read.
pub(super) fn rows(view: &dyn View) -> Result<Rows, String> {
    let all = view.scan(&[1], &[255]);
    all.collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// An invocation that is not over.
#[derive(Debug, Clone)]
pub(super) struct Unfinished {
    pub(super) id: InvocationId,
    pub(super) row: Invocation,
    /// Its calls that it has not been told the end of.
    pub(super) waits_for: Vec<InvocationId>,
}

/// The invocations of a partition that are not over.
///
/// # Errors
/// If they cannot be read.
pub(super) fn unfinished(view: &dyn View) -> Result<Vec<Unfinished>, String> {
    let (from, to) = invocation::all();
    let mut found = Vec::new();
    for row in view.scan(&from, &to) {
        let (key, value) = row.map_err(|error| error.to_string())?;
        let Some(id) = invocation::parse_key(&key) else {
            continue;
        };
        let row = Invocation::decode(value).map_err(|error| error.to_string())?;
        if row.status() != Status::Completed {
            let waits_for = waits_for(view, &id, &row)?;
            found.push(Unfinished { id, row, waits_for });
        }
    }
    Ok(found)
}

fn waits_for(
    view: &dyn View,
    id: &InvocationId,
    row: &Invocation,
) -> Result<Vec<InvocationId>, String> {
    let mut open = BTreeMap::new();
    let journal = read::journal(view, id, row.journal_len).map_err(|halt| halt.to_string())?;
    for entry in journal {
        match entry.body {
            Some(Body::Command(command)) => {
                // A call has a second completion, its result.
                if let (Some(child), [_, result]) = (command.child, &command.completions[..]) {
                    open.insert(*result, child);
                }
            }
            Some(Body::Notification(notification)) => {
                if let Some(Identity::Completion(completion)) = notification.identity {
                    open.remove(&completion);
                }
            }
            _ => {}
        }
    }
    Ok(open.into_values().collect())
}

/// When the first timers of a partition are due, in ms since 1970: that of work, and that of retention.
///
/// # Errors
/// If they cannot be read.
pub(super) fn first_timers(view: &dyn View) -> Result<[Option<u64>; 2], String> {
    let (from, to) = timer::all();
    let mut first = [None; 2];
    for row in view.scan(&from, &to) {
        let (key, _) = row.map_err(|error| error.to_string())?;
        if let Some(timer) = timer::TimerKey::parse(&key) {
            first[usize::from(timer.kind().is_retention())].get_or_insert(timer.time);
        }
    }
    Ok(first)
}

/// Applies all records, and compares with the rows that the partition has.
///
/// # Errors
/// The first thing that does not hold.
pub(super) fn compare(
    own: u16,
    partitions: u16,
    records: &[(Lsn, Bytes)],
    theirs: &Rows,
) -> Result<(), String> {
    let partition = Partition::new(Topology { partitions, own });
    let mut view = MemoryView::default();
    let (mut next, mut time) = (1, 0);
    for (lsn, bytes) in records {
        if *lsn != next {
            return Err(format!("after record {} comes {lsn}", next - 1));
        }
        next += 1;
        let record = Record::decode(bytes.clone()).map_err(|error| format!("{lsn}: {error}"))?;
        if record.time < time {
            return Err(format!("record {lsn} is of {}, after {time}", record.time));
        }
        time = record.time;
        if let Some(Command::Progress(progress)) = &record.command
            && let Some(End::Failed(failed)) = &progress.end
            && failed.failure.message.contains("defect of the server")
        {
            return Err(format!("record {lsn}: {}", failed.failure.message));
        }
        let done = partition
            .apply(&view, record)
            .map_err(|halt| format!("{lsn}: {halt}"))?;
        for (key, value) in done.writes {
            view.write(key, value);
        }
    }
    if let Err(wrong) = check::check(&view) {
        return Err(format!("the tables do not hold: {wrong:?}"));
    }
    let ours = rows(&view)?;
    if ours == *theirs {
        return Ok(());
    }
    let apart = ours.iter().zip(theirs).position(|(a, b)| a != b);
    let at = apart.unwrap_or(ours.len().min(theirs.len()));
    Err(format!(
        "partition {own}: the log gives {} rows, the tables have {}; they part at {:?} and {:?}",
        ours.len(),
        theirs.len(),
        ours.get(at),
        theirs.get(at)
    ))
}
