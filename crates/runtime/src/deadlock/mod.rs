//! Deadlocks between keyed objects: found, and broken.
//!
//! ```text
//!   Queued ──▶ suspects ──(a while later, still waiting)──▶ search over who waits for whom
//!                                                                │ a circle
//!              BreakDeadlock, for the youngest call in it ◀──────┘
//! ```
//!
//! A call that waits for a key waits for whoever holds it; that one may wait, through calls
//! of its own, for the first. Nothing in such a circle will ever move: it is stable, so it
//! can be looked for at leisure, outside the partitions, and across them. An attempt that is
//! still connected says what it awaits only when it suspends: those that are part of what may
//! be a circle are asked to.
//!
//! A circle is believed when it is found twice, unchanged: whatever the first look saw of one
//! place before another was then true of all at once in between.

mod search;

use crate::handle::{AskError, Handle, propose};
use crate::inbox::{ReplyTo, Wakeup};
use latchwork_engine::table::Address;
use latchwork_engine::table::inbox::{self, Lock, Turn, Waiting};
use latchwork_engine::table::invocation::{Invocation, Status};
use latchwork_engine::table::journal::Body;
use latchwork_engine::{BreakDeadlock, Command, Failure, Halt, Identity, InvocationId, View, read};
use latchwork_protocol::id::invocation_text;
use prost::Message as _;
use search::{Leaf, Node, Verdict, Waits, search};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How often suspects are looked at, at most.
const TICK: Duration = Duration::from_millis(200);
/// A call waits for so long before it is looked at, and again after twice as long each time …
const FIRST_LOOK: Duration = Duration::from_millis(400);
/// … up to this.
const LAST_LOOK: Duration = Duration::from_secs(60);
/// Suspects that are looked at in one tick.
const LOOKS_MAX: usize = 64;
/// Invocations that one search may visit. A circle with more is left alone.
const VISITS_MAX: usize = 1_000;
/// Suspects that are kept; of more than these many, some are looked at only after a restart.
const SUSPECTS_MAX: usize = 100_000;
/// Rows of the inbox that are read at once, when looking for suspects after a start.
const SLICE: usize = 256;
/// Code of the failure that the caller is told, in the style of HTTP: loop detected.
const CODE: u32 = 508;

/// A call that waits for a key.
struct Suspect {
    id: InvocationId,
    look_at: Instant,
    /// How long it has been let be since the last look.
    patience: Duration,
}

impl Suspect {
    fn new(id: InvocationId) -> Self {
        Self {
            id,
            look_at: Instant::now() + FIRST_LOOK,
            patience: FIRST_LOOK,
        }
    }

    fn later(mut self, patience: Duration) -> Self {
        self.patience = patience.min(LAST_LOOK);
        self.look_at = Instant::now() + self.patience;
        self
    }
}

/// Looks for deadlocks until the partitions stop.
pub(crate) async fn watch(handle: Handle) {
    // Those that were waiting before the start: nobody says so any more.
    let mut suspects: VecDeque<Suspect> = match waiting_calls(&handle).await {
        Ok(found) => found.into_iter().map(Suspect::new).collect(),
        Err(_) => return,
    };
    loop {
        // While nobody waits for a key there is nothing to look at, for whatever time.
        match suspects.iter().map(|suspect| suspect.look_at).min() {
            None => handle.shared.some_queued().await,
            Some(first) => tokio::select! {
                biased;
                () = handle.shared.some_queued() => {}
                () = tokio::time::sleep_until(first) => {}
            },
        }
        // However many begin to wait, it does not look more often.
        tokio::time::sleep(TICK).await;
        let queued = handle.shared.take_queued();
        let room = SUSPECTS_MAX.saturating_sub(suspects.len());
        suspects.extend(queued.into_iter().take(room).map(Suspect::new));
        let now = Instant::now();
        // Whatever is known to move is not visited twice in one tick.
        let mut known = HashMap::new();
        let mut looks = 0;
        for _ in 0..suspects.len() {
            let Some(suspect) = suspects.pop_front() else {
                break;
            };
            if suspect.look_at > now || looks >= LOOKS_MAX {
                suspects.push_back(suspect);
                continue;
            }
            looks += 1;
            match look(&handle, suspect, &mut known).await {
                Ok(again) => suspects.extend(again),
                Err(_) => return,
            }
        }
    }
}

