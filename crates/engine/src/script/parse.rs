//! From the words of a statement to a command.

use super::{World, home};
use crate::value::TargetKind;
use crate::{
    Answer, AttachTo, AttemptFailure, Awaited, BreakDeadlock, Call, Caller, Combinator, Command,
    CompletePromise, End, Entry, Failed, Failure, Future, GetState, Identity, Input, InvocationId,
    Invoke, Letter, Next, Op, Operate, Operation, Output, PatchState, PauseReason, Pin, Progress,
    PromiseRead, ProposeRun, Restart, SendSignal, SetState, Settled, Signal, Sleep, Span,
    StateEntry, Suspended, Target, Unchanged, read,
};
use bytes::Bytes;
use std::iter::Peekable;
use std::str::SplitWhitespace;

/// How long results and journals are kept where a script does not say.
const KEEP_MS: u64 = 86_400_000;

/// The rest of a statement.
pub(super) struct Words<'a> {
    statement: &'a str,
    rest: Peekable<SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    pub(super) fn new(statement: &'a str) -> Self {
        Self {
            statement,
            rest: statement.split_whitespace().peekable(),
        }
    }

    pub(super) fn word(&mut self) -> &'a str {
        match self.rest.next() {
            Some(word) => word,
            None => panic!("a word is missing: {}", self.statement),
        }
    }

    /// Takes the next word if it is this one.
    fn take(&mut self, word: &str) -> bool {
        self.rest.next_if(|next| *next == word).is_some()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.rest
            .next_if(|next| next.parse::<u64>().is_ok())?
            .parse()
            .ok()
    }

    /// `x=1 y=2`
    fn state(&mut self) -> Vec<StateEntry> {
        let mut state = Vec::new();
        while let Some(word) = self.rest.next_if(|word| word.contains('=')) {
            let (key, value) = word.split_once('=').expect("it has the sign");
            state.push(StateEntry {
                key: Bytes::copy_from_slice(key.as_bytes()),
                value: Bytes::copy_from_slice(value.as_bytes()),
            });
        }
        state
    }

    /// `nr 2` is the second bearer of an id.
    fn incarnation(&mut self) -> u32 {
        match self.take("nr") {
            true => self.number().expect("a number") as u32,
            false => 0,
        }
    }

    pub(super) fn partition(&mut self) -> usize {
        usize::from(self.word() == "b")
    }

    pub(super) fn duration(&mut self) -> u64 {
        let word = self.word();
        let unit = |unit: &str, ms: u64| Some(word.strip_suffix(unit)?.parse::<u64>().ok()? * ms);
        match unit("ms", 1).or(unit("s", 1_000)).or(unit("h", 3_600_000)) {
            Some(ms) => ms,
            None => panic!("no duration: {word} in {}", self.statement),
        }
    }

    fn completion(&mut self) -> u32 {
        let word = self.word();
        match word
            .strip_prefix('#')
            .and_then(|number| number.parse().ok())
        {
            Some(number) => number,
            None => panic!("no completion: {word} in {}", self.statement),
        }
    }

    fn signal(&mut self) -> Identity {
        signal(self.word())
    }

    pub(super) fn target(&mut self) -> Target {
        let word = self.word();
        let (object, handler) = word.split_once('/').unwrap_or((word, ""));
        let (service, key) = match object.split_once(':') {
            Some((service, key)) => (service, Some(key.to_owned())),
            None => (object, None),
        };
        let (kind, handler) = match handler.split_at_checked(1) {
            Some(("~", handler)) => (TargetKind::Shared, handler),
            Some(("!", handler)) => (TargetKind::WorkflowRun, handler),
            Some(("?", handler)) => (TargetKind::WorkflowShared, handler),
            _ if key.is_some() => (TargetKind::Exclusive, handler),
            _ => (TargetKind::Plain, handler),
        };
        Target {
            service: service.to_owned(),
            handler: handler.to_owned(),
            key,
            kind: kind as i32,
            scope: None,
        }
    }
}

fn signal(word: &str) -> Identity {
    match (word.strip_prefix('!'), word.strip_prefix('@')) {
        (Some(index), _) => Identity::Signal(index.parse().expect("an index")),
        (_, Some(name)) => Identity::NamedSignal(name.to_owned()),
        _ => panic!("no signal: {word}"),
    }
}

/// A value by itself is all of an entry's bytes; `fail:code` is a failure.
fn settled(word: &str) -> Settled {
    match word.strip_prefix("fail:") {
        Some(code) => Settled::Failure(Failure::new(code.parse().expect("a code"), "failed")),
        None => Settled::Value(Span {
            at: 0,
            len: word.len() as u32,
        }),
    }
}

