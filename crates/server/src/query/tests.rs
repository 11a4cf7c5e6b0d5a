//! Statements over small tables in memory, as callers write them.

use super::Limits;
use super::answer::Format;
use super::dialect::compile;
use super::run::{QueryError, execute};
use super::table::{Source, TABLES};
use super::watch::Watch;
use latchwork_engine::table::invocation::{self, Invocation, Status};
use latchwork_engine::table::journal::{self, Body, JournalEntry, Notification};
use latchwork_engine::table::{Address, state};
use latchwork_engine::{
    Answer, AttemptFailure, Identity, Input, InvocationId, MemoryView, Pin, Target, TargetKind,
};
use latchwork_protocol::id::invocation_text;
use latchwork_protocol::service::frame::ty;
use latchwork_runtime::registry::Registry;
use prost::Message;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// 2023-11-14T22:13:20Z
const NOW: i64 = 1_700_000_000_000;

const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    rows: 10_000,
    bytes: 32 << 20,
};

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
            created_at: NOW as u64 + u64::from(number),
            last_failure: (number == 1).then(|| AttemptFailure {
                code: 500,
                message: "it broke".into(),
                command_index: Some(1),
                command_name: Some("charge".into()),
                command_type: Some(ty::RUN.into()),
                ..AttemptFailure::default()
            }),
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
        Body::Input(Input {
            body: "{\"order\":{\"id\":7,\"lines\":[\"a\",\"b\"]}}".into(),
            ..Input::default()
        }),
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

/// The engine counts its memory for the whole process: one at a time.
static ENGINE: Mutex<()> = Mutex::new(());

fn ask(view: MemoryView, sql: &str, limits: Limits, format: Format) -> Result<Vec<u8>, QueryError> {
    let compiled = compile(sql, NOW, &limits.shown())?;
    let source = Source {
        partitions: vec![Arc::new(view)],
        registry: Arc::new(Registry::default()),
        handle: None,
    };
    let watch = Watch::new(limits.time, Arc::default());
    let _one = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    execute(&compiled, Arc::new(source), &limits, format, watch).map(Vec::from)
}

fn query(sql: &str) -> Result<Value, QueryError> {
    let bytes = ask(view(), sql, LIMITS, Format::Json { nulls: false })?;
    let answer: Value = serde_json::from_slice(&bytes).expect("the answer is JSON");
    Ok(answer["rows"].clone())
}

/// The one value that a statement gives.
fn value(sql: &str) -> Value {
    let rows = query(sql).unwrap_or_else(|error| panic!("{sql:.200}: {error:.2000}"));
    let row = rows[0]
        .as_object()
        .unwrap_or_else(|| panic!("{sql}: no row"));
    row.values().next().cloned().unwrap_or(Value::Null)
}

fn refusal(sql: &str) -> String {
    match query(sql) {
        Err(error) => error.to_string(),
        Ok(rows) => panic!("{sql:.200} was answered with {rows}"),
    }
}

#[test]
fn an_invocation_is_found_by_its_id() {
    let sql = format!(
        "SELECT id, target, target_service_ty, status, invoked_by, pinned_deployment_id, \
         created_at, completion_retention, last_failure, last_failure_related_entry_type \
         FROM sys_invocation WHERE id = '{}'",
        text(1)
    );
    assert_eq!(
        query(&sql).unwrap(),
        json!([{
            "id": text(1), "target": "Counter/k1/add", "target_service_ty": "virtual_object",
            "status": "ready", "invoked_by": "ingress", "pinned_deployment_id": "dp_1",
            "created_at": "2023-11-14T22:13:20.001Z", "completion_retention": "PT86400S",
            "last_failure": "[500 Internal] it broke", "last_failure_related_entry_type": "Run",
        }])
    );
    for sql in [
        "SELECT * FROM sys_invocation WHERE id = 'inv_x'",
        "SELECT * FROM sys_invocation WHERE id IN ('inv_x', 'inv_y')",
    ] {
        assert_eq!(query(sql).unwrap(), json!([]), "{sql}");
    }
    let sql = format!(
        "SELECT COUNT(*) FROM sys_invocation WHERE id IN ('{}', '{}')",
        text(1),
        text(3)
    );
    assert_eq!(value(&sql), 2);
}

