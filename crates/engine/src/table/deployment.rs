//! The registry: documents about deployments, opaque to the engine.

use super::{number, whole};
use bytes::{BufMut, Bytes, BytesMut};

/// Key of one document.
pub fn key(name: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(1 + name.len());
    key.put_u8(number::REGISTRY);
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// Range of all documents.
pub fn all() -> (Bytes, Bytes) {
    whole(number::REGISTRY)
}

/// The name in a key of this table.
pub fn parse_key(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}
