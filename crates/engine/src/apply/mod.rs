//! What happens when a record is applied: one command a file.
//!
//! Each is a method of [`Apply`], which reads the tables through its own writes and
//! collects writes and effects. Letters to other invocations are queued, and applied
//! after the command that caused them; those to another partition go to the outbox.
//!
//! What several commands need of the life of an invocation is in `lifecycle`.

mod attach;
mod audit;
mod break_deadlock;
mod complete;
mod deliver;
mod end_attempt;
mod entry;
mod fire_timers;
mod invoke;
mod kill;
mod lifecycle;
mod operate;
mod patch_state;
mod progress;
mod promise;
mod register;
mod restart;
mod signal;

use crate::Halt;
use crate::command::Letter;
use crate::transition::Apply;

/// Where a letter comes from: only an outsider is replied to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Outside,
    Inside,
}

impl Apply<'_> {
    pub(crate) fn letter(&mut self, letter: Letter, origin: Origin) -> Result<(), Halt> {
        match letter {
            Letter::Invoke(invoke) => self.invoke(*invoke, origin),
            Letter::Complete(complete) => self.complete(complete),
            Letter::Signal(signal) => self.signal(signal, origin),
            Letter::Attach(attach) => self.attach(attach),
            Letter::GetOutput(attach) => self.get_output(attach),
            Letter::Kill(kill) => self.kill_child(kill),
        }
    }
}
