//! What the tables take to commit rows, and to find them.
//!
//! `cargo bench -p latchwork-storage --bench tables`. An item is a row; a call of a plain service
//! writes about ten.

use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use latchwork_engine::View;
use latchwork_storage::{DiskStore, MemoryStore, Tables};
use tempfile::TempDir;

const ROWS: u64 = 1_000;
/// Rows that are there already.
const STORED: [u64; 3] = [0, 10_000, 100_000];
const VALUE: Bytes = Bytes::from_static(&[b'v'; 100]);

fn main() {
    divan::main();
}

/// 33 bytes, spread like the keys of random ids.
fn key(number: u64) -> Bytes {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut key = vec![1];
    for turn in [0, 16, 32, 48] {
        key.extend_from_slice(&spread.rotate_left(turn).to_be_bytes());
    }
    key.into()
}

fn rows(numbers: std::ops::Range<u64>) -> impl Iterator<Item = (Bytes, Option<Bytes>)> {
    numbers.map(|number| (key(number), Some(VALUE)))
}

#[divan::bench(args = STORED)]
fn commit(bencher: Bencher<'_, '_>, stored: u64) {
    let fresh = || {
        let mut tables = Tables::by_hand(MemoryStore::default()).expect("tables open");
        if stored > 0 {
            tables.commit(1, rows(0..stored)).expect("memory takes it");
        }
        (tables, rows(stored..stored + ROWS).collect::<Vec<_>>())
    };
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(fresh)
        .bench_local_values(|(mut tables, rows)| {
            tables.commit(2, rows).expect("memory takes it");
            tables
        });
}

/// Tables whose rows are all on disk.
struct OnDisk {
    tables: Tables<DiskStore>,
    _directory: TempDir,
}

impl OnDisk {
    fn with(stored: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stores = DiskStore::open(directory.path(), 1, 64 << 20).expect("a store opens");
        let store = stores.into_iter().next().expect("there is one partition");
        let mut tables = Tables::open(store).expect("tables open");
        tables.commit(1, rows(0..stored)).expect("there is room");
        tables.seal().expect("there is room");
        while tables.persisted() < 1 {
            std::thread::yield_now();
        }
        Self {
            tables,
            _directory: directory,
        }
    }
}

#[divan::bench(args = STORED)]
fn get_what_is_there(bencher: Bencher<'_, '_>, stored: u64) {
    let disk = OnDisk::with(stored.max(ROWS));
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        for number in 0..ROWS {
            let row = disk.tables.get(&key(number)).expect("the row is read");
            assert!(black_box(row).is_some());
        }
    });
}

/// As of each new invocation, whose id must not be there yet.
#[divan::bench(args = STORED)]
fn get_what_is_not_there(bencher: Bencher<'_, '_>, stored: u64) {
    let disk = OnDisk::with(stored.max(ROWS));
    let first = stored.max(ROWS);
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        for number in first..first + ROWS {
            let row = disk.tables.get(&key(number)).expect("the row is read");
            assert!(black_box(row).is_none());
        }
    });
}
