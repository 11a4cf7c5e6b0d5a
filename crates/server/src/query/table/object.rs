//! What belongs to objects and workflows: their state and promises, who holds their key and who
//! waits for it.

use super::stored::{Made, Range, Stored, decode, everywhere};
use super::{
    Cell, Column, ReadError, Scan, Source, Table, Tables, Wish, columns, failed, id, long, maybe,
    maybe_time, names, text, truth, utf8,
};
use bytes::Bytes;
use latchwork_engine::table::inbox::{Lock, Turn, Waiting};
use latchwork_engine::table::promise::Promise;
use latchwork_engine::table::{Address, inbox, promise, state};
use latchwork_engine::{Answer, InvocationId, read};
use latchwork_protocol::derive;
use std::sync::Arc;

/// Something of an object.
struct Owned<T> {
    partition_key: u64,
    address: Address,
    what: T,
}

/// One entry of its state.
struct Entry {
    key: Vec<u8>,
    value: Bytes,
}

/// One promise.
struct Named {
    name: String,
    promise: Promise,
}

/// One that waits for the key.
struct Waits {
    sequence: u64,
    turn: Option<Turn>,
    since: Option<u64>,
}

macro_rules! owned {
    ($($rest:tt)*) => { columns! {
        "partition_key" U64 |r| long(r.partition_key);
        $($rest)*
    } };
}

const STATE: &[Column<Owned<Entry>>] = owned! {
    "scope" Text |r| maybe(r.address.scope.as_ref());
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "key" Text |r| text(String::from_utf8_lossy(&r.what.key));
    "key_length" U64 |r| long(r.what.key.len() as u64);
    "value_utf8" Text |r| utf8(&r.what.value);
    "value" Binary |r| Cell::Blob(r.what.value.to_vec());
    "value_length" U64 |r| long(r.what.value.len() as u64);
};

const PROMISE: &[Column<Owned<Named>>] = owned! {
    "scope" Text |r| maybe(r.address.scope.as_ref());
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "key" Text |r| text(&r.what.name);
    "completed" Bool |r| truth(r.what.promise.answer.is_some());
    "completion_success_value" Binary |r| match &r.what.promise.answer {
        Some(Answer::Value(value)) => Cell::Blob(value.to_vec()),
        _ => Cell::Null,
    };
    "completion_success_value_utf8" Text |r| match &r.what.promise.answer {
        Some(Answer::Value(value)) => utf8(value),
        _ => Cell::Null,
    };
    "completion_failure" Text |r| match &r.what.promise.answer {
        Some(Answer::Failure(failure)) => text(failed(failure.code, &failure.message)),
        _ => Cell::Null,
    };
};

const INBOX: &[Column<Owned<Waits>>] = owned! {
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "id" Text |r| match &r.what.turn {
        Some(Turn::Invocation(waiting)) => id(waiting),
        _ => Cell::Null,
    };
    "sequence_number" U64 |r| long(r.what.sequence);
    "created_at" Time |r| maybe_time(r.what.since);
};

const HOLDER: &[Column<Owned<InvocationId>>] = owned! {
    "service_name" Text |r| text(&r.address.service);
    "service_key" Text |r| text(&r.address.key);
    "invocation_id" Text |r| id(&r.what);
};

const LOCK: &[Column<Owned<InvocationId>>] = owned! {
    "scope" Text |r| maybe(r.address.scope.as_ref());
    "lock_name" Text |r| text(format!("{}/{}", r.address.service, r.address.key));
    "acquired_at" Time |_| Cell::Null;
    "acquired_by" Text |r| id(&r.what);
};

