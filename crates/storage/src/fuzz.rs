//! For the fuzzing targets: files that were written by somebody else.
//!
//! Checksums keep nearly every mutated byte from being looked at. Here they are made right before
//! a file is read, so that what is behind them is tested too: a checksum tells what was
//! damaged, not who wrote it.

use crate::backup::fuzz as backup;
use crate::log::fuzz as log;
use crate::{FileLog, FileLogOptions, Log, Lsn, survey};
use std::fs;
use std::path::Path;

/// Bytes of the files of a log; an input that is longer is cut.
const SEGMENT_BYTES: usize = 8 << 10;

/// Opens a log whose only segment holds these bytes, in an empty directory. If `mends`, its
/// checksums are made right before.
///
/// # Panics
/// If looking at it and opening it differ in what they find.
pub fn segment(directory: &Path, bytes: &[u8], mends: bool) {
    let mut bytes = bytes[..bytes.len().min(SEGMENT_BYTES)].to_vec();
    if mends {
        log::mend(&mut bytes);
    }
    let path = directory.join(format!("{:020}.log", log::base(&bytes).max(1)));
    fs::write(path, bytes).expect("a file");
    let mut seen: Vec<(Lsn, usize)> = Vec::new();
    let looked = survey(directory, 0, &mut |lsn, record| {
        seen.push((lsn, record.len()))
    });
    let options = FileLogOptions {
        segment_bytes: SEGMENT_BYTES as u64,
        direct: false,
        ..FileLogOptions::default()
    };
    match (looked, FileLog::open(directory, options)) {
        (Ok(looked), Ok((log, _))) => {
            assert_eq!(looked.tail, log.tail(), "both see one tail");
            let mut read: Vec<(Lsn, usize)> = Vec::new();
            for record in log.read(looked.first).expect("it can be read") {
                let (lsn, record) = record.expect("what was surveyed is read again");
                read.push((lsn, record.len()));
            }
            assert_eq!(seen, read, "both see the same records");
        }
        (Err(_), Err(_)) => {}
        (looked, opened) => panic!("looked at: {looked:?}, opened: {:?}", opened.map(drop)),
    }
}

/// Reads a manifest of a backup, whose checksum is made right if `mends`.
pub fn manifest(bytes: &[u8], mends: bool) {
    backup::manifest(bytes, mends);
}

/// Reads a file of rows of a backup, whose checksums are made right if `mends`.
pub fn rows(directory: &Path, bytes: &[u8], mends: bool) {
    backup::rows(directory, bytes, mends);
}
