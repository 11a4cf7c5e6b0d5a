//! A program and what is known so far come in; the commands up to the point where it
//! must wait go out. Played from the beginning each time, as a replay would be.

use super::{Child, Program, Step};
use latchwork_engine::seeded::{mix, mix_bytes};
use latchwork_engine::table::journal::Notification;
use latchwork_engine::{
    Answer, AttachTo, Awaited, CANCEL_SIGNAL, Call, Caller, Combinator, CompletePromise, Entry,
    Failure, Future, GetState, Identity, InvocationId, Op, Output, PromiseRead, SendSignal,
    SetState, Settled, Sleep, Span, Target,
};
use std::collections::BTreeMap;

/// All that a program did, and why it went no further.
pub(crate) struct Turn {
    /// From the first on, those of earlier attempts included.
    pub(crate) commands: Vec<Entry>,
    /// Completions of runs whose result is not known.
    pub(crate) open_runs: Vec<u32>,
    pub(crate) stop: Stop,
}

pub(crate) enum Stop {
    Done,
    Waits(Future),
}

/// Which invocation plays, and when.
pub(crate) struct Player<'a> {
    pub(crate) id: InvocationId,
    pub(crate) target: &'a Target,
    pub(crate) now: u64,
}

/// Notifications by their place in the journal.
type Known = BTreeMap<u32, Notification>;

pub(crate) fn interpret(program: &Program, player: &Player<'_>, known: &Known) -> Turn {
    let mut play = Play {
        player,
        known,
        commands: Vec::new(),
        runs: Vec::new(),
        open: Vec::new(),
        calls: Vec::new(),
        last_child: None,
        next_completion: 1,
        next_signal: 17,
        seen: 0,
    };
    let stop = match play.all(program) {
        Ok(()) => Stop::Done,
        Err(future) => Stop::Waits(future),
    };
    let open_runs = play.runs.iter().copied();
    let open_runs = open_runs.filter(|run| play.find(&Identity::Completion(*run)).is_none());
    Turn {
        open_runs: open_runs.collect(),
        commands: play.commands,
        stop,
    }
}

struct Play<'a> {
    player: &'a Player<'a>,
    known: &'a Known,
    commands: Vec<Entry>,
    runs: Vec<u32>,
    /// What can be awaited and was not.
    open: Vec<Identity>,
    /// Where the ids of the called children go.
    calls: Vec<u32>,
    last_child: Option<u32>,
    next_completion: u32,
    next_signal: u32,
    /// A digest of all results so far: what is written depends on what was read.
    seen: u64,
}

/// What it must wait for.
type Blocked = Future;

enum Woken {
    Done,
    Cancelled,
}

