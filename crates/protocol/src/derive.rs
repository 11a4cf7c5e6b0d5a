//! Invocation ids that follow from what is called, so that a duplicate finds the first.
//!
//! In goes the identity of a target, out come 24 bytes: 8 that choose the partition, 16 that make
//! the id unique. Every part is prefixed with its length, so no two identities share an input;
//! these bytes are stored, so their layout is fixed for good.
//!
//! Ids that follow from nothing need randomness and are made by the caller with [`join`].

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3;

/// What a hash is for. The number is part of the hashed bytes.
#[derive(Clone, Copy)]
enum Purpose {
    WorkflowRun = 1,
    IdempotentCall = 2,
    KeyedPartition = 3,
    IdempotentPartition = 4,
}

/// The one invocation of a workflow's run handler for `key`.
pub fn workflow_run(scope: Option<&str>, service: &str, key: &str) -> [u8; 24] {
    let unique = unique(Purpose::WorkflowRun, &[scope, Some(service), Some(key)]);
    join(partition_key(scope, service, key), unique)
}

/// The one invocation of `handler` for an idempotency key; `key` is that of a keyed target.
///
/// With a key it lands in the partition of that key, where all invocations of the object are.
pub fn idempotent(
    scope: Option<&str>,
    service: &str,
    key: Option<&str>,
    handler: &str,
    idempotency_key: &str,
) -> [u8; 24] {
    let parts = [
        scope,
        Some(service),
        key,
        Some(handler),
        Some(idempotency_key),
    ];
    let partition_key = match key {
        Some(key) => partition_key(scope, service, key),
        None => hash_64(Purpose::IdempotentPartition, &parts),
    };
    join(partition_key, unique(Purpose::IdempotentCall, &parts))
}

/// Where everything of one object or workflow key lives.
pub fn partition_key(scope: Option<&str>, service: &str, key: &str) -> u64 {
    hash_64(Purpose::KeyedPartition, &[scope, Some(service), Some(key)])
}

/// An invocation id of its two halves.
pub fn join(partition_key: u64, unique: u128) -> [u8; 24] {
    let mut id = [0; 24];
    id[..8].copy_from_slice(&partition_key.to_be_bytes());
    id[8..].copy_from_slice(&unique.to_be_bytes());
    id
}

fn unique(purpose: Purpose, parts: &[Option<&str>]) -> u128 {
    let mut hash = Sha256::new();
    feed(purpose, parts, |bytes| hash.update(bytes));
    let digest = hash.finalize();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(first)
}

fn hash_64(purpose: Purpose, parts: &[Option<&str>]) -> u64 {
    let mut hash = Xxh3::new();
    feed(purpose, parts, |bytes| hash.update(bytes));
    hash.digest()
}

/// An absent part is a lone 0; a present one is 1, its length in 8 bytes, and its bytes. Absent
/// and empty therefore differ.
fn feed(purpose: Purpose, parts: &[Option<&str>], mut put: impl FnMut(&[u8])) {
    put(&[purpose as u8]);
    for part in parts {
        match part {
            None => put(&[0]),
            Some(text) => {
                put(&[1]);
                put(&(text.len() as u64).to_be_bytes());
                put(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(id: [u8; 24]) -> String {
        id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn all_calls_of_one_key_share_a_partition() {
        let home = partition_key(None, "Counter", "k1").to_be_bytes();
        let first = idempotent(None, "Counter", Some("k1"), "add", "a");
        let second = idempotent(None, "Counter", Some("k1"), "get", "b");
        let run = workflow_run(None, "Counter", "k1");
        assert_eq!([&first[..8], &second[..8], &run[..8]], [&home[..]; 3]);
        assert_ne!(first, second);
    }

    #[test]
    fn parts_never_run_into_each_other() {
        let ids = [
            idempotent(None, "S", None, "h", "a,b"),
            idempotent(None, "S", None, "h,a", "b"),
            idempotent(None, "S", Some(""), "h", "a,b"),
            idempotent(Some(""), "S", None, "h", "a,b"),
            idempotent(Some("S"), "", None, "h", "a,b"),
            workflow_run(None, "S", "h"),
            workflow_run(Some("S"), "h", ""),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "number {at} repeats another");
        }
    }

    /// Stored ids depend on these: a change here orphans every workflow and idempotency key.
    #[test]
    fn derived_ids_are_fixed() {
        assert_eq!(
            [
                hex(workflow_run(None, "Wf", "w1")),
                hex(idempotent(None, "Echo", None, "runOnce", "ik1")),
                hex(idempotent(Some("t"), "Counter", Some("k1"), "add", "ik1")),
            ],
            [
                "bd44b5964b70de84486efbaf90b6d4e3c07b43b16012c792",
                "2bab52af5094a5ed649e3fdfa3f6b8662be4d369782fcdd9",
                "0362437411cc02be459e236d0b1f3a8355c244978ecb3e43",
            ]
        );
    }
}
