//! The log in files of one machine.
//!
//! ```text
//!   00000000000000000001.log  sealed ─▶ 00000000000000004711.log  sealed ─▶ … ─▶ open
//!   0.spare                                                  waits to be the next one
//! ```
//!
//! A batch is one frame, one write and one `fdatasync` into a file whose blocks are
//! written already. When it does not fit, a spare gets a header and the name of a segment
//! before the batch goes into it, so that a crash finds a spare or a segment, never
//! anything between. One directory has one writer at a time; the caller sees to that.

use super::batch::Batch;
use super::meter::LogMeter;
use super::reader::{Found, FrameReader};
use super::recovery::{Recovered, recover, sync_directory};
use super::segment::{self, SEGMENT_HEADER_LEN, SegmentHeader};
use super::spares::Spares;
use super::{Log, LogError, Lsn, Records, Recovery, damaged, failed};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How a log is kept in files.
#[derive(Debug, Clone)]
pub struct FileLogOptions {
    /// Written into every segment, so that a file of another partition is noticed.
    pub partition: u16,
    /// Bytes of a segment; a larger batch gets a segment of its own.
    pub segment_bytes: u64,
    /// Where it is counted what the log does.
    pub meter: Arc<LogMeter>,
}

impl Default for FileLogOptions {
    fn default() -> Self {
        Self {
            partition: 0,
            segment_bytes: 8 << 20,
            meter: Arc::default(),
        }
    }
}

/// A segment that takes no more.
#[derive(Debug)]
pub(super) struct SealedSegment {
    pub(super) path: PathBuf,
    pub(super) base: Lsn,
    /// Bytes of the file.
    pub(super) length: u64,
}

/// The segment at the tail.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    /// Where the next frame goes.
    pub(super) end: u64,
}

/// The log of one partition.
#[derive(Debug)]
pub struct FileLog {
    directory: PathBuf,
    partition: u16,
    segment_bytes: u64,
    /// From old to new.
    sealed: VecDeque<SealedSegment>,
    open: OpenSegment,
    tail: Lsn,
    epoch: u64,
    spares: Spares,
    /// Gives a segment its salt.
    salt: fn(Lsn) -> u64,
    meter: Arc<LogMeter>,
    poisoned: bool,
}

impl FileLog {
    /// Opens the log in `directory`, or makes one.
    ///
    /// # Errors
    /// If the files cannot be used, or are damaged before their end.
    pub fn open(directory: &Path, options: FileLogOptions) -> Result<(Self, Recovery), LogError> {
        // The keys of a `RandomState` come from the system's randomness.
        Self::open_salted(directory, options, |base| RandomState::new().hash_one(base))
    }

    fn open_salted(
        directory: &Path,
        options: FileLogOptions,
        salt: fn(Lsn) -> u64,
    ) -> Result<(Self, Recovery), LogError> {
        let FileLogOptions {
            partition,
            segment_bytes,
            meter,
        } = options;
        fs::create_dir_all(directory).map_err(failed(directory))?;
        let Recovered {
            sealed,
            open,
            tail,
            epoch,
            cut,
        } = recover(directory, partition)?;
        let mut spares = Spares::find(directory, segment_bytes)?;
        let open = match open {
            Some(open) => open,
            None => {
                let header = SegmentHeader {
                    partition,
                    recycled: false,
                    base: tail,
                    epoch,
                    salt: salt(tail),
                    length: segment_bytes,
                };
                begin(directory, &mut spares, header)?
            }
        };
        let log = Self {
            directory: directory.to_owned(),
            partition,
            segment_bytes,
            sealed,
            open,
            tail,
            epoch,
            spares,
            salt,
            meter,
            poisoned: false,
        };
        log.measure();
        Ok((log, Recovery { cut }))
    }

