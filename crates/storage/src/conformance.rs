//! The suites that every log and every store must pass.
//!
//! Comes in: a function that makes an empty one, or opens again what a crash has left.
//! Goes out: a panic that says what was broken. Start at [`log_suite`] and
//! [`tables_suite`].
//!
//! Absent on purpose: faults; they differ by backend and are tested beside it.

use crate::{Batch, Log, LogError, Lsn, Store, Tables};
use bytes::Bytes;
use latchwork_engine::{MemoryView, View};

/// Appends records at the tail.
///
/// # Errors
/// Those of the log.
pub fn append(log: &mut impl Log, records: &[&[u8]]) -> Result<Lsn, LogError> {
    let mut batch = Batch::new();
    for record in records {
        let pushed: Result<(), LogError> = batch.push(|buffer| {
            buffer.extend_from_slice(record);
            Ok(())
        });
        pushed?;
    }
    let tail = log.tail();
    log.append(&mut batch, tail)
}

/// All records of a log from `from` on.
///
/// # Panics
/// If they cannot be read.
pub fn contents(log: &impl Log, from: Lsn) -> Vec<(Lsn, Bytes)> {
    let records = log.read(from).expect("the records are there");
    records
        .map(|record| record.expect("a record can be read"))
        .collect()
}

/// Numbers that look random and are the same each time (xorshift).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// A sequence; `seed` must not be 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What every log does. `open(None)` gives a new one, `open(Some(log))` the same one after
/// a crash.
///
/// # Panics
/// If the log does otherwise.
pub fn log_suite<L: Log>(mut open: impl FnMut(Option<L>) -> L) {
    records_come_back_in_order_and_after_a_crash(&mut open);
    an_append_elsewhere_than_at_the_tail_is_fenced(&mut open);
    only_what_is_there_can_be_read(&mut open);
    a_trimmed_log_keeps_its_tail(&mut open);
    an_epoch_outlives_a_crash(&mut open);
    for seed in 1..=5 {
        any_sequence_agrees_with_a_list(&mut open, seed);
    }
}

fn records_come_back_in_order_and_after_a_crash<L: Log>(open: &mut impl FnMut(Option<L>) -> L) {
    let mut log = open(None);
    assert_eq!(log.tail(), 1, "the first record of a new log is 1");
    assert_eq!(append(&mut log, &[b"one", b"", b"three"]).unwrap(), 1);
    assert_eq!(append(&mut log, &[b"four"]).unwrap(), 4);
    let expected = [(1, "one"), (2, ""), (3, "three"), (4, "four")]
        .map(|(lsn, record)| (lsn, Bytes::from_static(record.as_bytes())));
    assert_eq!(contents(&log, 1), expected);
    assert_eq!(
        contents(&log, 2),
        expected[1..],
        "reading begins amid a batch"
    );
    let log = open(Some(log));
    assert_eq!((log.tail(), contents(&log, 1)), (5, expected.to_vec()));
}

fn an_append_elsewhere_than_at_the_tail_is_fenced<L: Log>(open: &mut impl FnMut(Option<L>) -> L) {
    let mut log = open(None);
    append(&mut log, &[b"one"]).unwrap();
    let mut batch = Batch::new();
    for elsewhere in [1, 3] {
        let refused = log.append(&mut batch, elsewhere);
        assert!(matches!(refused, Err(LogError::Fenced { tail: 2, .. })));
    }
    assert_eq!(
        log.append(&mut batch, 2).unwrap(),
        2,
        "an empty batch is no harm"
    );
    assert_eq!(append(&mut log, &[b"two"]).unwrap(), 2);
    assert_eq!(contents(&log, 1).len(), 2);
}

fn only_what_is_there_can_be_read<L: Log>(open: &mut impl FnMut(Option<L>) -> L) {
    let mut log = open(None);
    assert_eq!(contents(&log, 1), []);
    append(&mut log, &[b"one"]).unwrap();
    assert_eq!(contents(&log, 2), []);
    let beyond = log.read(3).err();
    assert!(matches!(
        beyond,
        Some(LogError::Ahead { tail: 2, asked: 3 })
    ));
}

