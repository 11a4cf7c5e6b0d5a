//! `latchwork doctor --data-dir`: the files of a server that is stopped.

use super::report::Report;
use super::room;
use crate::exit::{Exit, Failure};
use crate::print;
use latchwork_server::{Finding, OpenError, Verdict, inspect};
use std::io::ErrorKind;
use std::path::Path;

/// Looks at a data directory, and mends it if that is wished and possible.
pub(super) fn run(directory: &Path, repair: bool, is_json: bool) -> Result<Exit, Failure> {
    let mut report = Report::new(is_json);
    let inspection = match inspect(directory) {
        Ok(inspection) => inspection,
        Err(error) => return refused(directory, error, report),
    };
    let is_ill = inspection
        .findings()
        .iter()
        .any(|finding| finding.verdict == Verdict::Failed);
    if !repair || !inspection.can_be_mended() {
        for finding in inspection.findings() {
            report.add(finding.clone())?;
        }
        if repair && is_ill {
            print::say("nothing of this can be mended without a guess, so nothing was changed");
        }
        report.add(room(directory))?;
        return report.end();
    }
    let done = inspection
        .mend()
        .map_err(|error| Failure::Refused(error.to_string()))?;
    // Whoever looks again must find the directory free.
    drop(inspection);
    for text in done {
        report.add(Finding::new("repair", Verdict::Good, text))?;
    }
    match inspect(directory) {
        Ok(inspection) => {
            for finding in inspection.findings() {
                report.add(finding.clone())?;
            }
        }
        Err(error) => return refused(directory, error, report),
    }
    report.add(room(directory))?;
    report.end()
}

fn refused(directory: &Path, error: OpenError, mut report: Report) -> Result<Exit, Failure> {
    let is_missing = matches!(
        &error,
        OpenError::Directory { path, source } if path == directory && source.kind() == ErrorKind::NotFound
    );
    if is_missing {
        return Err(Failure::NotFound(error.to_string()));
    }
    let finding = Finding::new("directory", Verdict::Failed, error.to_string());
    report.add(match error {
        OpenError::InUse(_) => finding.advice(
            "latchwork doctor without --data-dir asks the server; to look at its files, stop it",
        ),
        _ => finding,
    })?;
    report.end()
}
