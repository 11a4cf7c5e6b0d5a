//! The steps in the life of an invocation that more than one command takes.

use crate::Halt;
use crate::command::{Attach, Complete, Letter};
use crate::effect::Effect;
use crate::fact::{Ending, Fact};
use crate::future::Settlement;
use crate::id::InvocationId;
use crate::mutation::Mutation;
use crate::read;
use crate::table::inbox::{self, Lock, Turn, Waiting};
use crate::table::invocation::{self, Invocation, Status};
use crate::table::journal::{self, Body, JournalEntry, Notification};
use crate::table::promise;
use crate::table::timer::TimerKind;
use crate::table::{Address, state};
use crate::transition::{Apply, decode};
use crate::value::{Answer, Identity, Outcome, TargetKind, Waiter};
use crate::view::{ReadError, Rows, View};
use bytes::Bytes;
use prost::Message as _;

/// A record being applied reads as the tables do after what it has written.
impl View for Apply<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Apply::get(self, key).map_err(|halt| ReadError(halt.to_string()))
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        let range = (Bytes::copy_from_slice(from), Bytes::copy_from_slice(to));
        match self.rows(range) {
            Ok(rows) => Box::new(rows.into_iter().map(Ok)),
            Err(halt) => Box::new(std::iter::once(Err(ReadError(halt.to_string())))),
        }
    }
}

