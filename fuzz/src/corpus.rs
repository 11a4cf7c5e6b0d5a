//! Inputs that are kept: what to begin with, and what once was a finding.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// This package's folder.
const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// An input and where it is from.
pub struct Kept {
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Everything that is kept for a target, in the order of the names.
///
/// # Errors
/// If a folder is there and cannot be read.
pub fn kept(target: &str) -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for folder in ["corpus", "findings"] {
        let folder = Path::new(HOME).join(folder).join(target);
        let mut paths = match fs::read_dir(&folder) {
            Ok(entries) => entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        paths.sort();
        for path in paths {
            let bytes = fs::read(&path)?;
            all.push(Kept { path, bytes });
        }
    }
    Ok(all)
}

/// Where a new finding is put, so that it is kept from then on.
///
/// # Errors
/// If it cannot be written.
pub fn keep(target: &str, bytes: &[u8], name: &str) -> io::Result<PathBuf> {
    let folder = Path::new(HOME).join("findings").join(target);
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, bytes)?;
    Ok(path)
}