#[test]
fn statuses_are_spelt_as_tools_expect() {
    let spelt =
        |table: &str| query(&format!("SELECT status FROM {table} ORDER BY created_at")).unwrap();
    let row = |status: &str| json!({"status": status});
    assert_eq!(
        spelt("sys_invocation"),
        json!([row("ready"), row("pending"), row("completed")])
    );
    assert_eq!(
        spelt("sys_invocation_status"),
        json!([row("invoked"), row("inboxed"), row("completed")])
    );
}

#[test]
fn entries_of_a_journal_have_their_types_and_payloads() {
    let sql = format!(
        "SELECT sj.index, entry_type, completed FROM sys_journal sj WHERE id = '{}' ORDER BY index",
        text(1)
    );
    assert_eq!(
        query(&sql).unwrap(),
        json!([
            {"index": 0, "entry_type": "Command: Input"},
            {"index": 1, "entry_type": "Command: Run", "completed": true},
            {"index": 2, "entry_type": "Notification: Run"},
        ])
    );
    // By what is in the input, of whichever invocation.
    let sql = "SELECT id, payload_utf8 -> 'order' ->> 'id' AS number FROM sys_journal \
               WHERE index = 0 AND payload_utf8 -> 'order' ->> 'id' = '7'";
    assert_eq!(query(sql).unwrap(), json!([{"id": text(1), "number": "7"}]));
    // One entry alone knows what it answers.
    let sql = "SELECT entry_type, entry_json FROM sys_journal WHERE index = 2";
    let entry = "{\"Notification\":{\"Completion\":{\"Run\":{\"completion_id\":1,\
                 \"result\":{\"Success\":[120]}}}}}";
    assert_eq!(
        query(sql).unwrap(),
        json!([{"entry_type": "Notification: Run", "entry_json": entry}])
    );
}

#[test]
fn the_last_failure_and_what_is_awaited_are_events() {
    let sql = "SELECT event_type, event_json ->> 'error_message' AS message, \
               event_json ->> 'related_command_name' AS command, COUNT(1) AS n \
               FROM sys_journal_events GROUP BY event_type, message, command";
    assert_eq!(
        query(sql).unwrap(),
        json!([{"event_type": "TransientError", "message": "it broke", "command": "charge", "n": 1}])
    );
}

#[test]
fn state_of_one_key_is_found_in_all_scopes() {
    let sql = "SELECT scope, value_utf8, value FROM state WHERE service_name = 'KV' AND service_key = 'a' \
               ORDER BY scope NULLS FIRST";
    assert_eq!(
        query(sql).unwrap(),
        json!([{"value_utf8": "1", "value": "31"}, {"scope": "s", "value_utf8": "1", "value": "31"}])
    );
    assert_eq!(
        value("SELECT COUNT(*) AS n FROM state WHERE service_name = 'KV'"),
        3
    );
    assert_eq!(
        value("SELECT COUNT(*) AS n FROM state WHERE service_key IN ('b', 'c')"),
        1
    );
}

#[test]
fn lookups_do_not_scan() {
    let plan = |sql: &str| {
        let rows = query(&format!("EXPLAIN {sql}")).unwrap();
        rows[0]["plan"].as_str().unwrap().to_owned()
    };
    // In the plan: the columns that are used, then the places of those that are given.
    let by_id = plan("SELECT status FROM sys_invocation WHERE id = 'x'");
    assert!(by_id.contains(",0"), "{by_id}");
    let joined = plan(
        "SELECT inv.id FROM sys_invocation inv LEFT JOIN sys_deployment dp \
         ON dp.id = inv.pinned_deployment_id",
    );
    assert!(
        joined
            .lines()
            .last()
            .is_some_and(|line| line.contains(",0")),
        "{joined}"
    );
    let by_key = plan("SELECT key FROM state WHERE service_name = 'a' AND service_key = 'b'");
    assert!(by_key.contains(",2,3"), "{by_key}");
}

