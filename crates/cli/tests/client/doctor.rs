//! `doctor --data-dir`: what is wrong with the files of a stopped server, and what can be mended.

use crate::world::World;
use std::fs;
use std::path::{Path, PathBuf};

/// The segments of the first partition's log.
fn segments(data: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(data).join("log/0")).expect("a log");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths
}

/// Where the zeros behind the last frame begin.
fn end_of(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).expect("frames") + 1
}

#[test]
fn the_doctor_tells_damage_from_what_can_be_mended() {
    let mut world = World::start();
    world.run(&["call", "Ledger/main/add", "7"]).ok();
    let data = world.path("latchwork-data");
    let running = world.run(&["doctor", "--data-dir", &data]);
    assert_eq!(running.code, 1, "{running:?}");
    assert!(
        running.out.contains("another latchwork server"),
        "{running:?}"
    );
    world.kill();
    assert_eq!(world.run(&["doctor", "--data-dir", "nowhere"]).code, 3);
    assert_eq!(world.run(&["doctor", "--repair"]).code, 2);
    let well = world.run(&["doctor", "--data-dir", &data]).ok();
    assert!(well.contains("every checksum right"), "{well}");

    // Half a frame at the end was never acknowledged.
    let segment = segments(&data).pop().expect("a segment");
    let good = fs::read(&segment).expect("bytes");
    let end = end_of(&good).next_multiple_of(8);
    let mut torn = good.clone();
    torn[end..end + 40].fill(7);
    fs::write(&segment, &torn).expect("written");
    let found = world.run(&["doctor", "--data-dir", &data, "--json"]).json();
    let findings = found.as_array().expect("a list");
    assert!(
        findings
            .iter()
            .any(|one| one["verdict"] == "attention" && one["what"] == "log"),
        "{found}"
    );
    assert_eq!(fs::read(&segment).expect("bytes"), torn, "it only looks");
    let mended = world.run(&["doctor", "--data-dir", &data, "--repair"]).ok();
    assert!(mended.contains("cut 40 bytes"), "{mended}");
    assert_eq!(fs::read(&segment).expect("bytes"), good);

    // The log has all there ever was, so tables can be made again.
    fs::remove_dir_all(Path::new(&data).join("tables")).expect("removed");
    let gone = world.run(&["doctor", "--data-dir", &data]);
    assert_eq!(gone.code, 0, "{gone:?}");
    assert!(gone.out.contains("makes them again"), "{gone:?}");
    world.move_to(&data);
    assert_eq!(world.run(&["call", "Ledger/main/total"]).ok(), "7\n");
    // Its tables are on disk then, as those of a killed one need not be.
    world.stop();

    // A record that others follow is no torn one: nothing is changed, and the place is named.
    let mut bad = fs::read(&segment).expect("bytes");
    bad[100] ^= 1;
    fs::write(&segment, &bad).expect("written");
    let damaged = world.run(&["doctor", "--data-dir", &data, "--repair"]);
    assert_eq!(damaged.code, 1, "{damaged:?}");
    let name = segment
        .file_name()
        .and_then(|name| name.to_str())
        .expect("text");
    assert!(
        damaged.out.contains(name) && damaged.out.contains("at byte 64"),
        "{damaged:?}"
    );
    assert!(damaged.out.contains("latchwork restore"), "{damaged:?}");
    assert_eq!(fs::read(&segment).expect("bytes"), bad);

    // A log that is gone, under tables that know of its records.
    fs::remove_file(&segment).expect("removed");
    let behind = world.run(&["doctor", "--data-dir", &data]);
    assert_eq!(behind.code, 1, "{behind:?}");
    assert!(
        behind.out.contains("that were acknowledged are missing"),
        "{behind:?}"
    );
}
