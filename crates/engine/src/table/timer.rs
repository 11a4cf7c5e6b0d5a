//! Timers, in the order in which they are due. The value is the time, 8 bytes, at which
//! the invocation that set it was created.

use super::{number, take_id, whole};
use crate::id::InvocationId;
use bytes::{BufMut, Bytes, BytesMut};

/// One timer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct TimerKey {
    /// When it is due, in ms since 1970.
    #[prost(uint64, tag = "1")]
    pub time: u64,
    /// Whose it is.
    #[prost(message, required, tag = "2")]
    pub id: InvocationId,
    /// What happens then.
    #[prost(enumeration = "TimerKind", tag = "3")]
    pub kind: i32,
    /// Completion id of a sleep, epoch of a retry, else 0.
    #[prost(uint32, tag = "4")]
    pub number: u32,
}

/// What happens when a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TimerKind {
    /// A delayed invocation starts.
    Start = 0,
    /// A sleep is over.
    Sleep = 1,
    /// The next attempt after a failure.
    Retry = 2,
    /// A completed invocation is forgotten.
    Forget = 3,
    /// The journal of a completed invocation is dropped.
    DropJournal = 4,
}

impl TimerKind {
    /// Whether something is dropped that was kept long enough, and nothing goes on.
    pub fn is_retention(self) -> bool {
        matches!(self, Self::Forget | Self::DropJournal)
    }
}

impl TimerKey {
    /// The key of its row.
    pub fn key(&self) -> Bytes {
        let mut key = BytesMut::with_capacity(38);
        key.put_u8(number::TIMER);
        key.put_u64(self.time);
        key.put_slice(&self.id.to_bytes());
        key.put_u8(self.kind as u8);
        key.put_u32(self.number);
        key.freeze()
    }

    /// Reads a key of this table.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let (time, rest) = key.get(1..)?.split_first_chunk::<8>()?;
        let (id, rest) = take_id(rest)?;
        let (kind, rest) = rest.split_first()?;
        Some(Self {
            time: u64::from_be_bytes(*time),
            id,
            kind: i32::from(*kind),
            number: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// The first key of a timer that is due at `time` or later.
pub fn from(time: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(9);
    key.put_u8(number::TIMER);
    key.put_u64(time);
    key.freeze()
}

/// Range of all timers.
pub fn all() -> (Bytes, Bytes) {
    whole(number::TIMER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_sort_by_time() {
        let make = |time, number| TimerKey {
            time,
            id: InvocationId::from_bytes([7; 24]),
            kind: TimerKind::Retry as i32,
            number,
        };
        assert_eq!(TimerKey::parse(&make(5, 9).key()), Some(make(5, 9)));
        assert!(make(5, 9).key() < make(256, 0).key());
        assert!(from(5) <= make(5, 0).key() && make(5, 0).key() < from(6));
    }
}