#[test]
fn every_table_can_be_selected_from_and_is_described() {
    assert_eq!(TABLES.len(), 19 + 3);
    for table in TABLES.iter() {
        let answer = ask(
            view(),
            &format!("SELECT * FROM {}", table.name),
            LIMITS,
            Format::Arrow,
        );
        assert!(answer.is_ok(), "{}: {:?}", table.name, answer.err());
    }
    let sql = "SELECT COUNT(*) FROM information_schema.columns WHERE table_name='sys_journal' \
               AND column_name IN ('version','entry_json','appended_at')";
    assert_eq!(value(sql), 3);
    assert_eq!(
        query("DESCRIBE sys_service").unwrap()[2],
        json!({"column_name": "public", "data_type": "Boolean", "is_nullable": "YES"})
    );
    assert_eq!(
        query("SHOW TABLES LIKE 'sys_inv%'")
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        query("SHOW ALL").unwrap()[0],
        json!({"name": "query_time_max", "value": "10s"})
    );
    assert_eq!(
        query("SHOW COLUMNS FROM sys_rules").unwrap()[1]["column_name"],
        "concurrency"
    );
}

#[test]
fn rows_are_counted_joined_and_matched() {
    let counted = "SELECT COUNT(*) AS n FROM sys_invocation WHERE target LIKE";
    assert_eq!(
        value(&format!("{counted} 'Counter/%' AND status = 'completed'")),
        1
    );
    assert_eq!(value(&format!("{counted} 'counter/%'")), 0);
    assert_eq!(
        value("SELECT COUNT(*) FROM sys_invocation WHERE target ILIKE 'counter/%'"),
        3
    );
    assert_eq!(
        value("SELECT first_value(id ORDER BY created_at DESC) AS newest FROM sys_invocation"),
        text(3)
    );
    assert_eq!(
        value("SELECT COUNT(1) AS n FROM sys_invocation i JOIN sys_journal j ON i.id = j.id"),
        3
    );
    assert_eq!(
        value(
            "SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000) WHERE inv.status != 'completed'"
        ),
        2
    );
    assert_eq!(
        value(
            "WITH c AS (SELECT id AS x FROM sys_invocation) SELECT COUNT(*) FROM c RIGHT JOIN sys_journal j ON j.id = c.x"
        ),
        3
    );
    assert_eq!(
        query(
            "SELECT service_name, COUNT(*) FILTER (WHERE scope IS NULL) AS plain, COUNT(*) AS n \
               FROM state GROUP BY 1 HAVING COUNT(*) > 1 ORDER BY n DESC"
        )
        .unwrap(),
        json!([{"service_name": "KV", "plain": 2, "n": 3}])
    );
    assert_eq!(
        query("SELECT key FROM state UNION SELECT name FROM sys_service ORDER BY key LIMIT 5")
            .unwrap(),
        json!([{"key": "n"}])
    );
    assert_eq!(
        query("SELECT service_key, ROW_NUMBER() OVER (PARTITION BY service_name ORDER BY service_key DESC, scope) AS r \
               FROM state WHERE service_name = 'KV' ORDER BY r LIMIT 1").unwrap(),
        json!([{"service_key": "b", "r": 1}])
    );
}

#[test]
fn times_compare_with_texts_and_add_up() {
    for (sql, expected) in [
        (
            "SELECT COUNT(*) FROM sys_invocation WHERE created_at >= '2023-11-14T22:13:20.002Z'",
            json!(2),
        ),
        (
            "SELECT COUNT(*) FROM sys_invocation WHERE created_at > now() - INTERVAL '1 hour'",
            json!(3),
        ),
        (
            "SELECT COUNT(*) FROM sys_invocation WHERE created_at BETWEEN '2023-11-14' AND '2023-11-15'",
            json!(3),
        ),
        (
            "SELECT now() - INTERVAL '1 month'",
            json!("2023-10-14T22:13:20Z"),
        ),
        (
            "SELECT MAX(created_at) - MIN(created_at) FROM sys_invocation",
            json!("PT0.002S"),
        ),
        (
            "SELECT to_unixtime(date_bin(INTERVAL '60 seconds', MAX(created_at), TIMESTAMP '1970-01-01T00:00:00')) FROM sys_invocation",
            json!(1_699_999_980),
        ),
        (
            "SELECT date_trunc('hour', now())",
            json!("2023-11-14T22:00:00Z"),
        ),
        ("SELECT extract(hour FROM now())", json!(22)),
        ("SELECT CAST(now() AS DATE)", json!("2023-11-14")),
        ("SELECT now()::text", json!("2023-11-14T22:13:20Z")),
        ("SELECT INTERVAL '1 day'", json!("1 days")),
        (
            "SELECT COUNT(*) FROM sys_invocation WHERE now() + INTERVAL '1 second' - created_at > INTERVAL '997.5 milliseconds'",
            json!(2),
        ),
        (
            "SELECT avg(completion_retention) FROM sys_invocation",
            json!("PT86400S"),
        ),
        (
            "SELECT median(completion_retention) FROM sys_invocation",
            json!("PT86400S"),
        ),
        (
            "SELECT CASE WHEN status = 'scheduled' THEN NULL ELSE COALESCE(completed_at, now()) - COALESCE(scheduled_start_at, created_at) END AS duration FROM sys_invocation ORDER BY duration DESC LIMIT 1",
            json!("-PT0.001S"),
        ),
    ] {
        assert_eq!(value(sql), expected, "{sql}");
    }
}

