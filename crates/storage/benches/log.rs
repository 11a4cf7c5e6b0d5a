//! What the log takes to make a batch durable, and to read it back.
//!
//! `cargo bench -p latchwork-storage --bench log`. An item is a record of 200 bytes, about those of
//! a call. Appends wait for the disk that holds the temporary directory.

use divan::{Bencher, black_box, counter::ItemsCount};
use latchwork_storage::{Batch, FileLog, FileLogOptions, Log};
use tempfile::TempDir;

const RECORD: [u8; 200] = [b'r'; 200];
/// Records of a batch: one caller alone, and as many as come together under load.
const BATCHES: [usize; 3] = [1, 16, 128];

fn main() {
    divan::main();
}

/// A log, and the directory that goes with it.
struct OnDisk {
    log: FileLog,
    _directory: TempDir,
}

impl OnDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (log, _) =
            FileLog::open(directory.path(), FileLogOptions::default()).expect("a new log opens");
        Self {
            log,
            _directory: directory,
        }
    }

    fn append(&mut self, batch: &mut Batch, records: usize) {
        fill(batch, records);
        let at = self.log.tail();
        self.log.append(batch, at).expect("the disk takes it");
        // As a server does once the tables have it; the segments are used again.
        self.log.trim(at).expect("the log is trimmed");
    }
}

fn fill(batch: &mut Batch, records: usize) {
    batch.clear();
    for _ in 0..records {
        let write = |buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(&RECORD);
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(()) = batch.push(write);
    }
}

#[divan::bench(args = BATCHES, sample_count = 500, sample_size = 1)]
fn append(bencher: Bencher<'_, '_>, records: usize) {
    let mut disk = OnDisk::new();
    let mut batch = Batch::new();
    bencher
        .counter(ItemsCount::new(records))
        .bench_local(|| disk.append(&mut batch, records));
}

/// The batch alone, before the disk.
#[divan::bench(args = BATCHES)]
fn encode(bencher: Bencher<'_, '_>, records: usize) {
    let mut batch = Batch::new();
    bencher.counter(ItemsCount::new(records)).bench_local(|| {
        fill(&mut batch, records);
        black_box(batch.bytes().len())
    });
}

#[divan::bench(args = BATCHES)]
fn read(bencher: Bencher<'_, '_>, records: usize) {
    let mut disk = OnDisk::new();
    let mut batch = Batch::new();
    const FRAMES: usize = 20;
    let first = disk.log.tail();
    for _ in 0..FRAMES {
        fill(&mut batch, records);
        let at = disk.log.tail();
        disk.log.append(&mut batch, at).expect("the disk takes it");
    }
    let all = FRAMES * records;
    bencher.counter(ItemsCount::new(all)).bench_local(|| {
        let records = disk.log.read(first).expect("the log can be read");
        let read = records.filter(|record| record.is_ok()).count();
        assert_eq!(read, all);
    });
}
