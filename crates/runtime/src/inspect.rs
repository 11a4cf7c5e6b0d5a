//! A data directory of a server that is stopped: what is well with it and what is not, and the few
//! things that can be mended without guessing.
//!
//! ```text
//!   lock ─▶ latchwork.json ─▶ every frame and record of each log ─▶ every row of the tables
//!                                                     └── do their numbers meet? ──┘
//! ```
//!
//! Looking changes nothing, but that the tables are opened, as by any start. Mended is only what
//! loses nothing: a torn write at the end of a log, which was never acknowledged, and tables that
//! the log can make again from its first record on. All else is for `restore`.

use crate::directory::{self, Identity};
use crate::node::OpenError;
use latchwork_engine::{Record, View};
use latchwork_storage::{DiskStore, FileLog, FileLogOptions, LogSurvey, Lsn, Store, survey};
use prost::Message;
use serde::Serialize;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// For the caches of the tables while they are read.
const CACHE_BYTES: u64 = 16 << 20;
/// What is to be done where nothing can be mended.
const RESTORE: &str = "restore the directory from a backup (latchwork restore), and keep this one: what was \
                       acknowledged since the backup is only here";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but not as it should.
    Attention,
    /// It does not work.
    Failed,
    /// It could not be looked at.
    Unknown,
}

/// What was looked at, and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// The same for people.
    pub text: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// Without advice.
    pub fn new(what: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            what,
            verdict,
            text: text.into(),
            advice: None,
        }
    }

    /// With advice.
    pub fn advice(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

/// Something that can be mended without a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Cuts the torn end of a partition's log.
    CutTail(u16),
    /// Puts the tables aside; the next start makes them again from the log.
    RebuildTables,
}

/// A directory that was looked at. Nobody else opens it meanwhile.
pub struct Inspection {
    directory: PathBuf,
    findings: Vec<Finding>,
    remedies: Vec<Remedy>,
    _lock: File,
}

/// Looks at a data directory.
///
/// # Errors
/// If it is not there, or in use, or is no data directory.
pub fn inspect(directory: &Path) -> Result<Inspection, OpenError> {
    // Neither is made by a look.
    fs::metadata(directory).map_err(directory::failed(directory))?;
    let identity = directory::find(directory)?.ok_or_else(|| OpenError::Format {
        path: directory.join(directory::IDENTITY),
        reason: "the file is missing: no server has ever used this directory".into(),
    })?;
    let lock = directory::lock(directory)?;
    let mut inspection = Inspection {
        directory: directory.to_owned(),
        findings: Vec::new(),
        remedies: Vec::new(),
        _lock: lock,
    };
    inspection.look(&identity);
    Ok(inspection)
}

impl Inspection {
    /// What was found, in the order in which it was looked at.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether there is anything that [`Inspection::mend`] would do.
    pub fn can_be_mended(&self) -> bool {
        !self.remedies.is_empty()
    }

    /// Mends what can be mended without a guess; says what was done.
    ///
    /// # Errors
    /// If files cannot be changed.
    pub fn mend(&self) -> Result<Vec<String>, OpenError> {
        let mut done = Vec::new();
        for remedy in &self.remedies {
            match *remedy {
                Remedy::CutTail(partition) => {
                    let path = directory::log(&self.directory, partition);
                    let options = FileLogOptions {
                        partition,
                        ..FileLogOptions::default()
                    };
                    let (_, recovery) =
                        FileLog::open(&path, options).map_err(crate::node::Fatal::from)?;
                    done.extend(recovery.cut.map(|cut| cut.to_string()));
                }
                Remedy::RebuildTables => {
                    let tables = directory::tables(&self.directory);
                    if tables.exists() {
                        let aside = self.aside();
                        fs::rename(&tables, &aside).map_err(directory::failed(&tables))?;
                        done.push(format!(
                            "the tables were put aside as {}; remove them when the server is well",
                            aside.display()
                        ));
                    }
                    done.push("the next start makes the tables again from the log".to_owned());
                }
            }
        }
        Ok(done)
    }

    /// A name for the tables that nothing has.
    fn aside(&self) -> PathBuf {
        let named = |number| self.directory.join(format!("tables.broken-{number}"));
        (1..)
            .map(named)
            .find(|path| !path.exists())
            .unwrap_or_else(|| named(0))
    }

