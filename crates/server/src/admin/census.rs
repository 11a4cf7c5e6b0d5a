//! How many unfinished invocations each deployment still has: the attempts that run and the
//! tables of all partitions come in, slice by slice, a number for each deployment goes out.
//!
//! There is no index of it: a row of the invocation table is looked at only as far as its status
//! and its pin, and the partition goes on between two slices. An attempt that has said nothing
//! yet is not in the tables: where it runs, the invoker knows.

use super::error::AdminError;
use bytes::{BufMut, Bytes, BytesMut};
use latchwork_engine::table::invocation::{self, Status};
use latchwork_engine::{Halt, InvocationId, Pin, View};
use latchwork_protocol::admin::{Drain, DrainState};
use latchwork_runtime::Handle;
use latchwork_runtime::registry::{Deployment, Registry};
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Rows that are looked at in one go.
const SLICE_ROWS: usize = 1_024;

/// The part of an invocation's row that says whether it keeps a deployment in use.
#[derive(Clone, PartialEq, Message)]
struct Stay {
    #[prost(enumeration = "Status", tag = "2")]
    status: i32,
    #[prost(message, optional, tag = "13")]
    pin: Option<Pin>,
}

/// Unfinished invocations, counted by the id of the deployment that they are bound to, or run on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census(BTreeMap<String, u64>);

/// Where the attempts run.
type Attempts = HashMap<InvocationId, String>;

impl Census {
    /// Counts.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub(super) async fn take(handle: &Handle) -> Result<Self, AdminError> {
        let attempts = handle.attempts().await?.into_iter();
        let attempts: Attempts = attempts
            .filter_map(|attempt| Some((attempt.id, attempt.deployment?)))
            .collect();
        let attempts = Arc::new(attempts);
        let mut census = Self::default();
        for partition in 0..handle.partitions() {
            let mut from = Some(invocation::all().0);
            while let Some(begin) = from {
                let attempts = attempts.clone();
                let (counted, next) = handle
                    .read_partition(partition, move |view| {
                        let mut counted = Self::default();
                        let next = counted.slice(view, &begin, &attempts)?;
                        Ok::<_, Halt>((counted, next))
                    })
                    .await??;
                for (deployment, count) in counted.0 {
                    *census.0.entry(deployment).or_default() += count;
                }
                from = next;
            }
        }
        Ok(census)
    }

    /// How far a deployment is on its way out.
    pub(super) fn drain(&self, registry: &Registry, deployment: &Deployment) -> Drain {
        let pinned_invocations = self.0.get(&deployment.id).copied().unwrap_or(0);
        let state = if registry.newest_of(&deployment.id).next().is_some() {
            DrainState::Active
        } else if pinned_invocations > 0 {
            DrainState::Draining
        } else {
            DrainState::Drained
        };
        Drain {
            state,
            pinned_invocations,
        }
    }

    /// Counts some rows; returns where the next slice begins, if there is one.
    fn slice(
        &mut self,
        view: &dyn View,
        from: &[u8],
        attempts: &Attempts,
    ) -> Result<Option<Bytes>, Halt> {
        for (row, read) in view.scan(from, &invocation::all().1).zip(1..) {
            let (key, value) = row?;
            let stay = Stay::decode(value).map_err(|error| Halt::Row {
                key: key.clone(),
                error: error.to_string(),
            })?;
            let runs_on = || attempts.get(&invocation::parse_key(&key)?).cloned();
            let deployment = match (stay.status(), stay.pin) {
                (Status::Completed, _) => None,
                (_, Some(pin)) => Some(pin.deployment),
                (_, None) => runs_on(),
            };
            if let Some(deployment) = deployment {
                *self.0.entry(deployment).or_default() += 1;
            }
            if read == SLICE_ROWS {
                return Ok(Some(after(&key)));
            }
        }
        Ok(None)
    }
}

/// The first key after another.
fn after(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::MemoryView;
    use latchwork_engine::table::invocation::Invocation;

    fn id(low: u64) -> InvocationId {
        InvocationId {
            low,
            ..InvocationId::default()
        }
    }

    fn put(view: &mut MemoryView, low: u64, status: Status, pin: Option<&str>) {
        let row = Invocation {
            status: status.into(),
            pin: pin.map(|deployment| Pin {
                deployment: deployment.into(),
                version: 5,
            }),
            ..Invocation::default()
        };
        view.write(invocation::key(&id(low)), Some(row.encode_to_vec().into()));
    }

    #[test]
    fn unfinished_ones_count_where_they_are_bound_or_run() {
        let mut view = MemoryView::default();
        put(&mut view, 1, Status::Suspended, Some("dp_a"));
        put(&mut view, 2, Status::Completed, Some("dp_a"));
        put(&mut view, 3, Status::Running, None);
        put(&mut view, 4, Status::Running, None);
        put(&mut view, 5, Status::BackingOff, None);
        let attempts = Attempts::from([(id(3), "dp_b".to_owned())]);
        let mut census = Census::default();
        let next = census
            .slice(&view, &invocation::all().0, &attempts)
            .unwrap();
        assert_eq!(next, None);
        let counted = [("dp_a".to_owned(), 1), ("dp_b".to_owned(), 1)];
        assert_eq!(census.0, BTreeMap::from(counted));
    }

    #[test]
    fn slices_meet_and_do_not_overlap() {
        let mut view = MemoryView::default();
        let rows = 2 * SLICE_ROWS as u64 + 1;
        for low in 0..rows {
            put(&mut view, low, Status::Paused, Some("dp_a"));
        }
        let mut census = Census::default();
        let mut from = Some(invocation::all().0);
        let mut slices = 0;
        while let Some(begin) = from {
            from = census.slice(&view, &begin, &Attempts::new()).unwrap();
            slices += 1;
        }
        assert_eq!((slices, census.0["dp_a"]), (3, rows));
    }
}
