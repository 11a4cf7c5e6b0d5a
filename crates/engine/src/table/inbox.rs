//! Who holds the key of an object, and who waits for it.

use super::{Address, end_of, key_at, number, whole};
use crate::command::PatchState;
use crate::id::InvocationId;
use bytes::{BufMut, Bytes};

/// Who holds a key. No row: it is free, and nobody waits.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Lock {
    /// The exclusive invocation that has the key.
    #[prost(message, required, tag = "1")]
    pub holder: InvocationId,
    /// Sequence that the next to wait gets.
    #[prost(uint64, tag = "2")]
    pub next_sequence: u64,
    /// How many wait.
    #[prost(uint64, tag = "3")]
    pub waiting: u64,
    /// Nobody waits with a sequence below this one.
    #[prost(uint64, tag = "4")]
    pub first_sequence: u64,
}

/// One that waits.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Waiting {
    /// What waits.
    #[prost(oneof = "Turn", tags = "1, 2")]
    pub turn: Option<Turn>,
}

/// What can wait for a key.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Turn {
    /// An exclusive invocation.
    #[prost(message, tag = "1")]
    Invocation(InvocationId),
    /// A new state from an operator.
    #[prost(message, tag = "2")]
    Patch(PatchState),
}

/// Key of the lock of an object.
pub fn lock_key(address: &Address) -> Bytes {
    key_at(number::LOCK, address, 0).freeze()
}

/// Range of all locks.
pub fn all_locks() -> (Bytes, Bytes) {
    whole(number::LOCK)
}

/// The object in a key of the table of locks.
pub fn parse_lock_key(key: &[u8]) -> Option<Address> {
    let (address, rest) = Address::take(key.get(1..)?)?;
    rest.is_empty().then_some(address)
}

/// Key of one that waits.
pub fn key(address: &Address, sequence: u64) -> Bytes {
    let mut key = key_at(number::INBOX, address, 8);
    key.put_u64(sequence);
    key.freeze()
}

/// Range of all that wait for one key.
pub fn all_of(address: &Address) -> (Bytes, Bytes) {
    let prefix = key_at(number::INBOX, address, 0).freeze();
    let end = end_of(&prefix);
    (prefix, end)
}

/// Range of all that wait for one key with this sequence or a later one.
pub fn all_from(address: &Address, sequence: u64) -> (Bytes, Bytes) {
    (key(address, sequence), all_of(address).1)
}

/// Range of all that wait for any key.
pub fn all() -> (Bytes, Bytes) {
    whole(number::INBOX)
}

/// The object and the sequence in a key of this table.
pub fn parse_key(key: &[u8]) -> Option<(Address, u64)> {
    let (address, rest) = Address::take(key.get(1..)?)?;
    Some((address, u64::from_be_bytes(rest.try_into().ok()?)))
}

/// The sequence in a key of this table.
pub fn parse_sequence(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>()
        .map(|bytes| u64::from_be_bytes(*bytes))
}
