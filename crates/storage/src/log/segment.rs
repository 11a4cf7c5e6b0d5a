//! The bytes of a segment: a header, then frames. `docs/FORMATS.md` draws them.

use super::batch::Batch;
use super::{LogError, Lsn};
use bytes::Bytes;
use std::ops::Range;

/// Length of a segment's header.
pub(super) const SEGMENT_HEADER_LEN: usize = 64;
/// Length of a frame's header.
pub(super) const FRAME_HEADER_LEN: usize = 32;
/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

const SEGMENT_MAGIC: [u8; 8] = *b"LWSEGMNT";
const FRAME_MAGIC: [u8; 4] = *b"LWFR";
const VERSION: u16 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) partition: u16,
    /// The file had an earlier use, whose bytes may still be in it.
    pub(super) recycled: bool,
    pub(super) base: Lsn,
    pub(super) epoch: u64,
    /// Mixed into every checksum: bytes of an earlier use of the file, or of a payload,
    /// cannot pass for a frame.
    pub(super) salt: u64,
    /// Bytes that the file was made with.
    pub(super) length: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[10..12].copy_from_slice(&self.partition.to_be_bytes());
        bytes[15] = u8::from(self.recycled);
        bytes[16..24].copy_from_slice(&self.base.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.salt.to_be_bytes());
        bytes[40..48].copy_from_slice(&self.length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// The header, or what is wrong with it.
    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER_LEN]) -> Result<Self, String> {
        if bytes[..8] != SEGMENT_MAGIC {
            return Err("this is no segment of a log".into());
        }
        if u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err("the checksum of the segment's header does not match".into());
        }
        let version = u16::from_be_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Err(format!(
                "the segment has format version {version}; this program reads {VERSION}"
            ));
        }
        Ok(Self {
            partition: u16::from_be_bytes([bytes[10], bytes[11]]),
            recycled: bytes[15] & 1 == 1,
            base: u64_at(bytes, 16),
            epoch: u64_at(bytes, 24),
            salt: u64_at(bytes, 32),
            length: u64_at(bytes, 40),
        })
    }
}

/// What stands before the records of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of the records that follow.
    pub(super) len: u32,
    crc: u32,
    pub(super) count: u32,
    pub(super) first: Lsn,
    pub(super) epoch: u64,
}

impl FrameHeader {
    /// Reads what has the look of a header; whether it is one, only its checksum tells.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEADER_LEN)?;
        (bytes[..4] == FRAME_MAGIC).then(|| Self {
            len: u32_at(bytes, 4),
            crc: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
            first: u64_at(bytes, 16),
            epoch: u64_at(bytes, 24),
        })
    }

    /// Whether `frame`, which begins with this header, is what was written.
    pub(super) fn is_whole(&self, frame: &[u8], salt: u64) -> bool {
        frame
            .get(..FRAME_HEADER_LEN + self.len as usize)
            .is_some_and(|frame| checksum(frame, salt) == self.crc)
    }

    /// The checksum of a frame and its salt.
    #[cfg(feature = "fuzzing")]
    pub(super) fn checksum(frame: &[u8], salt: u64) -> u32 {
        checksum(frame, salt)
    }
}

/// Bytes of a frame with `len` bytes of records, and of what fills it up to the next.
pub(super) fn frame_len(len: usize) -> usize {
    (FRAME_HEADER_LEN + len).next_multiple_of(ALIGNMENT)
}

/// The LSN that a torn frame at the start of `bytes` claims, though all else of it be lost.
pub(super) fn claimed_lsn(bytes: &[u8]) -> Option<Lsn> {
    bytes.get(..FRAME_HEADER_LEN).map(|head| u64_at(head, 16))
}

/// Bytes of a batch's records, if a frame can hold them.
pub(super) fn body_len(batch: &Batch) -> Result<u32, LogError> {
    let bytes = batch.bytes().len();
    u32::try_from(bytes).map_err(|_| LogError::TooLarge { bytes })
}

/// Fills in the header of a batch and what comes after its records; returns all bytes.
pub(super) fn seal(
    batch: &mut Batch,
    first: Lsn,
    epoch: u64,
    salt: u64,
) -> Result<&[u8], LogError> {
    let len = body_len(batch)?;
    batch.buffer.truncate(batch.end);
    let header = &mut batch.buffer[..FRAME_HEADER_LEN];
    header[..4].copy_from_slice(&FRAME_MAGIC);
    header[4..8].copy_from_slice(&len.to_be_bytes());
    header[12..16].copy_from_slice(&batch.count.to_be_bytes());
    header[16..24].copy_from_slice(&first.to_be_bytes());
    header[24..32].copy_from_slice(&epoch.to_be_bytes());
    let crc = checksum(&batch.buffer, salt);
    batch.buffer[8..12].copy_from_slice(&crc.to_be_bytes());
    batch.buffer.resize(frame_len(len as usize), 0);
    Ok(&batch.buffer)
}

