//! A naive model of what anybody outside may see: lists of what was seen, and what may not be.
//!
//! It knows invocations by a number in their input, which whoever calls makes up; so it depends on
//! nothing that the server says of them.

use super::faults::Fates;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// An invocation's number, and a place in its script.
type Place = (u64, u32);

#[derive(Debug, Default)]
struct Seen {
    wrong: Option<String>,
    /// Counts what is put in order.
    clock: u64,
    /// What came of each step that a handler went past.
    observed: BTreeMap<Place, String>,
    /// Those whose journal has a command for certain.
    recorded: BTreeSet<u64>,
    /// What each execution of a run's code gave.
    executions: BTreeMap<Place, BTreeSet<u64>>,
    next_value: u64,
    /// The earliest time at which a sleep may end.
    sleeps: BTreeMap<Place, u64>,
    /// The earliest time at which an invocation may start.
    starts: BTreeMap<u64, u64>,
    /// What attempts of an invocation have returned.
    returned: BTreeMap<u64, BTreeSet<String>>,
    /// How each identity ended, as anybody was told.
    outcomes: BTreeMap<String, String>,
    /// Who goes on with an object's key, and who has before.
    holders: BTreeMap<String, (u64, BTreeSet<u64>)>,
    /// Who had which number of an object's counter.
    counters: BTreeMap<(String, u64), u64>,
    /// When a call of a client was first sent, and when it was known to be accepted.
    sent: BTreeMap<u64, u64>,
    accepted: BTreeMap<u64, u64>,
    /// Who resolved the promise of a workflow, and to what.
    resolved: BTreeMap<String, (u64, u64)>,
    promised: BTreeMap<String, u64>,
    /// Awakeables that somebody is to complete.
    asked: VecDeque<String>,
    asked_before: BTreeSet<String>,
}

/// Watches one world.
#[derive(Debug)]
pub(super) struct Auditor {
    fates: Arc<Fates>,
    seen: Mutex<Seen>,
}

thread_local! {
    /// Set while an attempt runs that the server has given up.
    static GIVEN_UP: Cell<bool> = const { Cell::new(false) };
}

/// Whether the attempt that runs now is one that the server has given up.
pub(super) fn given_up(is_given_up: bool) {
    GIVEN_UP.set(is_given_up);
}

impl Auditor {
    pub(super) fn new(fates: Arc<Fates>) -> Self {
        Self {
            fates,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("one thread")
    }

    /// Something is wrong; the first counts.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.fates.say(format_args!("WRONG: {what}"));
        self.seen().wrong.get_or_insert(what);
    }

    pub(super) fn verdict(&self) -> Option<String> {
        self.seen().wrong.clone()
    }

    /// An attempt starts its handler.
    pub(super) fn begins(&self, invocation: u64) {
        let may = self.seen().starts.get(&invocation).copied();
        let now = self.fates.counted_ms();
        if may.is_some_and(|may| now < may) {
            self.wrong(format!("{invocation:x} started early: {now}, not {may:?}"));
        }
    }

    /// A call is to start no earlier. Where it is made more than once, the first counts.
    pub(super) fn delayed(&self, invocation: u64, until: u64) {
        let mut seen = self.seen();
        let earliest = seen.starts.entry(invocation).or_insert(until);
        *earliest = until.min(*earliest);
    }

    /// The code of a run is executed. Its value is like no other. Nobody can keep an attempt that was
    /// given up, and has not heard of it, from beginning what a later one has recorded.
    pub(super) fn executes(&self, at: Place) -> u64 {
        let mut seen = self.seen();
        let repeated = seen.observed.contains_key(&at) && !GIVEN_UP.get();
        seen.next_value += 1;
        let value = seen.next_value;
        seen.executions.entry(at).or_default().insert(value);
        drop(seen);
        if repeated {
            self.wrong(format!("the run at {at:x?} was recorded and ran again"));
        }
        value
    }

    /// A run gave this to its handler.
    pub(super) fn ran(&self, at: Place, value: u64) {
        let known = self.seen().executions.get(&at).cloned();
        if !known.is_some_and(|values| values.contains(&value)) {
            self.wrong(format!(
                "the run at {at:x?} gave {value}, which it never had"
            ));
        }
    }

    /// A handler goes to sleep until a time.
    pub(super) fn sleeps(&self, at: Place, until: u64) {
        let mut seen = self.seen();
        let earliest = seen.sleeps.entry(at).or_insert(until);
        *earliest = until.min(*earliest);
    }

    pub(super) fn slept(&self, at: Place) {
        let until = self.seen().sleeps.get(&at).copied().unwrap_or(0);
        let now = self.fates.counted_ms();
        if now < until {
            self.wrong(format!("the sleep at {at:x?} ended at {now}, not {until}"));
        }
    }