impl World {
    pub(super) fn command(&mut self, verb: &str, words: &mut Words<'_>) -> (usize, Command) {
        match verb {
            "invoke" => {
                let invoke = self.invoke(words);
                (home(&invoke.id), Letter::Invoke(Box::new(invoke)).into())
            }
            "entry" | "suspend" | "end" | "error" => self.progress(verb, words),
            "signal" => {
                let id = self.id(words.word());
                let identity = Some(words.signal());
                let raw = Bytes::copy_from_slice(words.word().as_bytes());
                let answer = Some(Answer::Value(raw));
                let signal = Signal {
                    id,
                    identity,
                    answer,
                };
                (home(&id), Letter::Signal(signal).into())
            }
            "patch" => {
                let target = words.target();
                let state = words.state();
                // `if`: only if this is the state, and `i9` is over or was never there.
                let only_if = words.take("if").then(|| Unchanged {
                    run: self.id(words.word()),
                    seen: words.state(),
                });
                let patch = PatchState {
                    service: target.service,
                    scope: None,
                    key: target.key.expect("a keyed target"),
                    state,
                    partition_key: 0,
                    only_if,
                };
                (0, Command::PatchState(patch))
            }
            "deadlock" => {
                let id = self.id(words.word());
                let deadlock = BreakDeadlock {
                    id,
                    incarnation: words.incarnation(),
                    failure: Failure::new(508, "deadlock"),
                };
                (home(&id), Command::BreakDeadlock(deadlock))
            }
            "restart" => {
                let from = self.id(words.word());
                assert!(words.take("as"));
                let id = self.id(words.word());
                assert!(words.take("keeping"));
                let restart = Restart {
                    from,
                    id,
                    last_command: words.number().expect("an index") as u32,
                    pin: None,
                };
                (home(&id), Command::Restart(restart))
            }
            operation => self.operate(operation, words),
        }
    }

    fn operate(&mut self, operation: &str, words: &mut Words<'_>) -> (usize, Command) {
        let operation = match operation {
            "cancel" => Operation::Cancel,
            "kill" => Operation::Kill,
            "pause" => Operation::Pause,
            "resume" => Operation::Resume,
            "purge" => Operation::Purge,
            "purge-journal" => Operation::PurgeJournal,
            other => panic!("no statement: {other}"),
        };
        let id = self.id(words.word());
        let deployment = words.take("on").then(|| words.word().to_owned());
        let operate = Operate {
            id,
            operation: operation as i32,
            deployment,
        };
        (home(&id), Command::Operate(operate))
    }

    fn invoke(&mut self, words: &mut Words<'_>) -> Invoke {
        let target = words.target();
        assert!(words.take("as"), "as is missing: {}", words.statement);
        let id = self.id(words.word());
        let mut invoke = Invoke {
            id,
            incarnation: words.incarnation(),
            target,
            input: Input::default(),
            completion_retention_ms: KEEP_MS,
            journal_retention_ms: KEEP_MS,
            ..Invoke::default()
        };
        if words.take("once") {
            invoke.idempotency_key = Some(words.word().to_owned());
        }
        if words.take("in") {
            invoke.execution_time = Some(self.now + words.duration());
        }
        if words.take("keep") {
            invoke.completion_retention_ms = words.duration();
        }
        if words.take("journal") {
            invoke.journal_retention_ms = words.duration();
        }
        invoke
    }

    /// `entry i1 …`, `suspend i1 on …`, `end i1`, `error i1 …`; `i1@3` speaks as attempt 3.
    fn progress(&mut self, verb: &str, words: &mut Words<'_>) -> (usize, Command) {
        let word = words.word();
        let (name, epoch) = word.split_once('@').unwrap_or((word, ""));
        let id = self.id(name);
        let row = read::invocation(&self.views[home(&id)], &id).unwrap();
        let current = row.map_or(0, |row| row.epoch);
        let incarnation = words.incarnation();
        let pin = Pin {
            deployment: "d1".into(),
            version: 6,
        };
        let mut progress = Progress {
            id,
            epoch: epoch.parse().unwrap_or(current),
            incarnation,
            pin: Some(pin),
            ..Progress::default()
        };
        match verb {
            "entry" => progress.entries.push(self.entry_of(id, words)),
            "suspend" => progress.end = Some(End::Suspended(self.suspended(&id, words))),
            "end" => progress.end = Some(End::Completed(true)),
            _ => progress.end = Some(End::Failed(self.failed(words))),
        }
        (home(&id), Command::Progress(progress))
    }

    fn suspended(&self, id: &InvocationId, words: &mut Words<'_>) -> Suspended {
        assert!(words.take("on"), "on is missing: {}", words.statement);
        let mut tree = words.rest.by_ref().take_while(|word| *word != "replayed");
        let future = future(&mut tree, Combinator::FirstCompleted);
        let replayed = words.number().map(|number| number as u32);
        Suspended {
            future,
            replayed: replayed.unwrap_or_else(|| self.replayed.get(id).copied().unwrap_or(0)),
        }
    }

    fn failed(&self, words: &mut Words<'_>) -> Failed {
        let next = match words.word() {
            "retry" => Next::RetryAt(self.now + words.duration()),
            "pause" => Next::Pause(PauseReason::RetriesExhausted.into()),
            "give-up" => Next::End(true),
            other => panic!("what follows a failure: {other}"),
        };
        let failure = AttemptFailure {
            code: 500,
            message: "boom".into(),
            ..AttemptFailure::default()
        };
        let free = words.take("free");
        Failed {
            failure,
            counts: true,
            uses_policy: !free,
            next: Some(next),
        }
    }