/// Over the salt and the frame, without the checksum itself and what fills the frame up.
fn checksum(frame: &[u8], salt: u64) -> u32 {
    let crc = crc32c::crc32c(&salt.to_be_bytes());
    let crc = crc32c::crc32c_append(crc, &frame[..8]);
    crc32c::crc32c_append(crc, &frame[12..])
}

/// Cuts the records of a frame out of its bytes; nothing if they do not fill it exactly.
pub(super) fn records(header: &FrameHeader, frame: &Bytes) -> Option<Vec<(Lsn, Bytes)>> {
    let body = frame.slice(FRAME_HEADER_LEN..FRAME_HEADER_LEN + header.len as usize);
    let end = header.first.checked_add(header.count.into())?;
    let mut ranges = RecordRanges::of(&body);
    let records: Vec<_> = (header.first..end)
        .zip(ranges.by_ref())
        .map(|(lsn, range)| (lsn, body.slice(range)))
        .collect();
    (ranges.rest.is_empty() && records.len() == header.count as usize).then_some(records)
}

/// Where the records of a body are. Ends early if the lengths do not fit.
pub(super) struct RecordRanges<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> RecordRanges<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { rest: body, at: 0 }
    }
}

impl Iterator for RecordRanges<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (len, tail) = self.rest.split_first_chunk::<4>()?;
        let len = u32::from_be_bytes(*len) as usize;
        let rest = tail.get(len..)?;
        let start = self.at + 4;
        self.at = start + len;
        self.rest = rest;
        Some(start..self.at)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: &[&[u8]]) -> Batch {
        let mut batch = Batch::new();
        for record in records {
            let write = |buffer: &mut Vec<u8>| {
                buffer.extend_from_slice(record);
                Ok::<_, ()>(())
            };
            batch.push(write).unwrap();
        }
        batch
    }

    #[test]
    fn a_header_comes_back_and_a_newer_version_is_refused_by_name() {
        let header = SegmentHeader {
            partition: 3,
            recycled: true,
            base: 7,
            epoch: 2,
            salt: 5,
            length: 8 << 20,
        };
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        bytes[9] = 9;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
        assert!(
            SegmentHeader::decode(&bytes)
                .unwrap_err()
                .contains("version 9")
        );
    }

    #[test]
    fn sealing_twice_gives_the_frame_of_the_second_time() {
        let mut twice = batch(&[b"one", b"three"]);
        seal(&mut twice, 1, 1, 1).unwrap();
        let again = seal(&mut twice, 7, 2, 9).unwrap().to_vec();
        assert_eq!(
            again,
            seal(&mut batch(&[b"one", b"three"]), 7, 2, 9).unwrap()
        );
        let frame = Bytes::from(again);
        let header = FrameHeader::decode(&frame).unwrap();
        assert!(header.is_whole(&frame, 9) && !header.is_whole(&frame, 8));
        let expected = [
            (7, Bytes::from_static(b"one")),
            (8, Bytes::from_static(b"three")),
        ];
        assert_eq!(records(&header, &frame).unwrap(), expected);
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let frame = seal(&mut batch(&[b"payload"]), 1, 1, 9).unwrap().to_vec();
        for bit in 0..(FRAME_HEADER_LEN + 4 + 7) * 8 {
            let mut bad = frame.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let whole = FrameHeader::decode(&bad).is_some_and(|header| header.is_whole(&bad, 9));
            assert!(!whole, "bit {bit}");
        }
    }

    #[test]
    fn records_that_do_not_fill_their_frame_are_no_records() {
        let frame = Bytes::copy_from_slice(seal(&mut batch(&[b"one"]), 1, 1, 9).unwrap());
        let header = FrameHeader::decode(&frame).unwrap();
        assert_eq!(records(&FrameHeader { count: 2, ..header }, &frame), None);
        assert_eq!(records(&FrameHeader { len: 8, ..header }, &frame), None);
        assert_eq!(records(&FrameHeader { count: 0, ..header }, &frame), None);
        // Nor are those whose numbers would be beyond the last one there is.
        let first = u64::MAX;
        assert_eq!(records(&FrameHeader { first, ..header }, &frame), None);
    }
}
