//! What goes wrong, and how often: drawn for each world, and stopped when it is to come to rest.

use super::random::{Random, mix};
use super::trace::Trace;
use latchwork_runtime::{Clock, TimerClock};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// 2023-11-14: when all worlds begin.
const BEGAN_MS: u64 = 1_700_000_000_000;

/// How often what happens, in a thousand.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    /// A turn of the loop is broken off.
    pub(super) crash: u64,
    /// An append fails in one of its ways.
    pub(super) append: u64,
    /// A store cannot be written or read.
    pub(super) store: u64,
    /// A stream to a handler has something of its own.
    pub(super) stream: u64,
    /// A run's code fails.
    pub(super) run: u64,
    /// The clock jumps.
    pub(super) clock: u64,
    /// After a crash the old leader goes on for a while.
    pub(super) two_leaders: u64,
    /// An operator does something.
    pub(super) operate: u64,
    /// A partition stands still for a while.
    pub(super) stall: u64,
}

/// Shared by all that draws within one world.
#[derive(Debug)]
pub(super) struct Fates {
    random: Mutex<Random>,
    rates: Rates,
    on: AtomicBool,
    /// Faults that were let happen.
    count: AtomicU64,
    clock: TimerClock,
    /// By how much the clock that everybody sees is off, in ms.
    skew: AtomicI64,
    /// The latest that it has ever shown.
    latest: AtomicU64,
    pub(super) trace: Trace,
}

impl Fates {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let mut random = Random::new(mix(&[seed, 0xFA]));
        let mut draw = |max| match random.chance(700) {
            true => 1 + random.below(max),
            false => 0,
        };
        let rates = Rates {
            crash: draw(25),
            append: draw(30),
            store: draw(15),
            stream: draw(300),
            run: draw(150),
            clock: draw(15),
            two_leaders: draw(500),
            operate: draw(60),
            stall: draw(20),
        };
        Arc::new(Self {
            random: Mutex::new(random),
            rates,
            on: AtomicBool::new(true),
            count: AtomicU64::new(0),
            clock: TimerClock::starting_at(BEGAN_MS),
            skew: AtomicI64::new(0),
            latest: AtomicU64::new(0),
            trace: Trace::new(),
        })
    }

    /// Whether a fault happens now, with the rate that `of` picks.
    pub(super) fn strikes(&self, of: impl Fn(&Rates) -> u64) -> bool {
        let strikes = self.on.load(Ordering::Relaxed) && self.chance(of(&self.rates));
        if strikes {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }

    /// How many faults there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// No fault from here on.
    pub(super) fn stop(&self) {
        self.on.store(false, Ordering::Relaxed);
    }

    pub(super) fn chance(&self, permille: u64) -> bool {
        self.random.lock().expect("one thread").chance(permille)
    }

    pub(super) fn below(&self, end: u64) -> u64 {
        self.random.lock().expect("one thread").below(end)
    }

    pub(super) fn say(&self, what: impl std::fmt::Display) {
        self.trace.say(what);
    }

    /// Sets the clock forward or back, by up to an hour.
    pub(super) fn jump(&self) {
        let by = self.below(2 * 3_600_000) as i64 - 3_600_000;
        let by = if self.chance(500) { by / 1000 } else { by };
        self.skew.fetch_add(by, Ordering::Relaxed);
        self.say(format_args!("the clock jumps by {by} ms"));
    }

    /// Sets the clock to no less than it has ever shown: until then no timer is due.
    pub(super) fn catch_up(&self) {
        let behind = self.latest().saturating_sub(self.now_ms());
        self.skew.fetch_add(behind as i64, Ordering::Relaxed);
    }

    /// The latest time that was ever shown.
    pub(super) fn latest(&self) -> u64 {
        self.now_ms();
        self.latest.load(Ordering::Relaxed)
    }
}

impl Clock for Fates {
    fn now_ms(&self) -> u64 {
        let skew = self.skew.load(Ordering::Relaxed);
        let now = self.clock.now_ms().saturating_add_signed(skew);
        self.latest.fetch_max(now, Ordering::Relaxed);
        now
    }
}