    fn entry_of(&mut self, id: InvocationId, words: &mut Words<'_>) -> Entry {
        let verb = words.word();
        let mut raw = Bytes::from(verb.to_owned());
        let mut bytes = |word: &str| {
            raw = Bytes::copy_from_slice(word.as_bytes());
            raw.clone()
        };
        let key = |word: &str| Bytes::copy_from_slice(word.as_bytes());
        let op = match verb {
            "out" => {
                let word = words.word();
                bytes(word);
                Op::Output(Output {
                    settled: Some(settled(word)),
                })
            }
            "set" => Op::SetState(SetState {
                key: key(words.word()),
                value: Span {
                    at: 0,
                    len: bytes(words.word()).len() as u32,
                },
            }),
            "clear" => Op::ClearState(key(words.word())),
            "clear-all" => Op::ClearAllState(true),
            "get" => Op::GetState(GetState {
                key: key(words.word()),
                completion: words.completion(),
            }),
            "keys" => Op::GetStateKeys(Awaited {
                completion: words.completion(),
            }),
            "sleep" => Op::Sleep(Sleep {
                wake_up_time: self.now + words.duration(),
                completion: words.completion(),
            }),
            "call" | "send" => return self.call(id, verb, words),
            "run" => Op::Run(Awaited {
                completion: words.completion(),
            }),
            "propose" => {
                let completion = words.completion();
                let word = words.word();
                bytes(word);
                Op::ProposeRun(ProposeRun {
                    completion,
                    settled: Some(settled(word)),
                })
            }
            "signal" => {
                let to = self.id(words.word());
                let identity = Some(words.signal());
                let word = words.word();
                bytes(word);
                Op::Signal(SendSignal {
                    to,
                    identity,
                    settled: Some(settled(word)),
                })
            }
            "attach" | "output-of" => {
                let to = self.id(words.word());
                let attach = AttachTo {
                    to,
                    completion: words.completion(),
                };
                if verb == "attach" {
                    Op::Attach(attach)
                } else {
                    Op::GetOutput(attach)
                }
            }
            "promise" | "peek" => {
                let read = PromiseRead {
                    name: words.word().to_owned(),
                    completion: words.completion(),
                };
                if verb == "promise" {
                    Op::GetPromise(read)
                } else {
                    Op::PeekPromise(read)
                }
            }
            "resolve" => {
                let name = words.word().to_owned();
                let word = words.word();
                bytes(word);
                Op::CompletePromise(CompletePromise {
                    name,
                    completion: words.completion(),
                    settled: Some(settled(word)),
                })
            }
            other => panic!("no entry: {other}"),
        };
        Entry {
            ty: 0,
            raw,
            ack: words.take("ack"),
            op: Some(op),
        }
    }

    /// `call TARGET as i2 #1 #2`: the id goes to 1, the result to 2. `send TARGET as i2 #1`.
    fn call(&mut self, id: InvocationId, verb: &str, words: &mut Words<'_>) -> Entry {
        let mut invoke = self.invoke(words);
        let row = read::invocation(&self.views[home(&id)], &id).unwrap();
        invoke.caller = row.map(|row| Caller {
            id,
            target: row.target,
        });
        let mut call = Call {
            invoke,
            id_completion: words.completion(),
            ..Call::default()
        };
        let op = if verb == "call" {
            call.completion = words.completion();
            Op::Call(Box::new(call))
        } else {
            Op::Send(Box::new(call))
        };
        Entry {
            ty: 0,
            raw: Bytes::from(verb.to_owned()),
            ack: words.take("ack"),
            op: Some(op),
        }
    }
}

/// `1 !17 @go all( 2 3 ) some( 4 )`: leaves and nested futures until the end or a `)`.
fn future<'a>(words: &mut impl Iterator<Item = &'a str>, combinator: Combinator) -> Future {
    let mut node = Future {
        combinator: combinator as i32,
        ..Future::default()
    };
    while let Some(word) = words.next() {
        let nested = match word {
            ")" => break,
            "unknown(" => Combinator::Unknown,
            "first(" => Combinator::FirstCompleted,
            "settled(" => Combinator::AllCompleted,
            "any(" => Combinator::FirstSucceededOrAllFailed,
            "all(" => Combinator::AllSucceededOrFirstFailed,
            leaf => {
                match leaf.parse() {
                    Ok(completion) => node.completions.push(completion),
                    Err(_) => match signal(leaf) {
                        Identity::Signal(index) => node.signals.push(index),
                        Identity::NamedSignal(name) => node.named_signals.push(name),
                        Identity::Completion(_) => {}
                    },
                }
                continue;
            }
        };
        let mut words: &mut dyn Iterator<Item = &'a str> = words;
        node.nested.push(future(&mut words, nested));
    }
    node
}
