//! What is in a directory: its segments, checked from front to back, and the true tail.
//!
//! A frame that is not whole at the very end was never acknowledged: it is cut, and said.
//! One that whole frames follow is damage, and so is a segment that is missing; then
//! nothing is changed.

use super::file::SealedSegment;
use super::reader::{Found, FrameReader};
use super::segment::{
    ALIGNMENT, FRAME_HEADER_LEN, FrameHeader, SegmentHeader, claimed_lsn, frame_len,
};
use super::{Cut, LogError, Lsn, damaged, failed};
use crate::durable;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The segment at the tail, as it was found.
pub(super) struct LastSegment {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    /// Where the next frame goes.
    pub(super) end: u64,
}

/// A log as it was found.
pub(super) struct Recovered {
    pub(super) sealed: VecDeque<SealedSegment>,
    /// Absent if there is no segment yet.
    pub(super) open: Option<LastSegment>,
    pub(super) tail: Lsn,
    pub(super) epoch: u64,
    pub(super) cut: Option<Cut>,
}

/// Who is shown the records on the way.
type Visitor<'a> = &'a mut dyn FnMut(Lsn, &Bytes);

/// Checks all segments of `directory`, and mends the last one.
pub(super) fn recover(directory: &Path, partition: u16) -> Result<Recovered, LogError> {
    let recovered = look(directory, partition, &mut |_, _| {})?;
    if let Some(last) = &recovered.open {
        mend(last, recovered.cut.as_ref())?;
    }
    // A rename that was not synced before a crash must not be undone by the next one.
    sync_directory(directory)?;
    Ok(recovered)
}

/// Checks all segments of `directory` and changes nothing.
pub(super) fn look(
    directory: &Path,
    partition: u16,
    visit: Visitor<'_>,
) -> Result<Recovered, LogError> {
    let paths = segments(directory)?;
    let mut recovered = Recovered {
        sealed: VecDeque::new(),
        open: None,
        tail: paths.first().map_or(1, |(base, _)| *base),
        epoch: 0,
        cut: None,
    };
    for (index, (base, path)) in paths.iter().enumerate() {
        let mut frames = FrameReader::open(path, partition, *base)?;
        if frames.header.epoch < recovered.epoch {
            let reason = format!(
                "it belongs to epoch {}, the segment before it to {}",
                frames.header.epoch, recovered.epoch
            );
            return Err(damaged(path, 0, reason));
        }
        recovered.epoch = frames.header.epoch;
        let (end, ended) = recovered.follow(&mut frames, visit)?;
        if let Some((following, _)) = paths.get(index + 1) {
            if *following != recovered.tail {
                let reason = format!(
                    "record {} must follow, and the next segment begins with {following}; either \
                     a segment is missing or this one is broken here ({ended})",
                    recovered.tail
                );
                return Err(damaged(path, end, reason));
            }
            recovered.sealed.push_back(SealedSegment {
                path: path.clone(),
                base: *base,
                length: frames.length,
            });
        } else {
            recovered.finish(frames, end)?;
        }
    }
    Ok(recovered)
}

/// Overwrites a torn tail, and makes sure of what was read.
fn mend(last: &LastSegment, cut: Option<&Cut>) -> Result<(), LogError> {
    let fail = || failed(&last.path);
    let file = File::options()
        .read(true)
        .write(true)
        .open(&last.path)
        .map_err(fail())?;
    let torn = cut.map_or(0, |cut| cut.bytes as usize);
    file.write_all_at(&vec![0; torn], last.end)
        // What was just read may be in the system's memory only, if the last writer was
        // killed before it synced. It is about to be believed, so it must be on disk.
        .and_then(|()| file.sync_data())
        .map_err(fail())
}

impl Recovered {
    /// Goes through a segment as far as it is whole; says where that ends, and why.
    fn follow(
        &mut self,
        frames: &mut FrameReader,
        visit: Visitor<'_>,
    ) -> Result<(u64, &'static str), LogError> {
        loop {
            let offset = frames.offset;
            match frames.next()? {
                Found::Nothing(reason) => return Ok((offset, reason)),
                Found::Frame(frame) if frame.header.first != self.tail => {
                    return Ok((offset, "a batch has another number than comes next"));
                }
                Found::Frame(frame) if frame.header.epoch < self.epoch => {
                    return Ok((offset, "a batch of an older epoch follows one of a newer"));
                }
                Found::Frame(frame) => {
                    for (lsn, record) in &frame.records {
                        visit(*lsn, record);
                    }
                    self.tail = frame.next();
                    self.epoch = frame.header.epoch;
                }
            }
        }
    }

    /// Looks at what is behind the last whole frame of the last segment: torn, or damaged.
    fn finish(&mut self, frames: FrameReader, end: u64) -> Result<(), LogError> {
        let FrameReader {
            path,
            header,
            length,
            ..
        } = frames;
        let fail = || failed(&path);
        let file = File::open(&path).map_err(fail())?;
        let mut rest = vec![0; (length - end) as usize];
        file.read_exact_at(&mut rest, end).map_err(fail())?;
        if let Some(later) = whole_frame(&rest, header.salt, self.tail) {
            let reason = format!(
                "the batch with record {} is broken, but a later one, at byte {}, is whole",
                self.tail,
                end + later as u64
            );
            return Err(damaged(&path, end, reason));
        }
        let torn = torn_bytes(&rest, header.recycled, self.tail);
        if torn > 0 {
            self.cut = Some(Cut {
                file: path.clone(),
                offset: end,
                bytes: torn as u64,
            });
        }
        self.open = Some(LastSegment { path, header, end });
        Ok(())
    }
}

/// The segments of a directory with their bases, in order.
fn segments(directory: &Path) -> Result<Vec<(Lsn, PathBuf)>, LogError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str());
        match name.and_then(|name| name.parse::<Lsn>().ok()) {
            Some(base) if base > 0 => segments.push((base, path)),
            _ => {
                let reason = "its name is not the number of its first record";
                return Err(damaged(&path, 0, reason));
            }
        }
    }
    segments.sort();
    Ok(segments)
}

/// Where in `rest` there is a whole frame of record `from` or a later one.
fn whole_frame(rest: &[u8], salt: u64, from: Lsn) -> Option<usize> {
    (0..rest.len()).step_by(ALIGNMENT).find(|&at| {
        let frame = &rest[at..];
        FrameHeader::decode(frame)
            .is_some_and(|header| header.first >= from && header.is_whole(frame, salt))
    })
}

/// How many bytes at the start of `rest` a torn write has left.
///
/// A segment that was made for its use holds zeros where nothing was written. In a
/// recycled one, old bytes follow, and only the LSN tells a torn frame from them.
fn torn_bytes(rest: &[u8], recycled: bool, next: Lsn) -> usize {
    if !recycled {
        return rest
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
    }
    if claimed_lsn(rest) != Some(next) {
        return 0;
    }
    let claimed =
        FrameHeader::decode(rest).map_or(FRAME_HEADER_LEN, |header| frame_len(header.len as usize));
    claimed.min(rest.len())
}

/// Makes renames and deletions in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), LogError> {
    durable::sync_directory(directory).map_err(failed(directory))
}
