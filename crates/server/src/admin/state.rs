//! The state of objects and workflows: read, and changed by an operator.
//!
//! ```text
//!   wish ──▶ what is there now, and who holds the key ──▶ the whole new state ──▶ runtime
//!                        │ does not fit                        (after what waits for the key)
//!                        ▼
//!                  409, with the reason
//! ```
//!
//! A change that names a version, or that leaves a part of the state as it is, speaks of what it
//! has seen: it is refused while an invocation holds the key, which may be changing it, and the
//! engine makes it only if the state is still the one that was looked at here. One that names no
//! version and replaces everything waits for its turn.

use super::error::AdminError;
use super::{Admin, invocations, services};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use latchwork_engine::table::inbox::{self, Lock};
use latchwork_engine::table::length::check_length;
use latchwork_engine::table::{Address, invocation::Status};
use latchwork_engine::{Halt, InvocationId, Reply, StateEntry, Unchanged, View, read};
use latchwork_protocol::admin::{
    ModifyState, PatchState, ReplaceState, StateBytes, StateReply, state_version,
};
use latchwork_protocol::derive;
use latchwork_protocol::scope::check_scope;
use prost::Message;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

type Entries = BTreeMap<Bytes, Bytes>;

/// How often a change without a version is tried on a state that others change meanwhile.
const TRIES_MAX: usize = 8;

/// What a reading or a clearing is asked with.
#[derive(Deserialize)]
pub(super) struct Options {
    scope: Option<String>,
    version: Option<String>,
}

/// What there is at one place of the log.
struct Current {
    entries: Entries,
    version: String,
    /// Who may be changing it.
    holder: Option<InvocationId>,
}

pub(super) async fn one(
    State(app): State<Arc<Admin>>,
    Path((service, key)): Path<(String, String)>,
    Query(Options { scope, .. }): Query<Options>,
) -> Result<Json<StateReply>, AdminError> {
    let address = address(&app, service, key, scope, true)?;
    let current = current(&app, &address).await?;
    // The state of a service that is gone can still be looked at.
    if current.entries.is_empty() {
        services::find(&app.handle.registry(), &address.service)?;
    }
    let entries = current.entries.into_iter().map(|(key, value)| {
        let key = String::from_utf8_lossy(&key).into_owned();
        (key, StateBytes(value.to_vec()))
    });
    Ok(Json(StateReply {
        object_key: address.key,
        scope: address.scope,
        version: current.version,
        state: entries.collect(),
        held_by: current.holder.map(invocations::text),
    }))
}

/// Replaces everything; what clients of the first hour use.
pub(super) async fn modify(
    State(app): State<Arc<Admin>>,
    Path(service): Path<String>,
    Json(request): Json<ModifyState>,
) -> Result<StatusCode, AdminError> {
    let clears = request.new_state.is_empty();
    let address = address(&app, service, request.object_key, request.scope, clears)?;
    replace_all(&app, &address, request.version, stored(request.new_state)).await
}

pub(super) async fn replace(
    State(app): State<Arc<Admin>>,
    Path((service, key)): Path<(String, String)>,
    Json(request): Json<ReplaceState>,
) -> Result<StatusCode, AdminError> {
    let clears = request.state.is_empty();
    let address = address(&app, service, key, request.scope, clears)?;
    replace_all(&app, &address, request.version, stored(request.state)).await
}

pub(super) async fn patch(
    State(app): State<Arc<Admin>>,
    Path((service, key)): Path<(String, String)>,
    Json(request): Json<PatchState>,
) -> Result<StatusCode, AdminError> {
    let address = address(&app, service, key, request.scope, false)?;
    let change = |entries| patched(entries, &request.set, &request.delete);
    change_seen(&app, &address, request.version.as_deref(), change).await
}

pub(super) async fn clear(
    State(app): State<Arc<Admin>>,
    Path((service, key)): Path<(String, String)>,
    Query(Options { scope, version }): Query<Options>,
) -> Result<StatusCode, AdminError> {
    let address = address(&app, service, key, scope, true)?;
    replace_all(&app, &address, version, Entries::new()).await
}

async fn replace_all(
    app: &Admin,
    address: &Address,
    version: Option<String>,
    entries: Entries,
) -> Result<StatusCode, AdminError> {
    match version {
        Some(version) => change_seen(app, address, Some(&version), |_| entries.clone()).await,
        None => {
            write(app, address, entries, None).await?;
            Ok(StatusCode::ACCEPTED)
        }
    }
}

/// Makes of the state that is there another, and of no other than that one.
async fn change_seen(
    app: &Admin,
    address: &Address,
    version: Option<&str>,
    change: impl Fn(Entries) -> Entries,
) -> Result<StatusCode, AdminError> {
    for _ in 0..TRIES_MAX {
        let current = current(app, address).await?;
        current.is_free(address)?;
        if let Some(version) = version {
            current.is_of(address, version)?;
        }
        let seen = Unchanged {
            seen: listed(current.entries.clone()),
            run: run(address),
        };
        match write(app, address, change(current.entries), Some(seen)).await? {
            Reply::Changed => {}
            _ => return Ok(StatusCode::ACCEPTED),
        }
    }
    Err(AdminError::StateBusy {
        service: address.service.clone(),
        key: address.key.clone(),
    })
}

/// Whose state is meant. Of a service that is gone it can still be read and cleared.
fn address(
    app: &Admin,
    service: String,
    key: String,
    scope: Option<String>,
    may_be_gone: bool,
) -> Result<Address, AdminError> {
    match services::find(&app.handle.registry(), &service) {
        Ok(entry) if !entry.service.kind.is_keyed() => return Err(AdminError::NoState(service)),
        Err(_) if may_be_gone => {}
        found => drop(found?),
    }
    if let Some(scope) = &scope {
        check_scope(scope)?;
    }
    check_length("the name of the service", service.as_bytes())?;
    check_length("the key", key.as_bytes())?;
    Ok(Address {
        service,
        scope,
        key,
    })
}