    /// A handler went past a step with this result: it must be the same in every attempt. `firm`
    /// is what only the server can have told. `key` is what the handler has for itself.
    pub(super) fn observed(&self, at: Place, firm: bool, key: Option<&str>, what: &str) {
        let mut seen = self.seen();
        let first = !seen.observed.contains_key(&at);
        let known = seen.observed.entry(at).or_insert_with(|| what.to_owned());
        let differs = (known != what).then(|| known.clone());
        let mut late = false;
        if let Some(key) = key
            && first
            && firm
            && !GIVEN_UP.get()
        {
            let (holder, before) = seen.holders.entry(key.to_owned()).or_default();
            if *holder != at.0 {
                before.insert(*holder);
                *holder = at.0;
                late = before.contains(&at.0);
            }
        }
        drop(seen);
        if first {
            self.fates.say(format_args!("{:x}/{} {what}", at.0, at.1));
        }
        if let Some(known) = differs {
            self.wrong(format!(
                "{at:x?} gave {known:?}, and in another attempt {what:?}"
            ));
        }
        if late {
            self.wrong(format!(
                "{at:x?} goes on with {key:?}, which others have had since"
            ));
        }
    }

    /// The journal has a command: its handler was told what came of it.
    pub(super) fn recorded(&self, invocation: u64) {
        self.seen().recorded.insert(invocation);
    }

    /// Whether the journal has a command for certain, which other code has to stumble over.
    pub(super) fn is_recorded(&self, invocation: u64) -> bool {
        self.seen().recorded.contains(&invocation)
    }

    /// A handler has returned.
    pub(super) fn returned(&self, invocation: u64, text: &str) {
        let mut seen = self.seen();
        let all = seen.returned.entry(invocation).or_default();
        all.insert(text.to_owned());
    }

    /// Somebody was told how a call ended. `invocation` is the number it was called with; what
    /// shares an idempotency key may have another.
    pub(super) fn ended(&self, identity: &str, invocation: Option<u64>, outcome: &str) {
        let mut seen = self.seen();
        let known = seen.outcomes.entry(identity.to_owned());
        let known = known.or_insert_with(|| outcome.to_owned()).clone();
        let value = serde_json::from_str::<super::script::Returned>(outcome).ok();
        let mut wrong = (known != outcome).then(|| {
            format!("{identity} ended as {known:?}, and somebody else was told {outcome:?}")
        });
        if value.is_none() && !outcome.starts_with("failed: ") {
            wrong = Some(format!("{identity} ended as {outcome:?}, which is nothing"));
        }
        if let Some(value) = value {
            let said = seen.returned.get(&value.invocation);
            if !said.is_some_and(|said| said.contains(outcome)) {
                wrong = Some(format!(
                    "{identity} ended as {outcome:?}, which nobody returned"
                ));
            }
            if invocation.is_some_and(|number| number != value.invocation) {
                wrong = Some(format!(
                    "{identity} has the outcome of another: {outcome:?}"
                ));
            }
            if let Some(n) = value.n {
                let owner = seen.counters.entry((value.key, n));
                let owner = *owner.or_insert(value.invocation);
                if owner != value.invocation {
                    wrong = Some(format!("{owner:x} and {:x} both had {n}", value.invocation));
                }
            }
        }
        drop(seen);
        if let Some(wrong) = wrong {
            self.wrong(wrong);
        }
    }

    /// A client sends a call for the first time.
    pub(super) fn sends(&self, invocation: u64) {
        let mut seen = self.seen();
        seen.clock += 1;
        let now = seen.clock;
        seen.sent.entry(invocation).or_insert(now);
    }

    /// A client knows that its call is durable.
    pub(super) fn accepted(&self, invocation: u64) {
        let mut seen = self.seen();
        seen.clock += 1;
        let now = seen.clock;
        seen.accepted.entry(invocation).or_insert(now);
    }

    /// Who came first to an object's key went first.
    pub(super) fn check_order(&self) {
        let seen = self.seen();
        let mut wrong = None;
        for ((key, n), invocation) in &seen.counters {
            for ((other, m), later) in seen.counters.range((key.clone(), 0)..(key.clone(), *n)) {
                let (Some(sent), Some(accepted)) =
                    (seen.sent.get(later), seen.accepted.get(invocation))
                else {
                    continue;
                };
                if seen.sent.contains_key(invocation) && accepted < sent {
                    wrong = Some(format!("{other}: {later:x} had {m}, before {invocation:x}"));
                }
            }
        }
        drop(seen);
        if let Some(wrong) = wrong {
            self.wrong(wrong);
        }
    }

    /// A handler was told that it was the one to resolve a promise.
    pub(super) fn resolved(&self, key: &str, invocation: u64, value: u64) {
        let mut seen = self.seen();
        let first = *seen
            .resolved
            .entry(key.to_owned())
            .or_insert((invocation, value));
        drop(seen);
        if first != (invocation, value) {
            self.wrong(format!("the promise of {key} was resolved twice"));
        }
    }

    /// A handler was told the value of a promise.
    pub(super) fn promised(&self, key: &str, value: u64) {
        let mut seen = self.seen();
        let known = *seen.promised.entry(key.to_owned()).or_insert(value);
        let resolved = seen.resolved.get(key).map(|(_, value)| *value);
        drop(seen);
        if known != value || resolved.is_some_and(|resolved| resolved != value) {
            self.wrong(format!(
                "the promise of {key} is {known}, {value}, {resolved:?}"
            ));
        }
    }

    /// A handler gives an awakeable away.
    pub(super) fn asks(&self, awakeable: String) {
        let mut seen = self.seen();
        if seen.asked_before.insert(awakeable.clone()) {
            seen.asked.push_back(awakeable);
        }
    }

    /// An awakeable to complete.
    pub(super) fn asked(&self) -> Option<String> {
        self.seen().asked.pop_front()
    }
}
