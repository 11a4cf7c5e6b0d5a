//! The data directory: what lies where in it, what was fixed when it was made, and who has it.
//!
//! ```text
//!   latchwork.json   what was fixed when the directory was made
//!   lock             held by the one server, or restore, or doctor, that has it open
//!   log/<partition>/ the truth
//!   tables/          a cache of it
//!   restoring/       there while a restore is not finished
//! ```

use crate::handle::random_id;
use crate::node::OpenError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Version of the layout of a data directory, and of the rows in it.
pub(crate) const FORMAT: u32 = 2;
/// The file that says what was fixed.
pub(crate) const IDENTITY: &str = "latchwork.json";
/// The file that is locked.
pub(crate) const LOCK: &str = "lock";
/// The directory of the logs.
pub(crate) const LOG: &str = "log";
/// The directory of the tables.
pub(crate) const TABLES: &str = "tables";
/// Where a restore builds what it then moves into place.
pub(crate) const RESTORING: &str = "restoring";

/// Shows that `restoring/` is that of a restore.
pub(crate) const MARK: &str = "unfinished";

/// What was fixed when the directory was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    format: u32,
    pub(crate) partitions: u16,
    /// Tells the data of one directory, and of what was restored from it, from that of others.
    /// Empty until a server has opened it.
    #[serde(default)]
    pub(crate) id: String,
}

/// The one member that all formats have.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Identity {
    pub(crate) fn new(partitions: u16, id: String) -> Self {
        Self {
            format: FORMAT,
            partitions,
            id,
        }
    }

    /// Puts it into a directory.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), OpenError> {
        let path = directory.join(IDENTITY);
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| OpenError::Format {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let temporary = directory.join("latchwork.json.new");
        fs::write(&temporary, bytes)
            .and_then(|()| File::open(&temporary)?.sync_all())
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| File::open(directory)?.sync_all())
            .map_err(failed(&path))
    }
}

/// The tables of all partitions.
pub(crate) fn tables(directory: &Path) -> PathBuf {
    directory.join(TABLES)
}

/// The log of one partition.
pub(crate) fn log(directory: &Path, partition: u16) -> PathBuf {
    directory.join(LOG).join(partition.to_string())
}

/// Whether a restore has begun to build here and has not come to its end.
pub(crate) fn is_restoring(directory: &Path) -> bool {
    let restoring = directory.join(RESTORING);
    // It is made before its mark and removed after it.
    let is_empty = || fs::read_dir(&restoring).is_ok_and(|mut entries| entries.next().is_none());
    restoring.join(MARK).exists() || (is_empty() && !directory.join(IDENTITY).exists())
}

/// Removes tables that a first start did not finish making: the database cannot open them. There
/// is no log yet then, and so nothing that they could hold.
pub(crate) fn remove_unfinished_tables(directory: &Path) -> Result<(), OpenError> {
    let tables = tables(directory);
    // The database writes it last.
    let is_finished = fs::metadata(tables.join("version")).is_ok_and(|file| file.len() > 0);
    if is_finished || directory.join(LOG).exists() || !tables.exists() {
        return Ok(());
    }
    fs::remove_dir_all(&tables).map_err(failed(&tables))
}

/// Makes the names of all that a start has made durable: that of the directory, and of the logs
/// and tables in it. What is synced in a file is lost with the file's name.
pub(crate) fn sync_names(directory: &Path) -> Result<(), OpenError> {
    let above = directory.join("..");
    for path in [&directory.join(LOG), directory, &above] {
        File::open(path)
            .and_then(|opened| opened.sync_all())
            .or_else(|error| match error.kind() {
                // Some file systems know no sync of a directory, and need none.
                io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput => Ok(()),
                // It was there before us, and may not be ours to read.
                io::ErrorKind::PermissionDenied if *path == above => Ok(()),
                _ => Err(error),
            })
            .map_err(failed(path))?;
    }
    Ok(())
}

/// Says which path an error is about.
pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Directory { path, source }
}

/// Takes the directory, for as long as the file lives.
pub(crate) fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK);
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