impl Play<'_> {
    fn all(&mut self, program: &Program) -> Result<(), Blocked> {
        for step in &program.steps {
            if let Woken::Cancelled = self.step(step)? {
                return self.clean_up();
            }
        }
        let text = format!("out {}", self.seen);
        let settled = if program.fails {
            Settled::Failure(Failure::new(422, text.clone()))
        } else {
            whole(&text)
        };
        self.push(
            text,
            Op::Output(Output {
                settled: Some(settled),
            }),
        );
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Woken, Blocked> {
        let seen = self.seen;
        match step {
            Step::Set(key) => {
                let text = format!("{seen}");
                let value = Span {
                    at: 0,
                    len: text.len() as u32,
                };
                let key = vec![*key].into();
                self.push(text, Op::SetState(SetState { key, value }));
            }
            Step::Clear(key) => self.push("clear", Op::ClearState(vec![*key].into())),
            Step::ClearAll => self.push("clear all", Op::ClearAllState(true)),
            Step::Get(key) => {
                let completion = self.completion();
                let key = vec![*key].into();
                self.push("get", Op::GetState(GetState { key, completion }));
            }
            Step::Keys => {
                let completion = self.completion();
                self.push("keys", Op::GetStateKeys(Awaited { completion }));
            }
            Step::Sleep(ms) => {
                let completion = self.completion();
                let wake_up_time = self.player.now + ms;
                self.push(
                    "sleep",
                    Op::Sleep(Sleep {
                        wake_up_time,
                        completion,
                    }),
                );
            }
            Step::Call(child) => {
                let id_completion = self.silent_completion();
                let completion = self.completion();
                self.calls.push(id_completion);
                self.last_child = Some(id_completion);
                let call = self.call(child, id_completion, completion, None);
                self.push(format!("call {seen}"), Op::Call(Box::new(call)));
            }
            Step::Send(child, delay) => {
                let id_completion = self.silent_completion();
                self.last_child = Some(id_completion);
                let at = (*delay > 0).then_some(self.player.now + delay);
                let call = self.call(child, id_completion, 0, at);
                self.push(format!("send {seen}"), Op::Send(Box::new(call)));
            }
            Step::Run => {
                let completion = self.completion();
                self.runs.push(completion);
                self.push("run", Op::Run(Awaited { completion }));
            }
            Step::Awakeable => {
                self.open.push(Identity::Signal(self.next_signal));
                self.next_signal += 1;
            }
            Step::Named => {
                let name = format!("go{}", self.next_signal);
                self.open.push(Identity::NamedSignal(name));
                self.next_signal += 1;
            }
            Step::SignalChild | Step::AttachChild | Step::OutputOfChild => {
                if let Some(child) = self.last_child {
                    let to = self.child(child)?;
                    self.with_child(step, to);
                }
            }
            Step::Promise | Step::Peek => {
                let read = PromiseRead {
                    name: "p".into(),
                    completion: self.completion(),
                };
                if matches!(step, Step::Peek) {
                    self.push("peek", Op::PeekPromise(read));
                } else {
                    self.push("promise", Op::GetPromise(read));
                }
            }
            Step::Resolve => {
                let text = format!("resolve {seen}");
                let complete = CompletePromise {
                    name: "p".into(),
                    completion: self.completion(),
                    settled: Some(whole(&text)),
                };
                self.push(text, Op::CompletePromise(complete));
            }
            Step::Await(combinator, count) => {
                let from = self.open.len().saturating_sub(*count);
                let awaited = self.open.split_off(from);
                if !awaited.is_empty() {
                    return self.wait(*combinator, &awaited);
                }
            }
        }
        Ok(Woken::Done)
    }

    fn with_child(&mut self, step: &Step, to: InvocationId) {
        match step {
            Step::SignalChild => {
                let signal = SendSignal {
                    to,
                    identity: Some(Identity::NamedSignal("go17".into())),
                    settled: Some(Settled::Void(true)),
                };
                self.push("signal", Op::Signal(signal));
            }
            Step::AttachChild => {
                let completion = self.completion();
                self.push("attach", Op::Attach(AttachTo { to, completion }));
            }
            _ => {
                let completion = self.completion();
                self.push("output of", Op::GetOutput(AttachTo { to, completion }));
            }
        }
    }

    /// Asks every called child to stop, and ends as cancelled.
    fn clean_up(&mut self) -> Result<(), Blocked> {
        for call in self.calls.clone() {
            let to = self.child(call)?;
            let signal = SendSignal {
                to,
                identity: Some(Identity::Signal(CANCEL_SIGNAL)),
                settled: Some(Settled::Void(true)),
            };
            self.push("cancel", Op::Signal(signal));
        }
        let settled = Some(Settled::Failure(Failure::new(409, "Cancelled")));
        self.push("out cancelled", Op::Output(Output { settled }));
        Ok(())
    }

    fn call(&self, child: &Child, id_completion: u32, completion: u32, at: Option<u64>) -> Call {
        let id = self.player.id;
        let nonce = [id.high, id.low, u64::from(id_completion)];
        let mut invoke = child.invoke(&nonce, at);
        invoke.caller = Some(Caller {
            id,
            target: self.player.target.clone(),
        });
        Call {
            invoke,
            parameter: Span::default(),
            id_completion,
            completion,
        }
    }

    fn push(&mut self, raw: impl Into<String>, op: Op) {
        self.commands.push(Entry {
            ty: 0,
            raw: raw.into().into(),
            ack: false,
            op: Some(op),
        });
    }

    fn completion(&mut self) -> u32 {
        let completion = self.silent_completion();
        self.open.push(Identity::Completion(completion));
        completion
    }

    fn silent_completion(&mut self) -> u32 {
        self.next_completion += 1;
        self.next_completion - 1
    }

    fn find(&self, identity: &Identity) -> Option<&Answer> {
        let is_it = |it: &&Notification| it.identity.as_ref() == Some(identity);
        self.known.values().find(is_it)?.answer.as_ref()
    }

    /// The id of a child, which its parent awaits without being cancelled.
    fn child(&self, id_completion: u32) -> Result<InvocationId, Blocked> {
        match self.find(&Identity::Completion(id_completion)) {
            Some(Answer::Invocation(id)) => Ok(*id),
            _ => Err(Future::any(vec![id_completion], vec![], vec![])),
        }
    }

    /// Goes on from the first notification with which the awaited is done; or with which
    /// it is cancelled, whichever comes first in the journal.
    fn wait(&mut self, combinator: Combinator, leaves: &[Identity]) -> Result<Woken, Blocked> {
        let mut awaited = Future {
            combinator: combinator as i32,
            ..Future::default()
        };
        for leaf in leaves {
            match leaf.clone() {
                Identity::Completion(id) => awaited.completions.push(id),
                Identity::Signal(index) => awaited.signals.push(index),
                Identity::NamedSignal(name) => awaited.named_signals.push(name),
            }
        }
        let mut settled = Vec::new();
        let mut digest = vec![self.seen];
        for notification in self.known.values() {
            let (Some(identity), Some(answer)) = (&notification.identity, &notification.answer)
            else {
                continue;
            };
            if *identity == Identity::Signal(CANCEL_SIGNAL) {
                return Ok(Woken::Cancelled);
            }
            settled.push((identity.clone(), matches!(answer, Answer::Failure(_))));
            if leaves.contains(identity) {
                digest.push(mix_bytes(format!("{answer:?}").as_bytes()));
            }
            if evaluate(&awaited, &settled) != Some(Node::Pending) {
                self.seen = mix(&digest);
                return Ok(Woken::Done);
            }
        }
        // An SDK names only what it has not got.
        let known = |wanted: Identity| settled.iter().any(|(it, _)| *it == wanted);
        awaited
            .completions
            .retain(|id| !known(Identity::Completion(*id)));
        awaited
            .signals
            .retain(|index| !known(Identity::Signal(*index)));
        awaited
            .named_signals
            .retain(|name| !known(Identity::NamedSignal(name.clone())));
        Err(Future {
            signals: vec![CANCEL_SIGNAL],
            nested: vec![awaited],
            combinator: Combinator::FirstCompleted as i32,
            ..Future::default()
        })
    }
}

