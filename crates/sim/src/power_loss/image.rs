//! What a loss of power leaves of a disk: everything that was synced, and of the rest what chance
//! gives.

use super::content::{BLOCK, Content};
use super::disk::{Change, Directory, Disk, File, Inode, Names, Node, ROOT};
use fastrand::Rng;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The least that a disk writes whole.
const SECTOR: usize = 512;

/// What becomes of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// All of it is lost.
    All,
    /// None of it is: as if only the process had been killed.
    Nothing,
    /// The last changes of each file are lost, and one is torn.
    Tail,
    /// Each sector of each file is as it was after any of its changes.
    Sectors,
    /// The same, with pages.
    Pages,
}

impl Loss {
    /// One of them.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..10) {
            0 => Self::All,
            1 => Self::Nothing,
            2..5 => Self::Tail,
            5..8 => Self::Sectors,
            _ => Self::Pages,
        }
    }
}

/// The files and directories that are left.
#[derive(Debug, Default)]
pub(crate) struct Image {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Content)>,
}

impl Image {
    /// What is left of `disk`.
    pub(crate) fn of(disk: &Disk, loss: Loss, rng: &mut Rng) -> Self {
        let names = surviving_names(disk, loss, rng);
        let mut image = Self::default();
        let mut directories = vec![(ROOT, PathBuf::new())];
        while let Some((inode, path)) = directories.pop() {
            for (name, inode) in &names[&inode] {
                let path = path.join(name);
                match disk.node(*inode) {
                    Some(Node::Directory(_)) => directories.push((*inode, path)),
                    Some(Node::File(file)) => {
                        image.files.push((path, surviving_bytes(file, loss, rng)));
                    }
                    None => {}
                }
            }
            image.directories.push(path);
        }
        image
    }

    /// Lays it down in a directory, which it makes.
    pub(crate) fn write(&self, place: &Path) -> io::Result<()> {
        for path in &self.directories {
            fs::create_dir_all(place.join(path))?;
        }
        for (path, content) in &self.files {
            let file = fs::File::create(place.join(path))?;
            file.set_len(content.length())?;
            for (at, block) in content.written() {
                file.write_all_at(block, at)?;
            }
        }
        Ok(())
    }
}

/// The names in each directory. Of those that were not synced, the first some survive, and both
/// ends of a rename or neither.
fn surviving_names(disk: &Disk, loss: Loss, rng: &mut Rng) -> BTreeMap<Inode, Names> {
    let directories: BTreeMap<Inode, &Directory> = disk
        .nodes
        .iter()
        .filter_map(|(inode, node)| match node {
            Node::Directory(directory) => Some((*inode, directory)),
            Node::File(_) => None,
        })
        .collect();
    // Up to which number changes are kept.
    let mut kept: BTreeMap<Inode, u64> = BTreeMap::new();
    for (inode, directory) in &directories {
        let numbers: Vec<u64> = directory
            .pending
            .iter()
            .map(|relink| relink.number)
            .collect();
        let count = match loss {
            Loss::All => 0,
            Loss::Nothing => numbers.len(),
            _ => rng.usize(0..=numbers.len()),
        };
        kept.insert(*inode, count.checked_sub(1).map_or(0, |last| numbers[last]));
    }
    // Until both ends of each rename are kept.
    let both_ends = |kept: &BTreeMap<Inode, u64>| {
        directories.iter().find_map(|(inode, directory)| {
            let mut own = directory.pending.iter();
            own.find_map(|relink| {
                let elsewhere = directories.iter().any(|(other, directory)| {
                    let mut theirs = directory.pending.iter();
                    theirs.any(|one| one.number == relink.number) && kept[other] >= relink.number
                });
                (elsewhere && kept[inode] < relink.number).then_some((*inode, relink.number))
            })
        })
    };
    while let Some((inode, number)) = both_ends(&kept) {
        kept.insert(inode, number);
    }
    directories
        .iter()
        .map(|(inode, directory)| {
            let mut names = directory.synced.clone();
            let pending = directory.pending.iter();
            for relink in pending.take_while(|relink| relink.number <= kept[inode]) {
                relink.apply(&mut names);
            }
            (*inode, names)
        })
        .collect()
}

fn surviving_bytes(file: &File, loss: Loss, rng: &mut Rng) -> Content {
    match loss {
        Loss::All => file.synced.clone(),
        Loss::Nothing => file.now.clone(),
        Loss::Tail => without_tail(file, rng),
        Loss::Sectors => scattered(file, SECTOR, rng),
        Loss::Pages => scattered(file, BLOCK, rng),
    }
}

fn without_tail(file: &File, rng: &mut Rng) -> Content {
    let mut content = file.synced.clone();
    let whole = rng.usize(0..=file.pending.len());
    for change in &file.pending[..whole] {
        match change {
            Change::Write { at, bytes } => content.write(*at, bytes),
            Change::Length(length) => content.resize(*length),
        }
    }
    if let Some(Change::Write { at, bytes }) = file.pending.get(whole) {
        let sectors = rng.usize(0..=bytes.len() / SECTOR);
        // Sectors are those of the disk, not of the write.
        let torn = (sectors * SECTOR).saturating_sub(*at as usize % SECTOR);
        content.write(*at, &bytes[..torn.min(bytes.len())]);
    }
    content
}