#[test]
fn values_keep_their_types() {
    for (sql, expected) in [
        (
            "SELECT dp.id IS NOT NULL AS there FROM sys_invocation i LEFT JOIN sys_deployment dp ON dp.id = i.pinned_deployment_id LIMIT 1",
            json!(false),
        ),
        ("SELECT 1 = 1", json!(true)),
        ("SELECT true AND false", json!(false)),
        (
            "SELECT bool_or(status == 'completed') FROM sys_invocation",
            json!(true),
        ),
        ("SELECT 1.5 + 1", json!(2.5)),
        ("SELECT -  -3", json!(3)),
        ("SELECT 7 / 2", json!(3)),
        (
            "SELECT partition_key FROM sys_invocation_status LIMIT 1",
            json!(72_340_172_838_076_673_u64),
        ),
        (
            "SELECT 12068308527757362294",
            json!(12_068_308_527_757_362_294_u64),
        ),
        (
            "SELECT count(*) FROM sys_invocation WHERE retry_count > '5'",
            json!(0),
        ),
        ("SELECT CAST('42' AS BIGINT)", json!(42)),
        ("SELECT TRY_CAST('x' AS BIGINT) IS NULL", json!(true)),
        ("SELECT 'a' || 1 || true", json!("a1true")),
        ("SELECT upper('straße') || lower('ÄB')", json!("STRASSEäb")),
        ("SELECT substr('abcd', 2, 2)", json!("bc")),
        (
            "SELECT encode(value, 'hex') FROM state LIMIT 1",
            json!("31"),
        ),
        (
            "SELECT '{\"a\":{\"b\":[1,true]}}' -> 'a'",
            json!({"b": [1, true]}),
        ),
        (
            "SELECT '{\"a\":{\"b\":[1,true]}}' -> 'a' -> 'b' ->> 1",
            json!("true"),
        ),
        (
            "SELECT json_get_int('{\"a\":{\"b\":3}}', 'a', 'b')",
            json!(3),
        ),
        ("SELECT 'no json' ->> 'a' IS NULL", json!(true)),
        (
            "SELECT array_agg(key) FROM (SELECT DISTINCT key FROM state)",
            json!(["n"]),
        ),
        ("SELECT greatest(1, NULL, 3)", json!(3)),
        ("SELECT 'it''s' AS t", json!("it's")),
        ("VALUES (1, 'a')", json!(1)),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT SUM(i) FROM n",
            json!(15),
        ),
        ("SELECT COUNT(*) FROM state WHERE value = '1'", json!(4)),
        ("SELECT round(2.567, 1)", json!(2.6)),
        ("SELECT ceil(1.2) + floor(1.8)", json!(3.0)),
    ] {
        assert_eq!(value(sql), expected, "{sql}");
    }
    let nulls = ask(
        view(),
        "SELECT NULL AS a, 1 AS a",
        LIMITS,
        Format::Json { nulls: true },
    );
    assert_eq!(
        String::from_utf8(nulls.unwrap()).unwrap(),
        "{\"rows\":[{\"a\":null,\"a_2\":1}]}"
    );
}

