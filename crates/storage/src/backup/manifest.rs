//! What a generation says of itself: when, of what, and which files with which checksums.
//!
//! Two lines: the manifest as JSON, and the SHA-256 of the first line as a JSON string.
//! `docs/FORMATS.md` describes the members.

use super::{BackupError, damaged, failed};
use crate::Lsn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Version of the manifest and of the directory around it.
const VERSION: u32 = 1;

/// One generation: all rows of all partitions at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The number of the generation; the first is 1.
    pub generation: u64,
    /// The moment whose rows these are, in ms since 1970.
    pub taken_at: u64,
    /// Version of the server that wrote it.
    pub server: String,
    /// Whose rows these are: the id of the data directory.
    pub origin: String,
    /// Version of the layout of that data directory, and so of the rows.
    pub data_format: u32,
    /// The partitions, in their order.
    pub partitions: Vec<PartitionEntry>,
    /// All files, by name in the directory of rows.
    pub files: BTreeMap<String, FileEntry>,
}

/// The rows of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionEntry {
    /// The last record whose effects are in the rows.
    pub lsn: Lsn,
    /// How many rows there are.
    pub rows: u64,
    /// Names of files, from old to new: the first is whole, each later one says what differs.
    pub files: Vec<String>,
}

/// A file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// Rows in it, deletions included.
    pub rows: u64,
    /// SHA-256 of all of it, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The version that this program writes.
    pub(super) const FORMAT: u32 = VERSION;

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    pub(super) fn encode(&self) -> Result<String, BackupError> {
        let line = serde_json::to_string(self).map_err(BackupError::Encode)?;
        let sum = hex(&Sha256::digest(line.as_bytes()));
        Ok(format!("{line}\n\"sha256:{sum}\"\n"))
    }

    /// Reads and checks the manifest of generation `number`.
    pub(super) fn read(path: &Path, number: u64) -> Result<Self, BackupError> {
        Self::parse(path, fs::read(path).map_err(failed(path))?, number)
    }

    /// The same from the bytes of its file.
    pub(super) fn parse(path: &Path, text: Vec<u8>, number: u64) -> Result<Self, BackupError> {
        let wrong = |reason: String| damaged(path, 0, reason);
        let text = String::from_utf8(text).map_err(|_| wrong("it is no text".into()))?;
        let (line, sum) = text
            .split_once('\n')
            .ok_or_else(|| wrong("its second line, the checksum, is missing".into()))?;
        let expected = format!("\"sha256:{}\"", hex(&Sha256::digest(line.as_bytes())));
        if sum.trim_end() != expected {
            return Err(wrong("its checksum does not match".into()));
        }
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let parse = |error: serde_json::Error| wrong(error.to_string());
        let Versioned { format } = serde_json::from_str(line).map_err(parse)?;
        if format != VERSION {
            return Err(wrong(format!(
                "it has format {format}, and this program reads {VERSION}: use the version of latchwork \
                 that made it"
            )));
        }
        let manifest: Self = serde_json::from_str(line).map_err(parse)?;
        if manifest.generation != number {
            return Err(wrong(format!(
                "it is that of generation {}",
                manifest.generation
            )));
        }
        for (index, partition) in manifest.partitions.iter().enumerate() {
            if partition.files.is_empty() {
                return Err(wrong(format!("partition {index} has no file")));
            }
            for name in &partition.files {
                if !manifest.files.contains_key(name) || name.contains(['/', '\\']) {
                    return Err(wrong(format!("it does not describe its file {name:?}")));
                }
            }
        }
        if manifest.partitions.is_empty() || manifest.partitions.len() > usize::from(u16::MAX) {
            return Err(wrong("it has no partitions, or too many".into()));
        }
        Ok(manifest)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
