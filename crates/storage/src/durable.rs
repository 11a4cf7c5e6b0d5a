//! How a name becomes durable: files are finished under another name, then renamed, then their
//! directory is synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Makes renames and deletions in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .or_else(|error| match error.kind() {
            // Some file systems know no sync of a directory, and need none.
            io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput => Ok(()),
            _ => Err(error),
        })
}

/// Makes the names of all directories in `directory` durable, at any depth, and of what is in them.
pub(crate) fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_directory(directory)
}

/// Gives `path` these bytes, all or nothing; `unfinished` is its name until then, in the same
/// directory.
pub(crate) fn write(path: &Path, unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}