    /// The epoch that the log is in.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Lets `work` change files, unless that has failed before. After a failed write or
    /// sync nobody knows what a file holds: a second try could report as durable what the
    /// system has dropped.
    fn guard<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let result = work(self);
        self.poisoned = result.is_err();
        result
    }

    fn fenced(&self, expect: Lsn, epoch: u64) -> LogError {
        LogError::Fenced {
            expect,
            tail: self.tail,
            epoch,
            log_epoch: self.epoch,
        }
    }

    /// Puts one frame behind the last.
    fn write(&mut self, batch: &mut Batch, epoch: u64) -> Result<(), LogError> {
        let needed = segment::frame_len(batch.bytes().len()) as u64;
        if self.open.end + needed > self.open.header.length {
            self.hand_over(needed, epoch)?;
        }
        let open = &mut self.open;
        let frame = segment::seal(batch, self.tail, epoch, open.header.salt)?;
        let began = open
            .file
            .write_all_at(frame, open.end)
            .and_then(|()| {
                let began = Instant::now();
                open.file.sync_data().map(|()| began)
            })
            .map_err(failed(&open.path))?;
        self.meter.sync_us.observe_time(began.elapsed());
        self.meter.appends.one();
        self.meter.bytes.add(needed);
        open.end += needed;
        if open.end > open.header.length / 2 {
            self.spares.prepare();
        }
        Ok(())
    }

    /// Seals the open segment and begins one with room for a frame of `needed` bytes.
    fn hand_over(&mut self, needed: u64, epoch: u64) -> Result<(), LogError> {
        let header = SegmentHeader {
            partition: self.partition,
            recycled: false,
            base: self.tail,
            epoch,
            salt: (self.salt)(self.tail),
            length: self.segment_bytes.max(needed + SEGMENT_HEADER_LEN as u64),
        };
        let next = begin(&self.directory, &mut self.spares, header)?;
        let open = std::mem::replace(&mut self.open, next);
        // A segment without a record had the name of the next, which has taken its place.
        if open.header.base < self.open.header.base {
            self.sealed.push_back(SealedSegment {
                path: open.path,
                base: open.header.base,
                length: open.header.length,
            });
        }
        self.measure();
        Ok(())
    }

    /// Says how much there is.
    fn measure(&self) {
        let sealed: u64 = self.sealed.iter().map(|segment| segment.length).sum();
        self.meter.segments.set(self.sealed.len() as u64 + 1);
        self.meter
            .segment_bytes
            .set(sealed + self.open.header.length);
    }

    /// The bases and files of all segments, from old to new.
    fn segments(&self) -> impl Iterator<Item = (Lsn, &Path)> {
        let sealed = self.sealed.iter();
        sealed
            .map(|segment| (segment.base, segment.path.as_path()))
            .chain([(self.open.header.base, self.open.path.as_path())])
    }

    /// The LSN of the oldest record.
    fn first(&self) -> Lsn {
        self.sealed
            .front()
            .map_or(self.open.header.base, |segment| segment.base)
    }
}

impl Log for FileLog {
    fn append(&mut self, batch: &mut Batch, expect: Lsn) -> Result<Lsn, LogError> {
        if expect != self.tail {
            return Err(self.fenced(expect, self.epoch));
        }
        if batch.is_empty() {
            return Ok(expect);
        }
        segment::body_len(batch)?;
        self.guard(|log| log.write(batch, log.epoch))?;
        self.tail += u64::from(batch.len());
        self.meter.records.add(u64::from(batch.len()));
        self.meter.batch_records.observe(u64::from(batch.len()));
        Ok(expect)
    }

