//! One entry of an attempt: remembered, and its effects.

use crate::Halt;
use crate::command::{Call, Entry, Letter, Op, SendSignal, Signal};
use crate::effect::Effect;
use crate::id::InvocationId;
use crate::mutation::Mutation;
use crate::table::Address;
use crate::table::invocation::Invocation;
use crate::table::journal::{self, Body, Notification};
use crate::table::state;
use crate::table::timer::TimerKind;
use crate::transition::Apply;
use crate::value::{Answer, Identity, StateKeys, Waiter};
use bytes::Bytes;

impl Apply<'_> {
    pub(super) fn entry(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        entry: Entry,
    ) -> Result<(), Halt> {
        if let Some(Op::ProposeRun(run)) = &entry.op {
            let settled = run.settled.as_ref();
            let answer = settled.map_or(Answer::Void(true), |s| s.to_answer(&entry.raw));
            let notification = Notification {
                identity: Some(Identity::Completion(run.completion)),
                answer: Some(answer),
            };
            let index = match Mutation::RunNotStored.is_on() {
                false => self.append(&id, row, Body::Notification(notification.clone())),
                true => row.journal_len,
            };
            self.effect(Effect::Notify {
                id,
                index,
                notification,
                proposed: entry.ack,
            });
            return Ok(());
        }
        let index = self.append(&id, row, Body::Command(to_command(&entry)));
        // A new command is progress: retries begin anew.
        row.retry_count = 0;
        row.policy_attempts = 0;
        row.last_failure = None;
        if entry.ack {
            self.effect(Effect::Acknowledge {
                id,
                command: row.commands - 1,
            });
        }
        match entry.op {
            Some(op) => self.op(id, row, index, op, &entry.raw),
            None => Ok(()),
        }
    }

    fn op(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        index: u32,
        op: Op,
        raw: &Bytes,
    ) -> Result<(), Halt> {
        match op {
            Op::Output(_) => row.output_index = Some(index),
            Op::Run(_) | Op::ProposeRun(_) => {}
            Op::GetState(get) => {
                let value = match Address::of(&row.target) {
                    Some(address) => self.get(&state::key(&address, &get.key))?,
                    None => None,
                };
                let answer = value.map_or(Answer::Void(true), Answer::Value);
                self.notify(id, row, Identity::Completion(get.completion), answer);
            }
            Op::GetStateKeys(get) => {
                let mut keys = Vec::new();
                if let Some(address) = Address::of(&row.target) {
                    let (from, to) = state::all_of(&address);
                    let prefix = from.len();
                    let rows = self.rows((from, to))?;
                    keys.extend(rows.into_iter().map(|(key, _)| key.slice(prefix..)));
                }
                let answer = Answer::StateKeys(StateKeys { keys });
                self.notify(id, row, Identity::Completion(get.completion), answer);
            }
            Op::SetState(set) => {
                if let Some(address) = Address::of(&row.target)
                    && !Mutation::StateNotWritten.is_on()
                {
                    self.put(state::key(&address, &set.key), set.value.of(raw));
                }
            }
            Op::ClearState(key) => {
                if let Some(address) = Address::of(&row.target) {
                    self.delete(state::key(&address, &key));
                }
            }
            Op::ClearAllState(_) => {
                if let Some(address) = Address::of(&row.target) {
                    for (key, _) in self.rows(state::all_of(&address))? {
                        self.delete(key);
                    }
                }
            }
            Op::GetPromise(get) => self.get_promise(id, row, get)?,
            Op::PeekPromise(peek) => self.peek_promise(id, row, peek)?,
            Op::CompletePromise(complete) => self.complete_promise(id, row, complete, raw)?,
            Op::Sleep(sleep) => {
                if sleep.wake_up_time <= self.now {
                    let identity = Identity::Completion(sleep.completion);
                    self.notify(id, row, identity, Answer::Void(true));
                } else {
                    let time = sleep.wake_up_time;
                    self.arm(time, id, row.created_at, TimerKind::Sleep, sleep.completion);
                }
            }
            Op::Call(call) => {
                let waiter = row.waiter(id, call.completion);
                self.call(id, row, *call, Some(waiter), raw)?;
            }
            Op::Send(call) => self.call(id, row, *call, None, raw)?,
            Op::Signal(signal) => self.send_signal(signal, raw)?,
            Op::Attach(attach) => {
                let waiter = row.waiter(id, attach.completion);
                self.ask(attach.to, waiter, Letter::Attach)?;
            }
            Op::GetOutput(get) => {
                let waiter = row.waiter(id, get.completion);
                self.ask(get.to, waiter, Letter::GetOutput)?;
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        id: InvocationId,
        row: &mut Invocation,
        call: Call,
        waiter: Option<Waiter>,
        raw: &Bytes,
    ) -> Result<(), Halt> {
        let mut invoke = call.invoke;
        invoke.input.body = call.parameter.of(raw);
        invoke.waiter = waiter;
        let identity = Identity::Completion(call.id_completion);
        self.notify(id, row, identity, Answer::Invocation(invoke.id));
        self.send(Letter::Invoke(Box::new(invoke)))
    }

    fn send_signal(&mut self, signal: SendSignal, raw: &Bytes) -> Result<(), Halt> {
        self.send(Letter::Signal(Signal {
            id: signal.to,
            identity: signal.identity,
            answer: signal.settled.map(|settled| settled.to_answer(raw)),
        }))
    }
}

/// What the journal keeps of an entry.
fn to_command(entry: &Entry) -> journal::Command {
    let (child, settled, completions) = match &entry.op {
        Some(Op::Output(output)) => (None, output.settled.clone(), vec![]),
        Some(Op::Call(call)) => (
            Some(call.invoke.id),
            None,
            vec![call.id_completion, call.completion],
        ),
        Some(Op::Send(call)) => (Some(call.invoke.id), None, vec![call.id_completion]),
        Some(Op::GetState(get)) => (None, None, vec![get.completion]),
        Some(Op::GetStateKeys(awaited) | Op::Run(awaited)) => {
            (None, None, vec![awaited.completion])
        }
        Some(Op::GetPromise(read) | Op::PeekPromise(read)) => (None, None, vec![read.completion]),
        Some(Op::CompletePromise(complete)) => (None, None, vec![complete.completion]),
        Some(Op::Sleep(sleep)) => (None, None, vec![sleep.completion]),
        Some(Op::Attach(attach) | Op::GetOutput(attach)) => (None, None, vec![attach.completion]),
        Some(
            Op::SetState(_)
            | Op::ClearState(_)
            | Op::ClearAllState(_)
            | Op::Signal(_)
            | Op::ProposeRun(_),
        )
        | None => (None, None, vec![]),
    };
    journal::Command {
        ty: entry.ty,
        raw: entry.raw.clone(),
        child,
        completions,
        settled,
    }
}
