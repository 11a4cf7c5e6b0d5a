//! Who waits outside for the end of an invocation.

use crate::handle::{CallEnd, Ending};
use latchwork_engine::{InvocationId, Outcome};
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Waiting callers, by invocation. They live no longer than their connection and the
/// process: what they wait for is in the tables, and they can ask again.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: HashMap<InvocationId, Vec<Waiter>>,
    /// Entries after which those whose connection is gone are looked for.
    sweep_at: usize,
}

enum Waiter {
    Call {
        existed: bool,
        asker: oneshot::Sender<CallEnd>,
    },
    Attach(oneshot::Sender<Option<Ending>>),
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Self::Call { asker, .. } => asker.is_closed(),
            Self::Attach(asker) => asker.is_closed(),
        }
    }
}

impl Waiters {
    /// A caller waits for the result of what it invoked.
    pub(crate) fn call(
        &mut self,
        id: InvocationId,
        existed: bool,
        asker: oneshot::Sender<CallEnd>,
    ) {
        self.add(id, Waiter::Call { existed, asker });
    }

    /// Somebody latches on.
    pub(crate) fn attach(&mut self, id: InvocationId, asker: oneshot::Sender<Option<Ending>>) {
        self.add(id, Waiter::Attach(asker));
    }

    /// Tells all who wait. Whoever is gone has lost nothing.
    pub(crate) fn completed(&mut self, id: &InvocationId, outcome: &Outcome) {
        for waiter in self.waiting.remove(id).unwrap_or_default() {
            let ending = Ending {
                outcome: outcome.clone(),
                expires_at: None,
            };
            match waiter {
                Waiter::Call { existed, asker } => drop(asker.send(CallEnd {
                    id: *id,
                    existed,
                    ending,
                })),
                Waiter::Attach(asker) => drop(asker.send(Some(ending))),
            }
        }
    }

    /// How many invocations are waited for. Those whose callers are all gone may be among them.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets go of all: they learn that the server is stopping, in an order that a second run of
    /// the same would give too.
    pub(crate) fn close(&mut self) {
        let mut all: Vec<_> = self.waiting.drain().collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        drop(all);
    }

    fn add(&mut self, id: InvocationId, waiter: Waiter) {
        if self.waiting.len() >= self.sweep_at {
            for waiters in self.waiting.values_mut() {
                waiters.retain(|waiter| !waiter.is_gone());
            }
            self.waiting.retain(|_, waiters| !waiters.is_empty());
            self.sweep_at = (2 * self.waiting.len()).max(1024);
        }
        let waiters = self.waiting.entry(id).or_default();
        if waiters.len() >= 32 {
            waiters.retain(|waiter| !waiter.is_gone());
        }
        waiters.push(waiter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn those_who_are_gone_are_swept() {
        let mut waiters = Waiters::default();
        for low in 0..5000 {
            let (asker, _) = oneshot::channel();
            waiters.attach(
                InvocationId {
                    low,
                    ..InvocationId::default()
                },
                asker,
            );
        }
        assert!(waiters.waiting.len() <= 1025);
    }

    #[test]
    fn all_who_wait_are_told() {
        let mut waiters = Waiters::default();
        let id = InvocationId::default();
        let (one, mut first) = oneshot::channel();
        let (two, mut second) = oneshot::channel();
        waiters.attach(id, one);
        waiters.call(id, false, two);
        waiters.completed(&id, &Outcome::Value(Bytes::from_static(b"x")));
        assert!(first.try_recv().unwrap().is_some());
        assert!(!second.try_recv().unwrap().existed);
    }
}