/// Looks at one suspect; gives it back if it must be looked at again.
async fn look(
    handle: &Handle,
    suspect: Suspect,
    known: &mut HashMap<InvocationId, Node>,
) -> Result<Option<Suspect>, AskError> {
    let patience = suspect.patience * 2;
    match explore(handle, suspect.id, known).await? {
        Verdict::Moves if known.get(&suspect.id).is_some_and(Node::waits_for_a_key) => {
            Ok(Some(suspect.later(patience)))
        }
        Verdict::Moves | Verdict::Unknown(_) => Ok(None),
        Verdict::MayStand(running) => {
            for id in running {
                handle.inbox_of(&id).push(Wakeup::AskToSuspend(id));
            }
            Ok(Some(suspect.later(FIRST_LOOK)))
        }
        Verdict::Stands(circle) => {
            let mut again = HashMap::new();
            let second = explore(handle, suspect.id, &mut again).await?;
            let unchanged = circle.iter().all(|id| known.get(id) == again.get(id));
            if unchanged && matches!(&second, Verdict::Stands(it) if *it == circle) {
                break_circle(handle, &circle, &again);
            }
            // Once broken, the next look finds it gone, or finds the next circle.
            known.clear();
            Ok(Some(suspect.later(FIRST_LOOK)))
        }
    }
}

/// Searches from one invocation, reading what the search asks for.
async fn explore(
    handle: &Handle,
    from: InvocationId,
    known: &mut HashMap<InvocationId, Node>,
) -> Result<Verdict, AskError> {
    for _ in 0..VISITS_MAX {
        match search(known, from) {
            Verdict::Unknown(id) => {
                let read = move |view: &dyn View| visit(view, &id);
                match handle.read_at(id.partition_key, read).await? {
                    Ok(node) => drop(known.insert(id, node)),
                    Err(halt) => {
                        tracing::error!("cannot look for deadlocks: {halt}");
                        return Ok(Verdict::Moves);
                    }
                }
            }
            verdict => return Ok(verdict),
        }
    }
    Ok(Verdict::Moves)
}

/// Ends the youngest call of a circle.
fn break_circle(handle: &Handle, circle: &[InvocationId], known: &HashMap<InvocationId, Node>) {
    let nodes = || circle.iter().filter_map(|id| Some((*id, known.get(id)?)));
    let youngest = nodes()
        .filter(|(_, node)| node.waits_for_a_key())
        .max_by_key(|(id, node)| (node.created_at, *id));
    let Some((id, node)) = youngest else {
        return;
    };
    let told: String = nodes().map(|(id, node)| node.tell(&id)).collect();
    let first = nodes().next().map(|(id, node)| node.name(&id));
    let message = format!(
        "deadlock: {told}{}. This call is the youngest of them and was ended, so that the others \
         go on. Let one of the handlers send instead of call, or call before it takes its key",
        first.unwrap_or_default()
    );
    tracing::warn!(
        invocation.id = invocation_text(&id.to_bytes()),
        service = node.target.service,
        handler = node.target.handler,
        "{message}"
    );
    let command = Command::BreakDeadlock(BreakDeadlock {
        id,
        incarnation: node.incarnation,
        failure: Failure::new(CODE, message),
    });
    handle.inbox_of(&id).push(propose(command, ReplyTo::Nobody));
}

