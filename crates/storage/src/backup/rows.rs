//! The bytes of a file of rows: a header, blocks of rows in order, and an empty block at its end.
//! `docs/FORMATS.md` draws them.

use super::manifest::{FileEntry, hex};
use super::{BackupError, UNFINISHED, damaged, failed};
use crate::durable::sync_directory;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"LWBKROWS";
const VERSION: u16 = 1;
const HEADER_LEN: usize = 32;
const BLOCK_HEADER_LEN: usize = 12;
/// A block is closed when it has this many bytes of rows; one with a large row has more.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// Written bytes that may wait for a sync: a disk that is shared with a log must never be given
/// much at once.
const UNSYNCED_BYTES_MAX: usize = 4 << 20;
/// The length of a value that stands for a deletion.
const DELETED: u32 = u32::MAX;
const BUFFER_BYTES: usize = 256 << 10;

/// A row with its value, or its deletion.
pub(super) type Version = (Bytes, Option<Bytes>);

/// Whose rows a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) partition: u16,
    /// The generation that wrote it.
    pub(super) generation: u64,
}

impl Of {
    /// The name of the file.
    pub(super) fn name(self) -> String {
        format!("{:06}-{}.rows", self.generation, self.partition)
    }

    /// What a name says.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (generation, partition) = name.strip_suffix(".rows")?.split_once('-')?;
        let of = Self {
            generation: generation.parse().ok()?,
            partition: partition.parse().ok()?,
        };
        (of.name() == name).then_some(of)
    }

    fn header(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[10..12].copy_from_slice(&self.partition.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.generation.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }
}

/// Over where a block is, and what it says and holds: a block of another place cannot pass.
fn checksum(offset: u64, head: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&offset.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, head), body)
}

/// Writes a file of rows. Without [`RowsWriter::finish`] nothing of it is left.
pub(super) struct RowsWriter {
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
    /// A block's header, then its rows.
    block: Vec<u8>,
    count: u32,
    hash: Sha256,
    bytes: u64,
    unsynced: usize,
    rows: u64,
    finished: bool,
}

impl RowsWriter {
    pub(super) fn create(directory: &Path, of: Of) -> Result<Self, BackupError> {
        let path = directory.join(of.name());
        let unfinished = path.with_extension(UNFINISHED);
        let file = File::create(&unfinished).map_err(failed(&unfinished))?;
        let mut writer = Self {
            file,
            unfinished,
            path,
            block: vec![0; BLOCK_HEADER_LEN],
            count: 0,
            hash: Sha256::new(),
            bytes: 0,
            unsynced: 0,
            rows: 0,
            finished: false,
        };
        writer.put(&of.header())?;
        Ok(writer)
    }

