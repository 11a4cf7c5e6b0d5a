//! Files of a backup that somebody else wrote, with their checksums made right.

use super::manifest::{FileEntry, Manifest, hex};
use super::rows::{self, Of, RowsReader};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

pub(crate) fn manifest(bytes: &[u8], mends: bool) {
    let path = Path::new("manifest");
    let mut bytes = bytes.to_vec();
    if mends {
        let line = bytes.iter().position(|byte| *byte == b'\n');
        bytes.truncate(line.unwrap_or(bytes.len()));
        let sum = hex(&Sha256::digest(&bytes));
        bytes.extend_from_slice(format!("\n\"sha256:{sum}\"\n").as_bytes());
    }
    if let Ok(manifest) = Manifest::parse(path, bytes, 2) {
        let written = manifest.encode().expect("it can be written");
        let again = Manifest::parse(path, written.into_bytes(), 2);
        assert_eq!(again.ok(), Some(manifest), "what is written is read again");
    }
}

pub(crate) fn rows(directory: &Path, bytes: &[u8], mends: bool) {
    let of = Of {
        partition: 0,
        generation: 1,
    };
    let mut bytes = bytes.to_vec();
    if mends {
        rows::mend(of, &mut bytes);
    }
    let entry = FileEntry {
        bytes: bytes.len() as u64,
        rows: 1,
        sha256: String::new(),
    };
    fs::write(directory.join(of.name()), bytes).expect("a file");
    if let Ok(reader) = RowsReader::open(directory, &of.name(), 0, &entry, false) {
        // Each row is given, and at last perhaps why there are no more.
        reader.for_each(drop);
    }
}
