//! Generations over generations, and what becomes of them when something goes wrong.

use super::*;
use bytes::Bytes;
use latchwork_engine::{MemoryView, Row, View};
use std::fs;
use std::ops::ControlFlow;
use tempfile::TempDir;

const ROW_COUNT: usize = 4_000;

fn facts() -> Facts {
    Facts {
        taken_at: 7,
        server: "1.2.3".into(),
        origin: "here".into(),
        data_format: 1,
    }
}

fn key(number: usize) -> Bytes {
    Bytes::from(format!("\u{1}key-{number:08}"))
}

/// So many rows of half a kilobyte.
fn filled() -> MemoryView {
    let mut view = MemoryView::default();
    for number in 0..ROW_COUNT {
        let value = format!("{number:0512}");
        view.write(key(number), Some(Bytes::from(value)));
    }
    view
}

fn all(view: &dyn View) -> Vec<Row> {
    view.scan(&[1], &[255]).map(Result::unwrap).collect()
}

fn make(root: &Path, lsn: u64, views: &[&MemoryView]) -> Result<Written, BackupError> {
    let sources: Vec<_> = views
        .iter()
        .map(|view| Source { lsn, view: *view })
        .collect();
    let directory = BackupDirectory::take(root)?;
    write(&directory, &sources, &facts(), &mut |_| {
        ControlFlow::Continue(())
    })
}

/// The rows of a generation, by partition; the newest if there is no number.
fn read(root: &Path, number: Option<u64>) -> Vec<Vec<Row>> {
    let directory = BackupDirectory::open(root).unwrap();
    let manifest = directory.generation(number).unwrap();
    (0..manifest.partitions.len())
        .map(|partition| {
            let rows = rows(&directory, &manifest, partition).unwrap();
            rows.map(Result::unwrap).collect()
        })
        .collect()
}

fn numbers(root: &Path) -> Vec<u64> {
    let listed = BackupDirectory::list(root).unwrap();
    listed.iter().map(|listed| listed.number).collect()
}

fn damage(root: &Path) -> Vec<(u64, Vec<String>)> {
    let directory = BackupDirectory::open(root).unwrap();
    let verified = directory.verify(&numbers(root), &mut |_| {}).unwrap();
    verified
        .into_iter()
        .map(|one| {
            (
                one.number,
                one.damage.iter().map(ToString::to_string).collect(),
            )
        })
        .collect()
}

#[test]
fn a_generation_costs_what_has_changed_and_reads_as_the_whole() {
    let room = TempDir::new().unwrap();
    let root = room.path().join("backups");
    let (mut one, two) = (filled(), MemoryView::default());
    let first = make(&root, 10, &[&one, &two]).unwrap();
    assert_eq!((first.reused_bytes, first.files_reused), (0, 0));
    assert!(first.written_bytes > (ROW_COUNT * 512) as u64);
    let before = all(&one);

    one.write(key(17), Some(Bytes::from("changed")));
    one.write(key(18), None);
    one.write(key(ROW_COUNT), Some(Bytes::from("new")));
    let second = make(&root, 20, &[&one, &two]).unwrap();
    assert!(second.written_bytes < 1_000, "{second:?}");
    assert_eq!(second.reused_bytes, first.written_bytes);
    assert_eq!(second.manifest.partitions[0].rows, ROW_COUNT as u64);
    assert_eq!(second.manifest.partitions[0].lsn, 20);

    let third = make(&root, 30, &[&one, &two]).unwrap();
    assert_eq!(third.written_bytes, 0, "nothing has changed");
    assert_eq!(read(&root, Some(1)), [before, Vec::new()]);
    assert_eq!(read(&root, Some(2)), [all(&one), Vec::new()]);
    assert_eq!(read(&root, None), [all(&one), Vec::new()]);
    assert!(damage(&root).iter().all(|(_, damage)| damage.is_empty()));
}

#[test]
fn differences_that_grow_are_written_whole_again() {
    let room = TempDir::new().unwrap();
    let mut view = filled();
    make(room.path(), 1, &[&view]).unwrap();
    for round in 0..3 {
        for number in 0..ROW_COUNT / 3 {
            view.write(key(number), Some(Bytes::from(format!("{round:0512}"))));
        }
        make(room.path(), round + 2, &[&view]).unwrap();
        assert_eq!(read(room.path(), None), [all(&view)]);
    }
    let directory = BackupDirectory::open(room.path()).unwrap();
    let files: Vec<_> = (1..=4)
        .map(|number| {
            directory.generation(Some(number)).unwrap().partitions[0]
                .files
                .len()
        })
        .collect();
    assert_eq!(files, [1, 2, 3, 1]);
}

