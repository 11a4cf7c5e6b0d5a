//! Waiting: which notification the handler is given next, and what is told to the server meanwhile.
//!
//! Notifications queue in the order of the server. One leaves the queue only when the handler is
//! blocked and nothing it waits for is ready; so what is ready at any await is the same in every
//! attempt.

use std::fmt;

use latchwork_protocol::service::frame::{self, ty};
use latchwork_protocol::service::message::{
    self as wire, Combinator, NotificationResult, SignalIdentity, SignalResult, Suspension,
    SuspensionV7, Void,
};
use latchwork_protocol::service::version::Version;

use super::{CANCEL, Leaf, Phase, Vm};

/// Up to how many leaves each change of a wait is told.
const ANNOUNCED_LEAVES_MAX: usize = 64;

/// What a handler waits for: a tree of leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    /// When this node is done.
    pub combinator: Combinator,
    /// Completions and signals.
    pub leaves: Vec<Leaf>,
    /// Inner nodes.
    pub nested: Vec<Awaited>,
}

/// Its leaves, for people.
impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut leaves = Vec::new();
        self.each_leaf(&mut |leaf| {
            leaves.push(match leaf {
                Leaf::CompletionId(id) => format!("completion {id}"),
                Leaf::SignalIndex(index) => format!("signal {index}"),
                Leaf::SignalName(name) => format!("signal {name:?}"),
            });
        });
        f.write_str(&leaves.join(", "))
    }
}

/// What came of letting time pass for a blocked handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This, which the handler waits for, is ready.
    Ready(Leaf),
    /// The invocation was cancelled, and its calls have been told: all that the handler waits for
    /// now fails.
    Cancelled,
    /// Nothing is there. Execute runs, or [`Vm::block`].
    Blocked,
}

impl Awaited {
    /// A node without children.
    pub fn new(combinator: Combinator) -> Self {
        Self {
            combinator,
            leaves: Vec::new(),
            nested: Vec::new(),
        }
    }

    /// Adds a node: as the leaf it is if it has but one, and its children if it is of this kind.
    pub fn add(&mut self, mut child: Awaited) {
        let same = child.combinator == self.combinator;
        if child.nested.is_empty() && child.leaves.len() <= 1 {
            self.leaves.append(&mut child.leaves);
        } else if same {
            self.leaves.append(&mut child.leaves);
            self.nested.append(&mut child.nested);
        } else if child.leaves.is_empty() && child.nested.len() == 1 {
            self.add(child.nested.remove(0));
        } else {
            self.nested.push(child);
        }
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty() && self.nested.iter().all(Self::is_empty)
    }

    fn each_leaf(&self, visit: &mut impl FnMut(&Leaf)) {
        self.leaves.iter().for_each(&mut *visit);
        for nested in &self.nested {
            nested.each_leaf(visit);
        }
    }

    /// This, or a cancellation.
    pub(super) fn or_cancelled(mut self) -> Self {
        let single = self.combinator == Combinator::Unknown
            && self.nested.is_empty()
            && self.leaves.len() == 1;
        if single || self.combinator == Combinator::FirstCompleted {
            self.combinator = Combinator::FirstCompleted;
            self.leaves.push(CANCEL);
            return self;
        }
        Self {
            combinator: Combinator::FirstCompleted,
            leaves: vec![CANCEL],
            nested: vec![self],
        }
    }

    pub(super) fn into_future(self) -> wire::Future {
        let mut future = wire::Future {
            combinator_type: self.combinator as i32,
            nested_futures: self.nested.into_iter().map(Self::into_future).collect(),
            ..wire::Future::default()
        };
        for leaf in self.leaves {
            match leaf {
                Leaf::CompletionId(id) => future.waiting_completions.push(id),
                Leaf::SignalIndex(index) => future.waiting_signals.push(index),
                Leaf::SignalName(name) => future.waiting_named_signals.push(name),
            }
        }
        future
    }

    fn into_suspension(self) -> Suspension {
        let mut suspension = Suspension::default();
        self.each_leaf(&mut |leaf| match leaf {
            Leaf::CompletionId(id) => suspension.waiting_completions.push(*id),
            Leaf::SignalIndex(index) => suspension.waiting_signals.push(*index),
            Leaf::SignalName(name) => suspension.waiting_named_signals.push(name.clone()),
        });
        suspension
    }
}

impl Vm {
    /// The result of `leaf`, if the handler may have it. It is given once, an invocation id as often
    /// as it is asked for.
    pub fn take(&mut self, leaf: &Leaf) -> Option<NotificationResult> {
        if self.is_closed() {
            return None;
        }
        let results = self.ready.get_mut(leaf)?;
        if let Some(id @ NotificationResult::InvocationId(_)) = results.front() {
            return Some(id.clone());
        }
        let result = results.pop_front();
        if results.is_empty() {
            self.ready.remove(leaf);
        }
        result
    }