impl Apply<'_> {
    /// Lets it begin: at once, or when the key of its object is free.
    pub(super) fn admit(&mut self, id: InvocationId, row: &mut Invocation) -> Result<(), Halt> {
        let address = exclusive_address(row).filter(|_| !Mutation::KeyNotTaken.is_on());
        let Some(address) = address else {
            self.start(id, row);
            return Ok(());
        };
        let key = inbox::lock_key(&address);
        match self.row::<Lock>(&key)? {
            None => {
                let lock = Lock {
                    holder: id,
                    ..Lock::default()
                };
                self.put_row(key, &lock);
                self.start(id, row);
            }
            Some(mut lock) => {
                row.status = Status::Inboxed.into();
                row.inbox_sequence = Some(lock.next_sequence);
                self.enqueue(&address, &mut lock, Turn::Invocation(id));
                if !row.waiters.is_empty() {
                    self.effect(Effect::Queued { id });
                }
            }
        }
        Ok(())
    }

    /// Puts something at the end of what waits for a key that is held.
    pub(super) fn enqueue(&mut self, address: &Address, lock: &mut Lock, turn: Turn) {
        let waiting = Waiting { turn: Some(turn) };
        self.put_row(inbox::key(address, lock.next_sequence), &waiting);
        lock.next_sequence += 1;
        lock.waiting += 1;
        self.put_row(inbox::lock_key(address), lock);
    }

    /// Gives it an attempt, the next in number. Whoever calls this saves the row.
    pub(super) fn start(&mut self, id: InvocationId, row: &mut Invocation) {
        row.status = Status::Running.into();
        row.epoch += 1;
        row.awaiting = None;
        row.next_retry_at = None;
        row.inbox_sequence = None;
        row.pause_reason = None;
        // Its place in the list may stay, its epoch does not.
        self.unlist(&id, row);
        self.effect(Effect::Run {
            id,
            epoch: row.epoch,
        });
    }

    /// Appends an entry to the journal; returns its index.
    pub(super) fn append(&mut self, id: &InvocationId, row: &mut Invocation, body: Body) -> u32 {
        let index = row.journal_len;
        if !matches!(body, Body::Notification(_)) {
            row.commands += 1;
        }
        row.journal_len += 1;
        row.last_entry_at = self.now;
        let entry = JournalEntry {
            time: self.now,
            body: Some(body),
        };
        let value = Bytes::from(entry.encode_to_vec());
        row.journal_bytes += value.len() as u64;
        self.put(journal::key(id, index), value);
        index
    }

    /// Stores a notification, tells a running attempt of it, and wakes what waited for it.
    pub(super) fn notify(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        identity: Identity,
        answer: Answer,
    ) {
        let settlement = Settlement::from(&answer);
        let notification = Notification {
            identity: Some(identity.clone()),
            answer: Some(answer),
        };
        let index = self.append(&id, row, Body::Notification(notification.clone()));
        match row.status() {
            Status::Running => self.effect(Effect::Notify {
                id,
                index,
                notification,
                proposed: false,
            }),
            Status::Suspended => {
                let woken = row
                    .awaiting
                    .as_mut()
                    .is_none_or(|future| future.fold(&identity, settlement));
                if woken && !Mutation::NeverWoken.is_on() {
                    self.start(id, row);
                }
            }
            _ => {}
        }
    }

    /// Ends it: hands out the result, frees the key, and keeps what its retention says.
    /// Saves the row.
    pub(super) fn finish(
        &mut self,
        id: InvocationId,
        row: Invocation,
        outcome: Outcome,
    ) -> Result<(), Halt> {
        let ending = Ending::of(&outcome);
        self.finish_as(id, row, outcome, ending)
    }

    /// As [`Apply::finish`], where the outcome does not say what it came to.
    pub(super) fn finish_as(
        &mut self,
        id: InvocationId,
        mut row: Invocation,
        outcome: Outcome,
        ending: Ending,
    ) -> Result<(), Halt> {
        let before = row.status();
        row.status = Status::Completed.into();
        row.has_failed = matches!(outcome, Outcome::Failure(_));
        row.completed_at = Some(self.now);
        row.awaiting = None;
        row.pause_reason = None;
        if let Some(time) = row.next_retry_at.take() {
            self.disarm(time, id, TimerKind::Retry, row.epoch);
        }
        if before == Status::Scheduled
            && let Some(time) = row.execution_time
        {
            self.disarm(time, id, TimerKind::Start, 0);
        }
        for waiter in std::mem::take(&mut row.waiters) {
            self.answer(waiter, outcome.clone().into())?;
        }
        let failure = match &outcome {
            Outcome::Value(_) => None,
            Outcome::Failure(failure) => Some(failure.clone()),
        };
        self.effect(Effect::Completed { id, outcome });
        if let Some(address) = exclusive_address(&row) {
            match before {
                Status::Scheduled => {}
                Status::Inboxed => self.leave_inbox(&address, &mut row)?,
                _ => self.release(&address)?,
            }
        }
        self.retain(id, &mut row)?;
        let row = Box::new(row);
        self.fact(Fact::Completed {
            id,
            row,
            ending,
            failure,
        });
        Ok(())
    }

    /// Tells an invocation the answer to one of its commands.
    pub(super) fn answer(&mut self, waiter: Waiter, answer: Answer) -> Result<(), Halt> {
        self.send(Letter::Complete(Complete {
            id: waiter.id,
            completion: waiter.completion,
            answer: Some(answer),
            incarnation: waiter.incarnation,
        }))
    }

    /// Asks for the result of another invocation on behalf of one of ours.
    pub(super) fn ask(
        &mut self,
        to: InvocationId,
        waiter: Waiter,
        letter: fn(Attach) -> Letter,
    ) -> Result<(), Halt> {
        self.send(letter(Attach { id: to, waiter }))
    }

    fn retain(&mut self, id: InvocationId, row: &mut Invocation) -> Result<(), Halt> {
        if row.completion_retention_ms == 0 {
            return self.forget(id, row);
        }
        let now = self.now;
        let forget_at = now.saturating_add(row.completion_retention_ms);
        self.arm(forget_at, id, row.created_at, TimerKind::Forget, 0);
        if row.journal_retention_ms == 0 {
            self.drop_journal(&id, row)?;
        } else if let Some(drop_at) = row.drops_journal_at() {
            self.arm(drop_at, id, row.created_at, TimerKind::DropJournal, 0);
        }
        self.save(&id, row);
        Ok(())
    }

    /// Forgets a completed invocation, and what lives only as long as it.
    pub(super) fn forget(&mut self, id: InvocationId, row: &mut Invocation) -> Result<(), Halt> {
        self.unlist(&id, row);
        self.delete(invocation::key(&id));
        if let Some(time) = row.drops_journal_at() {
            self.disarm(time, id, TimerKind::DropJournal, 0);
        }
        for index in 0..row.journal_len {
            self.delete(journal::key(&id, index));
        }
        if row.target.kind() == TargetKind::WorkflowRun
            && let Some(address) = Address::of(&row.target)
        {
            for range in [state::all_of(&address), promise::all_of(&address)] {
                for (key, _) in self.rows(range)? {
                    self.delete(key);
                }
            }
        }
        Ok(())
    }

    /// Drops the journal of a completed invocation, all but the entry that holds its result.
    pub(super) fn drop_journal(
        &mut self,
        id: &InvocationId,
        row: &mut Invocation,
    ) -> Result<(), Halt> {
        for index in 0..row.journal_len {
            if Some(index) != row.output_index {
                self.delete(journal::key(id, index));
            }
        }
        if let Some(time) = row.drops_journal_at() {
            self.disarm(time, *id, TimerKind::DropJournal, 0);
        }
        row.journal_dropped = true;
        Ok(())
    }

    fn leave_inbox(&mut self, address: &Address, row: &mut Invocation) -> Result<(), Halt> {
        let Some(sequence) = row.inbox_sequence.take() else {
            return Ok(());
        };
        self.delete(inbox::key(address, sequence));
        let key = inbox::lock_key(address);
        if let Some(mut lock) = self.row::<Lock>(&key)? {
            lock.waiting = lock.waiting.saturating_sub(1);
            if lock.first_sequence == sequence {
                lock.first_sequence += 1;
            }
            self.put_row(key, &lock);
        }
        Ok(())
    }

    /// Gives a key to the next that waits for it.
    fn release(&mut self, address: &Address) -> Result<(), Halt> {
        let key = inbox::lock_key(address);
        let Some(mut lock) = self.row::<Lock>(&key)? else {
            return Ok(());
        };
        while lock.waiting > 0 {
            let Some((row_key, value)) = self.first_waiting(address, lock.first_sequence)? else {
                break;
            };
            lock.waiting -= 1;
            lock.first_sequence = inbox::parse_sequence(&row_key)
                .map_or(lock.first_sequence, |sequence| sequence + 1);
            let waiting: Waiting = decode(&row_key, value)?;
            self.delete(row_key);
            match waiting.turn {
                Some(Turn::Patch(patch)) => self.replace_state(address, &patch)?,
                Some(Turn::Invocation(next)) => {
                    if let Some(mut row) = self.invocation(&next)? {
                        lock.holder = next;
                        self.put_row(key, &lock);
                        self.start(next, &mut row);
                        self.save(&next, &mut row);
                        return Ok(());
                    }
                }
                None => {}
            }
        }
        self.delete(key);
        Ok(())
    }

    /// The first that waits for a key, given that nobody does before `sequence`. Its row is
    /// asked for before the range is: whoever is served in order is found without walking
    /// over the graves of those before.
    fn first_waiting(
        &self,
        address: &Address,
        sequence: u64,
    ) -> Result<Option<(Bytes, Bytes)>, Halt> {
        if Mutation::InboxBackwards.is_on() {
            return Ok(self.rows(inbox::all_from(address, sequence))?.pop());
        }
        let key = inbox::key(address, sequence);
        match self.get(&key)? {
            Some(value) => Ok(Some((key, value))),
            None => self.first(inbox::all_from(address, sequence)),
        }
    }

    /// How it ended; for one that is completed.
    pub(super) fn outcome(&self, id: &InvocationId, row: &Invocation) -> Result<Outcome, Halt> {
        Ok(read::outcome(self, id, row)?.unwrap_or_else(|| Outcome::Value(Bytes::new())))
    }
}

/// The object whose key an invocation needs for itself, if it does.
fn exclusive_address(row: &Invocation) -> Option<Address> {
    if row.target.kind() != TargetKind::Exclusive {
        return None;
    }
    Address::of(&row.target)
}
