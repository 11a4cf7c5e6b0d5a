//! Inputs from inputs: a few random changes, all from one seed.

/// Random numbers that repeat (xorshift*).
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero for ever.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            bound => (self.roll() % bound as u64) as usize,
        }
    }
}

/// Changes per input.
const CHANGES_MAX: usize = 6;
/// Bytes that are inserted, removed or repeated at a time.
const PIECE_MAX: usize = 32;
/// No input grows beyond it.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// Where codes commonly go wrong.
const EDGES: [u64; 8] = [
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    i64::MAX as u64,
    u64::MAX,
];

/// An input that is like `one`, with a piece of `other` perhaps.
pub fn mutate(dice: &mut Dice, one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = one.to_vec();
    for _ in 0..=dice.below(CHANGES_MAX) {
        change(dice, &mut bytes, other);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = dice.below(bytes.len() + 1);
    let piece = dice.below(PIECE_MAX) + 1;
    let end = (at + piece).min(bytes.len());
    match dice.below(8) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = dice.roll() as u8;
            }
        }
        2 => drop(bytes.drain(at..end)),
        3 => {
            let random: Vec<u8> = (0..piece).map(|_| dice.roll() as u8).collect();
            bytes.splice(at..at, random);
        }
        4 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        5 => {
            let edge = EDGES[dice.below(EDGES.len())].to_be_bytes();
            let width = [1, 2, 4, 8][dice.below(4)];
            let end = (at + width).min(bytes.len());
            bytes.splice(at..end, edge[8 - width..].iter().copied());
        }
        6 => {
            let from = dice.below(other.len() + 1);
            let until = (from + piece * 4).min(other.len());
            bytes.splice(at..end, other[from..until].iter().copied());
        }
        _ => bytes.truncate(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_and_another_seed_others() {
        let of = |seed| {
            let mut dice = Dice::new(seed);
            let one = |_| mutate(&mut dice, b"an input to begin with", b"something else");
            (0..100).map(one).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }
}
