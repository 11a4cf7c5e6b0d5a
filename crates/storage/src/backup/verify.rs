//! Reading a generation back: its files as one, and whether each is what was written.

use super::manifest::{Manifest, PartitionEntry};
use super::rows::RowsReader;
use super::{BackupDirectory, BackupError, damaged};
use crate::tables::layer;
use latchwork_engine::{ReadError, Rows};
use std::collections::BTreeMap;

/// What looking at a generation came to.
#[derive(Debug)]
pub struct Verified {
    /// Its number.
    pub number: u64,
    /// Files that were read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong; nothing if it can be restored.
    pub damage: Vec<BackupError>,
}

/// The rows of one partition, in order. Each block is checked on the way.
///
/// # Errors
/// If a file is missing or damaged; what is found later comes with the rows.
pub fn rows(
    directory: &BackupDirectory,
    manifest: &Manifest,
    partition: usize,
) -> Result<Rows<'static>, BackupError> {
    let Some(entry) = manifest.partitions.get(partition) else {
        return Ok(Box::new(std::iter::empty()));
    };
    merged(directory, manifest, partition as u16, entry)
}

pub(super) fn merged(
    directory: &BackupDirectory,
    manifest: &Manifest,
    partition: u16,
    entry: &PartitionEntry,
) -> Result<Rows<'static>, BackupError> {
    let mut newest_first: Vec<layer::Versions<'static>> = Vec::new();
    for name in entry.files.iter().rev() {
        let file = &manifest.files[name];
        let reader = RowsReader::open(&directory.rows_path(), name, partition, file, false)?;
        newest_first.push(Box::new(
            reader.map(|row| row.map_err(|error| ReadError(error.to_string()))),
        ));
    }
    Ok(layer::overlay(newest_first))
}

impl BackupDirectory {
    /// Reads every file that the given generations need, each once, and then their rows as they
    /// would be restored. `told` is given the bytes of each file that was read.
    ///
    /// # Errors
    /// If the directory cannot be read at all. Damage is no error here.
    pub fn verify(
        &self,
        numbers: &[u64],
        told: &mut dyn FnMut(u64),
    ) -> Result<Vec<Verified>, BackupError> {
        let mut seen: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut all = Vec::new();
        for &number in numbers {
            let mut verified = Verified {
                number,
                files: 0,
                bytes: 0,
                damage: Vec::new(),
            };
            match self.generation(Some(number)) {
                Ok(manifest) => self.look(&manifest, &mut seen, &mut verified, told),
                Err(error @ BackupError::NoGeneration { .. }) => return Err(error),
                Err(error) => verified.damage.push(error),
            }
            all.push(verified);
        }
        Ok(all)
    }

    fn look(
        &self,
        manifest: &Manifest,
        seen: &mut BTreeMap<String, Option<String>>,
        verified: &mut Verified,
        told: &mut dyn FnMut(u64),
    ) {
        for (index, partition) in manifest.partitions.iter().enumerate() {
            let before = verified.damage.len();
            for name in &partition.files {
                let file = &manifest.files[name];
                verified.files += 1;
                verified.bytes += file.bytes;
                let path = self.rows_path().join(name);
                if let Some(known) = seen.get(name) {
                    // Two manifests that tell different things of one file cannot both be right.
                    if known.as_deref() != Some(&file.sha256) {
                        let reason = "it is damaged, or is not the one that this generation needs";
                        verified.damage.push(damaged(&path, 0, reason));
                    }
                    continue;
                }
                let read = RowsReader::open(&self.rows_path(), name, index as u16, file, true)
                    .and_then(|mut rows| rows.try_for_each(|row| row.map(drop)));
                told(file.bytes);
                seen.insert(name.clone(), read.is_ok().then(|| file.sha256.clone()));
                verified.damage.extend(read.err());
            }
            if verified.damage.len() == before {
                let counted = self.count(manifest, index);
                verified.damage.extend(counted.err());
            }
        }
    }

    /// Whether the files of a partition make as many rows as they should.
    fn count(&self, manifest: &Manifest, partition: usize) -> Result<(), BackupError> {
        let mut count = 0;
        for row in rows(self, manifest, partition)? {
            row?;
            count += 1;
        }
        let expected = manifest.partitions[partition].rows;
        if count == expected {
            return Ok(());
        }
        let reason =
            format!("the files of partition {partition} make {count} rows, not {expected}");
        Err(damaged(self.root(), 0, reason))
    }
}
