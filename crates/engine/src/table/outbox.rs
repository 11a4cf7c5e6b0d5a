//! Messages to other partitions until those have them, and what we have of theirs.

use super::{number, whole};
use bytes::{BufMut, Bytes, BytesMut};

/// A counter: the last sequence sent to, or received from, a partition.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Counter {
    /// 0: none yet.
    #[prost(uint64, tag = "1")]
    pub last: u64,
}

/// Key of one message; its value is a [`crate::command::Message`].
pub fn key(to: u16, sequence: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(11);
    key.put_u8(number::OUTBOX);
    key.put_u16(to);
    key.put_u64(sequence);
    key.freeze()
}

/// Range of all messages, by receiver and sequence.
pub fn all() -> (Bytes, Bytes) {
    whole(number::OUTBOX)
}

/// Receiver and sequence in a key of this table.
pub fn parse_key(key: &[u8]) -> Option<(u16, u64)> {
    let (to, rest) = key.get(1..)?.split_first_chunk::<2>()?;
    Some((
        u16::from_be_bytes(*to),
        u64::from_be_bytes(rest.try_into().ok()?),
    ))
}

/// Key of the counter of what was sent to a partition.
pub fn counter_key(to: u16) -> Bytes {
    counter(number::OUTBOX_COUNTER, to)
}

/// Key of the counter of what was received from a partition.
pub fn dedup_key(from: u16) -> Bytes {
    counter(number::DEDUP, from)
}

fn counter(number: u8, partition: u16) -> Bytes {
    let mut key = BytesMut::with_capacity(3);
    key.put_u8(number);
    key.put_u16(partition);
    key.freeze()
}
