//! Statements over small tables in memory, as callers write them.

use super::read::Wish;
use super::sqlite::{Filling, QueryError, answer, prepare};
use super::statement::Statement;
use super::table::Table;
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::journal::{self, Body, JournalEntry, Notification};
use latchwork_engine::table::{Address, state};
use latchwork_engine::{
    Answer, Identity, Input, InvocationId, MemoryView, Pin, Target, TargetKind,
};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::service::frame::ty;
use prost::Message;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn id(number: u8) -> InvocationId {
    InvocationId::from_bytes([number; 24])
}

fn text(number: u8) -> String {
    invocation_text(&[number; 24])
}

/// Three invocations, one with a journal, and the state of two objects.
fn view() -> MemoryView {
    let mut view = MemoryView::default();
    for (number, status) in [
        (1, Status::Running),
        (2, Status::Inboxed),
        (3, Status::Completed),
    ] {
        let row = Invocation {
            target: Target {
                service: "Counter".into(),
                handler: "add".into(),
                key: Some(format!("k{number}")),
                kind: TargetKind::Exclusive.into(),
                scope: None,
            },
            status: status.into(),
            created_at: 1_700_000_000_000 + u64::from(number),
            completion_retention_ms: 86_400_000,
            pin: (number == 1).then(|| Pin {
                deployment: "dp_1".into(),
                version: 7,
            }),
            journal_len: if number == 1 { 3 } else { 0 },
            ..Invocation::default()
        };
        view.write(
            invocation::key(&id(number)),
            Some(row.encode_to_vec().into()),
        );
    }
    let run = journal::Command {
        ty: ty::RUN.into(),
        completions: vec![1],
        ..journal::Command::default()
    };
    let ran = Notification {
        identity: Some(Identity::Completion(1)),
        answer: Some(Answer::Value("x".into())),
    };
    let bodies = [
        Body::Input(Input::default()),
        Body::Command(run),
        Body::Notification(ran),
    ];
    for (index, body) in (0..).zip(bodies) {
        let entry = JournalEntry {
            time: 1,
            body: Some(body),
        };
        view.write(
            journal::key(&id(1), index),
            Some(entry.encode_to_vec().into()),
        );
    }
    for (service, scope, key) in [
        ("KV", None, "a"),
        ("KV", None, "b"),
        ("KV", Some("s"), "a"),
        ("KW", None, "a"),
    ] {
        let address = Address {
            service: service.into(),
            scope: scope.map(str::to_owned),
            key: key.into(),
        };
        view.write(state::key(&address, b"n"), Some("1".into()));
    }
    view
}