async fn current(app: &Admin, address: &Address) -> Result<Current, AdminError> {
    let asked = address.clone();
    let current = app
        .handle
        .read_at(home(address), move |view| Current::read(view, &asked))
        .await??;
    Ok(current)
}

async fn write(
    app: &Admin,
    address: &Address,
    entries: Entries,
    only_if: Option<Unchanged>,
) -> Result<Reply, AdminError> {
    for name in entries.keys() {
        check_length("a state key", name)?;
    }
    let patch = latchwork_engine::PatchState {
        partition_key: home(address),
        state: listed(entries),
        service: address.service.clone(),
        scope: address.scope.clone(),
        key: address.key.clone(),
        only_if,
    };
    Ok(app.handle.patch_state(patch).await?)
}

fn listed(entries: Entries) -> Vec<StateEntry> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| StateEntry { key, value })
        .collect()
}

fn home(address: &Address) -> u64 {
    derive::partition_key(address.scope.as_deref(), &address.service, &address.key)
}

fn stored(state: BTreeMap<String, StateBytes>) -> Entries {
    let entry = |(key, value): (String, StateBytes)| (key.into_bytes().into(), value.0.into());
    state.into_iter().map(entry).collect()
}

fn patched(mut entries: Entries, set: &BTreeMap<String, StateBytes>, delete: &[String]) -> Entries {
    for key in delete {
        entries.remove(key.as_bytes());
    }
    entries.extend(stored(set.clone()));
    entries
}

impl Current {
    fn read(view: &dyn View, address: &Address) -> Result<Self, Halt> {
        let entries: Entries = read::state(view, address)?.into_iter().collect();
        let pairs = entries.iter();
        Ok(Self {
            version: state_version(pairs.map(|(key, value)| (&key[..], &value[..]))),
            holder: holder(view, address)?,
            entries,
        })
    }

    fn is_free(&self, address: &Address) -> Result<(), AdminError> {
        match self.holder {
            None => Ok(()),
            Some(holder) => Err(AdminError::StateHeld {
                service: address.service.clone(),
                key: address.key.clone(),
                holder: invocations::text(holder),
            }),
        }
    }

    fn is_of(&self, address: &Address, expected: &str) -> Result<(), AdminError> {
        if self.version == expected {
            return Ok(());
        }
        Err(AdminError::StateVersion {
            service: address.service.clone(),
            key: address.key.clone(),
            expected: expected.to_owned(),
            found: self.version.clone(),
        })
    }
}

/// The invocation that may write this state: the one that has the key of the object, or the run
/// of the workflow.
fn holder(view: &dyn View, address: &Address) -> Result<Option<InvocationId>, Halt> {
    let key = inbox::lock_key(address);
    if let Some(value) = view.get(&key)? {
        let lock = Lock::decode(value).map_err(|error| Halt::Row {
            key,
            error: error.to_string(),
        })?;
        return Ok(Some(lock.holder));
    }
    let run = run(address);
    let row = read::invocation(view, &run)?;
    Ok(row
        .filter(|row| row.status() != Status::Completed)
        .map(|_| run))
}

/// The run of the workflow, if it is one.
fn run(address: &Address) -> InvocationId {
    let scope = address.scope.as_deref();
    InvocationId::from_bytes(derive::workflow_run(scope, &address.service, &address.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::MemoryView;
    use latchwork_engine::table::{invocation, state};

    fn address() -> Address {
        Address {
            service: "S".into(),
            scope: None,
            key: "k".into(),
        }
    }

    fn bytes(text: &str) -> StateBytes {
        StateBytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_patch_leaves_what_it_does_not_name() {
        let entries = stored(BTreeMap::from([
            ("a".into(), bytes("1")),
            ("b".into(), bytes("2")),
            ("c".into(), bytes("3")),
        ]));
        let set = BTreeMap::from([("b".into(), bytes("new"))]);
        let left = patched(entries, &set, &["a".into(), "missing".into()]);
        let expected = BTreeMap::from([("b".into(), bytes("new")), ("c".into(), bytes("3"))]);
        assert_eq!(left, stored(expected));
    }

    #[test]
    fn whoever_may_write_the_state_holds_it() {
        let mut view = MemoryView::default();
        let address = address();
        view.write(state::key(&address, b"n"), Some("1".into()));
        let free = Current::read(&view, &address).unwrap();
        assert!(free.is_free(&address).is_ok() && free.is_of(&address, &free.version).is_ok());
        assert!(free.is_of(&address, "other").is_err());

        let run = InvocationId::from_bytes(derive::workflow_run(None, "S", "k"));
        let mut row = invocation::Invocation {
            status: Status::Suspended.into(),
            ..Default::default()
        };
        view.write(invocation::key(&run), Some(row.encode_to_vec().into()));
        assert_eq!(holder(&view, &address).unwrap(), Some(run));
        row.status = Status::Completed.into();
        view.write(invocation::key(&run), Some(row.encode_to_vec().into()));
        assert_eq!(holder(&view, &address).unwrap(), None);

        let lock = Lock {
            holder: InvocationId::from_bytes([7; 24]),
            ..Lock::default()
        };
        view.write(inbox::lock_key(&address), Some(lock.encode_to_vec().into()));
        let held = Current::read(&view, &address).unwrap();
        let refusal = held.is_free(&address).unwrap_err().to_string();
        assert!(
            refusal.contains(&invocations::text(lock.holder)),
            "{refusal}"
        );
    }
}