#[test]
fn mistakes_are_told_with_their_place_and_what_was_meant() {
    for (sql, said) in [
        (
            "SELECT statu FROM sys_invocation",
            "there is no column statu: did you mean status? (line 1, column 8)",
        ),
        (
            "SELECT *\nFROM sys_invocations",
            "there is no table sys_invocations: did you mean sys_invocation? (line 2, column 6)",
        ),
        ("SELECT \"running\"", "A text stands in single quotes"),
        ("SELECT in.id FROM sys_invocation inv", "line 1"),
        (
            "SELECT iv.id FROM sys_invocation inv",
            "no table is called iv here: did you mean inv.id?",
        ),
        (
            "SELECT id FROM sys_invocation a, sys_journal b",
            "id is ambiguous",
        ),
        (
            "SELECT id, COUNT(*) FROM sys_invocation",
            "id differs within a group",
        ),
        (
            "SELECT * FROM sys_invocation GROUP BY id",
            "differs within a group",
        ),
        (
            "SELECT id FROM sys_invocation WHERE COUNT(*) > 1",
            "use HAVING",
        ),
        ("SELECT SUM(COUNT(*)) FROM state", "use a subquery"),
        (
            "SELECT lenght('a')",
            "there is no function lenght: did you mean length?",
        ),
        ("SELECT length()", "length takes 1 argument(s), 0 given"),
        (
            "SELECT * FROM sys_invocation WHERE created_at > 'yesterday'",
            "is no time",
        ),
        ("SELECT now() + 5", "write INTERVAL"),
        ("SELECT 1 ORDER BY 2", "there is no column 2 in the answer"),
        (
            "SELECT CAST('x' AS BIGINT)",
            "cannot be cast to a whole number",
        ),
        ("SELECT 1 LIMIT -1", "a number of rows"),
        (
            "SELECT a FROM (VALUES (1)) AS t(a, b)",
            "more columns than there are",
        ),
        (
            "SELECT 1 UNION SELECT 1, 2",
            "the first query has 1 columns and this one 2",
        ),
        ("selekt", "this is no SQL"),
        ("SELECT FROM WHERE", "line 1"),
        ("", "the statement is empty"),
        ("-- nothing", "the statement is empty"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT FROM state", "say what to select"),
        ("SELECT $1", "parameters are not filled in"),
        ("SELECT 'a' ~ 'b'", "use LIKE"),
        ("SELECT 'a\0b'", "NUL"),
    ] {
        let refusal = refusal(sql);
        assert!(refusal.contains(said), "{sql}: {refusal}");
    }
}

#[test]
fn whatever_does_not_read_is_refused() {
    for sql in [
        "DELETE FROM state",
        "INSERT INTO state VALUES (1)",
        "UPDATE state SET key = 'a'",
        "CREATE TABLE t (a INT)",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE state",
        "ATTACH DATABASE '/tmp/x' AS x",
        "PRAGMA writable_schema = ON",
        "SET x = 1",
        "COPY state TO '/tmp/x'",
        "EXPLAIN DELETE FROM state",
        "SELECT * INTO t FROM state",
        "BEGIN",
        "WITH d AS (DELETE FROM state) SELECT 1",
    ] {
        assert!(matches!(query(sql), Err(QueryError::Statement(_))), "{sql}");
    }
    for sql in [
        "SELECT load_extension('x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pragma_database_list",
    ] {
        assert!(matches!(query(sql), Err(QueryError::Statement(_))), "{sql}");
    }
}

#[test]
fn what_takes_too_much_is_stopped() {
    let limited = |sql: &str, limits| ask(view(), sql, limits, Format::Json { nulls: false });
    let endless =
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT MAX(n) FROM t";
    let short = Limits {
        time: Duration::from_millis(50),
        ..LIMITS
    };
    let refused = limited(endless, short);
    assert!(
        matches!(refused, Err(QueryError::TooLong(_))),
        "{refused:?}"
    );

    let few = Limits { rows: 2, ..LIMITS };
    let refused = limited("SELECT id FROM sys_invocation", few);
    assert!(
        matches!(refused, Err(QueryError::TooManyRows(2))),
        "{refused:?}"
    );

    let large = "WITH RECURSIVE t(n, x) AS (SELECT 1, repeat('x', 100000) UNION ALL \
                 SELECT n + 1, x || n FROM t WHERE n < 5000) SELECT n, x FROM t ORDER BY x DESC";
    let refused = limited(large, LIMITS);
    assert!(
        matches!(refused, Err(QueryError::TooMuchMemory(_))),
        "{refused:?}"
    );

    // The engine's limit of memory can only be lowered while the process lives: hence all the
    // same here.
    let column = "repeat('x', 1000000)";
    let wide = format!("SELECT {} FROM sys_invocation", [column; 12].join(", "));
    for format in [Format::Json { nulls: false }, Format::Arrow] {
        let refused = ask(view(), &wide, LIMITS, format);
        assert!(matches!(refused, Err(QueryError::TooLarge(_))));
    }
}

#[test]
fn long_and_deep_statements_are_read_or_refused_and_nothing_worse() {
    let thread = std::thread::Builder::new().stack_size(128 << 20);
    let all = thread.spawn(|| {
        let many: Vec<_> = (0..5_000).map(|n| format!("key = 'k{n}'")).collect();
        let ors = format!("SELECT COUNT(*) FROM state WHERE {}", many.join(" OR "));
        assert_eq!(value(&ors), 0);
        let many: Vec<_> = (0..20_000).map(|n| format!("'k{n}'")).collect();
        let list = format!(
            "SELECT COUNT(*) FROM state WHERE key NOT IN ({})",
            many.join(",")
        );
        assert_eq!(value(&list), 4);
        let sum = format!("SELECT 1{}", " + 1".repeat(100_000));
        assert!(refusal(&sum).contains("too deep"));
        let parentheses = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(refusal(&parentheses).contains("nested too deeply"));
        let unions = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000));
        assert!(refusal(&unions).contains("too many queries"));
        assert!(refusal(&"x".repeat(600_000)).contains("shorten it"));
    });
    all.unwrap().join().unwrap();
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
    let sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT service_key) AS keys FROM state";
    let answer = ask(view, sql, LIMITS, Format::Json { nulls: false }).unwrap();
    assert_eq!(answer, b"{\"rows\":[{\"n\":1000,\"keys\":1000}]}");
}