    /// Adds a row, or a deletion; keys ascend.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), BackupError> {
        let length = |bytes: &[u8]| {
            u32::try_from(bytes.len())
                .ok()
                .filter(|length| *length < DELETED)
                .ok_or(BackupError::TooLarge { bytes: bytes.len() })
        };
        let value_len = value.map_or(Ok(DELETED), length)?;
        let added = 8 + key.len() + value.map_or(0, <[u8]>::len);
        if self.count > 0 && self.block.len() + added > BLOCK_HEADER_LEN + BLOCK_BYTES {
            self.close_block()?;
        }
        self.block.extend_from_slice(&length(key)?.to_be_bytes());
        self.block.extend_from_slice(&value_len.to_be_bytes());
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value.unwrap_or_default());
        self.count += 1;
        self.rows += 1;
        Ok(())
    }

    /// Bytes that were written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.block.len() as u64
    }

    /// Makes the file durable and gives it its name. One without rows is dropped, unless it must
    /// be there.
    pub(super) fn finish(
        mut self,
        must_be_there: bool,
    ) -> Result<Option<(String, FileEntry)>, BackupError> {
        if self.rows == 0 && !must_be_there {
            return Ok(None);
        }
        if self.count > 0 {
            self.close_block()?;
        }
        self.close_block()?;
        let Self {
            path, unfinished, ..
        } = &self;
        self.file.sync_all().map_err(failed(unfinished))?;
        fs::rename(unfinished, path).map_err(failed(path))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        sync_directory(directory).map_err(failed(directory))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entry = FileEntry {
            bytes: self.bytes,
            rows: self.rows,
            sha256: hex(&self.hash.clone().finalize()),
        };
        let named = (name.into_owned(), entry);
        self.finished = true;
        Ok(Some(named))
    }

    fn close_block(&mut self) -> Result<(), BackupError> {
        let mut block = std::mem::take(&mut self.block);
        let bytes = block.len() - BLOCK_HEADER_LEN;
        let len = u32::try_from(bytes).map_err(|_| BackupError::TooLarge { bytes })?;
        block[..4].copy_from_slice(&len.to_be_bytes());
        block[4..8].copy_from_slice(&self.count.to_be_bytes());
        let crc = checksum(self.bytes, &block[..8], &block[BLOCK_HEADER_LEN..]);
        block[8..BLOCK_HEADER_LEN].copy_from_slice(&crc.to_be_bytes());
        self.put(&block)?;
        block.truncate(BLOCK_HEADER_LEN);
        self.block = block;
        self.count = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.unsynced += bytes.len();
        let mut written = self.file.write_all(bytes);
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            written = written.and_then(|()| self.file.sync_data());
        }
        written.map_err(failed(&self.unfinished))
    }
}

impl Drop for RowsWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind is removed before the next backup.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Reads a file of rows, in order, and checks each block.
pub(super) struct RowsReader {
    input: BufReader<File>,
    path: PathBuf,
    /// Where the next block begins.
    offset: u64,
    length: u64,
    block: std::vec::IntoIter<Version>,
    last: Bytes,
    rows: u64,
    ended: bool,
    /// Of all that was read, if that is wanted.
    hash: Option<Sha256>,
    entry: FileEntry,
}

impl RowsReader {
    /// Opens the file that `entry` describes. `hashes`: its whole checksum is looked at too,
    /// when its last row was read.
    pub(super) fn open(
        directory: &Path,
        name: &str,
        partition: u16,
        entry: &FileEntry,
        hashes: bool,
    ) -> Result<Self, BackupError> {
        let path = directory.join(name);
        let of = Of::named(name).filter(|of| of.partition == partition);
        let of = of.ok_or_else(|| damaged(&path, 0, "its name is not that of its partition"))?;
        let file = File::open(&path).map_err(failed(&path))?;
        let length = file.metadata().map_err(failed(&path))?.len();
        if length != entry.bytes {
            let reason = format!("it has {length} bytes, and {} were written", entry.bytes);
            return Err(damaged(&path, length.min(entry.bytes), reason));
        }
        let mut reader = Self {
            input: BufReader::with_capacity(BUFFER_BYTES, file),
            path,
            offset: 0,
            length,
            block: Vec::new().into_iter(),
            last: Bytes::new(),
            rows: 0,
            ended: false,
            hash: hashes.then(Sha256::new),
            entry: entry.clone(),
        };
        let header = reader.read(HEADER_LEN)?;
        if header != of.header() {
            let reason = match u16::from_be_bytes([header[8], header[9]]) {
                version if header[..8] == MAGIC && version != VERSION => {
                    format!("it has format version {version}; this program reads {VERSION}")
                }
                _ => "its header does not match its name".to_owned(),
            };
            return Err(damaged(&reader.path, 0, reason));
        }
        reader.offset = HEADER_LEN as u64;
        Ok(reader)
    }

    fn read(&mut self, len: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = vec![0; len];
        self.input
            .read_exact(&mut bytes)
            .map_err(failed(&self.path))?;
        if let Some(hash) = &mut self.hash {
            hash.update(&bytes);
        }
        Ok(bytes)
    }

    fn wrong(&self, reason: impl Into<String>) -> BackupError {
        damaged(&self.path, self.offset, reason)
    }

