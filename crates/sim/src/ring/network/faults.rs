//! How often what goes wrong on the network, in a thousand: drawn for each world.

use crate::ring::random::{Random, mix};

#[derive(Debug, Clone)]
pub(super) struct Rates {
    /// A connection has something of its own.
    pub(super) connection: u64,
    /// Two hosts are apart for a while, each half second.
    pub(super) split: u64,
    /// The endpoint goes down, each half second.
    pub(super) endpoint: u64,
    /// A proxy before the endpoint answers in its place.
    pub(super) proxy: u64,
    /// A client gives up waiting early, or asks twice at once.
    pub(super) client: u64,
    /// The clock jumps.
    pub(super) clock: u64,
}

impl Rates {
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = Random::new(mix(&[seed, 0x4E7]));
        let mut draw = |max| match random.chance(700) {
            true => 1 + random.below(max),
            false => 0,
        };
        Self {
            connection: draw(400),
            split: draw(120),
            endpoint: draw(80),
            proxy: draw(60),
            client: draw(300),
            clock: draw(15) / 4,
        }
    }
}
