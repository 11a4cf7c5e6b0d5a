//! A disk that forgets: what is there, what of it would survive a loss of power for sure, and what
//! might.
//!
//! ```text
//!   write, truncate ──▶ pending of the file ─────fsync, O_DSYNC──────▶ synced
//!   create, rename, remove ──▶ pending of the directory ──fsync of it──▶ synced
//! ```
//!
//! Stricter than most file systems: a sync of a file says nothing of its name, and what was not
//! synced may be kept or lost sector by sector, in any order. Only the names of one directory are
//! changed in order, and a rename is all or nothing: that much is promised to us
//! (`docs/FORMATS.md`, "What we assume of disks").

use super::content::Content;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Number of a file or directory.
pub(crate) type Inode = u64;
/// That of the directory in which all others are.
pub(crate) const ROOT: Inode = 1;

/// All files and directories.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(super) nodes: BTreeMap<Inode, Node>,
    /// Changes of names so far.
    relinks: u64,
}

/// A file or a directory.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(File),
    Directory(Directory),
}

/// A file. It is kept when it has lost its last name: somebody may have it open.
#[derive(Debug, Default, Clone)]
pub(crate) struct File {
    pub(super) now: Content,
    pub(super) synced: Content,
    /// Since the last sync, in order.
    pub(super) pending: Vec<Change>,
}

/// A change of a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { at: u64, bytes: Bytes },
    Length(u64),
}

/// The names in a directory.
pub(super) type Names = BTreeMap<OsString, Inode>;

/// A directory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Directory {
    pub(super) now: Names,
    pub(super) synced: Names,
    /// Since the last sync, in order.
    pub(super) pending: Vec<Relink>,
}

/// A name gets another meaning, or none.
#[derive(Debug, Clone)]
pub(super) struct Relink {
    /// Those of one rename have one number.
    pub(super) number: u64,
    pub(super) name: OsString,
    pub(super) to: Option<Inode>,
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Directory(Directory::default()))]),
            relinks: 0,
        }
    }

    /// What has this number.
    pub(crate) fn node(&self, inode: Inode) -> Option<&Node> {
        self.nodes.get(&inode)
    }

    /// The file with this number.
    pub(crate) fn file(&self, inode: Inode) -> Option<&File> {
        match self.nodes.get(&inode)? {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    /// What is called so in a directory.
    pub(crate) fn find(&self, directory: Inode, name: &OsStr) -> Option<Inode> {
        self.names(directory)?.get(name).copied()
    }

    /// All names in a directory.
    pub(crate) fn names(&self, directory: Inode) -> Option<&BTreeMap<OsString, Inode>> {
        match self.nodes.get(&directory)? {
            Node::Directory(directory) => Some(&directory.now),
            Node::File(_) => None,
        }
    }

    /// Makes a file or directory, and gives it a name. Nothing, if there is no such directory.
    pub(crate) fn create(&mut self, directory: Inode, name: &OsStr, node: Node) -> Option<Inode> {
        let inode = self.nodes.keys().next_back()? + 1;
        self.relink(directory, vec![(name.to_owned(), Some(inode))])?;
        self.nodes.insert(inode, node);
        Some(inode)
    }

    /// Takes a name away.
    pub(crate) fn remove(&mut self, directory: Inode, name: &OsStr) -> Option<()> {
        self.relink(directory, vec![(name.to_owned(), None)])
    }

    /// Gives something another name, perhaps in another directory, whatever had it before.
    pub(crate) fn rename(
        &mut self,
        (from, name): (Inode, &OsStr),
        (to, new_name): (Inode, &OsStr),
    ) -> Option<()> {
        let inode = self.find(from, name)?;
        let (taken, given) = ((name.to_owned(), None), (new_name.to_owned(), Some(inode)));
        if from == to {
            return self.relink(from, vec![taken, given]);
        }
        self.names(to)?;
        self.relink(from, vec![taken])?;
        // One number for both: they survive together.
        self.relinks -= 1;
        self.relink(to, vec![given])
    }

    /// Writes into a file.
    pub(crate) fn write(&mut self, inode: Inode, at: u64, bytes: &[u8]) -> Option<()> {
        let file = self.file_mut(inode)?;
        file.now.write(at, bytes);
        let bytes = Bytes::copy_from_slice(bytes);
        file.pending.push(Change::Write { at, bytes });
        Some(())
    }

    /// Makes a file longer or shorter.
    pub(crate) fn resize(&mut self, inode: Inode, length: u64) -> Option<()> {
        let file = self.file_mut(inode)?;
        file.now.resize(length);
        file.pending.push(Change::Length(length));
        Some(())
    }

    /// Everything in a file, or every name in a directory, survives from here on.
    pub(crate) fn sync(&mut self, inode: Inode) {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => {
                file.pending.clear();
                file.synced = file.now.clone();
            }
            Some(Node::Directory(directory)) => {
                directory.pending.clear();
                directory.synced = directory.now.clone();
            }
            None => {}
        }
    }

    fn file_mut(&mut self, inode: Inode) -> Option<&mut File> {
        match self.nodes.get_mut(&inode)? {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    fn relink(&mut self, inode: Inode, names: Vec<(OsString, Option<Inode>)>) -> Option<()> {
        let Node::Directory(directory) = self.nodes.get_mut(&inode)? else {
            return None;
        };
        self.relinks += 1;
        for (name, to) in names {
            let relink = Relink {
                number: self.relinks,
                name,
                to,
            };
            relink.apply(&mut directory.now);
            directory.pending.push(relink);
        }
        Some(())
    }
}

impl Relink {
    pub(super) fn apply(&self, names: &mut Names) {
        match self.to {
            Some(inode) => names.insert(self.name.clone(), inode),
            None => names.remove(&self.name),
        };
    }
}
