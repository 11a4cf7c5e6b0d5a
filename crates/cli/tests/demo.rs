//! The demo against the real server, as a user runs it: it must end well and leave nothing behind.
#![cfg(feature = "demo")]

use std::process::Command;

#[test]
fn the_demo_ends_well_and_leaves_nothing_behind() -> std::io::Result<()> {
    let room = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_latchwork"))
        .arg("demo")
        .env("TMPDIR", room.path())
        .output()?;
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{errors}");
    assert!(shown.contains("kill -9"), "{shown}");
    assert!(shown.contains("206 recorded"), "{shown}");
    assert_eq!(std::fs::read_dir(room.path())?.count(), 0, "left behind");
    Ok(())
}
