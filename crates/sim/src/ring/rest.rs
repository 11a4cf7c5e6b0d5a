//! What must hold of the tables once there are no faults any more.

use super::replica::{self, Rows, Unfinished};
use super::storage::Disk;
use latchwork_engine::InvocationId;
use latchwork_runtime::Clock;
use std::collections::BTreeSet;

/// So late no timer is while there are no faults.
const OVERDUE_MS: u64 = 2_000;

/// Who waited for a call that was over, when that was last looked at.
#[derive(Default)]
pub(super) struct Untold(BTreeSet<(InvocationId, InvocationId)>);

impl Untold {
    /// A caller is told of the end of its call. What was said may be on its way once, not twice.
    ///
    /// # Errors
    /// If one was not.
    pub(super) fn look(&mut self, rows: &[Unfinished]) -> Result<(), String> {
        let going_on: BTreeSet<_> = rows.iter().map(|it| it.id).collect();
        let waits = rows
            .iter()
            .flat_map(|it| it.waits_for.iter().map(|child| (it.id, *child)));
        let untold: BTreeSet<_> = waits
            .filter(|(_, child)| !going_on.contains(child))
            .collect();
        if let Some((caller, child)) = untold.intersection(&self.0).next() {
            return Err(format!(
                "{caller:?} waits for its call of {child:?}, which is over"
            ));
        }
        self.0 = untold;
        Ok(())
    }
}

/// Timers fire when they are due, those of retention by a clock that was not set forward. `first`:
/// those of each partition ([`replica::first_timers`]).
///
/// # Errors
/// If one has not, or cannot be read.
pub(super) fn check_overdue(
    first: Vec<Result<[Option<u64>; 2], String>>,
    clock: &dyn Clock,
) -> Result<(), String> {
    let now = clock.now_ms();
    for first in first {
        let [work, retention] = first?;
        let retention = retention.map(|time| time + clock.leapt_ms());
        for time in [work, retention].into_iter().flatten() {
            if time + OVERDUE_MS < now {
                return Err(format!(
                    "it is {now}, and the timer of {time} has not fired"
                ));
            }
        }
    }
    Ok(())
}

/// The logs once more, from the first record, into other tables, which must have the `rows` of each
/// partition. Gives the number of records.
///
/// # Errors
/// If they do not, or something cannot be read.
pub(super) fn compare(disks: &[Disk], rows: Vec<Result<Rows, String>>) -> Result<u64, String> {
    let partitions = disks.len() as u16;
    let mut all = 0;
    for ((own, disk), theirs) in (0..).zip(disks).zip(rows) {
        let records = disk.records().map_err(|error| error.to_string())?;
        all += records.len() as u64;
        replica::compare(own, partitions, &records, &theirs?)?;
    }
    Ok(all)
}