/// What was fixed when the directory was made; nothing if it is new.
pub(crate) fn find(directory: &Path) -> Result<Option<Identity>, OpenError> {
    let path = directory.join(IDENTITY);
    let format = |reason: String| OpenError::Format {
        path: path.clone(),
        reason,
    };
    if is_restoring(directory) {
        return Err(OpenError::Format {
            path: directory.join(RESTORING),
            reason: "a restore into it was not finished; run the same `latchwork restore` again"
                .into(),
        });
    }
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match directory.join(LOG).exists() {
                true => Err(format(
                    "the file is missing but there is a log; restore it from a copy".into(),
                )),
                false => Ok(None),
            };
        }
        Err(source) => return Err(failed(&path)(source)),
    };
    // Alone and first: a newer format may have members that are unknown here.
    let Version { format: version } =
        serde_json::from_slice(&bytes).map_err(|error| format(error.to_string()))?;
    if version > FORMAT {
        return Err(format(format!(
            "it has format {version}, and latchwork {} knows {FORMAT} only: a newer version wrote \
             it. Nothing was changed; start that version, or restore a backup that this one can \
             read",
            env!("CARGO_PKG_VERSION")
        )));
    }
    if version < FORMAT {
        return Err(format(format!(
            "it has format {version}, which only builds before the first release wrote, and this \
             version knows {FORMAT}. Let that build finish its work, and begin with an empty directory"
        )));
    }
    let identity: Identity =
        serde_json::from_slice(&bytes).map_err(|error| format(error.to_string()))?;
    if identity.partitions == 0 {
        return Err(format("it has no partitions".into()));
    }
    Ok(Some(identity))
}

/// What was fixed when the directory was made; fixes it for a new one.
/// `asked` is the number of partitions, 0 for whatever there is.
pub(crate) fn identify(directory: &Path, asked: u16) -> Result<Identity, OpenError> {
    let found = find(directory)?;
    if let Some(found) = &found {
        if asked != 0 && asked != found.partitions {
            return Err(OpenError::Partitions {
                found: found.partitions,
                asked,
            });
        }
        if !found.id.is_empty() {
            return Ok(found.clone());
        }
    }
    let random = random_id();
    let id = random[..12].iter().map(|byte| format!("{byte:02x}"));
    let partitions = found.map_or(asked.max(1), |found| found.partitions);
    let identity = Identity::new(partitions, id.collect());
    identity.write(directory)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_directory_gets_an_id_once_and_keeps_what_it_has() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join(IDENTITY);
        fs::write(&path, r#"{"format": 2, "partitions": 3}"#).unwrap();
        let first = identify(room.path(), 0).unwrap();
        assert_eq!((first.partitions, first.id.len()), (3, 24));
        assert_eq!(identify(room.path(), 3).unwrap(), first);
        assert!(matches!(
            identify(room.path(), 2),
            Err(OpenError::Partitions { found: 3, asked: 2 })
        ));
    }

    #[test]
    fn a_newer_format_is_refused_with_words_and_left_as_it_is() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join(IDENTITY);
        let newer = r#"{"format": 3, "partitions": 1, "id": "x", "replicas": 3}"#;
        fs::write(&path, newer).unwrap();
        let refused = identify(room.path(), 0).unwrap_err().to_string();
        assert!(refused.contains("format 3"), "{refused}");
        assert!(refused.contains("start that version"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn tables_are_removed_only_if_they_were_never_finished() {
        let room = tempfile::tempdir().unwrap();
        let tables = tables(room.path());
        fs::create_dir(&tables).unwrap();
        fs::write(tables.join("version"), "3").unwrap();
        remove_unfinished_tables(room.path()).unwrap();
        assert!(tables.exists());
        fs::remove_file(tables.join("version")).unwrap();
        fs::create_dir(room.path().join(LOG)).unwrap();
        remove_unfinished_tables(room.path()).unwrap();
        assert!(tables.exists());
        fs::remove_dir(room.path().join(LOG)).unwrap();
        remove_unfinished_tables(room.path()).unwrap();
        assert!(!tables.exists());
    }

    #[test]
    fn a_directory_that_is_half_restored_is_not_taken_for_a_new_one() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir(room.path().join(RESTORING)).unwrap();
        let refused = identify(room.path(), 0).unwrap_err();
        assert!(refused.to_string().contains("not finished"), "{refused}");
    }
}