#[test]
fn rows_that_cannot_be_decoded_are_the_servers_fault() {
    let mut view = MemoryView::default();
    view.write(invocation::key(&id(1)), Some("no row".into()));
    let refused = ask(view, "SELECT * FROM sys_invocation", LIMITS, Format::Arrow);
    assert!(matches!(refused, Err(QueryError::Read(_))), "{refused:?}");
}

#[test]
fn arrow_has_the_types_that_tools_read() {
    use arrow_array::{Array, cast::AsArray, types::Int64Type};
    let read = |sql: &str| {
        let bytes = ask(view(), sql, LIMITS, Format::Arrow).unwrap();
        let reader = arrow_ipc::reader::StreamReader::try_new(&bytes[..], None).unwrap();
        let types: Vec<_> = reader
            .schema()
            .fields()
            .iter()
            .map(|f| f.data_type().to_string())
            .collect();
        (types, reader.map(Result::unwrap).collect::<Vec<_>>())
    };
    let (types, batches) = read("SELECT COUNT(1) FROM sys_invocation");
    assert_eq!(types, ["Int64"]);
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 3);
    let (types, batches) = read(
        "SELECT id, created_at, completion_retention, journal_size, retry_count, sum(retry_count) AS n, \
         suspended_waiting_for_signals, avg(retry_count) AS a, bool_and(id = '') AS b, now() = now() AS c \
         FROM sys_invocation GROUP BY 1, 2, 3, 4, 5, 7",
    );
    assert_eq!(
        types,
        [
            "LargeUtf8",
            "Timestamp(ms, \"+00:00\")",
            "Duration(ms)",
            "UInt32",
            "UInt64",
            "UInt64",
            "List(UInt32)",
            "Float64",
            "Boolean",
            "Boolean"
        ]
    );
    assert_eq!((batches.len(), batches[0].num_rows()), (1, 3));
    assert!(batches[0].column(6).is_null(0));
    let (types, batches) = read("SELECT value FROM state WHERE key = 'none'");
    assert_eq!((types, batches.len()), (vec!["LargeBinary".to_owned()], 0));
}