fn query(sql: &str) -> Result<Value, QueryError> {
    let view = view();
    let statement = Statement::read(sql);
    let mut database = Connection::open_in_memory()?;
    prepare(&database)?;
    for &table in &statement.tables {
        let mut filling = Filling::begin(&mut database, table)?;
        for (_, cells) in table.slice(&view, &statement.wish, None)?.rows {
            filling.insert(&cells)?;
        }
        filling.end()?;
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let bytes = answer(&mut database, &statement.sql, deadline)?;
    let answer: Value = serde_json::from_slice(&bytes).expect("the answer is JSON");
    Ok(answer["rows"].clone())
}

#[test]
fn an_invocation_is_found_by_its_id() {
    let sql = format!(
        "SELECT id, target, target_service_ty, status, invoked_by, pinned_deployment_id, \
         created_at, completion_retention, last_failure FROM sys_invocation WHERE id = '{}'",
        text(1)
    );
    assert_eq!(
        query(&sql).unwrap(),
        json!([{
            "id": text(1), "target": "Counter/k1/add", "target_service_ty": "virtual_object",
            "status": "running", "invoked_by": "ingress", "pinned_deployment_id": "dp_1",
            "created_at": "2023-11-14T22:13:20.001Z", "completion_retention": "PT86400S",
        }])
    );
    assert_eq!(
        query("SELECT * FROM sys_invocation WHERE id = 'inv_x'").unwrap(),
        json!([])
    );
}

#[test]
fn statuses_are_spelt_as_tools_expect() {
    let spelt =
        |table: &str| query(&format!("SELECT status FROM {table} ORDER BY created_at")).unwrap();
    let row = |status: &str| json!({"status": status});
    assert_eq!(
        spelt("sys_invocation"),
        json!([row("running"), row("pending"), row("completed")])
    );
    assert_eq!(
        spelt("sys_invocation_status"),
        json!([row("invoked"), row("inboxed"), row("completed")])
    );
}

#[test]
fn entries_of_a_journal_have_their_types() {
    let sql = format!(
        "SELECT index, entry_type FROM sys_journal WHERE id = '{}' ORDER BY index",
        text(1)
    );
    assert_eq!(
        query(&sql).unwrap(),
        json!([
            {"index": 0, "entry_type": "Command: Input"},
            {"index": 1, "entry_type": "Command: Run"},
            {"index": 2, "entry_type": "Notification: Run"},
        ])
    );
}

#[test]
fn state_of_one_key_is_found_in_all_scopes() {
    let sql = "SELECT scope, value_utf8, value FROM state WHERE service_name = 'KV' AND service_key = 'a'";
    assert_eq!(
        query(sql).unwrap(),
        json!([{"value_utf8": "1", "value": "31"}, {"scope": "s", "value_utf8": "1", "value": "31"}])
    );
    assert_eq!(
        query("SELECT COUNT(*) AS n FROM state WHERE service_name = 'KV'").unwrap(),
        json!([{"n": 3}])
    );
}

#[test]
fn rows_are_counted_joined_and_matched() {
    let sql = "SELECT COUNT(*) AS n FROM sys_invocation WHERE target LIKE 'Counter/%' AND status = 'completed'";
    assert_eq!(query(sql).unwrap(), json!([{"n": 1}]));
    assert_eq!(
        query("SELECT COUNT(1) AS n FROM sys_invocation WHERE target LIKE 'counter/%'").unwrap(),
        json!([{"n": 0}]),
    );
    assert_eq!(
        query("SELECT first_value(id ORDER BY created_at DESC) AS newest FROM sys_invocation")
            .unwrap(),
        json!([{"newest": text(3)}])
    );
    assert_eq!(
        query("SELECT COUNT(1) AS n FROM sys_invocation i JOIN sys_journal j ON i.id = j.id")
            .unwrap(),
        json!([{"n": 3}])
    );
}

#[test]
fn what_is_not_one_readable_statement_is_refused() {
    for sql in [
        "selekt",
        "SELECT * FROM no_such_table",
        "SELECT nothing FROM state",
        "SELECT 1; SELECT 2",
        "",
        "-- nothing",
    ] {
        assert!(query(sql).is_err(), "{sql}");
    }
    for sql in [
        "DELETE FROM state",
        "CREATE TABLE t (a)",
        "ATTACH DATABASE '/tmp/x' AS x",
        "PRAGMA writable_schema = ON",
        "VACUUM INTO '/tmp/x'",
    ] {
        assert!(matches!(query(sql), Err(QueryError::Writes)), "{sql}");
    }
}

#[test]
fn a_statement_without_end_is_stopped() {
    let mut database = Connection::open_in_memory().unwrap();
    let sql =
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT MAX(n) FROM t";
    let refusal = answer(&mut database, sql, Instant::now());
    assert!(matches!(refusal, Err(QueryError::TooLong)), "{refusal:?}");
}

#[test]
fn a_large_table_comes_in_slices_without_gap_or_repetition() {
    let mut view = MemoryView::default();
    for number in 0..1_000u16 {
        let address = Address {
            service: "KV".into(),
            scope: None,
            key: number.to_string(),
        };
        view.write(state::key(&address, b"n"), Some("1".into()));
    }
    let (mut rows, mut slices, mut from) = (0, 0, None);
    loop {
        let slice = Table::State
            .slice(&view, &Wish::default(), from.as_ref())
            .unwrap();
        rows += slice.rows.len();
        slices += 1;
        match slice.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    assert_eq!(rows, 1_000);
    assert!(slices > 1);
}
