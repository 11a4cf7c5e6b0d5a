//! Bytes behind the last frame of a segment, on disk before the call returns.
//!
//! ```text
//!   frame ──▶ [ rest of the last block │ frame │ zeros ] ──one write, past the page cache──▶ disk
//! ```
//!
//! A segment's blocks are written in place, so the page cache has nothing to give: it makes
//! the system write whole folios where a block has changed, and costs a second call. Where
//! the file system knows no direct writes, a write and a sync do the same.

use super::{LogError, failed};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Direct writes begin, end, and lie in memory at multiples of this: the size of a page, and
/// of the largest sectors that disks have.
pub(super) const BLOCK: usize = 4096;
/// A buffer that one large batch has made larger than this is given back.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Writes frames into one segment.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    file: File,
    /// Where the next frame goes.
    end: u64,
    /// Absent where direct writes are not to be had.
    blocks: Option<Blocks>,
}

impl SegmentWriter {
    /// For the segment at `path`, made with `length` bytes, of which those before `end` are
    /// written. Direct writes are used if `direct` and the file system allow them.
    ///
    /// # Errors
    /// If the file cannot be opened, or cannot be read where the next frame goes.
    pub(super) fn open(path: &Path, length: u64, end: u64, direct: bool) -> Result<Self, LogError> {
        // A file that is no multiple of blocks would become longer.
        if direct && length.is_multiple_of(BLOCK as u64) {
            match Self::direct(path, length, end) {
                Err(error) if is_unsupported(&error) => {}
                result => return result.map_err(failed(path)),
            }
        }
        let file = File::options().read(true).write(true).open(path);
        Ok(Self {
            file: file.map_err(failed(path))?,
            end,
            blocks: None,
        })
    }

    fn direct(path: &Path, length: u64, end: u64) -> io::Result<Self> {
        let file = open_direct(path)?;
        let begun = end as usize % BLOCK;
        let mut blocks = Blocks::default();
        blocks.lay(BLOCK);
        // By another handle, which need not be aligned; what it reads is what is there.
        File::open(path)?.read_exact_at(&mut blocks.bytes()[..begun], end - begun as u64)?;
        blocks.begun = begun;
        let mut writer = Self {
            file,
            end,
            blocks: Some(blocks),
        };
        // Some file systems refuse only the write. Nothing is changed by this one: behind the
        // last frame there is nothing of account.
        if end < length {
            writer.append(&[])?;
        }
        Ok(writer)
    }

    /// Where the next frame goes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Gives it another file to write into, so that a test sees a write fail.
    #[cfg(test)]
    pub(super) fn exchange_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    /// Puts `frame` behind the last; it is on disk then.
    ///
    /// # Errors
    /// If it cannot be written. What is in the file behind the last frame is then unknown.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        match &mut self.blocks {
            None => {
                self.file.write_all_at(frame, self.end)?;
                self.file.sync_data()?;
            }
            Some(blocks) => {
                let begun = blocks.begun;
                let filled = begun + frame.len();
                blocks.lay(filled.next_multiple_of(BLOCK).max(BLOCK));
                let bytes = blocks.bytes();
                bytes[begun..filled].copy_from_slice(frame);
                bytes[filled..].fill(0);
                self.file.write_all_at(bytes, self.end - begun as u64)?;
                blocks.keep_last(filled);
            }
        }
        self.end += frame.len() as u64;
        Ok(())
    }
}

/// Memory for direct writes; begins with the bytes of the block that is not full yet.
#[derive(Debug, Default)]
struct Blocks {
    memory: Vec<u8>,
    /// Where in `memory` the first multiple of a block is.
    start: usize,
    length: usize,
    /// Bytes of the first block that are written already.
    begun: usize,
}

impl Blocks {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }

    /// Makes room for `length` bytes; those that are written already stay.
    fn lay(&mut self, length: usize) {
        if self.memory.len() < self.start + length {
            self.move_to(length);
        }
        self.length = length;
    }

    fn move_to(&mut self, length: usize) {
        let memory = vec![0; length + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        let (before, from) = (std::mem::replace(&mut self.memory, memory), self.start);
        self.memory[start..start + self.begun].copy_from_slice(&before[from..from + self.begun]);
        self.start = start;
        self.length = length;
    }

    /// Of `filled` bytes, keeps those of the last block, if that is not full.
    fn keep_last(&mut self, filled: usize) {
        let last = filled / BLOCK * BLOCK;
        self.bytes().copy_within(last..filled, 0);
        self.begun = filled - last;
        if self.memory.len() > BUFFER_BYTES_MAX {
            self.move_to(BLOCK);
        }
    }
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    // `DSYNC`: as if each write were followed by a sync of its data; one call less, and
    // the disk may be told so with the write itself.
    let flags = OFlags::DIRECT | OFlags::DSYNC;
    File::options()
        .write(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a file of four blocks after appends of these lengths behind 64 bytes.
    fn written(direct: bool, lengths: &[usize]) -> (Vec<u8>, u64) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        let mut old = vec![7; 4 * BLOCK];
        old[..64].fill(1);
        std::fs::write(&path, &old).unwrap();
        let mut writer = SegmentWriter::open(&path, old.len() as u64, 64, direct).unwrap();
        for (index, length) in lengths.iter().enumerate() {
            writer.append(&vec![index as u8 + 2; *length]).unwrap();
        }
        (std::fs::read(&path).unwrap(), writer.end())
    }

    #[test]
    fn frames_lie_behind_each_other_whatever_the_way() {
        let lengths = [8, 4096 - 72, 5000, 16, 3000];
        let (direct, end) = written(true, &lengths);
        let (buffered, same_end) = written(false, &lengths);
        let until = end as usize;
        assert_eq!(end, same_end);
        assert_eq!(direct.len(), 4 * BLOCK);
        assert_eq!(direct[..until], buffered[..until]);
    }
}