    /// The rows of the next block; none at the end.
    fn next_block(&mut self) -> Result<Vec<Version>, BackupError> {
        let room = self
            .length
            .saturating_sub(self.offset + BLOCK_HEADER_LEN as u64);
        if self.offset + BLOCK_HEADER_LEN as u64 > self.length {
            return Err(self.wrong("it ends without its last block"));
        }
        let head = self.read(BLOCK_HEADER_LEN)?;
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&head[at..at + 4]);
            u32::from_be_bytes(word)
        };
        let (len, count, crc) = (word(0), word(4), word(8));
        if u64::from(len) > room {
            return Err(self.wrong("a block is longer than its file"));
        }
        let body = Bytes::from(self.read(len as usize)?);
        if checksum(self.offset, &head[..8], &body) != crc {
            return Err(self.wrong("the checksum of a block does not match"));
        }
        let rows =
            cut(&body, count).ok_or_else(|| self.wrong("the rows of a block do not fill it"))?;
        for (key, _) in &rows {
            if *key <= self.last {
                return Err(self.wrong("its rows are not in order"));
            }
            self.last = key.clone();
        }
        self.rows += rows.len() as u64;
        self.offset += BLOCK_HEADER_LEN as u64 + u64::from(len);
        if count == 0 {
            self.end()?;
        }
        Ok(rows)
    }

    /// Compares what was read with what the manifest says.
    fn end(&mut self) -> Result<(), BackupError> {
        self.ended = true;
        if self.offset != self.length || self.rows != self.entry.rows {
            return Err(self.wrong("it has other rows than its manifest says"));
        }
        let sum = self.hash.take().map(|hash| hex(&hash.finalize()));
        if sum.is_some_and(|sum| sum != self.entry.sha256) {
            return Err(self.wrong("its SHA-256 is not that of its manifest"));
        }
        Ok(())
    }
}

/// Cuts the rows of a block out of its bytes; nothing if they do not fill it exactly.
fn cut(body: &Bytes, count: u32) -> Option<Vec<Version>> {
    let mut rest = body.clone();
    let mut rows = Vec::new();
    for _ in 0..count {
        let (key_len, after) = rest.split_first_chunk::<4>()?;
        let (value_len, _) = after.split_first_chunk::<4>()?;
        let (key_len, value_len) = (u32::from_be_bytes(*key_len), u32::from_be_bytes(*value_len));
        let key_end = 8usize.checked_add(key_len as usize)?;
        let held = if value_len == DELETED { 0 } else { value_len };
        let end = key_end.checked_add(held as usize)?;
        if end > rest.len() {
            return None;
        }
        let value = (value_len != DELETED).then(|| rest.slice(key_end..end));
        rows.push((rest.slice(8..key_end), value));
        rest = rest.slice(end..);
    }
    rest.is_empty().then_some(rows)
}

/// Gives each block of a file of rows the checksum of what it holds.
#[cfg(feature = "fuzzing")]
pub(super) fn mend(of: Of, bytes: &mut [u8]) {
    if bytes.len() < HEADER_LEN {
        return;
    }
    bytes[..HEADER_LEN].copy_from_slice(&of.header());
    let mut at = HEADER_LEN;
    while let Some(head) = bytes.get(at..at + BLOCK_HEADER_LEN) {
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let body = at + BLOCK_HEADER_LEN;
        let Some(end) = body.checked_add(len).filter(|end| *end <= bytes.len()) else {
            return;
        };
        let crc = checksum(at as u64, &bytes[at..at + 8], &bytes[body..end]);
        bytes[at + 8..body].copy_from_slice(&crc.to_be_bytes());
        at = end;
    }
}

impl Iterator for RowsReader {
    type Item = Result<Version, BackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.block.next() {
                return Some(Ok(row));
            }
            if self.ended {
                return None;
            }
            match self.next_block() {
                Ok(rows) => self.block = rows.into_iter(),
                Err(error) => {
                    // Nothing behind damage is given out.
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