/// All of a text.
fn whole(text: &str) -> Settled {
    Settled::Value(Span {
        at: 0,
        len: text.len() as u32,
    })
}

/// How a node of a future stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Pending,
    Success,
    Failure,
    Either,
}

/// Evaluates a future from scratch over what is settled, in order (`true`: failed).
/// Nothing: only the handler can tell.
pub(crate) fn evaluate(future: &Future, settled: &[(Identity, bool)]) -> Option<Node> {
    let leaf = |identity: Identity| match settled.iter().find(|(it, _)| *it == identity) {
        None => Node::Pending,
        Some((_, true)) => Node::Failure,
        Some((_, false)) => Node::Success,
    };
    let mut children: Vec<Node> = Vec::new();
    children.extend(
        future
            .completions
            .iter()
            .map(|id| leaf(Identity::Completion(*id))),
    );
    children.extend(
        future
            .signals
            .iter()
            .map(|index| leaf(Identity::Signal(*index))),
    );
    let named = future.named_signals.iter();
    children.extend(named.map(|name| leaf(Identity::NamedSignal(name.clone()))));
    for nested in &future.nested {
        children.push(evaluate(nested, settled)?);
    }
    let any = |wanted| children.contains(&wanted);
    let first = children.iter().copied().find(|node| *node != Node::Pending);
    Some(match future.combinator() {
        Combinator::Unknown => first.map_or(Node::Pending, |_| Node::Either),
        Combinator::FirstCompleted => first.unwrap_or(Node::Pending),
        Combinator::AllCompleted if any(Node::Pending) => Node::Pending,
        Combinator::AllCompleted => Node::Success,
        _ if any(Node::Either) => return None,
        Combinator::FirstSucceededOrAllFailed if any(Node::Success) => Node::Success,
        Combinator::AllSucceededOrFirstFailed if any(Node::Failure) => Node::Failure,
        _ if any(Node::Pending) => Node::Pending,
        Combinator::FirstSucceededOrAllFailed => Node::Failure,
        Combinator::AllSucceededOrFirstFailed => Node::Success,
    })
}