    fn read(&self, from: Lsn) -> Result<Records<'_>, LogError> {
        let (first, tail) = (self.first(), self.tail);
        if from < first {
            return Err(LogError::Trimmed { first, asked: from });
        }
        if from > tail {
            return Err(LogError::Ahead { tail, asked: from });
        }
        // The last segment that begins at or before `from`, and those after it.
        let before = self
            .segments()
            .take_while(|(base, _)| *base <= from)
            .count()
            - 1;
        let segments: Vec<_> = self.segments().skip(before).collect();
        Ok(Box::new(Reading {
            next: segments[0].0,
            segments: segments.into_iter(),
            frames: None,
            records: Vec::new().into_iter(),
            from,
            tail,
            partition: self.partition,
        }))
    }

    fn tail(&self) -> Lsn {
        self.tail
    }

    fn trim(&mut self, up_to: Lsn) -> Result<(), LogError> {
        loop {
            let kept_from = self
                .sealed
                .get(1)
                .map_or(self.open.header.base, |next| next.base);
            if self.sealed.is_empty() || kept_from > up_to.saturating_add(1) {
                return Ok(());
            }
            self.guard(|log| {
                if let Some(old) = log.sealed.pop_front() {
                    log.spares.recycle(&old.path, old.length)?;
                }
                // Before the next one goes, lest a crash bring this one back without it;
                // and before the file gets another use.
                sync_directory(&log.directory)
            })?;
            self.measure();
        }
    }

    fn fence(&mut self, epoch: u64) -> Result<(), LogError> {
        if epoch < self.epoch {
            return Err(self.fenced(self.tail, epoch));
        }
        if epoch > self.epoch {
            // A frame without records makes the epoch durable where recovery looks for it.
            self.guard(|log| log.write(&mut Batch::new(), epoch))?;
            self.epoch = epoch;
        }
        Ok(())
    }
}

/// Reads on from segment to segment.
struct Reading<'a> {
    /// Those that were not opened yet.
    segments: std::vec::IntoIter<(Lsn, &'a Path)>,
    frames: Option<FrameReader>,
    records: std::vec::IntoIter<(Lsn, Bytes)>,
    /// The LSN that the next frame must begin with.
    next: Lsn,
    from: Lsn,
    tail: Lsn,
    partition: u16,
}

impl Reading<'_> {
    /// The records of the next frame; nothing at the tail.
    fn frame(&mut self) -> Result<Option<Vec<(Lsn, Bytes)>>, LogError> {
        if self.next >= self.tail {
            return Ok(None);
        }
        let following = self.segments.as_slice().first();
        if let Some((base, path)) = following
            && *base == self.next
        {
            self.frames = Some(FrameReader::open(path, self.partition, *base)?);
            self.segments.next();
        }
        let Some(frames) = &mut self.frames else {
            return Ok(None);
        };
        let offset = frames.offset;
        match frames.next()? {
            Found::Frame(frame) if frame.header.first == self.next => {
                self.next = frame.next();
                Ok(Some(frame.records))
            }
            Found::Frame(_) => Err(damaged(&frames.path, offset, "a batch has another number")),
            Found::Nothing(reason) => Err(damaged(&frames.path, offset, reason)),
        }
    }
}

impl Iterator for Reading<'_> {
    type Item = Result<(Lsn, Bytes), LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let from = self.from;
            if let Some(record) = self.records.find(|(lsn, _)| *lsn >= from) {
                return Some(Ok(record));
            }
            match self.frame() {
                Ok(records) => self.records = records?.into_iter(),
                Err(error) => {
                    // Nothing behind damage is given out.
                    self.next = self.tail;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Makes a spare the segment that `header` describes. Its header is on disk before it has
/// the name of a segment, and the name is before a frame goes into it.
fn begin(
    directory: &Path,
    spares: &mut Spares,
    header: SegmentHeader,
) -> Result<OpenSegment, LogError> {
    let spare = if header.length > spares.length() {
        spares.large(header.length)?
    } else {
        spares.take()?
    };
    let header = SegmentHeader {
        recycled: spare.used,
        ..header
    };
    let path = directory.join(format!("{:020}.log", header.base));
    let file = File::options()
        .read(true)
        .write(true)
        .open(&spare.path)
        .map_err(failed(&spare.path))?;
    file.write_all_at(&header.encode(), 0)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&spare.path, &path))
        .map_err(failed(&spare.path))?;
    sync_directory(directory)?;
    Ok(OpenSegment {
        file,
        path,
        header,
        end: SEGMENT_HEADER_LEN as u64,
    })
}

#[cfg(test)]
mod tests;
