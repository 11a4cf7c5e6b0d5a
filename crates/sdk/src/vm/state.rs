//! State of an object or workflow: answered from what the start brought, or asked for.
//!
//! What is answered here is recorded as read, so that a replay sees what was seen first, not what
//! the start of a later attempt brings.

use std::collections::BTreeMap;

use bytes::Bytes;
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message::{
    self as wire, EagerState as Read, NotificationResult, StateEntry, StateKeys, Value, Void,
};

use super::{Leaf, Vm};

/// What is known of the state. `None` is known to be absent.
#[derive(Debug)]
pub(super) struct EagerState {
    entries: BTreeMap<Bytes, Option<Bytes>>,
    /// Whether a key that is not among the entries may exist.
    partial: bool,
}

impl Default for EagerState {
    fn default() -> Self {
        Self::new(Vec::new(), true)
    }
}

impl EagerState {
    pub(super) fn new(entries: Vec<StateEntry>, partial: bool) -> Self {
        let entries = entries.into_iter();
        Self {
            entries: entries.map(|it| (it.key, Some(it.value))).collect(),
            partial,
        }
    }

    fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        match self.entries.get(key) {
            Some(known) => Some(known.clone()),
            None if self.partial => None,
            None => Some(None),
        }
    }

    fn keys(&self) -> Option<Vec<Bytes>> {
        let present = self.entries.iter().filter(|(_, value)| value.is_some());
        (!self.partial).then(|| present.map(|(key, _)| key.clone()).collect())
    }
}

impl Vm {
    /// Reads one state entry. The result is void if there is none.
    pub fn get_state(&mut self, key: &str) -> Leaf {
        let id = self.next_completion_id();
        let leaf = Leaf::CompletionId(id);
        let key = Bytes::copy_from_slice(key.as_bytes());
        // A replay does again what was done first: it may have known less, or more.
        let known = match self.replay.peek() {
            Some(ty::GET_EAGER_STATE) => Some(self.state.get(&key).unwrap_or_default()),
            Some(ty::GET_LAZY_STATE) => None,
            _ => self.state.get(&key),
        };
        let Some(known) = known else {
            self.pass(wire::GetLazyState {
                key,
                result_completion_id: id,
                name: String::new(),
            });
            return leaf;
        };
        let result = match known {
            Some(content) => Read::Value(Value { content }),
            None => Read::Void(Void {}),
        };
        let read = self.pass(wire::GetEagerState {
            key,
            result: Some(result),
            name: String::new(),
        });
        let result = match read.and_then(|read| read.result) {
            Some(Read::Value(value)) => NotificationResult::Value(value),
            Some(Read::Void(_)) | None => NotificationResult::Void(Void {}),
        };
        self.ready
            .entry(leaf.clone())
            .or_default()
            .push_back(result);
        leaf
    }

    /// Reads the names of all state entries, in ascending order.
    pub fn get_state_keys(&mut self) -> Leaf {
        let id = self.next_completion_id();
        let leaf = Leaf::CompletionId(id);
        let known = match self.replay.peek() {
            Some(ty::GET_EAGER_STATE_KEYS) => Some(self.state.keys().unwrap_or_default()),
            Some(ty::GET_LAZY_STATE_KEYS) => None,
            _ => self.state.keys(),
        };
        let Some(keys) = known else {
            self.pass(wire::GetLazyStateKeys {
                result_completion_id: id,
                name: String::new(),
            });
            return leaf;
        };
        let read = self.pass(wire::GetEagerStateKeys {
            value: Some(StateKeys { keys }),
            name: String::new(),
        });
        let keys = read.and_then(|read| read.value).unwrap_or_default();
        self.ready
            .entry(leaf.clone())
            .or_default()
            .push_back(NotificationResult::StateKeys(keys));
        leaf
    }

    /// Writes one state entry.
    pub fn set_state(&mut self, key: &str, value: Bytes) {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let passed = self.pass(wire::SetState {
            key: key.clone(),
            value: Some(Value {
                content: value.clone(),
            }),
            name: String::new(),
        });
        if passed.is_some() {
            self.state.entries.insert(key, Some(value));
        }
    }

    /// Deletes one state entry.
    pub fn clear_state(&mut self, key: &str) {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let passed = self.pass(wire::ClearState {
            key: key.clone(),
            name: String::new(),
        });
        if passed.is_some() {
            self.state.entries.insert(key, None);
        }
    }

    /// Deletes all state of the key.
    pub fn clear_all_state(&mut self) {
        if self.pass(wire::ClearAllState::default()).is_some() {
            self.state.entries.clear();
            self.state.partial = false;
        }
    }
}
