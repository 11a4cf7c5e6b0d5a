//! Identities: of an invocation, and of the partition that owns it.

/// The identity of one invocation: 64 bits that choose its partition, 128 that make it unique.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct InvocationId {
    /// Chooses the partition. Invocations of one object key share it.
    #[prost(fixed64, tag = "1")]
    pub partition_key: u64,
    /// Upper half of the unique part.
    #[prost(fixed64, tag = "2")]
    pub high: u64,
    /// Lower half of the unique part.
    #[prost(fixed64, tag = "3")]
    pub low: u64,
}

impl InvocationId {
    /// From its 24 bytes, big-endian, as they cross the wire.
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        let part = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(word)
        };
        Self {
            partition_key: part(0),
            high: part(8),
            low: part(16),
        }
    }

    /// Its 24 bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.partition_key.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.high.to_be_bytes());
        bytes[16..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }
}

/// How the 64-bit space of partition keys is divided, and which part is ours.
///
/// Fixed when a data directory is made: another number of partitions would look for
/// everything in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// How many partitions there are, at least one.
    pub partitions: u16,
    /// The one that applies, counted from 0.
    pub own: u16,
}

impl Topology {
    /// A single partition that owns everything.
    pub const SINGLE: Self = Self {
        partitions: 1,
        own: 0,
    };

    /// The partition that owns `partition_key`: equal ranges, in order.
    pub fn owner(&self, partition_key: u64) -> u16 {
        ((u128::from(partition_key) * u128::from(self.partitions)) >> 64) as u16
    }

    /// Whether the invocation is ours.
    pub fn owns(&self, id: &InvocationId) -> bool {
        self.owner(id.partition_key) == self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let bytes = std::array::from_fn(|i| i as u8);
        assert_eq!(InvocationId::from_bytes(bytes).to_bytes(), bytes);
    }

    #[test]
    fn every_key_has_an_owner_and_ranges_are_in_order() {
        let topology = Topology {
            partitions: 3,
            own: 0,
        };
        assert_eq!(topology.owner(0), 0);
        assert_eq!(topology.owner(u64::MAX / 2), 1);
        assert_eq!(topology.owner(u64::MAX), 2);
    }
}
