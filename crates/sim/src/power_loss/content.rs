//! The bytes of a file, cheap to clone: copies share the blocks that they have in common.

use std::sync::Arc;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 4096;

/// The bytes of a file.
#[derive(Debug, Default, Clone)]
pub(crate) struct Content {
    length: u64,
    /// None: zeros.
    blocks: Vec<Option<Arc<[u8; BLOCK]>>>,
}

impl Content {
    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Makes it longer, with zeros, or shorter.
    pub(crate) fn resize(&mut self, length: u64) {
        if length < self.length {
            let zeros = vec![0; (self.length - length).min(BLOCK as u64) as usize];
            // The rest of the last block, lest it come back when the file grows again.
            self.put(
                length,
                &zeros[..zeros.len().min(BLOCK - length as usize % BLOCK)],
            );
        }
        self.length = length;
        self.blocks.resize(blocks(length), None);
    }

    /// Writes, and makes it longer if need be.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        if end > self.length {
            self.resize(end);
        }
        self.put(at, bytes);
    }

    /// At most `size` bytes from `at` on.
    pub(crate) fn read(&self, at: u64, size: usize) -> Vec<u8> {
        let end = self.length.min(at + size as u64);
        let mut bytes = vec![0; end.saturating_sub(at) as usize];
        for (place, part) in parts(at, bytes.len()) {
            if let Some(block) = &self.blocks[place.block] {
                bytes[part.clone()].copy_from_slice(&block[place.offset..][..part.len()]);
            }
        }
        bytes
    }

    /// The blocks that are not all zeros, each with its offset.
    pub(crate) fn written(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let written = |(number, block): (usize, &'_ Option<Arc<[u8; BLOCK]>>)| {
            let at = (number * BLOCK) as u64;
            let length = (self.length - at).min(BLOCK as u64) as usize;
            block.is_some().then_some((number, at, length))
        };
        let found: Vec<_> = self.blocks.iter().enumerate().filter_map(written).collect();
        found.into_iter().filter_map(|(number, at, length)| {
            let block = self.blocks[number].as_ref()?;
            Some((at, &block[..length]))
        })
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        for (place, part) in parts(at, bytes.len()) {
            let block = self.blocks[place.block].get_or_insert_with(|| Arc::new([0; BLOCK]));
            Arc::make_mut(block)[place.offset..][..part.len()].copy_from_slice(&bytes[part]);
        }
    }
}

struct Place {
    block: usize,
    offset: usize,
}

fn blocks(length: u64) -> usize {
    length.div_ceil(BLOCK as u64) as usize
}

/// The parts of `length` bytes at `at` that lie in one block each.
fn parts(at: u64, length: usize) -> impl Iterator<Item = (Place, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let here = at as usize + done;
        let place = Place {
            block: here / BLOCK,
            offset: here % BLOCK,
        };
        let part = done..length.min(done + BLOCK - place.offset);
        done = part.end;
        (!part.is_empty()).then_some((place, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_vector_would() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut content, mut vector) = (Content::default(), Vec::new());
        for step in 0..500 {
            let at = rng.usize(..5 * BLOCK);
            if rng.u32(..4) == 0 {
                content.resize(at as u64);
                vector.resize(at, 0);
            } else {
                let bytes = vec![step as u8; rng.usize(..2 * BLOCK)];
                let end = at + bytes.len();
                if vector.len() < end {
                    vector.resize(end, 0);
                }
                vector[at..end].copy_from_slice(&bytes);
                content.write(at as u64, &bytes);
            }
            assert_eq!(content.read(0, usize::MAX >> 1), vector);
        }
        let mut copy = vec![0; vector.len()];
        for (at, block) in content.written() {
            copy[at as usize..][..block.len()].copy_from_slice(block);
        }
        assert_eq!(copy, vector);
    }

    #[test]
    fn a_clone_stays_as_it_is() {
        let mut content = Content::default();
        content.write(0, b"first");
        let clone = content.clone();
        content.write(0, b"other");
        assert_eq!(clone.read(0, 5), b"first");
    }
}
