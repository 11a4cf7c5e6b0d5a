//! What may be found in files: a log, rows, a backup.

use bytes::Bytes;
use latchwork_engine::table::{
    deployment, inbox, invocation, journal, outbox, promise, state, timer,
};
use latchwork_engine::{Command, MemoryView, Partition, Record, Topology, check};
use prost::Message;
use std::fmt::Debug;
use std::path::PathBuf;
use tempfile::TempDir;

/// An empty directory, in memory where the system has one there.
fn room() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let room = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    };
    room.expect("a directory")
}

/// A segment of a log. The first byte says whether its checksums are made right.
pub(crate) fn segment(data: &[u8]) {
    if let Some((choice, bytes)) = data.split_first() {
        latchwork_storage::fuzz::segment(room().path(), bytes, choice % 4 > 0);
    }
}

/// A manifest or a file of rows. The first byte says which, and whether its checksums are made
/// right.
pub(crate) fn backup(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let mends = choice % 8 > 1;
    if choice.is_multiple_of(2) {
        latchwork_storage::fuzz::manifest(bytes, mends);
    } else {
        latchwork_storage::fuzz::rows(room().path(), bytes, mends);
    }
}

/// Rows of a table: each begins with the lengths of its key and its value, in a byte and in two.
/// They are read one by one; then all of them are looked at as a partition's tables.
pub(crate) fn tables(data: &[u8]) {
    let mut view = MemoryView::default();
    let mut rest = data;
    while let [key_len, high, low, tail @ ..] = rest {
        let value_len = usize::from(u16::from_be_bytes([*high, *low]));
        let (key, tail) = tail.split_at(usize::from(*key_len).min(tail.len()));
        let (value, tail) = tail.split_at(value_len.min(tail.len()));
        let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        row(&key, &value);
        view.write(key, Some(value));
        rest = tail;
    }
    drop(check::check(&view));
    let partition = Partition::new(Topology::SINGLE);
    drop(partition.outstanding(&view));
    // A timer whose row is nonsense must not stop the partition for good without a word.
    let record = Record {
        time: u64::MAX,
        command: Some(Command::FireTimers(Default::default())),
    };
    drop(partition.apply(&view, record));
}

fn row(key: &Bytes, value: &Bytes) {
    if let Some(id) = invocation::parse_key(key) {
        assert_eq!(invocation::key(&id)[1..], key[1..25]);
    }
    if let Some((address, name)) = state::parse_key(key) {
        assert_eq!(state::key(&address, &name)[1..], key[1..], "{address:?}");
    }
    if let Some((address, name)) = promise::parse_key(key) {
        assert_eq!(promise::key(&address, &name)[1..], key[1..], "{address:?}");
    }
    if let Some(address) = inbox::parse_lock_key(key) {
        assert_eq!(inbox::lock_key(&address)[1..], key[1..], "{address:?}");
    }
    if let Some((address, sequence)) = inbox::parse_key(key) {
        assert_eq!(inbox::key(&address, sequence)[1..], key[1..], "{address:?}");
    }
    if let Some((to, sequence)) = outbox::parse_key(key) {
        assert_eq!(outbox::key(to, sequence)[1..], key[1..]);
    }
    if let Some(parsed) = timer::TimerKey::parse(key) {
        assert_eq!(parsed.key()[1..], key[1..], "{parsed:?}");
    }
    let _ = deployment::parse_key(key);
    let _ = inbox::parse_sequence(key);
    twice::<invocation::Invocation>(value);
    twice::<journal::JournalEntry>(value);
    twice::<inbox::Lock>(value);
    twice::<inbox::Waiting>(value);
    twice::<promise::Promise>(value);
    twice::<outbox::Counter>(value);
    twice::<latchwork_engine::Message>(value);
    twice::<Record>(value);
}

/// What is read is written so that it is read alike.
fn twice<M: Message + Default + PartialEq + Debug>(bytes: &Bytes) {
    if let Ok(message) = M::decode(bytes.clone()) {
        let written = Bytes::from(message.encode_to_vec());
        assert!(
            M::decode(written).is_ok_and(|again| again == message),
            "{message:?}"
        );
    }
}
