//! What a suspended invocation waits for, and when it has waited long enough.
//!
//! A future is a tree: leaves are completions and signals, nodes say how many of their
//! children must be done. Each notification is folded in once; what is done is counted
//! and dropped, so nothing is forgotten between notifications and nothing is looked up.

use crate::value::{Answer, Identity};

/// A tree of what is awaited.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Future {
    /// Completion ids.
    #[prost(uint32, repeated, tag = "1")]
    pub completions: Vec<u32>,
    /// Signal indexes.
    #[prost(uint32, repeated, tag = "2")]
    pub signals: Vec<u32>,
    /// Signal names.
    #[prost(string, repeated, tag = "3")]
    pub named_signals: Vec<String>,
    /// Futures inside.
    #[prost(message, repeated, tag = "4")]
    pub nested: Vec<Future>,
    /// When this node is done.
    #[prost(enumeration = "Combinator", tag = "5")]
    pub combinator: i32,
    /// Children that ended well.
    #[prost(uint32, tag = "6")]
    pub succeeded: u32,
    /// Children that failed.
    #[prost(uint32, tag = "7")]
    pub failed: u32,
    /// Children that are done in a way only the handler knows.
    #[prost(uint32, tag = "8")]
    pub either: u32,
}

/// When a node is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Combinator {
    /// Any child is; user code transforms the outcome.
    Unknown = 0,
    /// The first child is; its outcome.
    FirstCompleted = 1,
    /// All are; a success.
    AllCompleted = 2,
    /// One succeeded, or all failed.
    FirstSucceededOrAllFailed = 3,
    /// One failed, or all succeeded.
    AllSucceededOrFirstFailed = 4,
}

/// Whether a notification carries a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// Only the handler can tell.
    Either,
}

impl From<&Answer> for Settlement {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Failure(_) => Self::Failed,
            _ => Self::Succeeded,
        }
    }
}

/// The handler must decide: wake it.
struct WakeNow;

impl Future {
    /// Waits for any of the leaves: the lists of protocol versions 5 and 6.
    pub fn any(completions: Vec<u32>, signals: Vec<u32>, named_signals: Vec<String>) -> Self {
        Self {
            completions,
            signals,
            named_signals,
            combinator: Combinator::FirstCompleted as i32,
            ..Self::default()
        }
    }

    /// Whether it names nothing at all, nested futures included.
    pub fn is_empty(&self) -> bool {
        self.completions.is_empty()
            && self.signals.is_empty()
            && self.named_signals.is_empty()
            && self.nested.iter().all(Self::is_empty)
    }

    /// How deep it is nested; a single node is 1. Stops counting at `limit`.
    pub fn depth(&self, limit: usize) -> usize {
        if limit == 0 {
            return 1;
        }
        1 + self
            .nested
            .iter()
            .map(|nested| nested.depth(limit - 1))
            .max()
            .unwrap_or(0)
    }

    /// All completion ids in it.
    pub fn all_completions(&self, found: &mut Vec<u32>) {
        found.extend(&self.completions);
        for nested in &self.nested {
            nested.all_completions(found);
        }
    }

    /// Takes note of one notification. True: the invocation must be woken.
    pub fn fold(&mut self, identity: &Identity, settlement: Settlement) -> bool {
        match self.settle(Some((identity, settlement))) {
            Ok(done) => done.is_some(),
            Err(WakeNow) => true,
        }
    }

    /// Whether it is done with what was folded so far.
    pub fn is_done(&mut self) -> bool {
        !matches!(self.settle(None), Ok(None))
    }