fn a_trimmed_log_keeps_its_tail<L: Log>(open: &mut impl FnMut(Option<L>) -> L) {
    let mut log = open(None);
    for _ in 0..20 {
        append(&mut log, &[&[7; 300], &[8; 300]]).unwrap();
    }
    log.trim(25).unwrap();
    assert_eq!(contents(&log, 26).len(), 15);
    log.trim(3).unwrap();
    log.trim(1_000).unwrap();
    assert_eq!((log.tail(), contents(&log, 41)), (41, vec![]));
    let mut log = open(Some(log));
    assert_eq!(append(&mut log, &[b"x"]).unwrap(), 41);
    assert_eq!(contents(&log, 41).len(), 1);
}

fn an_epoch_outlives_a_crash<L: Log>(open: &mut impl FnMut(Option<L>) -> L) {
    let mut log = open(None);
    append(&mut log, &[b"one"]).unwrap();
    log.fence(5).unwrap();
    assert!(matches!(log.fence(4), Err(LogError::Fenced { .. })));
    assert_eq!(append(&mut log, &[b"two"]).unwrap(), 2);
    log.fence(7).unwrap();
    let mut log = open(Some(log));
    let refused = log.fence(6);
    assert!(matches!(
        refused,
        Err(LogError::Fenced {
            epoch: 6,
            log_epoch: 7,
            ..
        })
    ));
    log.fence(7).unwrap();
    assert_eq!(append(&mut log, &[b"three"]).unwrap(), 3);
    assert_eq!(contents(&log, 1).len(), 3);
}

fn any_sequence_agrees_with_a_list<L: Log>(open: &mut impl FnMut(Option<L>) -> L, seed: u64) {
    let mut numbers = Numbers::new(seed);
    let mut log = open(None);
    let (mut model, mut trimmed) = (Vec::<Bytes>::new(), 0);
    for step in 0..200 {
        match numbers.below(20) {
            0 => log = open(Some(log)),
            1 => {
                trimmed = numbers.below(model.len() as u64 + 1).max(trimmed);
                log.trim(trimmed).unwrap();
            }
            2 => log.fence(step).unwrap(),
            _ => {
                let records: Vec<_> = (0..=numbers.below(4))
                    .map(|_| vec![step as u8; numbers.below(900) as usize])
                    .collect();
                let slices: Vec<_> = records.iter().map(Vec::as_slice).collect();
                assert_eq!(append(&mut log, &slices).unwrap(), model.len() as Lsn + 1);
                model.extend(records.into_iter().map(Bytes::from));
            }
        }
        let from = trimmed + 1 + numbers.below(model.len() as u64 + 1 - trimmed);
        let read: Vec<_> = contents(&log, from)
            .into_iter()
            .map(|(_, record)| record)
            .collect();
        assert_eq!(read, model[from as usize - 1..], "seed {seed}, step {step}");
    }
}

/// What every store does under [`Tables`]. `open(None)` gives a new one, `open(Some(()))`
/// what a crash has left of the last one.
///
/// # Panics
/// If the store does otherwise.
pub fn tables_suite<S: Store>(mut open: impl FnMut(Option<()>) -> S) {
    a_store_keeps_rows_and_their_lsn_together(&mut open);
    a_snapshot_does_not_move(&mut open);
    for seed in 1..=3 {
        any_layers_agree_with_a_map(&mut open, seed);
    }
}

fn row(key: &str, value: Option<&str>) -> (Bytes, Option<Bytes>) {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    (bytes(key), value.map(bytes))
}

fn a_store_keeps_rows_and_their_lsn_together<S: Store>(open: &mut impl FnMut(Option<()>) -> S) {
    let store = open(None);
    assert_eq!(store.applied().unwrap(), 0);
    let write = |store: &S, lsn, rows: &[(Bytes, Option<Bytes>)]| {
        let mut rows = rows.iter().map(|(key, value)| (key, value.as_ref()));
        store.write(lsn, &mut rows).unwrap();
    };
    write(
        &store,
        4,
        &[
            row("a", Some("1")),
            row("b", Some("2")),
            row("c", Some("3")),
        ],
    );
    let before = store.snapshot();
    write(&store, 9, &[row("b", None), row("d", Some("4"))]);
    store.persist().unwrap();
    drop((before, store));
    let store = open(Some(()));
    assert_eq!(store.applied().unwrap(), 9);
    assert_eq!(store.get(b"b").unwrap(), None);
    let keys = |from: &[u8], to: &[u8]| -> Vec<Bytes> {
        store.scan(from, to).map(|row| row.unwrap().0).collect()
    };
    assert_eq!(keys(b"b", b"d"), ["c"]);
    assert_eq!(keys(b"", b"\xff"), ["a", "c", "d"], "the LSN is no row");
    assert!(keys(b"d", b"b").is_empty());
}