/// Each piece of `piece` bytes, and the length, as it was after any of the changes.
fn scattered(file: &File, piece: usize, rng: &mut Rng) -> Content {
    let changes = file.pending.len();
    if changes == 0 {
        return file.synced.clone();
    }
    let draw = |rng: &mut Rng| match rng.u32(0..4) {
        0 => 0,
        1 => changes,
        _ => rng.usize(0..=changes),
    };
    let length_after = draw(rng);
    let mut after = HashMap::new();
    let mut content = file.synced.clone();
    let mut lengths = vec![content.length()];
    let mut length = content.length();
    for (number, change) in file.pending.iter().enumerate() {
        let zeros;
        let (at, bytes) = match change {
            Change::Write { at, bytes } => {
                length = length.max(at + bytes.len() as u64);
                (*at, &bytes[..])
            }
            Change::Length(shorter) => {
                zeros = vec![0; length.saturating_sub(*shorter) as usize];
                length = *shorter;
                (*shorter, &zeros[..])
            }
        };
        lengths.push(length);
        let mut done = 0;
        while done < bytes.len() {
            let here = at as usize + done;
            let end = bytes.len().min(done + piece - here % piece);
            if *after.entry(here / piece).or_insert_with(|| draw(rng)) > number {
                content.write(here as u64, &bytes[done..end]);
            }
            done = end;
        }
    }
    content.resize(lengths[length_after]);
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::ffi::OsStr;

    const LOSSES: [Loss; 5] = [
        Loss::All,
        Loss::Nothing,
        Loss::Tail,
        Loss::Sectors,
        Loss::Pages,
    ];

    fn name(name: &str) -> &OsStr {
        OsStr::new(name)
    }

    fn file(disk: &mut Disk, called: &str) -> Inode {
        let node = Node::File(File::default());
        disk.create(ROOT, name(called), node).unwrap()
    }

    /// The files that are left, with their bytes, of many losses of power.
    fn left(disk: &Disk) -> BTreeSet<Vec<(String, Vec<u8>)>> {
        let mut rng = Rng::with_seed(3);
        let images = (0..400).map(|number| Image::of(disk, LOSSES[number % 5], &mut rng));
        images
            .map(|image| {
                let files = image.files.iter();
                let files = files
                    .map(|(path, content)| (path.display().to_string(), content.read(0, 1 << 20)));
                files.collect()
            })
            .collect()
    }

    #[test]
    fn what_is_synced_with_its_name_is_always_left() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.write(inode, 0, b"bytes");
        disk.sync(inode);
        let kept = vec![("a".to_owned(), b"bytes".to_vec())];
        // Without the sync of the directory it may be gone, and is nothing else.
        assert_eq!(left(&disk), BTreeSet::from([vec![], kept.clone()]));
        disk.sync(ROOT);
        assert_eq!(left(&disk), BTreeSet::from([kept]));
    }

    #[test]
    fn a_rename_is_all_or_nothing() {
        let mut disk = Disk::new();
        let old = file(&mut disk, "a");
        disk.write(old, 0, b"old");
        let new = file(&mut disk, "a.new");
        disk.write(new, 0, b"new");
        for inode in [old, new, ROOT] {
            disk.sync(inode);
        }
        disk.rename((ROOT, name("a.new")), (ROOT, name("a")))
            .unwrap();
        let before = vec![
            ("a".to_owned(), b"old".to_vec()),
            ("a.new".to_owned(), b"new".to_vec()),
        ];
        let after = vec![("a".to_owned(), b"new".to_vec())];
        assert_eq!(left(&disk), BTreeSet::from([before, after]));
    }

    #[test]
    fn so_is_one_from_directory_to_directory() {
        let mut disk = Disk::new();
        let node = Node::Directory(Directory::default());
        let inside = disk.create(ROOT, name("d"), node).unwrap();
        let moved = file(&mut disk, "a");
        for inode in [inside, moved, ROOT] {
            disk.sync(inode);
        }
        disk.rename((ROOT, name("a")), (inside, name("b"))).unwrap();
        let one = |path: &str| vec![(path.to_owned(), vec![])];
        assert_eq!(left(&disk), BTreeSet::from([one("a"), one("d/b")]));
    }

    #[test]
    fn a_write_that_is_not_synced_is_torn_at_sectors_in_any_order() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.write(inode, 0, &[1; 2 * SECTOR]);
        disk.sync(inode);
        disk.sync(ROOT);
        disk.write(inode, 0, &[2; 2 * SECTOR]);
        let found: BTreeSet<_> = left(&disk)
            .iter()
            .map(|files| {
                let bytes = &files[0].1;
                let sectors = [&bytes[..SECTOR], &bytes[SECTOR..]];
                sectors.map(|sector| {
                    assert!(sector.iter().all(|byte| *byte == sector[0]));
                    sector[0]
                })
            })
            .collect();
        assert_eq!(found, BTreeSet::from([[1, 1], [1, 2], [2, 1], [2, 2]]));
    }

    #[test]
    fn a_file_that_was_cut_and_grew_has_no_old_bytes_beyond_the_cut() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.write(inode, 0, &[1; 3 * BLOCK]);
        disk.resize(inode, 10);
        disk.sync(inode);
        disk.sync(ROOT);
        disk.resize(inode, 2 * BLOCK as u64);
        for files in left(&disk) {
            assert!(files[0].1[10..].iter().all(|byte| *byte == 0));
        }
    }
}