    fn settle(
        &mut self,
        news: Option<(&Identity, Settlement)>,
    ) -> Result<Option<Settlement>, WakeNow> {
        let before = (self.succeeded, self.failed, self.either);
        if let Some((identity, settlement)) = news {
            let hits = self.take_leaf(identity);
            self.count(settlement, hits);
        }
        let mut index = 0;
        while index < self.nested.len() {
            match self.nested[index].settle(news)? {
                Some(settlement) => {
                    self.nested.remove(index);
                    self.count(settlement, 1);
                }
                None => index += 1,
            }
        }
        let pending = self.completions.len()
            + self.signals.len()
            + self.named_signals.len()
            + self.nested.len();
        let done = self.succeeded + self.failed + self.either > 0;
        Ok(match self.combinator() {
            Combinator::Unknown => done.then_some(Settlement::Either),
            // Several children can be done at once only in one fold, where they share the
            // notification, or nested with different outcomes.
            Combinator::FirstCompleted if self.either > before.2 => Some(Settlement::Either),
            Combinator::FirstCompleted if self.failed > before.1 => Some(Settlement::Failed),
            Combinator::FirstCompleted => done.then_some(Settlement::Succeeded),
            Combinator::AllCompleted => (pending == 0).then_some(Settlement::Succeeded),
            _ if self.either > 0 => return Err(WakeNow),
            Combinator::FirstSucceededOrAllFailed => {
                if self.succeeded > 0 {
                    Some(Settlement::Succeeded)
                } else {
                    (pending == 0).then_some(Settlement::Failed)
                }
            }
            Combinator::AllSucceededOrFirstFailed => {
                if self.failed > 0 {
                    Some(Settlement::Failed)
                } else {
                    (pending == 0).then_some(Settlement::Succeeded)
                }
            }
        })
    }

    fn count(&mut self, settlement: Settlement, by: usize) {
        let counter = match settlement {
            Settlement::Succeeded => &mut self.succeeded,
            Settlement::Failed => &mut self.failed,
            Settlement::Either => &mut self.either,
        };
        *counter += by as u32;
    }

    /// Drops the leaf; returns how often it was there.
    fn take_leaf(&mut self, identity: &Identity) -> usize {
        fn take<T: PartialEq>(leaves: &mut Vec<T>, wanted: &T) -> usize {
            let before = leaves.len();
            leaves.retain(|leaf| leaf != wanted);
            before - leaves.len()
        }
        match identity {
            Identity::Completion(id) => take(&mut self.completions, id),
            Identity::Signal(index) => take(&mut self.signals, index),
            Identity::NamedSignal(name) => take(&mut self.named_signals, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(combinator: Combinator, completions: &[u32], nested: Vec<Future>) -> Future {
        Future {
            completions: completions.to_vec(),
            nested,
            combinator: combinator as i32,
            ..Future::default()
        }
    }

    fn fold(future: &mut Future, completion: u32, settlement: Settlement) -> bool {
        future.fold(&Identity::Completion(completion), settlement)
    }

    #[test]
    fn all_remembers_the_first_when_the_second_arrives() {
        let mut all = node(Combinator::AllSucceededOrFirstFailed, &[1, 2], vec![]);
        assert!(!fold(&mut all, 1, Settlement::Succeeded));
        assert!(fold(&mut all, 2, Settlement::Succeeded));
    }

    #[test]
    fn one_failure_wakes_all_of() {
        let mut all = node(Combinator::AllSucceededOrFirstFailed, &[1, 2], vec![]);
        assert!(fold(&mut all, 2, Settlement::Failed));
    }

    #[test]
    fn any_of_waits_out_the_failures() {
        let mut any = node(Combinator::FirstSucceededOrAllFailed, &[1, 2, 3], vec![]);
        assert!(!fold(&mut any, 1, Settlement::Failed));
        assert!(!fold(&mut any, 9, Settlement::Succeeded));
        assert!(fold(&mut any, 3, Settlement::Succeeded));
    }

    #[test]
    fn a_child_that_only_the_handler_understands_wakes() {
        let inner = node(Combinator::Unknown, &[1], vec![]);
        let mut all = node(Combinator::AllSucceededOrFirstFailed, &[2], vec![inner]);
        assert!(fold(&mut all, 1, Settlement::Succeeded));
    }

    #[test]
    fn cancellation_wakes_what_the_handler_awaits() {
        let inner = node(Combinator::AllCompleted, &[1, 2], vec![]);
        let mut outer = node(Combinator::FirstCompleted, &[], vec![inner]);
        outer.signals.push(1);
        assert!(!fold(&mut outer, 1, Settlement::Failed));
        assert!(outer.fold(&Identity::Signal(1), Settlement::Succeeded));
    }

    #[test]
    fn nothing_but_empty_nodes_is_empty() {
        assert!(node(Combinator::Unknown, &[], vec![Future::default()]).is_empty());
        assert!(!node(Combinator::Unknown, &[1], vec![]).is_empty());
    }
}
