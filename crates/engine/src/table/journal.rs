//! The journal of an invocation: what it did and what happened to it, in stored order.

use super::{end_of, key_of, number, take_id};
use crate::id::InvocationId;
use crate::value::{Answer, Identity, Input, Settled};
use bytes::{BufMut, Bytes};

/// One entry.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JournalEntry {
    /// When it was stored, in ms since 1970.
    #[prost(uint64, tag = "1")]
    pub time: u64,
    /// What it is.
    #[prost(oneof = "Body", tags = "2, 3, 4")]
    pub body: Option<Body>,
}

/// The kinds of entries.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// Entry 0, exactly one.
    #[prost(message, tag = "2")]
    Input(Input),
    /// What the handler did, as its SDK said it.
    #[prost(message, tag = "3")]
    Command(Command),
    /// What happened.
    #[prost(message, tag = "4")]
    Notification(Notification),
}

/// A command with its bytes as they came: they are compared at replay.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    /// Wire type.
    #[prost(uint32, tag = "1")]
    pub ty: u32,
    /// Wire body.
    #[prost(bytes = "bytes", tag = "2")]
    pub raw: Bytes,
    /// The invocation that this command created or found.
    #[prost(message, optional, tag = "3")]
    pub child: Option<InvocationId>,
    /// Completion ids that the command waits for.
    #[prost(uint32, repeated, tag = "4")]
    pub completions: Vec<u32>,
    /// Only on an output: where in `raw` the result is.
    #[prost(oneof = "Settled", tags = "20, 21, 22")]
    pub settled: Option<Settled>,
}

/// What happened: the answer to a command, or a signal.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Notification {
    /// Which entry it completes.
    #[prost(oneof = "Identity", tags = "1, 2, 3")]
    pub identity: Option<Identity>,
    /// With what.
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7, 8")]
    pub answer: Option<Answer>,
}

/// Key of one entry.
pub fn key(id: &InvocationId, index: u32) -> Bytes {
    let mut key = key_of(number::JOURNAL, id, 4);
    key.put_u32(index);
    key.freeze()
}

/// The invocation and the index that a key names; nothing if it is of another table.
pub fn parse_key(key: &[u8]) -> Option<(InvocationId, u32)> {
    let rest = key.strip_prefix(&[number::JOURNAL])?;
    let (id, rest) = take_id(rest)?;
    Some((id, u32::from_be_bytes(rest.try_into().ok()?)))
}

/// Range of all entries of one invocation.
pub fn all_of(id: &InvocationId) -> (Bytes, Bytes) {
    let prefix = key_of(number::JOURNAL, id, 0).freeze();
    let end = end_of(&prefix);
    (prefix, end)
}
