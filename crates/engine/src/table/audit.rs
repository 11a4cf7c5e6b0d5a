//! What operators did, and what was refused to them: two lists, each in the order in which it
//! came, so that a flood of refusals pushes nothing out that was done. A second table has the
//! ends of each list.

use super::{number, whole};
use bytes::{BufMut, Bytes, BytesMut};

/// One request of an operator.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Deed {
    /// When it came, in ms since 1970; set when it is recorded.
    #[prost(uint64, tag = "1")]
    pub at: u64,
    /// Name of the token that was shown, else the subject of the client's certificate.
    #[prost(string, optional, tag = "2")]
    pub who: Option<String>,
    /// Role of the token.
    #[prost(string, optional, tag = "3")]
    pub role: Option<String>,
    /// Subject of the client's certificate, if it showed one.
    #[prost(string, optional, tag = "4")]
    pub certificate: Option<String>,
    /// Where the connection came from, as address and port.
    #[prost(string, tag = "5")]
    pub peer: String,
    /// The verb.
    #[prost(string, tag = "6")]
    pub method: String,
    /// The path with its query, without the version of the API.
    #[prost(string, tag = "7")]
    pub path: String,
    /// The path as it is served, with names in braces.
    #[prost(string, tag = "8")]
    pub route: String,
    /// What it was about: ids, names and addresses.
    #[prost(string, repeated, tag = "9")]
    pub targets: Vec<String>,
    /// The status of the answer; absent until there is one.
    #[prost(uint32, optional, tag = "10")]
    pub status: Option<u32>,
    /// When it was answered, in ms since 1970.
    #[prost(uint64, optional, tag = "11")]
    pub answered_at: Option<u64>,
    /// Like requests just before it that nothing was written of, since they were too many.
    #[prost(uint64, tag = "12")]
    pub unrecorded: u64,
    /// It was refused before it was looked at.
    #[prost(bool, tag = "13")]
    pub refused: bool,
}

/// The ends of a list.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Ends {
    /// Sequence of the oldest that is kept.
    #[prost(uint64, tag = "1")]
    pub first: u64,
    /// Sequence of the one that comes next.
    #[prost(uint64, tag = "2")]
    pub next: u64,
}

/// Key of one request.
pub fn key(refused: bool, sequence: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(10);
    key.put_u8(number::AUDIT);
    key.put_u8(refused.into());
    key.put_u64(sequence);
    key.freeze()
}

/// Range of all requests: those that were let through, then those that were not.
pub fn all() -> (Bytes, Bytes) {
    whole(number::AUDIT)
}

/// Whether it was refused, and the sequence, in a key of this table.
pub fn parse_key(key: &[u8]) -> Option<(bool, u64)> {
    let (refused, sequence) = key.get(1..)?.split_first()?;
    let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
    (*refused <= 1).then_some((*refused == 1, sequence))
}

/// Key of the ends of a list.
pub fn ends_key(refused: bool) -> Bytes {
    Bytes::copy_from_slice(&[number::AUDIT_ENDS, refused.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_sort_by_sequence() {
        for refused in [false, true] {
            let key = |sequence| super::key(refused, sequence);
            assert_eq!(parse_key(&key(7)), Some((refused, 7)));
            assert!(key(255) < key(256));
            let (from, to) = all();
            assert!(from <= key(0) && key(u64::MAX) < to && to <= ends_key(refused));
        }
        assert_eq!(parse_key(&[number::AUDIT, 2, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