    fn look(&mut self, identity: &Identity) {
        let partitions = identity.partitions;
        self.add(Finding::new(
            "directory",
            Verdict::Good,
            format!(
                "{}: format {}, {partitions} partition{}, no server uses it",
                self.directory.display(),
                directory::FORMAT,
                if partitions == 1 { "" } else { "s" },
            ),
        ));
        let logs: Vec<_> = (0..partitions)
            .map(|partition| self.log(partition))
            .collect();
        // If every record there ever was is in the logs, tables are nothing but work.
        let all_from_first = logs
            .iter()
            .all(|log| log.as_ref().is_some_and(|log| log.first == 1));
        if let Some(applied) = self.tables(partitions, all_from_first) {
            for (partition, (log, applied)) in logs.iter().zip(applied).enumerate() {
                if let Some(log) = log {
                    self.meet(partition, log, applied);
                }
            }
        }
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn log(&mut self, partition: u16) -> Option<LogSurvey> {
        let path = directory::log(&self.directory, partition);
        if !path.is_dir() {
            let text = format!("partition {partition}: {} is missing", path.display());
            self.add(Finding::new("log", Verdict::Failed, text).advice(RESTORE));
            return None;
        }
        let mut unreadable = None;
        let mut records = 0_u64;
        let mut visit = |lsn: Lsn, bytes: &bytes::Bytes| {
            records += 1;
            if let Err(error) = Record::decode(bytes.clone()) {
                unreadable.get_or_insert((lsn, error));
            }
        };
        let found = survey(&path, partition, &mut visit);
        let survey = match found {
            Ok(survey) => survey,
            Err(error) => {
                let text = format!("partition {partition}: {error}");
                self.add(Finding::new("log", Verdict::Failed, text).advice(RESTORE));
                return None;
            }
        };
        if let Some((lsn, error)) = unreadable {
            let text = format!("partition {partition}: record {lsn} cannot be decoded: {error}");
            self.add(
                Finding::new("log", Verdict::Failed, text)
                    .advice("was it written by a newer version? Then start that one; else restore"),
            );
        } else {
            let text = match records {
                0 => format!(
                    "partition {partition}: no records; the next is {}",
                    survey.tail
                ),
                _ => format!(
                    "partition {partition}: records {} to {} in {} files, every checksum right",
                    survey.first,
                    survey.tail - 1,
                    survey.segments
                ),
            };
            self.add(Finding::new("log", Verdict::Good, text));
        }
        if let Some(torn) = &survey.torn {
            let text = format!(
                "partition {partition}: {} ends in a torn write of {} bytes at byte {}, which was never acknowledged",
                torn.file.display(),
                torn.bytes,
                torn.offset
            );
            self.remedies.push(Remedy::CutTail(partition));
            self.add(
                Finding::new("log", Verdict::Attention, text)
                    .advice("nothing is lost; the next start cuts it, or --repair"),
            );
        }
        Some(survey)
    }

    /// Reads every row; gives the LSN of each partition's.
    fn tables(&mut self, partitions: u16, all_from_first: bool) -> Option<Vec<Lsn>> {
        let path = directory::tables(&self.directory);
        if all_from_first && !path.exists() {
            let text = format!("{} is missing", path.display());
            self.add(
                Finding::new("tables", Verdict::Attention, text)
                    .advice("nothing is lost; the next start makes them again from the log"),
            );
            return None;
        }
        let read = match path.is_dir() {
            true => read_all(&path, partitions),
            false => Err(format!("{} is missing", path.display())),
        };
        match read {
            Ok((rows, applied)) => {
                let text = format!("{rows} rows, all readable");
                self.add(Finding::new("tables", Verdict::Good, text));
                Some(applied)
            }
            Err(reason) if all_from_first => {
                self.remedies.push(Remedy::RebuildTables);
                let advice = "the log has every record there ever was: --repair puts the tables aside, and \
                              the next start makes them again";
                self.add(Finding::new("tables", Verdict::Failed, reason).advice(advice));
                None
            }
            Err(reason) => {
                self.add(Finding::new("tables", Verdict::Failed, reason).advice(RESTORE));
                None
            }
        }
    }

    /// Whether the log goes on where the tables end.
    fn meet(&mut self, partition: usize, log: &LogSurvey, applied: Lsn) {
        let finding = if applied + 1 < log.first {
            let text = format!(
                "partition {partition}: the tables end at record {applied}, and the log begins with {} only",
                log.first
            );
            Finding::new("numbers", Verdict::Failed, text).advice(RESTORE)
        } else if applied >= log.tail {
            let text = format!(
                "partition {partition}: the tables know of record {applied}, and the log ends before {}: \
                 records that were acknowledged are missing",
                log.tail
            );
            Finding::new("numbers", Verdict::Failed, text).advice(RESTORE)
        } else {
            let text = format!(
                "partition {partition}: the tables end at record {applied}; a start applies {} more",
                log.tail - 1 - applied
            );
            Finding::new("numbers", Verdict::Good, text)
        };
        self.add(finding);
    }
}

fn read_all(path: &Path, partitions: u16) -> Result<(u64, Vec<Lsn>), String> {
    let stores =
        DiskStore::open(path, partitions, CACHE_BYTES).map_err(|error| error.to_string())?;
    let mut rows = 0;
    let mut applied = Vec::new();
    for (partition, store) in stores.iter().enumerate() {
        let wrong = |error: String| format!("partition {partition}: {error}");
        applied.push(store.applied().map_err(|error| wrong(error.to_string()))?);
        let held = store.snapshot();
        for row in View::scan(&*held, &[1], &[u8::MAX]) {
            row.map_err(|error| wrong(error.to_string()))?;
            rows += 1;
        }
    }
    Ok((rows, applied))
}