/// What the tables of its partition know of one invocation.
fn visit(view: &dyn View, id: &InvocationId) -> Result<Node, Halt> {
    let Some(row) = read::invocation(view, id)? else {
        return Ok(Node::default());
    };
    let waits = match row.status() {
        Status::Inboxed => match holder(view, &row)? {
            Some(holder) => Waits::ForKey(holder),
            None => Waits::ForOther,
        },
        Status::Suspended => {
            let calls = open_calls(view, id, &row)?;
            let leaf = |identity: Identity| match identity {
                Identity::Completion(completion) => calls
                    .get(&completion)
                    .map_or(Leaf::Moves, |child| Leaf::Call(*child)),
                // Cancellation comes from outside, and may always come.
                Identity::Signal(latchwork_engine::CANCEL_SIGNAL) => Leaf::Stands,
                Identity::Signal(_) | Identity::NamedSignal(_) => Leaf::Moves,
            };
            match &row.awaiting {
                Some(future) => Waits::For(search::Tree::of(future, &leaf)),
                None => Waits::ForOther,
            }
        }
        Status::Running => Waits::PerhapsFor(open_calls(view, id, &row)?.into_values().collect()),
        _ => Waits::ForOther,
    };
    Ok(Node {
        waits,
        target: row.target.clone(),
        created_at: row.created_at,
        incarnation: row.incarnation,
        epoch: row.epoch,
        journal_len: row.journal_len,
    })
}

fn holder(view: &dyn View, row: &Invocation) -> Result<Option<InvocationId>, Halt> {
    let Some(address) = Address::of(&row.target) else {
        return Ok(None);
    };
    let lock = view.get(&inbox::lock_key(&address))?;
    Ok(lock
        .and_then(|lock| Lock::decode(lock).ok())
        .map(|lock| lock.holder))
}

/// The calls of an invocation that have no result yet: completion id to child.
fn open_calls(
    view: &dyn View,
    id: &InvocationId,
    row: &Invocation,
) -> Result<HashMap<u32, InvocationId>, Halt> {
    let mut open = HashMap::new();
    for entry in read::journal(view, id, row.journal_len)? {
        match entry.body {
            Some(Body::Command(command)) => {
                // A send has one completion, the id of the child; a call a second, its result.
                if let (Some(child), [_, result]) = (command.child, &command.completions[..]) {
                    open.insert(*result, child);
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

/// All calls that wait for a key, in every partition.
async fn waiting_calls(handle: &Handle) -> Result<Vec<InvocationId>, AskError> {
    let mut found = Vec::new();
    for partition in 0..handle.shared.inboxes.len() {
        let mut from = inbox::all().0;
        loop {
            let start = from.clone();
            let slice = move |view: &dyn View| waiting_slice(view, &start);
            let (ids, next) = match handle.read_partition(partition, slice).await? {
                Ok(slice) => slice,
                Err(halt) => {
                    tracing::error!("cannot look for deadlocks: {halt}");
                    break;
                }
            };
            found.extend(ids);
            match next {
                Some(next) if found.len() < SUSPECTS_MAX => from = next,
                _ => break,
            }
        }
    }
    Ok(found)
}

/// Some of the calls in the inbox, and where to go on.
type WaitingSlice = (Vec<InvocationId>, Option<bytes::Bytes>);

fn waiting_slice(view: &dyn View, from: &[u8]) -> Result<WaitingSlice, Halt> {
    let mut ids = Vec::new();
    for (count, row) in view.scan(from, &inbox::all().1).enumerate() {
        let (key, value) = row?;
        if count == SLICE {
            return Ok((ids, Some(key)));
        }
        if let Ok(Waiting {
            turn: Some(Turn::Invocation(id)),
        }) = Waiting::decode(value)
            && let Some(row) = read::invocation(view, &id)?
            && !row.waiters.is_empty()
        {
            ids.push(id);
        }
    }
    Ok((ids, None))
}

impl Node {
    fn waits_for_a_key(&self) -> bool {
        matches!(self.waits, Waits::ForKey(_))
    }

    /// One link of a circle, in words; the next link follows.
    fn tell(&self, id: &InvocationId) -> String {
        let name = self.name(id);
        let key = self.target.key.as_deref().unwrap_or_default();
        match self.waits {
            Waits::ForKey(_) => format!("{name}, which waits for the key {key:?}, held by "),
            _ => format!("{name}, which waits for its call of "),
        }
    }

    fn name(&self, id: &InvocationId) -> String {
        let target = &self.target;
        let id = invocation_text(&id.to_bytes());
        match &target.key {
            None => format!("{}/{} ({id})", target.service, target.handler),
            Some(key) => format!("{}/{key}/{} ({id})", target.service, target.handler),
        }
    }
}
