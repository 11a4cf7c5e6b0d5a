//! Frames of one segment, from front to back, one in memory at a time.

use super::segment::{self, FRAME_HEADER_LEN, FrameHeader, SEGMENT_HEADER_LEN, SegmentHeader};
use super::{LogError, Lsn, damaged, failed};
use bytes::Bytes;
use latchwork_engine::mutation::Mutation;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 64 << 10;

/// A whole frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) header: FrameHeader,
    pub(super) records: Vec<(Lsn, Bytes)>,
}

impl Frame {
    /// The LSN that follows its last record.
    pub(super) fn next(&self) -> Lsn {
        self.header.first + u64::from(self.header.count)
    }
}

/// What a segment holds at one place.
pub(super) enum Found {
    Frame(Frame),
    /// No whole frame, and why; there may be one behind.
    Nothing(&'static str),
}

/// Reads a segment.
pub(super) struct FrameReader {
    input: BufReader<File>,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    /// Where the next frame begins.
    pub(super) offset: u64,
    /// Bytes of the file.
    pub(super) length: u64,
}

impl FrameReader {
    /// Opens a segment and checks what it says of itself.
    pub(super) fn open(path: &Path, partition: u16, base: Lsn) -> Result<Self, LogError> {
        let file = File::open(path).map_err(failed(path))?;
        let length = file.metadata().map_err(failed(path))?.len();
        if length < SEGMENT_HEADER_LEN as u64 {
            return Err(damaged(
                path,
                length,
                "the file ends before its header does",
            ));
        }
        let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        input.read_exact(&mut bytes).map_err(failed(path))?;
        let header = SegmentHeader::decode(&bytes).map_err(|reason| damaged(path, 0, reason))?;
        let wrong = if header.partition != partition {
            Some(format!(
                "it belongs to partition {}, not to {partition}",
                header.partition
            ))
        } else if header.base != base {
            Some(format!(
                "by its name it begins with record {base}, by its header with {}",
                header.base
            ))
        } else if length < header.length {
            Some(format!(
                "the file has {length} bytes and was made with {}",
                header.length
            ))
        } else {
            None
        };
        match wrong {
            Some(reason) => Err(damaged(path, 0, reason)),
            None => Ok(Self {
                input,
                path: path.to_owned(),
                header,
                offset: SEGMENT_HEADER_LEN as u64,
                length,
            }),
        }
    }

    /// What is at `offset`. Goes on behind it if that is a whole frame; is of no further
    /// use if not.
    pub(super) fn next(&mut self) -> Result<Found, LogError> {
        let room = self.length - self.offset;
        if room < FRAME_HEADER_LEN as u64 {
            return Ok(Found::Nothing("the segment is full"));
        }
        let mut head = [0; FRAME_HEADER_LEN];
        self.read(&mut head)?;
        let Some(header) = FrameHeader::decode(&head) else {
            return Ok(Found::Nothing("no batch begins here"));
        };
        let whole = segment::frame_len(header.len as usize);
        if whole as u64 > room {
            return Ok(Found::Nothing("a batch is longer than its file"));
        }
        let mut frame = vec![0; whole];
        frame[..FRAME_HEADER_LEN].copy_from_slice(&head);
        self.read(&mut frame[FRAME_HEADER_LEN..])?;
        if !header.is_whole(&frame, self.header.salt) && !Mutation::TornTailAccepted.is_on() {
            return Ok(Found::Nothing("the checksum of a batch does not match"));
        }
        let Some(records) = segment::records(&header, &frame.into()) else {
            return Ok(Found::Nothing("the records of a batch do not fill it"));
        };
        self.offset += whole as u64;
        Ok(Found::Frame(Frame { header, records }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), LogError> {
        self.input.read_exact(buffer).map_err(failed(&self.path))
    }
}
