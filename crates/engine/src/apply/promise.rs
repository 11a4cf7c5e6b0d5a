//! Durable promises of workflows: wait, look, complete.

use crate::Halt;
use crate::command::{CompletePromise, PromiseRead};
use crate::id::InvocationId;
use crate::mutation::Mutation;
use crate::table::Address;
use crate::table::invocation::Invocation;
use crate::table::promise::{self, Promise};
use crate::transition::Apply;
use crate::value::{Answer, Failure, Identity};
use bytes::Bytes;

impl Apply<'_> {
    pub(super) fn get_promise(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        get: PromiseRead,
    ) -> Result<(), Halt> {
        let Some((key, mut promise)) = self.promise(row, &get.name)? else {
            return Ok(());
        };
        match promise.answer {
            Some(answer) => self.notify(id, row, Identity::Completion(get.completion), answer),
            None => {
                promise.waiters.push(row.waiter(id, get.completion));
                self.put_row(key, &promise);
            }
        }
        Ok(())
    }

    pub(super) fn peek_promise(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        peek: PromiseRead,
    ) -> Result<(), Halt> {
        let answer = match self.promise(row, &peek.name)? {
            Some((_, promise)) => promise.answer,
            None => None,
        };
        let answer = answer.unwrap_or(Answer::Void(true));
        self.notify(id, row, Identity::Completion(peek.completion), answer);
        Ok(())
    }

    pub(super) fn complete_promise(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        complete: CompletePromise,
        raw: &Bytes,
    ) -> Result<(), Halt> {
        let Some((key, mut promise)) = self.promise(row, &complete.name)? else {
            return Ok(());
        };
        let confirmation = if promise.answer.is_some() && !Mutation::PromiseTwice.is_on() {
            Answer::Failure(Failure::new(409, "promise was already completed"))
        } else {
            let answer = complete
                .settled
                .map_or(Answer::Void(true), |settled| settled.to_answer(raw));
            for waiter in std::mem::take(&mut promise.waiters) {
                self.answer(waiter, answer.clone())?;
            }
            promise.answer = Some(answer);
            self.put_row(key, &promise);
            Answer::Void(true)
        };
        let identity = Identity::Completion(complete.completion);
        self.notify(id, row, identity, confirmation);
        Ok(())
    }

    fn promise(&self, row: &Invocation, name: &str) -> Result<Option<(Bytes, Promise)>, Halt> {
        let Some(address) = Address::of(&row.target) else {
            return Ok(None);
        };
        let key = promise::key(&address, name);
        let promise = self.row(&key)?.unwrap_or_default();
        Ok(Some((key, promise)))
    }
}
