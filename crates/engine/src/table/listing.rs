//! The list of invocations: by where they stand and what they call, the newest first.
//!
//! One row for each invocation, moved whenever it comes to stand elsewhere. Whoever looks for the
//! newest of some kind finds them at the beginning of a range; those that must have an attempt
//! are such a range too. The value is the epoch, 4 bytes.

use super::{number, put_text, split_text, whole};
use crate::id::InvocationId;
use crate::table::invocation::{Invocation, Status};
use crate::value::Target;
use bytes::{BufMut, Bytes, BytesMut};

/// Where an invocation stands; of those that are over, also how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Standing {
    /// In no list: its row is not stored yet.
    Unlisted = 0,
    /// Waits for its execution time.
    Scheduled = 1,
    /// Waits for the key of its object.
    Inboxed = 2,
    /// Must have an attempt.
    Running = 3,
    /// Waits for something its handler awaits.
    Suspended = 4,
    /// Waits for the next attempt after a failure.
    BackingOff = 5,
    /// Waits for an operator.
    Paused = 6,
    /// Ended with a value.
    Succeeded = 7,
    /// Ended with a failure.
    Failed = 8,
}

impl Standing {
    /// All that an invocation can be listed under.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Inboxed,
        Self::Running,
        Self::Suspended,
        Self::BackingOff,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
    ];

    /// Where this one belongs.
    pub fn of(row: &Invocation) -> Self {
        match row.status() {
            Status::Scheduled => Self::Scheduled,
            Status::Inboxed => Self::Inboxed,
            Status::Running => Self::Running,
            Status::Suspended => Self::Suspended,
            Status::BackingOff => Self::BackingOff,
            Status::Paused => Self::Paused,
            Status::Completed if row.has_failed => Self::Failed,
            Status::Completed => Self::Succeeded,
        }
    }

    /// The status of those that stand here.
    pub fn status(self) -> Status {
        match self {
            Self::Unlisted | Self::Scheduled => Status::Scheduled,
            Self::Inboxed => Status::Inboxed,
            Self::Running => Status::Running,
            Self::Suspended => Status::Suspended,
            Self::BackingOff => Status::BackingOff,
            Self::Paused => Status::Paused,
            Self::Succeeded | Self::Failed => Status::Completed,
        }
    }
}

/// What a key of this table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// What is called.
    pub service: &'a str,
    /// Which part of it.
    pub handler: &'a str,
    /// When it was created, in ms since 1970.
    pub created_at: u64,
    /// Which invocation.
    pub id: InvocationId,
}

/// Key of the row of an invocation that stands there.
pub fn key(standing: Standing, target: &Target, created_at: u64, id: &InvocationId) -> Bytes {
    let mut key = handler_prefix(standing, &target.service, &target.handler, 32);
    put_place(&mut key, created_at, id);
    key.freeze()
}

/// Reads a key of this table.
pub fn parse_key(key: &[u8]) -> Option<Listed<'_>> {
    let (service, rest) = split_text(key.get(2..)?)?;
    let (handler, place) = split_text(rest)?;
    let mut place: [u8; 32] = place.try_into().ok()?;
    place.iter_mut().for_each(|byte| *byte = !*byte);
    let (created_at, id) = place.split_first_chunk::<8>()?;
    Some(Listed {
        service,
        handler,
        created_at: u64::from_be_bytes(*created_at),
        id: InvocationId::from_bytes(id.try_into().ok()?),
    })
}

/// Range of all that stand there; with a service, of those that call it; with a handler of it too,
/// of those in the order of time, the newest first.
pub fn all_of(standing: Standing, service: Option<&str>, handler: Option<&str>) -> (Bytes, Bytes) {
    let prefix = match (service, handler) {
        (None, _) => BytesMut::from(&[number::LISTING, standing as u8][..]),
        (Some(service), None) => service_prefix(standing, service, 0),
        (Some(service), Some(handler)) => handler_prefix(standing, service, handler, 0),
    };
    let end = super::end_of(&prefix);
    (prefix.freeze(), end)
}

/// Of those that stand there and call that handler: the range of those that were created at
/// `time`, with an id below `below` if one is given, or before.
pub fn older(
    standing: Standing,
    service: &str,
    handler: &str,
    time: u64,
    below: Option<&InvocationId>,
) -> (Bytes, Bytes) {
    let mut from = handler_prefix(standing, service, handler, 33);
    let end = super::end_of(&from);
    match below {
        Some(id) => {
            put_place(&mut from, time, id);
            // The key that follows the one of that invocation.
            from.put_u8(0);
        }
        None => from.put_u64(!time),
    }
    (from.freeze(), end)
}

/// Range of all that are listed.
pub fn all() -> (Bytes, Bytes) {
    whole(number::LISTING)
}

fn service_prefix(standing: Standing, service: &str, room: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(6 + service.len() + room);
    key.put_u8(number::LISTING);
    key.put_u8(standing as u8);
    put_text(&mut key, service);
    key
}

fn handler_prefix(standing: Standing, service: &str, handler: &str, room: usize) -> BytesMut {
    let mut key = service_prefix(standing, service, 4 + handler.len() + room);
    put_text(&mut key, handler);
    key
}

/// Appends its complement, so that later times sort first.
fn put_place(key: &mut BytesMut, created_at: u64, id: &InvocationId) {
    key.put_u64(!created_at);
    key.put_slice(&id.to_bytes().map(|byte| !byte));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(standing: Standing, handler: &str, created_at: u64, low: u64) -> Bytes {
        let target = Target {
            service: "S".into(),
            handler: handler.into(),
            ..Target::default()
        };
        let id = InvocationId {
            low,
            ..InvocationId::default()
        };
        key(standing, &target, created_at, &id)
    }

    #[test]
    fn keys_round_trip_and_the_newest_sorts_first() {
        let key = make(Standing::Paused, "h", 7, 3);
        let listed = parse_key(&key).unwrap();
        assert_eq!((listed.service, listed.handler), ("S", "h"));
        assert_eq!((listed.created_at, listed.id.low), (7, 3));
        assert!(make(Standing::Paused, "h", 256, 0) < make(Standing::Paused, "h", 5, 0));
        assert!(make(Standing::Paused, "h", 5, 2) < make(Standing::Paused, "h", 5, 1));
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let keys = [
            make(Standing::Running, "h", 9, 1),
            make(Standing::Paused, "h", 9, 2),
            make(Standing::Paused, "h", 9, 1),
            make(Standing::Paused, "h", 8, 1),
            make(Standing::Paused, "other", 9, 1),
        ];
        let held = |(from, end): (Bytes, Bytes)| -> Vec<usize> {
            let within = |key: &Bytes| *key >= from && *key < end;
            (0..keys.len()).filter(|at| within(&keys[*at])).collect()
        };
        assert_eq!(held(all()), [0, 1, 2, 3, 4]);
        let of = |service, handler| held(all_of(Standing::Paused, service, handler));
        assert_eq!(of(None, None), [1, 2, 3, 4]);
        assert_eq!(of(Some("S"), None), [1, 2, 3, 4]);
        assert_eq!(of(Some("S"), Some("h")), [1, 2, 3]);
        assert_eq!(of(Some("T"), None), [0; 0]);
        let first = parse_key(&keys[1]).unwrap();
        let older = |time, below| held(super::older(Standing::Paused, "S", "h", time, below));
        assert_eq!(older(9, None), [1, 2, 3]);
        assert_eq!(older(8, None), [3]);
        assert_eq!(older(9, Some(&first.id)), [2, 3]);
    }
}
