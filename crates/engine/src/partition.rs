//! One partition: from a record to what follows from it.

use crate::apply;
use crate::command::{Command, Message, Record};
use crate::effect::Effect;
use crate::id::Topology;
use crate::mutation::Mutation;
use crate::table::listing::{self, Standing};
use crate::table::{outbox, timer};
use crate::transition::{Apply, Transition, decode};
use crate::view::{ReadError, View};
use bytes::Bytes;

/// Why a partition must stop. A refusal is no such thing: it is a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The tables could not be read.
    Read(ReadError),
    /// A row cannot be decoded.
    Row {
        /// Its key.
        key: Bytes,
        /// What the decoder says.
        error: String,
    },
    /// A record holds no command that this version knows.
    UnknownCommand,
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Row { key, error } => write!(
                f,
                "the row {key:?} cannot be decoded ({error}): the tables are damaged, or were \
                 written by a newer version. Restore the directory from a copy, or upgrade."
            ),
            Self::UnknownCommand => write!(
                f,
                "the log holds a command that this version does not know. Upgrade."
            ),
        }
    }
}

impl std::error::Error for Halt {}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// The state machine of one partition. It keeps nothing: all it knows is in the tables.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    topology: Topology,
}

impl Partition {
    /// The partition that `topology` calls its own.
    pub fn new(topology: Topology) -> Self {
        Self { topology }
    }

    /// Applies one durable record to the tables as they were just before it.
    ///
    /// # Errors
    /// If the tables cannot be read or the record is of a newer version. The partition
    /// must stop then; nothing was changed.
    pub fn apply(&self, view: &dyn View, record: Record) -> Result<Transition, Halt> {
        let mut apply = Apply::new(view, self.topology, record.time);
        match record.command.ok_or(Halt::UnknownCommand)? {
            Command::Message(Message { letter }) => {
                apply.letter(letter.ok_or(Halt::UnknownCommand)?, apply::Origin::Outside)?;
            }
            Command::Progress(progress) => apply.progress(progress)?,
            Command::FireTimers(timers) => apply.fire_timers(timers)?,
            Command::Operate(operate) => apply.operate(operate)?,
            Command::Restart(restart) => apply.restart(restart)?,
            Command::PatchState(patch) => apply.patch_state(patch)?,
            Command::Register(register) => apply.register(register),
            Command::Deliver(deliver) => apply.deliver(deliver)?,
            Command::Delivered(delivered) => apply.delivered(delivered)?,
            Command::BreakDeadlock(deadlock) => apply.break_deadlock(deadlock)?,
            Command::Audit(audit) => apply.audit(audit)?,
        }
        while let Some(letter) = apply.letters.pop_front() {
            apply.letter(letter, apply::Origin::Inside)?;
        }
        Ok(apply.into_transition())
    }

    /// Every effect that is still owed, from the tables alone: what a new leader performs first.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn outstanding(&self, view: &dyn View) -> Result<Vec<Effect>, Halt> {
        let mut effects = Vec::new();
        let (from, to) = outbox::all();
        for row in view.scan(&from, &to) {
            let (key, value) = row?;
            if let Some((to, sequence)) = outbox::parse_key(&key)
                && !Mutation::OutboxForgotten.is_on()
            {
                effects.push(Effect::Deliver {
                    to,
                    sequence,
                    message: decode(&key, value)?,
                });
            }
        }
        let (from, to) = listing::all_of(Standing::Running, None, None);
        let mut running = Vec::new();
        for row in view.scan(&from, &to) {
            let (key, value) = row?;
            if let (Some(listed), Ok(epoch)) = (listing::parse_key(&key), value[..].try_into())
                && !Mutation::RunsForgotten.is_on()
            {
                running.push((listed.created_at, listed.id, u32::from_be_bytes(epoch)));
            }
        }
        // Whoever came first goes first.
        running.sort_unstable();
        effects.extend(
            running
                .into_iter()
                .map(|(_, id, epoch)| Effect::Run { id, epoch }),
        );
        let (from, to) = timer::all();
        if let Some(row) = view.scan(&from, &to).next()
            && let Some(timer) = timer::TimerKey::parse(&row?.0)
            && !Mutation::TimersForgotten.is_on()
        {
            effects.push(Effect::Arm { time: timer.time });
        }
        Ok(effects)
    }
}
