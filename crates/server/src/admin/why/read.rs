//! What the tables of one partition know of one invocation: a view comes in, facts go out.
//! Nothing here is for people; the words are in `words`.

use latchwork_engine::table::Address;
use latchwork_engine::table::inbox::{self, Lock};
use latchwork_engine::table::invocation::{Invocation, Status};
use latchwork_engine::table::journal::{Body, Command};
use latchwork_engine::{
    CANCEL_SIGNAL, Combinator, Future, Halt, Identity, InvocationId, Outcome, View, read,
};
use latchwork_protocol::derive;
use latchwork_protocol::id::{awakeable_text, parse_invocation};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use prost::Message;
use std::collections::BTreeMap;

/// The first signal index that belongs to an awakeable.
const AWAKEABLES_FROM: u32 = 17;
/// Those before it in a queue are counted so far.
const PLACE_MAX: usize = 10_000;

/// One invocation, as its tables tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) id: InvocationId,
    pub(super) row: Invocation,
    /// How it ended, if it is over.
    pub(super) outcome: Option<Outcome>,
    /// Its place in the queue for its key, while it waits there.
    pub(super) queue: Option<Queue>,
    /// What has no answer yet: of a suspended one what it awaits, of a running one all that
    /// its journal leaves open, which it may or may not wait for.
    pub(super) waits: Vec<Wait>,
    /// One of several is enough to go on.
    pub(super) any_is_enough: bool,
}

/// Who is before an invocation that waits for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue {
    /// Who has the key.
    pub(super) holder: Option<InvocationId>,
    /// How many come first, the holder not counted.
    pub(super) ahead: usize,
}

/// Something that has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) on: On,
    /// What the handler calls it; may be empty.
    pub(super) name: String,
    /// When the handler asked for it; absent for signals, which nobody asks for.
    pub(super) since: Option<u64>,
}

/// What an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum On {
    /// The clock, at this time.
    Timer(u64),
    /// The end of an invocation that it called.
    Call(InvocationId, String),
    /// The end of an invocation that it latched on to.
    Attach(InvocationId),
    /// Somebody who completes this promise.
    Promise(String),
    /// Somebody who completes the awakeable of this id.
    Awakeable(String),
    /// Somebody who sends this signal.
    Signal(String),
    /// Its own code.
    Run,
    /// Something that is answered at once, as a rule.
    Other,
}

/// Reads one invocation; nothing if there is none of this id.
pub(super) fn facts(view: &dyn View, id: InvocationId) -> Result<Option<Facts>, Halt> {
    let Some(row) = read::invocation(view, &id)? else {
        return Ok(None);
    };
    let mut facts = Facts {
        id,
        outcome: read::outcome(view, &id, &row)?,
        queue: None,
        waits: Vec::new(),
        any_is_enough: false,
        row,
    };
    match facts.row.status() {
        Status::Inboxed => facts.queue = queue(view, &facts.row)?,
        Status::Running => facts.waits = open(view, &id, &facts.row)?.into_values().collect(),
        Status::Suspended => {
            if let Some(future) = &facts.row.awaiting {
                let mut open = open(view, &id, &facts.row)?;
                let mut waits = Vec::new();
                collect(future, &id, &mut open, &mut waits);
                facts.any_is_enough = waits.len() > 1 && any_is_enough(future);
                facts.waits = waits;
            }
        }
        _ => {}
    }
    Ok(Some(facts))
}

fn queue(view: &dyn View, row: &Invocation) -> Result<Option<Queue>, Halt> {
    let (Some(address), Some(own)) = (Address::of(&row.target), row.inbox_sequence) else {
        return Ok(None);
    };
    let key = inbox::lock_key(&address);
    let lock = view.get(&key)?.map(Lock::decode).transpose();
    let lock = lock.map_err(|error| Halt::Row {
        key,
        error: error.to_string(),
    })?;
    let mut ahead = 0;
    let first = inbox::all_of(&address).0;
    for before in view
        .scan(&first, &inbox::key(&address, own))
        .take(PLACE_MAX)
    {
        before?;
        ahead += 1;
    }
    Ok(Some(Queue {
        holder: lock.map(|lock| lock.holder),
        ahead,
    }))
}

