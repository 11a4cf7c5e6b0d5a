//! State of objects and workflows: bytes by key.

use super::{Address, end_of, key_at, number, whole};
use bytes::{BufMut, Bytes};

/// Key of one entry.
pub fn key(address: &Address, state_key: &[u8]) -> Bytes {
    let mut key = key_at(number::STATE, address, state_key.len());
    key.put_slice(state_key);
    key.freeze()
}

/// Range of all state of one object.
pub fn all_of(address: &Address) -> (Bytes, Bytes) {
    let prefix = key_at(number::STATE, address, 0).freeze();
    let end = end_of(&prefix);
    (prefix, end)
}

/// Range of all state there is.
pub fn all() -> (Bytes, Bytes) {
    whole(number::STATE)
}

/// The object and the state key that a key of this table names.
pub fn parse_key(key: &Bytes) -> Option<(Address, Bytes)> {
    let (address, rest) = Address::take(key.get(1..)?)?;
    Some((address, key.slice(key.len() - rest.len()..)))
}
