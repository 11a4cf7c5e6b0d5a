//! What applying one record gives: writes and effects. And the overlay in which apply
//! reads its own writes.

use crate::Halt;
use crate::command::{Letter, Message};
use crate::effect::{Effect, Reply};
use crate::fact::Fact;
use crate::id::{InvocationId, Topology};
use crate::table::invocation::{self, Invocation};
use crate::table::listing::{self, Standing};
use crate::table::outbox::{self, Counter};
use crate::table::timer::{TimerKey, TimerKind};
use crate::view::{Rows, View};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Writes to commit together, and effects to perform after that.
#[derive(Debug, Default, PartialEq)]
pub struct Transition {
    /// Rows to put (`Some`) or delete (`None`).
    pub writes: BTreeMap<Bytes, Option<Bytes>>,
    /// In the order in which they arose.
    pub effects: Vec<Effect>,
    /// What became of invocations; nothing is owed by it.
    pub facts: Vec<Fact>,
}

/// One record being applied.
pub(crate) struct Apply<'a> {
    view: &'a dyn View,
    pub(crate) topology: Topology,
    /// The record's time, in ms since 1970.
    pub(crate) now: u64,
    /// Letters to invocations of this partition that arose on the way.
    pub(crate) letters: VecDeque<Letter>,
    done: Transition,
}

impl<'a> Apply<'a> {
    pub(crate) fn new(view: &'a dyn View, topology: Topology, now: u64) -> Self {
        Self {
            view,
            topology,
            now,
            letters: VecDeque::new(),
            done: Transition::default(),
        }
    }

    pub(crate) fn into_transition(self) -> Transition {
        self.done
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.done.effects.push(effect);
    }

    pub(crate) fn fact(&mut self, fact: Fact) {
        self.done.facts.push(fact);
    }

    pub(crate) fn reply(&mut self, reply: Reply) {
        self.effect(Effect::Reply(reply));
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Halt> {
        match self.done.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.view.get(key)?),
        }
    }

    pub(crate) fn put(&mut self, key: Bytes, value: Bytes) {
        self.done.writes.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Bytes) {
        self.done.writes.insert(key, None);
    }

    pub(crate) fn row<M: prost::Message + Default>(&self, key: &[u8]) -> Result<Option<M>, Halt> {
        self.get(key)?.map(|value| decode(key, value)).transpose()
    }

    pub(crate) fn put_row(&mut self, key: Bytes, row: &impl prost::Message) {
        self.put(key, row.encode_to_vec().into());
    }

    /// The rows of a range, with what this record has written.
    pub(crate) fn rows(&self, (from, to): (Bytes, Bytes)) -> Result<Vec<(Bytes, Bytes)>, Halt> {
        let mut rows = BTreeMap::new();
        let stored: Rows<'_> = self.view.scan(&from, &to);
        for row in stored {
            let (key, value) = row?;
            rows.insert(key, value);
        }
        for (key, written) in self.done.writes.range(from..to) {
            match written {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// The first row of a range, with what this record has written.
    pub(crate) fn first(&self, (from, to): (Bytes, Bytes)) -> Result<Option<(Bytes, Bytes)>, Halt> {
        let written = self
            .done
            .writes
            .range(from.clone()..to.clone())
            .find_map(|(key, value)| Some((key.clone(), value.clone()?)));
        for row in self.view.scan(&from, &to) {
            let (key, value) = row?;
            if written.as_ref().is_some_and(|(first, _)| *first <= key) {
                break;
            }
            if !self.done.writes.contains_key(&key) {
                return Ok(Some((key, value)));
            }
        }
        Ok(written)
    }

    pub(crate) fn invocation(&self, id: &InvocationId) -> Result<Option<Invocation>, Halt> {
        self.row(&invocation::key(id))
    }

    pub(crate) fn save(&mut self, id: &InvocationId, row: &mut Invocation) {
        row.modified_at = self.now;
        let standing = Standing::of(row);
        if row.listed() != standing {
            self.unlist(id, row);
            row.set_listed(standing);
            self.put(
                listing::key(standing, &row.target, row.created_at, id),
                Bytes::copy_from_slice(&row.epoch.to_be_bytes()),
            );
        }
        self.put_row(invocation::key(id), row);
    }

    /// Takes it out of the list that it is in; saving it lists it again.
    pub(crate) fn unlist(&mut self, id: &InvocationId, row: &mut Invocation) {
        let standing = row.listed();
        if standing != Standing::Unlisted {
            self.delete(listing::key(standing, &row.target, row.created_at, id));
            row.set_listed(Standing::Unlisted);
        }
    }

    /// Sets a timer of the invocation created at `created_at`, and asks the shell to look
    /// at it when it is due.
    pub(crate) fn arm(
        &mut self,
        time: u64,
        id: InvocationId,
        created_at: u64,
        kind: TimerKind,
        number: u32,
    ) {
        let timer = TimerKey {
            time,
            id,
            kind: kind as i32,
            number,
        };
        self.put(
            timer.key(),
            Bytes::copy_from_slice(&created_at.to_be_bytes()),
        );
        self.effect(Effect::Arm { time });
    }

    pub(crate) fn disarm(&mut self, time: u64, id: InvocationId, kind: TimerKind, number: u32) {
        let timer = TimerKey {
            time,
            id,
            kind: kind as i32,
            number,
        };
        self.delete(timer.key());
    }

    /// Sends a letter: applied with this record if the receiver is here, else by the outbox.
    pub(crate) fn send(&mut self, letter: Letter) -> Result<(), Halt> {
        let to = self.topology.owner(letter.to().partition_key);
        if to == self.topology.own {
            self.letters.push_back(letter);
            return Ok(());
        }
        let counter: Counter = self.row(&outbox::counter_key(to))?.unwrap_or_default();
        let sequence = counter.last + 1;
        let message = Message::from(letter);
        self.put_row(outbox::counter_key(to), &Counter { last: sequence });
        self.put_row(outbox::key(to, sequence), &message);
        self.effect(Effect::Deliver {
            to,
            sequence,
            message,
        });
        Ok(())
    }
}

/// Decodes a row, or halts: a row that cannot be read means that the tables are damaged.
pub(crate) fn decode<M: prost::Message + Default>(key: &[u8], value: Bytes) -> Result<M, Halt> {
    M::decode(value).map_err(|error| Halt::Row {
        key: Bytes::copy_from_slice(key),
        error: error.to_string(),
    })
}
