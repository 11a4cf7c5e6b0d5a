//! The search for a circle: what is known of who waits for whom comes in, a verdict goes out.
//!
//! An invocation stands still if all that could wake it stands still. One that is met again
//! on the way to itself is taken to stand: that is what a circle is.

use latchwork_engine::{Combinator, Future, Identity, InvocationId, Target};
use std::collections::{HashMap, HashSet};

/// What is known of one invocation. Two looks that see the same have seen it stand still in
/// between: each new attempt has a higher epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    pub(super) waits: Waits,
    pub(super) target: Target,
    pub(super) created_at: u64,
    pub(super) incarnation: u32,
    pub(super) epoch: u32,
    pub(super) journal_len: u32,
}

/// What an invocation waits for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Waits {
    /// Nothing, or something that is no affair of a circle: it is over, or time will wake
    /// it, or an operator.
    #[default]
    ForOther,
    /// The key of its object, which this one holds.
    ForKey(InvocationId),
    /// This, without an attempt.
    For(Tree),
    /// It has an attempt, which may wait for any of these calls, or for none.
    PerhapsFor(Vec<InvocationId>),
}

/// What is awaited.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Leaf(Leaf),
    /// Any of them wakes.
    Any(Vec<Tree>),
    /// Each of them is needed.
    All(Vec<Tree>),
}

/// One thing that is awaited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Leaf {
    /// The result of this invocation.
    Call(InvocationId),
    /// It may come without anybody in the circle.
    Moves,
    /// It is not to be counted on.
    Stands,
}

impl Tree {
    /// Of a future; `leaf` says what each of its leaves is.
    pub(super) fn of(future: &Future, leaf: &impl Fn(Identity) -> Leaf) -> Self {
        let completions = future.completions.iter().copied().map(Identity::Completion);
        let signals = future.signals.iter().copied().map(Identity::Signal);
        let named = future
            .named_signals
            .iter()
            .cloned()
            .map(Identity::NamedSignal);
        let leaves = completions.chain(signals).chain(named);
        let children = leaves
            .map(|identity| Self::Leaf(leaf(identity)))
            .chain(future.nested.iter().map(|nested| Self::of(nested, leaf)))
            .collect();
        // Of "all succeeded or first failed", any that moves may fail and wake.
        match future.combinator() {
            Combinator::AllCompleted => Self::All(children),
            _ => Self::Any(children),
        }
    }
}

/// What a search has come to.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// This one must be looked at first.
    Unknown(InvocationId),
    /// It will move, as far as circles are concerned.
    Moves,
    /// It stands if these, which have attempts, wait for their calls.
    MayStand(Vec<InvocationId>),
    /// It stands. The circle, each waiting for the next and the last for the first.
    Stands(Vec<InvocationId>),
}

/// Whether an invocation stands still.
pub(super) fn search(known: &HashMap<InvocationId, Node>, from: InvocationId) -> Verdict {
    let mut search = Search {
        known,
        path: Vec::new(),
        moving: HashSet::new(),
        running: Vec::new(),
        circle: None,
    };
    match search.stands(from) {
        Err(Unknown(id)) => Verdict::Unknown(id),
        Ok(false) => Verdict::Moves,
        Ok(true) => match search.circle {
            Some(circle) if search.running.is_empty() => Verdict::Stands(circle),
            Some(_) => Verdict::MayStand(search.running),
            None => Verdict::Moves,
        },
    }
}

struct Search<'a> {
    known: &'a HashMap<InvocationId, Node>,
    path: Vec<InvocationId>,
    /// Found to move whatever is taken to stand.
    moving: HashSet<InvocationId>,
    /// Those with attempts that were taken to wait for their calls.
    running: Vec<InvocationId>,
    circle: Option<Vec<InvocationId>>,
}

struct Unknown(InvocationId);