fn a_snapshot_does_not_move<S: Store>(open: &mut impl FnMut(Option<()>) -> S) {
    let mut tables = Tables::open(open(None)).unwrap();
    tables
        .commit(1, [row("a", Some("old")), row("b", Some("old"))])
        .unwrap();
    tables.seal().unwrap();
    tables.commit(2, [row("c", Some("old"))]).unwrap();
    let snapshot = tables.snapshot().unwrap();
    tables
        .commit(
            3,
            [row("a", Some("new")), row("b", None), row("d", Some("new"))],
        )
        .unwrap();
    tables.close().unwrap();
    assert_eq!(snapshot.lsn(), 2);
    let rows: Vec<_> = snapshot.scan(b"a", b"z").map(Result::unwrap).collect();
    let expected = ["a", "b", "c"].map(|key| (Bytes::from(key), Bytes::from("old")));
    assert_eq!(rows, expected);
    assert_eq!(snapshot.get(b"b").unwrap(), Some(Bytes::from("old")));
    assert_eq!(snapshot.get(b"d").unwrap(), None);
}

fn any_layers_agree_with_a_map<S: Store>(open: &mut impl FnMut(Option<()>) -> S, seed: u64) {
    let mut numbers = Numbers::new(seed);
    let mut tables = Tables::open(open(None)).unwrap();
    // Every write that a log would still have, to be applied again after a crash.
    let mut log = Vec::new();
    let mut model = MemoryView::default();
    for lsn in 1..600 {
        let key = Bytes::from(format!("k{:02}", numbers.below(60)));
        let value = (numbers.below(3) > 0).then(|| Bytes::from(lsn.to_string()));
        model.write(key.clone(), value.clone());
        log.push((key.clone(), value.clone()));
        tables.commit(lsn, [(key.clone(), value)]).unwrap();
        match numbers.below(100) {
            0..10 => tables.seal().unwrap(),
            10 => {
                let persisted = tables.persisted();
                drop(tables);
                tables = Tables::open(open(Some(()))).unwrap();
                assert!(tables.applied() >= persisted, "what is persisted is there");
                for again in tables.applied() + 1..=lsn {
                    tables
                        .commit(again, [log[again as usize - 1].clone()])
                        .unwrap();
                }
            }
            11 => {
                let snapshot = tables.snapshot().unwrap();
                assert!(snapshot.scan(b"k", b"l").eq(model.scan(b"k", b"l")));
            }
            _ => {}
        }
        assert_eq!(tables.get(&key).unwrap(), model.get(&key).unwrap());
        let same = tables.scan(b"k1", b"k4").eq(model.scan(b"k1", b"k4"));
        assert!(same, "seed {seed}, record {lsn}");
    }
    tables.close().unwrap();
    let mut tables = Tables::open(open(Some(()))).unwrap();
    assert_eq!((tables.applied(), tables.persisted()), (599, 599));
    assert!(tables.scan(b"k", b"l").eq(model.scan(b"k", b"l")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiskStore, FileLog, FileLogOptions, MemoryLog, MemoryStore};
    use tempfile::TempDir;

    #[test]
    fn the_log_in_memory() {
        log_suite(|log: Option<MemoryLog>| match log {
            None => MemoryLog::new(),
            Some(log) => log.crash().0,
        });
    }

    #[test]
    fn the_log_in_files() {
        let mut directory = TempDir::new().unwrap();
        log_suite(|log| {
            if log.is_none() {
                directory = TempDir::new().unwrap();
            }
            drop(log);
            let options = FileLogOptions {
                meter: Default::default(),
                partition: 0,
                segment_bytes: 4096,
            };
            let (log, found) = FileLog::open(directory.path(), options).unwrap();
            assert_eq!(found.cut, None);
            log
        });
    }

    #[test]
    fn the_tables_in_memory() {
        let mut store = MemoryStore::default();
        tables_suite(|crashed| {
            store = match crashed {
                None => MemoryStore::default(),
                Some(()) => store.crash(),
            };
            store.clone()
        });
    }

    #[test]
    fn the_tables_on_disk() {
        let mut directory = TempDir::new().unwrap();
        tables_suite(|crashed| {
            if crashed.is_none() {
                directory = TempDir::new().unwrap();
            }
            DiskStore::open(directory.path(), 1, 1 << 20)
                .unwrap()
                .remove(0)
        });
    }
}