/// Commands of the journal that have no answer yet, by the completion they wait for.
fn open(view: &dyn View, id: &InvocationId, row: &Invocation) -> Result<BTreeMap<u32, Wait>, Halt> {
    let mut open = BTreeMap::new();
    for entry in read::journal(view, id, row.journal_len)? {
        match entry.body {
            Some(Body::Command(command)) => {
                // A call has two completions: the id of the child comes at once.
                if let Some(completion) = command.completions.last() {
                    let mut wait = wait(&command);
                    wait.since = Some(entry.time);
                    open.insert(*completion, wait);
                }
            }
            Some(Body::Notification(notification)) => {
                if let Some(Identity::Completion(completion)) = notification.identity {
                    open.remove(&completion);
                }
            }
            _ => {}
        }
    }
    Ok(open)
}

/// What a command waits for. One that cannot be read waits for something that we do not know.
fn wait(command: &Command) -> Wait {
    fn read<M: Message + Default>(command: &Command) -> Option<M> {
        M::decode(command.raw.clone()).ok()
    }
    let known = match u16::try_from(command.ty).unwrap_or_default() {
        ty::SLEEP => read::<wire::Sleep>(command).map(|it| (On::Timer(it.wake_up_time), it.name)),
        ty::CALL => read::<wire::Call>(command)
            .zip(command.child)
            .map(|(it, child)| {
                let key = if it.key.is_empty() {
                    String::new()
                } else {
                    format!("/{}", it.key)
                };
                let target = format!("{}{key}/{}", it.service_name, it.handler_name);
                (On::Call(child, target), it.name)
            }),
        ty::ATTACH_INVOCATION => read::<wire::AttachInvocation>(command)
            .and_then(|it| Some((On::Attach(attached(it.target?)?), it.name))),
        ty::GET_PROMISE => {
            read::<wire::GetPromise>(command).map(|it| (On::Promise(it.key), it.name))
        }
        ty::RUN => read::<wire::Run>(command).map(|it| (On::Run, it.name)),
        _ => None,
    };
    let (on, name) = known.unwrap_or((On::Other, String::new()));
    Wait {
        on,
        name,
        since: None,
    }
}

fn attached(target: wire::AttachTarget) -> Option<InvocationId> {
    Some(InvocationId::from_bytes(match target {
        wire::AttachTarget::InvocationId(text) => parse_invocation(&text).ok()?,
        wire::AttachTarget::Workflow(it) => {
            derive::workflow_run(it.scope.as_deref(), &it.workflow_name, &it.workflow_key)
        }
        wire::AttachTarget::Idempotent(it) => derive::idempotent(
            it.scope.as_deref(),
            &it.service_name,
            it.service_key.as_deref(),
            &it.handler_name,
            &it.idempotency_key,
        ),
    }))
}

/// The leaves of what is awaited. Cancellation is always among them and says nothing.
/// Whether one answer is enough. An SDK wraps what the handler awaits, to be woken by a
/// cancellation too: that is looked through.
fn any_is_enough(future: &Future) -> bool {
    let nested: Vec<_> = future.nested.iter().filter(|it| awaits(it)).collect();
    match nested[..] {
        [only] if answers(future) == 0 => any_is_enough(only),
        _ => !matches!(
            future.combinator(),
            Combinator::AllCompleted | Combinator::AllSucceededOrFirstFailed
        ),
    }
}

/// Whether it awaits anything but a cancellation.
fn awaits(future: &Future) -> bool {
    answers(future) > 0 || future.nested.iter().any(awaits)
}

/// What it awaits itself, not in futures inside, a cancellation apart.
fn answers(future: &Future) -> usize {
    let signals = future.signals.iter().filter(|it| **it != CANCEL_SIGNAL);
    future.completions.len() + signals.count() + future.named_signals.len()
}

fn collect(
    future: &Future,
    id: &InvocationId,
    open: &mut BTreeMap<u32, Wait>,
    waits: &mut Vec<Wait>,
) {
    let unnamed = |on| Wait {
        on,
        name: String::new(),
        since: None,
    };
    for completion in &future.completions {
        waits.push(
            open.remove(completion)
                .unwrap_or_else(|| unnamed(On::Other)),
        );
    }
    for index in future.signals.iter().filter(|it| **it != CANCEL_SIGNAL) {
        waits.push(unnamed(if *index >= AWAKEABLES_FROM {
            On::Awakeable(awakeable_text(&id.to_bytes(), *index))
        } else {
            On::Signal(index.to_string())
        }));
    }
    for name in &future.named_signals {
        waits.push(unnamed(On::Signal(name.clone())));
    }
    for nested in &future.nested {
        collect(nested, id, open, waits);
    }
}
