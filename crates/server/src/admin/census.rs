//! How many unfinished invocations each deployment still has: the tables of all partitions come
//! in, slice by slice, a number for each deployment goes out.
//!
//! There is no index of it: a row of the invocation table is looked at only as far as its status
//! and its pin, and the partition goes on between two slices.

use super::error::AdminError;
use bytes::{BufMut, Bytes, BytesMut};
use latchwork_engine::table::invocation::{self, Status};
use latchwork_engine::{Halt, Pin, Target, View};
use latchwork_protocol::admin::{Drain, DrainState};
use latchwork_runtime::Handle;
use latchwork_runtime::registry::{Deployment, Registry};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows that are looked at in one go.
const SLICE_ROWS: usize = 1_024;

/// The part of an invocation's row that says whether it keeps a deployment in use.
#[derive(Clone, PartialEq, Message)]
struct Stay {
    #[prost(enumeration = "Status", tag = "2")]
    status: i32,
    #[prost(uint64, tag = "5")]
    modified_at: u64,
    #[prost(message, optional, tag = "13")]
    pin: Option<Pin>,
}

/// The part that says what is called.
#[derive(Clone, PartialEq, Message)]
struct Called {
    #[prost(message, required, tag = "1")]
    target: Target,
}

/// Unfinished invocations, counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// By the id of the deployment that they are bound to.
    pinned: BTreeMap<String, u64>,
    /// By service: attempts that are not bound yet and began before its newest revision came.
    /// They may be running on any older deployment that offers it.
    early: BTreeMap<String, u64>,
}

/// When the newest revision of each service came, in ms since 1970.
type Arrivals = BTreeMap<String, u64>;

impl Census {
    /// Counts.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub(super) async fn take(handle: &Handle, registry: &Registry) -> Result<Self, AdminError> {
        let services = registry.services().iter();
        let arrivals: Arrivals = services
            .map(|(name, entry)| {
                let deployment = &entry.deployment;
                (
                    name.clone(),
                    deployment.registered_at.max(deployment.created_at),
                )
            })
            .collect();
        let arrivals = Arc::new(arrivals);
        let mut census = Self::default();
        for partition in 0..handle.partitions() {
            let mut from = Some(invocation::all().0);
            while let Some(begin) = from {
                let arrivals = arrivals.clone();
                let (counted, next) = handle
                    .read_partition(partition, move |view| {
                        let mut counted = Self::default();
                        let next = counted.slice(view, &begin, &arrivals)?;
                        Ok::<_, Halt>((counted, next))
                    })
                    .await??;
                census.add(counted);
                from = next;
            }
        }
        Ok(census)
    }

    /// How far a deployment is on its way out.
    pub(super) fn drain(&self, registry: &Registry, deployment: &Deployment) -> Drain {
        let early = deployment
            .services
            .iter()
            .map(|offered| &offered.service.name);
        let early: u64 = early
            .filter(|name| {
                let newest = registry.service(name);
                newest.is_some_and(|newest| newest.deployment.id != deployment.id)
            })
            .filter_map(|name| self.early.get(name))
            .sum();
        let pinned_invocations = self.pinned.get(&deployment.id).unwrap_or(&0) + early;
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
        arrivals: &Arrivals,
    ) -> Result<Option<Bytes>, Halt> {
        let mut rows = 0;
        for row in view.scan(from, &invocation::all().1) {
            let (key, value) = row?;
            let unreadable = |error: prost::DecodeError| Halt::Row {
                key: key.clone(),
                error: error.to_string(),
            };
            let stay = Stay::decode(value.clone()).map_err(unreadable)?;
            let is_running = stay.status() == Status::Running;
            match stay.pin {
                _ if stay.status() == Status::Completed => {}
                Some(pin) => *self.pinned.entry(pin.deployment).or_default() += 1,
                None if is_running => {
                    let service = Called::decode(value).map_err(unreadable)?.target.service;
                    if arrivals
                        .get(&service)
                        .is_some_and(|at| stay.modified_at < *at)
                    {
                        *self.early.entry(service).or_default() += 1;
                    }
                }
                None => {}
            }
            rows += 1;
            if rows == SLICE_ROWS {
                return Ok(Some(after(&key)));
            }
        }
        Ok(None)
    }

    fn add(&mut self, other: Self) {
        for (deployment, count) in other.pinned {
            *self.pinned.entry(deployment).or_default() += count;
        }
        for (service, count) in other.early {
            *self.early.entry(service).or_default() += count;
        }
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
    use latchwork_engine::table::invocation::Invocation;
    use latchwork_engine::{InvocationId, MemoryView};

    fn put(view: &mut MemoryView, low: u64, status: Status, pin: Option<&str>, modified_at: u64) {
        let row = Invocation {
            target: Target {
                service: "S".into(),
                ..Target::default()
            },
            status: status.into(),
            modified_at,
            pin: pin.map(|deployment| Pin {
                deployment: deployment.into(),
                version: 5,
            }),
            ..Invocation::default()
        };
        let id = InvocationId {
            low,
            ..InvocationId::default()
        };
        view.write(invocation::key(&id), Some(row.encode_to_vec().into()));
    }

    #[test]
    fn unfinished_ones_count_where_they_are_bound_or_may_have_begun() {
        let mut view = MemoryView::default();
        put(&mut view, 1, Status::Suspended, Some("dp_a"), 1);
        put(&mut view, 2, Status::Completed, Some("dp_a"), 1);
        put(&mut view, 3, Status::Running, None, 9);
        put(&mut view, 4, Status::Running, None, 10);
        put(&mut view, 5, Status::BackingOff, None, 1);
        let arrivals = Arrivals::from([("S".to_owned(), 10)]);
        let mut census = Census::default();
        let next = census
            .slice(&view, &invocation::all().0, &arrivals)
            .unwrap();
        assert_eq!(next, None);
        assert_eq!(census.pinned, BTreeMap::from([("dp_a".to_owned(), 1)]));
        assert_eq!(census.early, BTreeMap::from([("S".to_owned(), 1)]));
    }

    #[test]
    fn slices_meet_and_do_not_overlap() {
        let mut view = MemoryView::default();
        let rows = 2 * SLICE_ROWS as u64 + 1;
        for low in 0..rows {
            put(&mut view, low, Status::Paused, Some("dp_a"), 1);
        }
        let mut census = Census::default();
        let mut from = Some(invocation::all().0);
        let mut slices = 0;
        while let Some(begin) = from {
            from = census.slice(&view, &begin, &Arrivals::new()).unwrap();
            slices += 1;
        }
        assert_eq!((slices, census.pinned["dp_a"]), (3, rows));
    }
}
