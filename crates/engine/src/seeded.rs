//! Pseudo-random numbers for the simulations: the same seed, the same world. Nothing that is decided here
//! depends on them.

/// xorshift64*, after a mixing of the seed so that neighbours differ.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Those of this seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(&[seed]) | 1)
    }

    /// The next one.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 to `end`, exclusive.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end.max(1)
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these; none, if there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.below(from.len() as u64) as usize)
    }
}

/// One number from several, each bit of it depending on all (splitmix64).
pub fn mix(parts: &[u64]) -> u64 {
    let mut all = 0x9E37_79B9_7F4A_7C15_u64;
    for part in parts {
        all = (all ^ part).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        all = (all ^ (all >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        all ^= all >> 31;
    }
    all
}

/// The same for bytes.
pub fn mix_bytes(bytes: &[u8]) -> u64 {
    let parts: Vec<u64> = bytes.iter().map(|byte| u64::from(*byte)).collect();
    mix(&parts)
}
