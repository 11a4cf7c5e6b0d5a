//! A file system over a [`Disk`], mounted with FUSE: whatever a server does with its files, by
//! whatever call, comes by here, one thing after the other.
//!
//! In memory, and as little of a file system as a server needs: no links, no permissions, no times.

use super::disk::{Directory, Disk, File, Inode, Node};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use rustix::fs::OFlags;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The kernel may remember what it was told for so long: nobody else changes it.
const TTL: Duration = Duration::from_secs(3600);
/// Blocks that the disk says it has, of 4 KiB: enough for nobody to worry.
const BLOCKS: u64 = 1 << 24;
const BLOCK_BYTES: u32 = 4096;

/// What was just done with a disk, and is not synced by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A name was given or taken.
    Names,
    /// A file was written or cut.
    Bytes,
    /// Bytes were written, or a sync was asked for, and will be on disk when the caller goes on.
    BeforeSync,
}

/// Who is shown the disk after each step.
pub(crate) type Watcher = Box<dyn FnMut(&Disk, Step) + Send>;

struct Recorder(Mutex<State>);

struct State {
    disk: Disk,
    watcher: Watcher,
}

/// Mounts an empty disk at `place`, until the session is dropped.
///
/// # Errors
/// If the system lets us mount nothing.
pub(crate) fn mount(place: &Path, watcher: Watcher) -> io::Result<BackgroundSession> {
    let state = State {
        disk: Disk::new(),
        watcher,
    };
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("latchwork-sim".into())];
    fuser::spawn_mount(Recorder(Mutex::new(state)), place, &config)
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn attributes(&self, inode: Inode) -> Option<FileAttr> {
        let (kind, perm, size) = match self.disk.node(inode)? {
            Node::File(file) => (FileType::RegularFile, 0o644, file.now.length()),
            Node::Directory(_) => (FileType::Directory, 0o755, 0),
        };
        Some(FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: BLOCK_BYTES,
            flags: 0,
        })
    }

    fn watch(&mut self, step: Step) {
        (self.watcher)(&self.disk, step);
    }

    /// Makes something, and tells what the kernel wants to know of it.
    fn create(&mut self, parent: INodeNo, name: &OsStr, node: Node) -> Result<FileAttr, Errno> {
        if self.disk.find(parent.0, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let made = self.disk.create(parent.0, name, node);
        let inode = made.ok_or(Errno::ENOENT)?;
        self.watch(Step::Names);
        self.attributes(inode).ok_or(Errno::ENOENT)
    }

    fn remove(&mut self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        let inode = self.disk.find(parent.0, name).ok_or(Errno::ENOENT)?;
        if self
            .disk
            .names(inode)
            .is_some_and(|names| !names.is_empty())
        {
            return Err(Errno::ENOTEMPTY);
        }
        self.disk.remove(parent.0, name).ok_or(Errno::ENOENT)?;
        self.watch(Step::Names);
        Ok(())
    }

    fn sync(&mut self, inode: INodeNo) {
        self.watch(Step::BeforeSync);
        self.disk.sync(inode.0);
    }
}

fn answer(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

impl Filesystem for Recorder {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let state = self.state();
        let found = state.disk.find(parent.0, name);
        match found.and_then(|inode| state.attributes(inode)) {
            Some(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.state().attributes(inode.0) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = self.state();
        if let Some(size) = size
            && state.disk.resize(inode.0, size).is_some()
        {
            state.watch(Step::Bytes);
        }
        match state.attributes(inode.0) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let node = Node::Directory(Directory::default());
        match self.state().create(parent, name, node) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self
            .state()
            .create(parent, name, Node::File(File::default()))
        {
            Ok(attributes) => reply.created(
                &TTL,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::empty(),
            ),
            Err(errno) => reply.error(errno),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.state().remove(parent, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.state().remove(parent, name));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let mut state = self.state();
        let renamed = state
            .disk
            .rename((parent.0, name), (new_parent.0, new_name));
        if renamed.is_some() {
            state.watch(Step::Names);
        }
        answer(reply, renamed.ok_or(Errno::ENOENT));
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.state().disk.file(inode.0) {
            Some(file) => reply.data(&file.now.read(offset, size as usize)),
            None => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.state();
        if state.disk.write(inode.0, offset, data).is_none() {
            return reply.error(Errno::EISDIR);
        }
        let flags = OFlags::from_bits_retain(flags.0 as u32);
        if flags.intersects(OFlags::DSYNC | OFlags::SYNC) {
            state.sync(inode);
        } else {
            state.watch(Step::Bytes);
        }
        reply.written(data.len() as u32);
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mut state = self.state();
        let Some(file) = state.disk.file(inode.0) else {
            return reply.error(Errno::EISDIR);
        };
        if mode != 0 {
            return reply.error(Errno::ENOTSUP);
        }
        if offset + length > file.now.length()
            && state.disk.resize(inode.0, offset + length).is_some()
        {
            state.watch(Step::Bytes);
        }
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.state().sync(inode);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.state().sync(inode);
        reply.ok();
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let state = self.state();
        let Some(names) = state.disk.names(inode.0) else {
            return reply.error(Errno::ENOTDIR);
        };
        for (number, (name, inode)) in names.iter().enumerate().skip(offset as usize) {
            let kind = match state.disk.file(*inode) {
                Some(_) => FileType::RegularFile,
                None => FileType::Directory,
            };
            if reply.add(INodeNo(*inode), number as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let files = BLOCKS;
        reply.statfs(
            BLOCKS,
            BLOCKS,
            BLOCKS,
            files,
            files,
            BLOCK_BYTES,
            255,
            BLOCK_BYTES,
        );
    }
}
