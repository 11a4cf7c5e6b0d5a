//! Durable promises of workflows.

use super::{Address, end_of, key_at, number, whole};
use crate::value::{Answer, Waiter};
use bytes::{BufMut, Bytes};

/// One promise that somebody waits for or has completed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Promise {
    /// Its value or failure, once it is completed.
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7, 8")]
    pub answer: Option<Answer>,
    /// Who waits for it.
    #[prost(message, repeated, tag = "9")]
    pub waiters: Vec<Waiter>,
}

/// Key of one promise.
pub fn key(address: &Address, name: &str) -> Bytes {
    let mut key = key_at(number::PROMISE, address, name.len());
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// Range of all promises of one workflow.
pub fn all_of(address: &Address) -> (Bytes, Bytes) {
    let prefix = key_at(number::PROMISE, address, 0).freeze();
    let end = end_of(&prefix);
    (prefix, end)
}

/// Range of all promises there are.
pub fn all() -> (Bytes, Bytes) {
    whole(number::PROMISE)
}

/// The workflow and the name that a key of this table names.
pub fn parse_key(key: &[u8]) -> Option<(Address, String)> {
    let (address, rest) = Address::take(key.get(1..)?)?;
    Some((address, std::str::from_utf8(rest).ok()?.to_owned()))
}