impl Search<'_> {
    fn stands(&mut self, id: InvocationId) -> Result<bool, Unknown> {
        if let Some(at) = self.path.iter().position(|met| *met == id) {
            self.circle.get_or_insert_with(|| self.path[at..].to_vec());
            return Ok(true);
        }
        if self.moving.contains(&id) {
            return Ok(false);
        }
        let node = self.known.get(&id).ok_or(Unknown(id))?;
        self.path.push(id);
        let (running, circle) = (self.running.len(), self.circle.clone());
        let stands = match &node.waits {
            Waits::ForOther => false,
            Waits::ForKey(holder) => self.stands(*holder)?,
            Waits::For(tree) => self.tree_stands(tree)?,
            Waits::PerhapsFor(calls) => {
                self.running.push(id);
                let mut any = false;
                for call in calls {
                    any = any || self.stands(*call)?;
                }
                any
            }
        };
        self.path.pop();
        if !stands {
            self.moving.insert(id);
            // What was found below does not hold: this one moves.
            self.running.truncate(running);
            self.circle = circle;
        }
        Ok(stands)
    }

    fn tree_stands(&mut self, tree: &Tree) -> Result<bool, Unknown> {
        match tree {
            Tree::Leaf(Leaf::Call(id)) => self.stands(*id),
            Tree::Leaf(Leaf::Moves) => Ok(false),
            Tree::Leaf(Leaf::Stands) => Ok(true),
            Tree::Any(children) => {
                for child in children {
                    if !self.tree_stands(child)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Tree::All(children) => {
                for child in children {
                    if self.tree_stands(child)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(low: u64) -> InvocationId {
        InvocationId {
            low,
            ..InvocationId::default()
        }
    }

    fn nodes(all: Vec<(u64, Waits)>) -> HashMap<InvocationId, Node> {
        let node = |waits| Node {
            waits,
            ..Node::default()
        };
        all.into_iter()
            .map(|(low, waits)| (id(low), node(waits)))
            .collect()
    }

    fn call(low: u64) -> Waits {
        Waits::For(Tree::Leaf(Leaf::Call(id(low))))
    }

    fn key(holder: u64) -> Waits {
        Waits::ForKey(id(holder))
    }

    #[test]
    fn an_object_that_calls_itself_stands() {
        let known = nodes(vec![(1, call(2)), (2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::Stands(vec![id(2), id(1)]));
    }

    #[test]
    fn two_objects_that_call_each_other_stand() {
        // 1 holds a and calls 2, which waits for b; 3 holds b and calls 4, which waits for a.
        let known = nodes(vec![(1, call(2)), (2, key(3)), (3, call(4)), (4, key(1))]);
        let Verdict::Stands(circle) = search(&known, id(4)) else {
            panic!("not found");
        };
        assert_eq!(circle, [4, 1, 2, 3].map(id));
    }

    #[test]
    fn a_wait_that_leads_into_a_circle_names_only_the_circle() {
        let known = nodes(vec![(9, key(1)), (1, call(2)), (2, key(1))]);
        assert_eq!(search(&known, id(9)), Verdict::Stands(vec![id(1), id(2)]));
    }

    #[test]
    fn what_may_be_woken_by_a_timer_moves() {
        let any = Tree::Any(vec![Tree::Leaf(Leaf::Call(id(2))), Tree::Leaf(Leaf::Moves)]);
        let known = nodes(vec![(1, Waits::For(any)), (2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::Moves);
    }

    #[test]
    fn what_needs_all_stands_with_one_of_them() {
        let all = Tree::All(vec![Tree::Leaf(Leaf::Moves), Tree::Leaf(Leaf::Call(id(2)))]);
        let known = nodes(vec![(1, Waits::For(all)), (2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::Stands(vec![id(2), id(1)]));
    }

    #[test]
    fn a_wish_to_stop_is_not_counted_on() {
        let any = Tree::Any(vec![
            Tree::Leaf(Leaf::Stands),
            Tree::Leaf(Leaf::Call(id(2))),
        ]);
        let known = nodes(vec![(1, Waits::For(any)), (2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::Stands(vec![id(2), id(1)]));
    }

    #[test]
    fn an_attempt_in_the_circle_must_be_asked_first() {
        let known = nodes(vec![(1, Waits::PerhapsFor(vec![id(2)])), (2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::MayStand(vec![id(1)]));
    }

    #[test]
    fn a_holder_that_works_moves() {
        let known = nodes(vec![(1, Waits::PerhapsFor(vec![])), (2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::Moves);
    }

    #[test]
    fn what_is_not_known_is_asked_for() {
        let known = nodes(vec![(2, key(1))]);
        assert_eq!(search(&known, id(2)), Verdict::Unknown(id(1)));
    }

    fn both(first: u64, second: u64, each: fn(Vec<Tree>) -> Tree) -> Waits {
        Waits::For(each(
            [first, second]
                .map(|low| Tree::Leaf(Leaf::Call(id(low))))
                .to_vec(),
        ))
    }

    #[test]
    fn a_branch_that_moves_takes_its_circle_back() {
        // 1 needs 2 and 3. 2 waits for 4 or 5: 4 leads back to 1, 5 will end, and so will 2.
        let known = nodes(vec![
            (1, both(2, 3, Tree::All)),
            (2, both(4, 5, Tree::Any)),
            (4, key(1)),
            (5, Waits::ForOther),
            (3, key(1)),
        ]);
        assert_eq!(search(&known, id(3)), Verdict::Stands(vec![id(3), id(1)]));
        assert_eq!(search(&known, id(1)), Verdict::Stands(vec![id(1), id(3)]));
    }

    #[test]
    fn an_attempt_beside_the_circle_is_not_asked() {
        // 1 needs 2 and 3. 2 has an attempt, whose call will end.
        let known = nodes(vec![
            (1, both(2, 3, Tree::All)),
            (2, Waits::PerhapsFor(vec![id(5)])),
            (5, Waits::ForOther),
            (3, key(1)),
        ]);
        assert_eq!(search(&known, id(1)), Verdict::Stands(vec![id(1), id(3)]));
    }

    #[test]
    fn only_what_needs_all_its_children_stands_with_one() {
        let leaf = |_| Leaf::Stands;
        let of = |combinator: Combinator| {
            let future = Future {
                completions: vec![1],
                combinator: combinator.into(),
                ..Future::default()
            };
            Tree::of(&future, &leaf)
        };
        let children = vec![Tree::Leaf(Leaf::Stands)];
        assert_eq!(of(Combinator::AllCompleted), Tree::All(children.clone()));
        let first_failed = of(Combinator::AllSucceededOrFirstFailed);
        assert_eq!(first_failed, Tree::Any(children));
    }
}