const BY_ADDRESS: &[(&str, u32)] = &[("service_name", 10_000), ("service_key", 1_000)];

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "state",
            columns: names(STATE),
            keys: BY_ADDRESS,
            open: |source, wish| {
                owned(
                    STATE,
                    source,
                    &wish,
                    state::all_of,
                    state::all,
                    |_, key, value| {
                        let Some((address, key)) = state::parse_key(key) else {
                            return Ok(None);
                        };
                        let what = Entry {
                            key: key.to_vec(),
                            value: value.clone(),
                        };
                        Ok(Some((address, what)))
                    },
                )
            },
        },
        Table {
            name: "sys_promise",
            columns: names(PROMISE),
            keys: BY_ADDRESS,
            open: |source, wish| {
                owned(
                    PROMISE,
                    source,
                    &wish,
                    promise::all_of,
                    promise::all,
                    |_, key, value| {
                        let Some((address, name)) = promise::parse_key(key) else {
                            return Ok(None);
                        };
                        let promise = decode("sys_promise", value)?;
                        Ok(Some((address, Named { name, promise })))
                    },
                )
            },
        },
        Table {
            name: "sys_inbox",
            columns: names(INBOX),
            keys: BY_ADDRESS,
            open: |source, wish| owned(INBOX, source, &wish, inbox::all_of, inbox::all, waits),
        },
        Table {
            name: "sys_keyed_service_status",
            columns: names(HOLDER),
            keys: BY_ADDRESS,
            open: |source, wish| owned(HOLDER, source, &wish, lock_of, inbox::all_locks, held),
        },
        Table {
            name: "sys_locks",
            columns: names(LOCK),
            keys: &[],
            open: |source, wish| owned(LOCK, source, &wish, lock_of, inbox::all_locks, held),
        },
    ]
}

fn waits(
    tables: &dyn Tables,
    key: &Bytes,
    value: &Bytes,
) -> Result<Option<(Address, Waits)>, ReadError> {
    let Some((address, sequence)) = inbox::parse_key(key) else {
        return Ok(None);
    };
    let turn = decode::<Waiting>("sys_inbox", value)?.turn;
    let since = match &turn {
        Some(Turn::Invocation(id)) => read::invocation(tables, id)?
            .map(|row| row.execution_time.unwrap_or(0).max(row.created_at)),
        _ => None,
    };
    let what = Waits {
        sequence,
        turn,
        since,
    };
    Ok(Some((address, what)))
}

fn held(
    _: &dyn Tables,
    key: &Bytes,
    value: &Bytes,
) -> Result<Option<(Address, InvocationId)>, ReadError> {
    let lock: Lock = decode("sys_locks", value)?;
    Ok(inbox::parse_lock_key(key).map(|address| (address, lock.holder)))
}

fn lock_of(address: &Address) -> (Bytes, Bytes) {
    let key = inbox::lock_key(address);
    let end = [&key[..], &[0]].concat().into();
    (key, end)
}

type Read<T> = fn(&dyn Tables, &Bytes, &Bytes) -> Result<Option<(Address, T)>, ReadError>;

/// Goes through a table that is ordered by object. Of a wish that names service and key, or
/// the service only, no others are read: unscoped objects come before scoped ones.
fn owned<T: 'static>(
    columns: &'static [Column<Owned<T>>],
    source: &Arc<Source>,
    wish: &Wish,
    all_of: fn(&Address) -> (Bytes, Bytes),
    all: fn() -> (Bytes, Bytes),
    read: Read<T>,
) -> Box<dyn Scan> {
    let service = wish.text("service_name").map(str::to_owned);
    let at = |scope: Option<&str>, key: &str| {
        all_of(&Address {
            service: service.clone().unwrap_or_default(),
            scope: scope.map(str::to_owned),
            key: key.to_owned(),
        })
    };
    let bounds = match (&service, wish.text("service_key")) {
        (None, _) => vec![all()],
        (Some(_), None) => vec![(at(None, "").0, all().1)],
        (Some(_), Some(key)) => vec![at(None, key), (at(Some(""), "").0, all().1)],
    };
    let ranges: Vec<Range> = bounds
        .into_iter()
        .flat_map(|(from, end)| everywhere(source, move || (from.clone(), end.clone())))
        .collect();
    let wants_partition_key = wish.uses(columns, "partition_key");
    Stored::open(
        columns,
        ranges,
        Box::new(move |tables, key, value| {
            let Some((address, what)) = read(tables, key, value)? else {
                return Ok(Made::Nothing);
            };
            if service
                .as_ref()
                .is_some_and(|service| *service != address.service)
            {
                return Ok(Made::Beyond);
            }
            let partition_key = if wants_partition_key {
                derive::partition_key(address.scope.as_deref(), &address.service, &address.key)
            } else {
                0
            };
            Ok(Made::Row(Owned {
                partition_key,
                address,
                what,
            }))
        }),
    )
}