#[test]
fn pruning_keeps_what_others_need_and_nothing_else() {
    let room = TempDir::new().unwrap();
    let mut view = filled();
    for lsn in 1..=4 {
        view.write(key(lsn as usize), Some(Bytes::from("changed")));
        make(room.path(), lsn, &[&view]).unwrap();
    }
    let directory = BackupDirectory::take(room.path()).unwrap();
    assert_eq!(directory.prune(2).unwrap(), (vec![1, 2], 0));
    assert_eq!(directory.prune(2).unwrap(), (vec![], 0));
    drop(directory);
    assert_eq!(numbers(room.path()), [3, 4]);
    assert_eq!(read(room.path(), None), [all(&view)]);

    let directory = BackupDirectory::take(room.path()).unwrap();
    let mut everything = MemoryView::default();
    everything.write(key(1), Some(Bytes::from("all else is gone")));
    let source = Source {
        lsn: 9,
        view: &everything,
    };
    let other = Facts {
        data_format: 2,
        ..facts()
    };
    let whole = write(&directory, &[source], &other, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(
        whole.files_reused, 0,
        "rows of another layout are not compared"
    );
    let (removed, freed) = directory.prune(1).unwrap();
    assert_eq!(removed, [3, 4]);
    assert!(freed > (ROW_COUNT * 512) as u64);
    drop(directory);
    assert_eq!(read(room.path(), None), [all(&everything)]);
}

#[test]
fn one_that_is_stopped_leaves_those_before_it_whole_and_no_trace() {
    let room = TempDir::new().unwrap();
    let mut view = filled();
    make(room.path(), 1, &[&view]).unwrap();
    let before = all(&view);
    for number in 0..ROW_COUNT {
        view.write(key(number), Some(Bytes::from("changed")));
    }
    let directory = BackupDirectory::take(room.path()).unwrap();
    let source = Source {
        lsn: 2,
        view: &view,
    };
    let stopped = write(&directory, &[source], &facts(), &mut |_| {
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    drop(directory);
    assert_eq!(fs::read_dir(room.path().join(ROWS)).unwrap().count(), 1);
    assert_eq!(
        (numbers(room.path()), read(room.path(), None)),
        (vec![1], vec![before])
    );
}

/// A crash runs no clean-up: it leaves a file with its name or without, and no manifest.
#[test]
fn what_a_crash_leaves_is_never_offered_and_goes_with_the_next_backup() {
    let room = TempDir::new().unwrap();
    let view = filled();
    make(room.path(), 1, &[&view]).unwrap();
    for name in [
        "rows/000002-0.rows",
        "rows/000002-1.part",
        "generations/000002.part",
    ] {
        fs::write(room.path().join(name), "half a").unwrap();
    }
    assert_eq!(
        (numbers(room.path()), read(room.path(), None)),
        (vec![1], vec![all(&view)])
    );
    make(room.path(), 2, &[&view]).unwrap();
    assert_eq!(fs::read_dir(room.path().join(ROWS)).unwrap().count(), 1);
    assert_eq!(read(room.path(), None), [all(&view)]);
}

#[test]
fn damage_is_found_wherever_it_is() {
    let room = TempDir::new().unwrap();
    let mut view = filled();
    make(room.path(), 1, &[&view]).unwrap();
    view.write(key(3), None);
    make(room.path(), 2, &[&view]).unwrap();
    let whole = room.path().join("rows/000001-0.rows");
    let good = fs::read(&whole).unwrap();
    for (at, says) in [
        (9, "format version"),
        (20, "header"),
        (40, "checksum of a block"),
        (good.len() / 2, "checksum of a block"),
        (good.len() - 1, "checksum of a block"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&whole, &bad).unwrap();
        let found = damage(room.path());
        for (number, damage) in &found {
            assert_eq!(
                damage.len(),
                1,
                "byte {at}, generation {number}: {damage:?}"
            );
        }
        assert!(found[0].1[0].contains(says), "{found:?}");
        assert!(found[0].1[0].contains("000001-0.rows"), "{found:?}");
    }
    fs::write(&whole, &good[..good.len() - 5]).unwrap();
    assert!(damage(room.path())[0].1[0].contains("bytes"));
    fs::remove_file(&whole).unwrap();
    assert!(damage(room.path())[0].1[0].contains("000001-0.rows"));
    fs::write(&whole, &good).unwrap();
    assert!(
        damage(room.path())
            .iter()
            .all(|(_, damage)| damage.is_empty())
    );

    let manifest = room.path().join("generations/000002.manifest");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("\"lsn\":2", "\"lsn\":3", 1)).unwrap();
    let found = damage(room.path());
    assert_eq!(found[0].1, [] as [&str; 0]);
    assert!(found[1].1[0].contains("000002.manifest"), "{found:?}");
    let directory = BackupDirectory::take(room.path()).unwrap();
    assert!(
        directory.generation(None).is_err(),
        "an older one is not taken silently"
    );
    assert!(directory.prune(1).is_err(), "nobody knows what it needs");
    assert_eq!(numbers(room.path()), [1, 2]);
}

#[test]
fn over_a_damaged_generation_everything_is_written_anew_and_said() {
    let room = TempDir::new().unwrap();
    let view = filled();
    make(room.path(), 1, &[&view]).unwrap();
    let whole = room.path().join("rows/000001-0.rows");
    let mut bad = fs::read(&whole).unwrap();
    let at = bad.len() / 2;
    bad[at] ^= 1;
    fs::write(&whole, &bad).unwrap();
    let second = make(room.path(), 2, &[&view]).unwrap();
    assert_eq!((second.files_reused, second.remarks.len()), (0, 1));
    assert!(second.remarks[0].contains("written whole"), "{second:?}");
    assert_eq!(read(room.path(), None), [all(&view)]);
}

#[test]
fn a_directory_is_not_shared_with_anybody() {
    let room = TempDir::new().unwrap();
    let view = MemoryView::default();
    let missing = make(&room.path().join("no/where"), 1, &[&view]);
    assert!(
        matches!(missing, Err(BackupError::Failed { .. })),
        "{missing:?}"
    );
    fs::create_dir(room.path().join("lost+found")).unwrap();
    make(room.path(), 1, &[&view]).unwrap();

    let held = BackupDirectory::take(room.path()).unwrap();
    assert!(matches!(
        make(room.path(), 2, &[&view]),
        Err(BackupError::Busy(_))
    ));
    assert!(matches!(
        BackupDirectory::open(room.path()),
        Err(BackupError::Busy(_))
    ));
    assert_eq!(numbers(room.path()), [1], "a list needs no lock");
    let source = Source {
        lsn: 2,
        view: &view,
    };
    let other = Facts {
        origin: "elsewhere".into(),
        ..facts()
    };
    let refused = write(&held, &[source], &other, &mut |_| ControlFlow::Continue(()));
    assert!(
        matches!(refused, Err(BackupError::OtherOrigin { .. })),
        "{refused:?}"
    );
    drop(held);

    fs::write(room.path().join("thesis.doc"), "").unwrap();
    let foreign = make(room.path(), 2, &[&view]).unwrap_err();
    assert!(foreign.to_string().contains("thesis.doc"), "{foreign}");
    assert!(matches!(
        BackupDirectory::open(&room.path().join("rows")),
        Err(BackupError::NoBackups(_))
    ));
}

/// Bytes that were written once are read for ever: the file stays as it is.
#[test]
fn the_golden_file_is_what_is_written() {
    let room = TempDir::new().unwrap();
    let mut view = MemoryView::default();
    view.write(
        Bytes::from_static(b"\x01a"),
        Some(Bytes::from_static(b"one")),
    );
    make(room.path(), 1, &[&view]).unwrap();
    view.write(Bytes::from_static(b"\x01a"), None);
    view.write(Bytes::from_static(b"\x02b"), Some(Bytes::new()));
    make(room.path(), 2, &[&view]).unwrap();
    let written = fs::read(room.path().join("rows/000002-0.rows")).unwrap();
    let golden = include_bytes!("../golden/backup-rows-1.bin");
    assert_eq!(written, golden);
    let manifest = fs::read_to_string(room.path().join("generations/000002.manifest")).unwrap();
    assert_eq!(manifest, include_str!("../golden/backup-1.manifest"));
}
