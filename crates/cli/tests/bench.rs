//! The figures of a real server, as a user measures them: each load has one, and nothing stays behind.
#![cfg(feature = "demo")]

use std::process::Command;

#[test]
fn every_load_has_a_figure_and_nothing_stays_behind() -> std::io::Result<()> {
    let directory = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_latchwork"))
        .args(["bench", "--secs", "1", "--json", "--dir"])
        .arg(directory.path())
        .output()?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let figures = report["figures"].as_array().expect("a list");
    assert_eq!(figures.len(), 7);
    for figure in figures {
        assert!(figure["per_second"].as_f64() > Some(0.0), "{figure}");
    }
    assert_eq!(directory.path().read_dir()?.count(), 0);
    Ok(())
}

#[test]
fn a_directory_that_is_not_there_is_said() -> std::io::Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_latchwork"))
        .args(["bench", "--dir", "/nowhere/at/all"])
        .output()?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    assert!(
        complaints.contains("make a directory for the data"),
        "{complaints}"
    );
    Ok(())
}
