//! The text language of the tests: statements come in, the effects of each go out as text.
//!
//! ```text
//!   "invoke P/greet as i1 | entry i1 sleep 10s #1"
//!      ──parse──▶ Record ──apply──▶ Transition ──print──▶ "run i1#1" …
//! ```
//!
//! Start at [`check`]. There are two partitions; a name that begins with `b` lives in the
//! second. A target is `P/handler`, `O:key/handler` (exclusive), `O:key/~handler` (shared),
//! `W:key/!handler` (workflow run) or `W:key/?handler`. Completions are `#1`, signals `!17`
//! or `@name`. Time stands still but for `time 5s` and `fire`. After each record all that
//! [`crate::check`] knows must hold.

mod attempts;
mod calls;
mod control;
mod keys;
mod parse;
mod print;
mod retention;
mod waiting;

use crate::table::timer::{self, TimerKey};
use crate::table::{Address, outbox};
use crate::{
    Command, Deliver, Delivered, Effect, FireTimers, InvocationId, MemoryView, Partition, Record,
    Topology, View, read,
};
use expect_test::Expect;
use parse::Words;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Runs a script; each statement is shown with its effects.
fn check(script: &str, expect: Expect) {
    let mut world = World::default();
    let mut shown = String::new();
    for statement in script.split('|').map(str::trim) {
        let effects = world.step(&mut Words::new(statement));
        shown += statement;
        if !effects.is_empty() {
            write!(shown, " => {}", effects.join(", ")).unwrap();
        }
        shown.push('\n');
    }
    expect.assert_eq(&shown);
}

/// Two partitions and what their shell would know.
#[derive(Default)]
struct World {
    /// Milliseconds since the script began.
    now: u64,
    views: [MemoryView; 2],
    names: BTreeMap<InvocationId, String>,
    /// Journal length when the newest attempt started, as its replay saw it.
    replayed: BTreeMap<InvocationId, u32>,
}

impl World {
    fn step(&mut self, words: &mut Words<'_>) -> Vec<String> {
        let verb = words.word();
        match verb {
            "time" => {
                self.now += words.duration();
                Vec::new()
            }
            "fire" => self.fire(),
            "deliver" => self.deliver(words),
            "confirm" => self.confirm(words),
            "show" => {
                let id = self.id(words.word());
                vec![self.show(&id)]
            }
            "journal" => {
                let id = self.id(words.word());
                self.journal(&id)
            }
            "state" => {
                let target = words.target();
                let address = Address::of(&target).expect("a keyed target");
                let state = read::state(&self.views[0], &address).unwrap();
                state
                    .iter()
                    .map(|(key, value)| format!("{}={}", print::text(key), print::text(value)))
                    .collect()
            }
            "outstanding" => {
                let effects = partition(0).outstanding(&self.views[0]).unwrap();
                effects.iter().map(|effect| self.effect(effect)).collect()
            }
            "rows" => vec![self.views[0].len().to_string()],
            _ => {
                let (own, command) = self.command(verb, words);
                self.apply(own, command)
            }
        }
    }

    fn apply(&mut self, own: usize, command: Command) -> Vec<String> {
        let record = Record {
            time: self.now,
            command: Some(command),
        };
        let view = &mut self.views[own];
        let done = partition(own)
            .apply(view, record)
            .expect("the tables are readable");
        for (key, value) in done.writes {
            view.write(key, value);
        }
        if let Err(wrong) = crate::check::check(view) {
            panic!("after a record these do not hold: {wrong:#?}");
        }
        for effect in &done.effects {
            if let Effect::Run { id, .. } = effect {
                let row = read::invocation(view, id).unwrap();
                let len = row.map_or(0, |row| row.journal_len);
                self.replayed.insert(*id, len);
            }
        }
        done.effects
            .iter()
            .map(|effect| self.effect(effect))
            .collect()
    }

    /// Goes to the time of the first timer of all, and fires what is due then.
    fn fire(&mut self) -> Vec<String> {
        let first = |view| due(view, u64::MAX).into_iter().next();
        let times = self
            .views
            .iter()
            .filter_map(first)
            .map(|timer: TimerKey| timer.time);
        let time = times.min().expect("a timer");
        self.now = self.now.max(time);
        let mut effects = vec![format!("at {}", print::time(self.now))];
        for own in 0..2 {
            let timers = due(&self.views[own], self.now);
            if !timers.is_empty() {
                effects.extend(self.apply(own, Command::FireTimers(FireTimers { timers })));
            }
        }
        effects
    }

    /// `deliver a` brings all that the first partition owes the second; `deliver a 2` only
    /// message 2.
    fn deliver(&mut self, words: &mut Words<'_>) -> Vec<String> {
        let from = words.partition();
        let wanted = words.number();
        let mut effects = Vec::new();
        for effect in partition(from).outstanding(&self.views[from]).unwrap() {
            if let Effect::Deliver {
                sequence, message, ..
            } = effect
                && wanted.is_none_or(|wanted| wanted == sequence)
            {
                let deliver = Deliver {
                    from: from as u32,
                    sequence,
                    message,
                };
                effects.extend(self.apply(1 - from, Command::Deliver(deliver)));
            }
        }
        effects
    }

    /// `confirm a 2`: the first partition learns that the second has messages up to 2.
    fn confirm(&mut self, words: &mut Words<'_>) -> Vec<String> {
        let own = words.partition();
        let delivered = Delivered {
            to: 1 - own as u32,
            up_to: words.number().expect("a sequence"),
        };
        self.apply(own, Command::Delivered(delivered));
        let (from, to) = outbox::all();
        vec![format!("{} left", self.views[own].scan(&from, &to).count())]
    }

    fn show(&self, id: &InvocationId) -> String {
        let row = read::invocation(&self.views[home(id)], id).unwrap();
        row.map_or_else(|| "nothing".into(), |row| self.invocation(id, &row))
    }

    fn journal(&self, id: &InvocationId) -> Vec<String> {
        let view = &self.views[home(id)];
        let len = read::invocation(view, id)
            .unwrap()
            .map_or(0, |row| row.journal_len);
        let entries = (0..len).filter_map(|index| read::entry(view, id, index).unwrap());
        entries
            .filter_map(|entry| Some(self.entry(&entry.body?)))
            .collect()
    }

    /// The identity that a name stands for; its first letter chooses the partition.
    fn id(&mut self, name: &str) -> InvocationId {
        let mut low = [0; 8];
        low[8 - name.len()..].copy_from_slice(name.as_bytes());
        let id = InvocationId {
            partition_key: if name.starts_with('b') { u64::MAX } else { 0 },
            high: 0,
            low: u64::from_be_bytes(low),
        };
        self.names.insert(id, name.to_owned());
        id
    }
}

fn partition(own: usize) -> Partition {
    Partition::new(Topology {
        partitions: 2,
        own: own as u16,
    })
}

fn home(id: &InvocationId) -> usize {
    usize::from(id.partition_key != 0)
}

fn due(view: &MemoryView, now: u64) -> Vec<TimerKey> {
    let (from, to) = timer::all();
    let timers = view.scan(&from, &to);
    timers
        .map(|row| TimerKey::parse(&row.unwrap().0).unwrap())
        .take_while(|timer| timer.time <= now)
        .collect()
}
