//! A signal to an invocation: an awakeable, a named signal, or the wish that it stop.

use super::Origin;
use crate::Halt;
use crate::command::Signal;
use crate::effect::Reply;
use crate::mutation::Mutation;
use crate::table::invocation::Status;
use crate::transition::Apply;
use crate::value::{Answer, CANCEL_SIGNAL, Failure, Identity, Outcome};

impl Apply<'_> {
    /// Signals are kept as often as they come. One that never started is ended by a
    /// cancellation; any other signal is kept for its first attempt.
    pub(super) fn signal(&mut self, signal: Signal, origin: Origin) -> Result<(), Halt> {
        let reply = self.take_signal(signal)?;
        if origin == Origin::Outside {
            self.reply(reply);
        }
        Ok(())
    }

    pub(super) fn take_signal(&mut self, signal: Signal) -> Result<Reply, Halt> {
        let id = signal.id;
        let Some(identity) = signal.identity else {
            return Ok(Reply::NotFound);
        };
        let Some(mut row) = self.invocation(&id)? else {
            return Ok(Reply::NotFound);
        };
        let cancel = identity == Identity::Signal(CANCEL_SIGNAL);
        match row.status() {
            Status::Completed => return Ok(Reply::Completed),
            Status::Scheduled | Status::Inboxed if cancel => {
                let failure = Failure::new(409, "canceled");
                row.failure = Some(failure.clone());
                self.finish(id, row, Outcome::Failure(failure))?;
                return Ok(Reply::Done);
            }
            _ if cancel && Mutation::CancelForgotten.is_on() => {}
            status => {
                let answer = signal.answer.unwrap_or(Answer::Void(true));
                self.notify(id, &mut row, identity, answer);
                if cancel && status == Status::Paused {
                    self.start(id, &mut row);
                }
            }
        }
        self.save(&id, &mut row);
        Ok(Reply::Noted)
    }
}
