//! What the file log must survive, and what it must refuse.

use super::super::Cut;
use super::super::segment::FRAME_HEADER_LEN;
use super::*;
use crate::conformance::{append, contents};
use tempfile::TempDir;

const SEGMENT_BYTES: u64 = 4096;

fn options() -> FileLogOptions {
    FileLogOptions {
        meter: Arc::default(),
        partition: 0,
        segment_bytes: SEGMENT_BYTES,
    }
}

fn open(directory: &TempDir) -> (FileLog, Recovery) {
    FileLog::open(directory.path(), options()).unwrap()
}

/// The directory, with a log of these records, each in a batch of its own.
fn log_of(records: &[&[u8]]) -> (TempDir, FileLog) {
    let directory = TempDir::new().unwrap();
    let (mut log, _) = open(&directory);
    for record in records {
        append(&mut log, &[record]).unwrap();
    }
    (directory, log)
}

/// The place where a log that was found damaged is so.
fn damage(directory: &TempDir) -> (PathBuf, u64) {
    match FileLog::open(directory.path(), options()) {
        Err(LogError::Damaged { file, offset, .. }) => (file, offset),
        other => panic!("{other:?}"),
    }
}

fn files(directory: &TempDir, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// A log that has used each of its files several times.
fn much_trimmed() -> (TempDir, FileLog) {
    let (directory, mut log) = log_of(&[]);
    for round in 0..98_u64 {
        let lsn = append(&mut log, &[&[round as u8; 700]]).unwrap();
        log.trim(lsn.saturating_sub(6)).unwrap();
    }
    assert!(log.open.header.recycled);
    (directory, log)
}

#[test]
fn golden_bytes() {
    let directory = TempDir::new().unwrap();
    let options = FileLogOptions {
        partition: 3,
        ..options()
    };
    let salted = |_| 0x0102_0304_0506_0708;
    let (mut log, _) = FileLog::open_salted(directory.path(), options, salted).unwrap();
    append(&mut log, &[b"one", b"three"]).unwrap();
    log.fence(2).unwrap();
    append(&mut log, &[b"the second batch"]).unwrap();
    let bytes = fs::read(&log.open.path).unwrap();
    // Bytes that were promised: a change to them needs a new format version.
    let golden = include_bytes!("../../golden/segment-1.bin");
    assert_eq!(bytes[..golden.len()], golden[..]);
    assert!(bytes[golden.len()..].iter().all(|byte| *byte == 0));
    assert_eq!(bytes.len() as u64, SEGMENT_BYTES);
}

#[test]
fn a_torn_tail_is_cut_and_said_wherever_it_was_torn() {
    let torn = b"torn by a crash, somewhere";
    let frame = (FRAME_HEADER_LEN + 4 + torn.len()) as u64;
    for kept in 1..frame {
        let (directory, mut log) = log_of(&[b"kept"]);
        let (end, path) = (log.open.end, log.open.path.clone());
        append(&mut log, &[torn]).unwrap();
        drop(log);
        overwrite(&path, end + kept, &vec![0; (frame - kept) as usize]);
        let (mut log, found) = open(&directory);
        let cut = found.cut.expect("a tail was cut");
        assert_eq!((&cut.file, cut.offset), (&path, end));
        assert!(
            cut.bytes <= kept && cut.to_string().contains("cut"),
            "{cut}"
        );
        assert_eq!(contents(&log, 1), [(1, Bytes::from_static(b"kept"))]);
        append(&mut log, &[b"new"]).unwrap();
        drop(log);
        let (log, found) = open(&directory);
        assert_eq!(found.cut, None);
        assert_eq!(contents(&log, 2), [(2, Bytes::from_static(b"new"))]);
    }
}

#[test]
fn a_torn_tail_whose_beginning_was_lost_is_cut_too() {
    let (directory, mut log) = log_of(&[b"kept"]);
    let (end, path) = (log.open.end, log.open.path.clone());
    append(&mut log, &[&[7; 100]]).unwrap();
    drop(log);
    overwrite(&path, end, &[0; 64]);
    let (log, found) = open(&directory);
    let bytes = (FRAME_HEADER_LEN + 4 + 100) as u64;
    let cut = Cut {
        file: path.clone(),
        offset: end,
        bytes,
    };
    assert_eq!((found.cut, log.tail()), (Some(cut), 2));
    assert!(
        fs::read(path).unwrap()[end as usize..]
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn in_a_recycled_segment_a_torn_tail_is_told_from_old_bytes() {
    let (directory, mut log) = much_trimmed();
    let (end, path, tail) = (log.open.end, log.open.path.clone(), log.tail());
    drop(log);
    // Old bytes alone are no tail.
    assert_ne!(
        fs::read(&path).unwrap()[end as usize..],
        vec![0; (SEGMENT_BYTES - end) as usize]
    );
    let (reopened, found) = open(&directory);
    assert_eq!((reopened.tail(), found.cut), (tail, None));
    log = reopened;
    append(&mut log, &[b"torn"]).unwrap();
    drop(log);
    overwrite(&path, end + FRAME_HEADER_LEN as u64 + 5, b"X");
    let (log, found) = open(&directory);
    let cut = Cut {
        file: path,
        offset: end,
        bytes: 40,
    };
    assert_eq!((log.tail(), found.cut), (tail, Some(cut)));
}

#[test]
fn damage_before_the_tail_is_refused_with_its_place_and_nothing_is_changed() {
    let (directory, mut log) = log_of(&[b"first"]);
    let (at, path) = (log.open.end, log.open.path.clone());
    append(&mut log, &[b"second"]).unwrap();
    append(&mut log, &[b"third"]).unwrap();
    drop(log);
    overwrite(&path, at + FRAME_HEADER_LEN as u64 + 5, b"X");
    let before = fs::read(&path).unwrap();
    assert_eq!(damage(&directory), (path.clone(), at));
    // The same where even the header of the frame is gone.
    overwrite(&path, at, &[0; FRAME_HEADER_LEN]);
    assert_eq!(damage(&directory), (path.clone(), at));
    overwrite(&path, at, &before[at as usize..]);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn damage_after_the_log_was_opened_is_met_by_its_reader() {
    let (_directory, log) = log_of(&[b"first", b"second", b"third"]);
    let second = SEGMENT_HEADER_LEN as u64 + 48;
    overwrite(&log.open.path, second + FRAME_HEADER_LEN as u64 + 5, b"X");
    let read: Vec<_> = log.read(1).unwrap().collect();
    assert_eq!(read.len(), 2);
    assert!(matches!(read[1], Err(LogError::Damaged { offset, .. }) if offset == second));
}

#[test]
fn sealed_segments_must_be_whole_and_all_there() {
    let (directory, log) = log_of(&[&[1; 500][..]; 30]);
    let (first, second) = (log.sealed[0].path.clone(), log.sealed[1].path.clone());
    drop(log);
    let kept = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    assert_eq!(damage(&directory).0, first);
    fs::write(&second, &kept[..3000]).unwrap();
    assert_eq!(damage(&directory), (second.clone(), 0));
    fs::write(&second, &kept).unwrap();
    overwrite(&second, 20, b"X");
    assert_eq!(damage(&directory), (second.clone(), 0));
    fs::write(&second, kept).unwrap();
    let whole = FRAME_HEADER_LEN as u64 + 504;
    overwrite(&first, SEGMENT_HEADER_LEN as u64 + whole + 100, &[0; 300]);
    assert_eq!(
        damage(&directory),
        (first, SEGMENT_HEADER_LEN as u64 + whole)
    );
}

#[test]
fn a_log_of_another_partition_is_refused() {
    let (directory, log) = log_of(&[b"x"]);
    drop(log);
    let options = FileLogOptions {
        partition: 1,
        ..options()
    };
    let refused = FileLog::open(directory.path(), options);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("partition 0, not to 1")
    );
}

#[test]
fn a_batch_larger_than_a_segment_gets_its_own() {
    let (directory, mut log) = log_of(&[]);
    append(&mut log, &[&[7; 10_000]]).unwrap();
    append(&mut log, &[b"after", &[8; 20_000]]).unwrap();
    append(&mut log, &[b"small"]).unwrap();
    drop(log);
    let (mut log, found) = open(&directory);
    assert_eq!((found.cut, log.tail()), (None, 5));
    let sizes: Vec<_> = contents(&log, 1)
        .iter()
        .map(|(_, record)| record.len())
        .collect();
    assert_eq!(sizes, [10_000, 5, 20_000, 5]);
    // Its file is of no use to others.
    log.trim(3).unwrap();
    assert_eq!(files(&directory, "log").len(), 1);
    let mut all = files(&directory, "spare").into_iter();
    assert!(all.all(|path| fs::metadata(path).unwrap().len() == SEGMENT_BYTES));
}

#[test]
fn trimmed_segments_are_used_again_and_few_are_kept() {
    let (directory, log) = much_trimmed();
    let tail = log.tail();
    assert!(files(&directory, "log").len() <= 3);
    assert!(files(&directory, "spare").len() <= 2);
    assert!(matches!(
        log.read(1),
        Err(LogError::Trimmed { asked: 1, .. })
    ));
    drop(log);
    let (log, found) = open(&directory);
    assert_eq!((log.tail(), found.cut), (tail, None));
    assert_eq!(contents(&log, tail - 5).len(), 5);
}

#[test]
fn a_crash_during_hand_over_leaves_a_log_that_opens() {
    let (directory, log) = log_of(&[b"one"]);
    drop(log);
    // A file was being filled.
    fs::write(directory.path().join("8.new"), [0; 100]).unwrap();
    // Another has its header, and is not yet renamed.
    let spare = directory.path().join("9.spare");
    let header = SegmentHeader {
        partition: 0,
        recycled: false,
        base: 2,
        epoch: 0,
        salt: 5,
        length: SEGMENT_BYTES,
    };
    fs::write(&spare, vec![0; SEGMENT_BYTES as usize]).unwrap();
    overwrite(&spare, 0, &header.encode());
    let (log, _) = open(&directory);
    assert_eq!((log.tail(), files(&directory, "new").len()), (2, 0));
    drop(log);
    // It is renamed, and empty.
    fs::rename(&spare, directory.path().join(format!("{:020}.log", 2))).unwrap();
    let (mut log, found) = open(&directory);
    assert_eq!((log.tail(), found.cut), (2, None));
    append(&mut log, &[b"two"]).unwrap();
    drop(log);
    assert_eq!(contents(&open(&directory).0, 1).len(), 2);
}

#[test]
fn after_a_failed_write_nothing_more_is_taken() {
    let (directory, mut log) = log_of(&[b"one"]);
    log.open.file = File::open(&log.open.path).unwrap();
    let refused = append(&mut log, &[b"two"]);
    assert!(matches!(refused, Err(LogError::Failed { .. })));
    log.open.file = File::options().write(true).open(&log.open.path).unwrap();
    assert!(matches!(
        append(&mut log, &[b"two"]),
        Err(LogError::Poisoned)
    ));
    assert!(matches!(log.fence(9), Err(LogError::Poisoned)));
    drop(log);
    assert_eq!(open(&directory).0.tail(), 2);
}

#[test]
fn the_meter_says_what_was_written_and_what_is_there() {
    let directory = TempDir::new().unwrap();
    let options = options();
    let meter = options.meter.clone();
    let (mut log, _) = FileLog::open(directory.path(), options).unwrap();
    assert_eq!((meter.segments.get(), meter.segment_bytes.get()), (1, 4096));
    append(&mut log, &[b"one", b"two"]).unwrap();
    append(&mut log, &[&[7; 3_000]]).unwrap();
    append(&mut log, &[&[8; 3_000]]).unwrap();
    assert_eq!((meter.appends.get(), meter.records.get()), (3, 4));
    assert_eq!(meter.sync_us.read().count(), 3);
    assert_eq!(meter.batch_records.read().sum, 4);
    assert!((6_006..7_000).contains(&meter.bytes.get()));
    let there = |meter: &LogMeter| (meter.segments.get(), meter.segment_bytes.get());
    assert_eq!(there(&meter), (2, 2 * 4096));
    log.trim(3).unwrap();
    assert_eq!(there(&meter), (1, 4096));
    drop(log);
    let (log, _) = open(&directory);
    assert_eq!(there(&log.meter), (1, 4096));
}