    /// Goes on to the next notification that a blocked handler notices. `awaits` tells what it
    /// waits for.
    pub fn advance(&mut self, awaits: impl Fn(&Leaf) -> bool) -> Step {
        while !self.is_closed() {
            if self.cancelling && self.missing_call_ids().is_empty() {
                self.cancelling = false;
                self.cancel_calls();
                return Step::Cancelled;
            }
            let Some((leaf, result)) = self.queue.pop_front() else {
                break;
            };
            self.queue_replayed = self.queue_replayed.saturating_sub(1);
            if leaf == CANCEL {
                self.cancelling = true;
                continue;
            }
            if let (Leaf::CompletionId(id), NotificationResult::InvocationId(text)) =
                (&leaf, &result)
            {
                self.call_ids.insert(*id, text.clone());
            }
            if let Leaf::CompletionId(id) = &leaf {
                self.settle_run(*id);
            }
            let noticed = !self.cancelling && awaits(&leaf);
            self.ready
                .entry(leaf.clone())
                .or_default()
                .push_back(result);
            if noticed {
                return Step::Ready(leaf);
            }
        }
        Step::Blocked
    }

    /// The handler waits for `width` leaves, and none of them is there. Tells the server, and
    /// suspends if nothing more can come. While `executing` a run there is still something to
    /// come. The shape of the wait is asked for only if it is needed.
    pub fn block(&mut self, width: usize, executing: bool, awaited: impl FnOnce() -> Awaited) {
        if self.is_closed() || (!self.cancelling && (executing || width == 0)) {
            return;
        }
        if !self.replay.is_done() {
            self.fail_blocked_in_replay(&awaited().to_string());
            return;
        }
        if self.cancelling {
            // The handler learns of the cancellation when all calls can be told.
            let mut ids = Awaited::new(Combinator::AllCompleted);
            ids.leaves
                .extend(self.missing_call_ids().into_iter().map(Leaf::CompletionId));
            if self.input_ended {
                self.suspend(ids);
            }
            return;
        }
        if self.input_ended {
            self.suspend(awaited().or_cancelled());
        } else if self.version >= Version::V7 && self.may_be_news(width) {
            let awaited = awaited().or_cancelled();
            if self.announced.as_ref() != Some(&awaited) && !self.awaits_only_acks(&awaited) {
                let message = wire::AwaitingOn {
                    awaiting_on: Some(awaited.clone().into_future()),
                    executing_side_effects: false,
                };
                frame::put(&mut self.out, ty::AWAITING_ON, 0, &message);
                self.announced_width = width;
                self.announced = Some(awaited);
            }
        }
    }

    fn suspend(&mut self, awaited: Awaited) {
        if self.version >= Version::V7 {
            let message = SuspensionV7 {
                awaiting_on: Some(awaited.into_future()),
            };
            frame::put(&mut self.out, ty::SUSPENSION, 0, &message);
        } else {
            frame::put(&mut self.out, ty::SUSPENSION, 0, &awaited.into_suspension());
        }
        self.phase = Phase::Closed;
    }

    /// Whether it is worth a look if what is awaited is news. A wide wait that shrinks leaf by leaf
    /// is told again when it is half as wide: else the messages would grow with the square of its
    /// width.
    fn may_be_news(&self, width: usize) -> bool {
        let before = self.announced_width;
        width <= ANNOUNCED_LEAVES_MAX || width > before || width <= before / 2
    }

    /// Whether all that is awaited is on its way back, so that telling is not worth a message.
    fn awaits_only_acks(&self, awaited: &Awaited) -> bool {
        let mut only = true;
        awaited.each_leaf(&mut |leaf| {
            only &= match leaf {
                Leaf::CompletionId(id) => self.is_proposed(*id),
                other => *other == CANCEL,
            };
        });
        only
    }

    fn missing_call_ids(&self) -> Vec<u32> {
        let calls = self.calls.iter().copied();
        calls.filter(|id| !self.call_ids.contains_key(id)).collect()
    }

    /// Passes the cancellation on to every call made since the last one, also to finished ones: a
    /// replay could not tell which they are.
    fn cancel_calls(&mut self) {
        for id in std::mem::take(&mut self.calls) {
            let Some(target) = self.call_ids.get(&id).cloned() else {
                continue;
            };
            self.pass(wire::SendSignal {
                target_invocation_id: target,
                identity: Some(SignalIdentity::Index(1)),
                result: Some(SignalResult::Void(Void {})),
                entry_name: String::new(),
            });
        }
    }
}
