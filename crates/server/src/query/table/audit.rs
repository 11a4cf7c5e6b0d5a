//! What operators did, and what was refused to them.

use super::stored::{Made, Stored, decode, everywhere};
use super::{Column, Table, columns, int, long, maybe, maybe_time, names, text, time, truth};
use crate::query::cell::Cell;
use latchwork_engine::table::audit::{self, Deed};
use serde_json::json;

/// A request, with its place among those like it.
struct Noted {
    sequence: u64,
    deed: Deed,
}

/// Who it was, where nobody showed anything.
const NOBODY: &str = "unauthenticated";

const AUDIT: &[Column<Noted>] = columns! {
    "sequence" U64 |r| long(r.sequence);
    "received_at" Time |r| time(r.deed.at);
    "answered_at" Time |r| maybe_time(r.deed.answered_at);
    "who" Text |r| text(r.deed.who.as_deref().unwrap_or(NOBODY));
    "role" Text |r| maybe(r.deed.role.as_ref());
    "certificate" Text |r| maybe(r.deed.certificate.as_ref());
    "peer" Text |r| text(&r.deed.peer);
    "method" Text |r| text(&r.deed.method);
    "route" Text |r| text(&r.deed.route);
    "path" Text |r| text(&r.deed.path);
    "targets" TextList |r| text(json!(r.deed.targets).to_string());
    "status" U32 |r| r.deed.status.map_or(Cell::Null, int);
    "refused" Bool |r| truth(r.deed.refused);
    "unrecorded" U64 |r| long(r.deed.unrecorded);
};

pub(super) fn tables() -> Vec<Table> {
    vec![Table {
        name: "sys_audit",
        columns: names(AUDIT),
        keys: &[],
        open: |source, _| {
            Stored::open(
                AUDIT,
                everywhere(source, audit::all),
                Box::new(|_, key, value| {
                    let Some((_, sequence)) = audit::parse_key(key) else {
                        return Ok(Made::Nothing);
                    };
                    let deed = decode("sys_audit", value)?;
                    Ok(Made::Row(Noted { sequence, deed }))
                }),
            )
        },
    }]
}
