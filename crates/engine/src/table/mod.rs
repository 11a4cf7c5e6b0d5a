//! What is stored: one noun a file, each with its key, its value and its bytes.
//!
//! A key is the table's number and then what orders the rows. Numbers are never used
//! again. Values are protobuf, so that fields can be added for ever.
//!
//! | no. | table | key after the number | value |
//! |--:|---|---|---|
//! | 1 | invocation | id | all about it but its journal |
//! | 3 | journal | id, index | input, command or notification |
//! | 4 | object lock | address | who holds the key, how many wait |
//! | 5 | inbox | address, sequence | who waits, in order |
//! | 6 | state | address, state key | bytes |
//! | 7 | promise | address, name | value or who waits |
//! | 8 | timer | time, id, kind, completion | when its invocation was created |
//! | 9 | outbox | receiver, sequence | message |
//! | 10 | outbox counter | receiver | last sequence sent |
//! | 11 | dedup | sender | last sequence received |
//! | 12 | registry | name | document |
//! | 13 | listing | standing, service, handler, complement of creation time and id | epoch |
//! | 14 | audit | refused or not, sequence | what an operator did |
//! | 15 | ends of the audit | refused or not | first and next sequence |
//!
//! Number 0 belongs to storage; 2 was a table that format 1 had. All numbers in keys are big-endian, so that bytes sort
//! as numbers do.

pub mod audit;
pub mod deployment;
pub mod inbox;
pub mod invocation;
pub mod journal;
pub mod length;
pub mod listing;
pub mod outbox;
pub mod promise;
pub mod state;
pub mod timer;

use crate::id::InvocationId;
use crate::value::Target;
use bytes::{BufMut, Bytes, BytesMut};

/// Numbers of the tables, in the first byte of each key.
pub(crate) mod number {
    pub(crate) const INVOCATION: u8 = 1;
    pub(crate) const JOURNAL: u8 = 3;
    pub(crate) const LOCK: u8 = 4;
    pub(crate) const INBOX: u8 = 5;
    pub(crate) const STATE: u8 = 6;
    pub(crate) const PROMISE: u8 = 7;
    pub(crate) const TIMER: u8 = 8;
    pub(crate) const OUTBOX: u8 = 9;
    pub(crate) const OUTBOX_COUNTER: u8 = 10;
    pub(crate) const DEDUP: u8 = 11;
    pub(crate) const REGISTRY: u8 = 12;
    pub(crate) const LISTING: u8 = 13;
    pub(crate) const AUDIT: u8 = 14;
    pub(crate) const AUDIT_ENDS: u8 = 15;
}

/// The object or workflow that a key, a state or a promise belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The service.
    pub service: String,
    /// Its scope, if any.
    pub scope: Option<String>,
    /// The key.
    pub key: String,
}

impl Address {
    /// Of a keyed target; plain services have none.
    pub fn of(target: &Target) -> Option<Self> {
        Some(Self {
            service: target.service.clone(),
            scope: target.scope.clone(),
            key: target.key.clone()?,
        })
    }

    /// Appends it so that no address is a prefix of another.
    fn put(&self, key: &mut BytesMut) {
        put_text(key, &self.service);
        match &self.scope {
            None => key.put_u8(0),
            Some(scope) => {
                key.put_u8(1);
                put_text(key, scope);
            }
        }
        put_text(key, &self.key);
    }

    /// Reads what `put` wrote; returns the rest too.
    fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (service, rest) = take_text(bytes)?;
        let (scope, rest) = match rest.split_first()? {
            (0, rest) => (None, rest),
            (2.., _) => return None,
            (1, rest) => {
                let (scope, rest) = take_text(rest)?;
                (Some(scope), rest)
            }
        };
        let (key, rest) = take_text(rest)?;
        Some((
            Self {
                service,
                scope,
                key,
            },
            rest,
        ))
    }
}

fn put_text(key: &mut BytesMut, text: &str) {
    key.put_u32(text.len() as u32);
    key.put_slice(text.as_bytes());
}

/// Reads what `put_text` wrote; returns the rest too.
fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = u32::from_be_bytes(*len) as usize;
    let text = std::str::from_utf8(rest.get(..len)?).ok()?;
    Some((text, &rest[len..]))
}

fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (text, rest) = split_text(bytes)?;
    Some((text.to_owned(), rest))
}

/// A key of a table whose rows are found by invocation.
fn key_of(number: u8, id: &InvocationId, room: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(25 + room);
    key.put_u8(number);
    key.put_slice(&id.to_bytes());
    key
}

fn key_at(number: u8, address: &Address, room: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(16 + address.service.len() + address.key.len() + room);
    key.put_u8(number);
    address.put(&mut key);
    key
}

fn take_id(bytes: &[u8]) -> Option<(InvocationId, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<24>()?;
    Some((InvocationId::from_bytes(*id), rest))
}

/// The first key after all keys that begin with `prefix`.
pub fn end_of(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end.into()
}

/// First and end key of a whole table, by its number.
fn whole(number: u8) -> (Bytes, Bytes) {
    (
        Bytes::copy_from_slice(&[number]),
        Bytes::copy_from_slice(&[number + 1]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_and_none_is_a_prefix_of_another() {
        let make = |service: &str, scope: Option<&str>, key: &str| Address {
            service: service.into(),
            scope: scope.map(Into::into),
            key: key.into(),
        };
        let all = [
            make("S", None, ""),
            make("S", None, "a"),
            make("S", None, "ab"),
            make("S", Some(""), "a"),
            make("S", Some("x"), "a"),
            make("Sa", None, ""),
        ];
        for one in &all {
            let bytes = key_at(1, one, 0);
            assert_eq!(Address::take(&bytes[1..]), Some((one.clone(), &[][..])));
            for other in all.iter().filter(|other| *other != one) {
                assert!(!key_at(1, other, 0).starts_with(&bytes));
            }
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_beyond_its_last_key() {
        assert_eq!(&end_of(&[1, 2])[..], &[1, 3]);
        assert_eq!(&end_of(&[1, 255])[..], &[2]);
    }
}
