//! Checksums of a segment that somebody else wrote, made right.

use super::Lsn;
use super::segment::{
    ALIGNMENT, FRAME_HEADER_LEN, FrameHeader, SEGMENT_HEADER_LEN, SegmentHeader, frame_len,
};

/// The first record that a segment says it holds.
pub(crate) fn base(bytes: &[u8]) -> Lsn {
    header(bytes).map_or(1, |header| header.base)
}

/// Gives a segment, and each frame in it that begins where one may, the checksum of what it holds.
pub(crate) fn mend(bytes: &mut [u8]) {
    if bytes.len() < SEGMENT_HEADER_LEN {
        return;
    }
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_be_bytes());
    let Some(header) = header(bytes) else {
        return;
    };
    let mut at = SEGMENT_HEADER_LEN;
    while at + FRAME_HEADER_LEN <= bytes.len() {
        let Some(frame) = FrameHeader::decode(&bytes[at..]) else {
            at += ALIGNMENT;
            continue;
        };
        let end = at + FRAME_HEADER_LEN + frame.len as usize;
        if end <= bytes.len() {
            let crc = FrameHeader::checksum(&bytes[at..end], header.salt);
            bytes[at + 8..at + 12].copy_from_slice(&crc.to_be_bytes());
        }
        at = at.saturating_add(frame_len(frame.len as usize));
    }
}

fn header(bytes: &[u8]) -> Option<SegmentHeader> {
    SegmentHeader::decode(bytes.first_chunk::<SEGMENT_HEADER_LEN>()?).ok()
}
