//! Logs and stores that fail as disks do.

use super::faults::Fates;
use super::torn::{TornLog, TornWriter};
use bytes::Bytes;
use latchwork_engine::{ReadError, Rows, View};
use latchwork_storage::{
    Batch, Fault, Log, LogError, Lsn, MemoryLog, MemoryStore, Records, Store, StoreRow, TablesError,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What one partition has, whoever leads it.
pub(super) struct Disk {
    fates: Arc<Fates>,
    log: Medium,
    store: MemoryStore,
    /// All records that were ever durable, trimmed or not.
    history: Arc<Mutex<BTreeMap<Lsn, Bytes>>>,
    /// That of the newest leader.
    epoch: Arc<AtomicU64>,
}

/// Where the log is.
enum Medium {
    /// In memory: it can have two writers.
    Memory(MemoryLog),
    /// In files, which are torn when it crashes.
    Files(TornLog),
}

impl Disk {
    pub(super) fn new(fates: &Arc<Fates>, in_files: bool) -> Self {
        Self {
            fates: fates.clone(),
            log: match in_files {
                true => Medium::Files(TornLog::new(fates)),
                false => Medium::Memory(MemoryLog::new()),
            },
            store: MemoryStore::default(),
            history: Arc::default(),
            epoch: Arc::default(),
        }
    }

    /// Whether the old leader may go on beside a new one.
    pub(super) fn can_be_shared(&self) -> bool {
        matches!(self.log, Medium::Memory(_))
    }

    /// What a new leader works with. It shuts the last one out.
    pub(super) fn open(&mut self) -> Result<(Box<dyn Log>, SimStore), LogError> {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let mut log = SimLog {
            fates: self.fates.clone(),
            log: self.log.writer()?,
            history: self.history.clone(),
            newest: self.epoch.clone(),
            epoch,
        };
        log.fence(epoch)?;
        let store = SimStore {
            fates: self.fates.clone(),
            store: self.store.clone(),
        };
        Ok((Box::new(log), store))
    }

    /// Takes what no sync had reached. Nobody may hold it open.
    pub(super) fn crash(&mut self) {
        if let Medium::Memory(log) = &self.log {
            self.log = Medium::Memory(log.crash().0);
        }
        self.store = self.store.crash();
    }

    /// The old leader goes on with its own tables, beside those of the new one.
    pub(super) fn part(&mut self) {
        self.store = self.store.crash();
    }

    /// All records that are durable, from the first.
    pub(super) fn records(&self) -> Result<Vec<(Lsn, Bytes)>, LogError> {
        let mut history = self.history.lock().expect("one thread").clone();
        let log = self.log.writer()?;
        remember(log.log(), &mut history)?;
        Ok(history.into_iter().collect())
    }
}

/// Notes what a log has, before it forgets it.
fn remember(log: &dyn Log, history: &mut BTreeMap<Lsn, Bytes>) -> Result<(), LogError> {
    let from = history.last_key_value().map_or(1, |(lsn, _)| lsn + 1);
    let from = match log.read(from) {
        Err(LogError::Trimmed { first, .. }) => first,
        _ => from,
    };
    for record in log.read(from)? {
        let (lsn, record) = record?;
        history.insert(lsn, record);
    }
    Ok(())
}

impl Medium {
    fn writer(&self) -> Result<Writer, LogError> {
        Ok(match self {
            Self::Memory(log) => Writer::Memory(log.writer()),
            Self::Files(torn) => Writer::Files(torn.open()?),
        })
    }
}

/// A leader's end of the log.
enum Writer {
    Memory(MemoryLog),
    Files(TornWriter),
}

impl Writer {
    fn log(&self) -> &dyn Log {
        match self {
            Self::Memory(log) => log,
            Self::Files(log) => log,
        }
    }

    fn log_mut(&mut self) -> &mut dyn Log {
        match self {
            Self::Memory(log) => log,
            Self::Files(log) => log,
        }
    }
}

/// A log that fails now and then.
struct SimLog {
    fates: Arc<Fates>,
    log: Writer,
    history: Arc<Mutex<BTreeMap<Lsn, Bytes>>>,
    newest: Arc<AtomicU64>,
    epoch: u64,
}

impl Log for SimLog {
    fn append(&mut self, batch: &mut Batch, expect: Lsn) -> Result<Lsn, LogError> {
        if let Writer::Memory(memory) = &mut self.log
            && !batch.is_empty()
            && self.fates.strikes(|rates| rates.append)
        {
            let fault = match self.fates.below(5) {
                0 => Fault::Refused,
                1 => Fault::Torn,
                2 => Fault::Unsynced,
                kept => Fault::Unknown { kept: kept == 3 },
            };
            self.fates
                .say(format_args!("append at {expect} fails: {fault:?}"));
            memory.script([Some(fault)]);
        }
        self.log.log_mut().append(batch, expect)
    }

    fn read(&self, from: Lsn) -> Result<Records<'_>, LogError> {
        if self.fates.strikes(|rates| rates.store) {
            self.fates.say("the log cannot be read");
            return Err(LogError::Failed {
                file: "simulated".into(),
                source: std::io::Error::other("the disk does not answer"),
            });
        }
        self.log.log().read(from)
    }

    fn tail(&self) -> Lsn {
        self.log.log().tail()
    }

    fn trim(&mut self, up_to: Lsn) -> Result<(), LogError> {
        // An old leader knows nothing of what the tables of the new one lack.
        if self.epoch != self.newest.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut history = self.history.lock().expect("one thread");
        if history.last_key_value().is_none_or(|(lsn, _)| *lsn < up_to) {
            remember(self.log.log(), &mut history)?;
            // What is trimmed was synced; the rest is noted at the end.
            history.split_off(&(up_to + 1));
        }
        drop(history);
        self.log.log_mut().trim(up_to)
    }

    fn fence(&mut self, epoch: u64) -> Result<(), LogError> {
        self.log.log_mut().fence(epoch)
    }
}

/// A store that fails now and then.
pub(super) struct SimStore {
    fates: Arc<Fates>,
    store: MemoryStore,
}

impl SimStore {
    fn fails(&self, what: &str) -> bool {
        let fails = self.fates.strikes(|rates| rates.store);
        if fails {
            self.fates.say(format_args!("the store cannot {what}"));
        }
        fails
    }

    fn refuse(&self, what: &str) -> Result<(), TablesError> {
        if !self.fails(what) {
            return Ok(());
        }
        Err(TablesError::Failed {
            place: "simulated".into(),
            reason: format!("{what}: no space left"),
        })
    }
}

impl Store for SimStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        // Reads are many: each fails rarely.
        if self.fates.chance(10) && self.fails("read") {
            return Err(ReadError("simulated".into()));
        }
        self.store.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8]) -> Rows<'_> {
        if self.fates.chance(10) && self.fails("scan") {
            return Box::new(std::iter::once(Err(ReadError("simulated".into()))));
        }
        self.store.scan(from, to)
    }

    fn write<'a>(
        &self,
        lsn: Lsn,
        rows: &mut dyn Iterator<Item = StoreRow<'a>>,
    ) -> Result<(), TablesError> {
        self.refuse("write")?;
        self.store.write(lsn, rows)
    }

    fn applied(&self) -> Result<Lsn, TablesError> {
        self.store.applied()
    }

    fn persist(&self) -> Result<(), TablesError> {
        self.refuse("persist")?;
        self.store.persist()
    }

    fn snapshot(&self) -> Box<dyn View + Send + Sync> {
        self.store.snapshot()
    }
}
