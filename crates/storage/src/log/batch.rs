//! The records of one turn, on their way into a log.
//!
//! The bytes of a frame's header are kept free in front of the records and filled in when
//! the batch is sealed, so that a file log writes header and records at once and copies
//! nothing.

use super::segment::{FRAME_HEADER_LEN, RecordRanges};

/// A batch of rare size must not hold its memory for ever.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Records that become durable together. Keeps its buffer from turn to turn.
#[derive(Debug)]
pub struct Batch {
    /// Room for a header, the records, and perhaps what fills the frame up.
    pub(super) buffer: Vec<u8>,
    /// Where the records end.
    pub(super) end: usize,
    pub(super) count: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self {
            buffer: vec![0; FRAME_HEADER_LEN],
            end: FRAME_HEADER_LEN,
            count: 0,
        }
    }

    /// Adds what `write` appends to the buffer as one record. It must only append.
    ///
    /// # Errors
    /// If `write` fails; the batch is then as it was before.
    pub fn push<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.end;
        self.buffer.truncate(start);
        self.buffer.extend_from_slice(&[0; 4]);
        if let Err(error) = write(&mut self.buffer) {
            self.buffer.truncate(start);
            return Err(error);
        }
        self.end = self.buffer.len();
        // A record of 4 GiB makes a batch that every log refuses, so this length, which
        // does not fit, is never believed.
        let len = (self.end - start - 4) as u32;
        self.buffer[start..start + 4].copy_from_slice(&len.to_be_bytes());
        self.count += 1;
        Ok(())
    }

    /// Number of records.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, each behind its length in 4 bytes, big-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[FRAME_HEADER_LEN..self.end]
    }

    /// The records, one by one.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = self.bytes();
        RecordRanges::of(bytes).map(move |range| &bytes[range])
    }

    /// Takes all records out.
    pub fn clear(&mut self) {
        self.buffer.truncate(FRAME_HEADER_LEN);
        self.buffer.shrink_to(KEPT_BYTES_MAX);
        self.end = FRAME_HEADER_LEN;
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_cannot_be_written_leaves_no_trace() {
        let mut batch = Batch::new();
        let put = |bytes: &'static [u8], result: Result<(), ()>| {
            move |buffer: &mut Vec<u8>| {
                buffer.extend_from_slice(bytes);
                result
            }
        };
        batch.push(put(b"one", Ok(()))).unwrap();
        batch.push(put(b"never", Err(()))).unwrap_err();
        batch.push(put(b"", Ok(()))).unwrap();
        assert_eq!(batch.records().collect::<Vec<_>>(), [&b"one"[..], b""]);
        assert_eq!(batch.bytes(), b"\0\0\0\x03one\0\0\0\0");
        batch.clear();
        assert_eq!((batch.len(), batch.bytes()), (0, &b""[..]));
    }
}
