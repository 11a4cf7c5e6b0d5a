//! The only randomness in the runtime.

use std::sync::{Mutex, PoisonError};

/// Where random numbers come from: the system, or a seed.
pub trait Dice: Send + Sync + 'static {
    /// 64 random bits.
    fn roll(&self) -> u64;
}

/// The system's randomness. Nobody can guess what it gives.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemDice;

impl Dice for SystemDice {
    fn roll(&self) -> u64 {
        rand::random()
    }
}

/// The same numbers for the same seed (SplitMix64), for runs that must repeat. Whoever knows the
/// seed knows every id that is made with it.
#[derive(Debug)]
pub struct SeededDice(Mutex<u64>);

impl SeededDice {
    /// The numbers of this seed, from the first on.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Dice for SeededDice {
    fn roll(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl dyn Dice {
    /// 24 random bytes: an id that nobody else has.
    pub fn id(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.roll().to_be_bytes());
        }
        bytes
    }

    /// 128 random bits: what tells one invocation of a key from all others.
    pub fn unique(&self) -> u128 {
        u128::from(self.roll()) << 64 | u128::from(self.roll())
    }

    /// Tells one bearer of an id that is derived from a key from the next.
    pub fn incarnation(&self) -> u32 {
        (self.roll() >> 32) as u32
    }

    /// From 0 up to, but without, 1.
    pub(crate) fn share(&self) -> f64 {
        // 53 bits are what the mantissa holds.
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_numbers() {
        // The published test vector of SplitMix64.
        let dice: &dyn Dice = &SeededDice::new(1_234_567);
        assert_eq!(dice.roll(), 6_457_827_717_110_365_317);
        assert_eq!(dice.roll(), 3_203_168_211_198_807_973);
        assert!((0.0..1.0).contains(&dice.share()));
        assert_ne!(dice.id(), dice.id());
    }
}
