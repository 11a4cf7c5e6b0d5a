//! The list of what operators did: who, what, with what outcome; and that it outlives a kill.

use crate::access::{guarded, with};
use crate::raw::status;
use crate::world::World;
use serde_json::{Value, json};

/// Rows of the list that are as a condition says, the oldest first.
fn audit(world: &World, condition: &str) -> Vec<Value> {
    let statement = format!("SELECT * FROM sys_audit WHERE {condition} ORDER BY refused, sequence");
    let answer = world.run(&["sql", "--json", &statement]).json();
    answer.as_array().expect("rows").clone()
}

#[test]
fn who_did_what_is_noted_with_its_outcome_and_what_only_reads_is_not() {
    let (mut world, [caller, viewer, operator, admin]) = guarded();
    let unknown = "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy";
    // Of all versions of the API the path is the same.
    let cancel = format!("PATCH /invocations/{unknown}/cancel?x=1");
    let batch = json!({"invocation_ids": [unknown, "inv_none"]}).to_string();
    let set = "PATCH /services/Shop";
    for (line, token, body, expected) in [
        (set, Some(&admin), r#"{"abort_timeout": "7m"}"#, 200),
        (
            &cancel.replacen("/inv", "/v3/inv", 1),
            Some(&operator),
            "",
            404,
        ),
        (
            "POST /internal/invocations_batch_operations/kill",
            Some(&operator),
            &batch,
            200,
        ),
        (
            "PUT /services/Ledger/state/a%2Fb",
            Some(&operator),
            r#"{"state": {"k": "c2VjcmV0"}}"#,
            202,
        ),
        (set, Some(&viewer), "{}", 403),
        (set, Some(&caller), "{}", 403),
        (set, None, "{}", 401),
        (
            "POST /query",
            Some(&viewer),
            r#"{"query": "SELECT 1"}"#,
            200,
        ),
        ("GET /deployments", Some(&viewer), "", 200),
        ("GET /deployments", None, "", 401),
    ] {
        let answer = with(
            world.admin_at(),
            line,
            token.map(String::as_str),
            body.as_bytes(),
        );
        assert_eq!(status(&answer), expected, "{line}: {answer}");
    }
    let wanted = "method || ' ' || path != 'POST /deployments'";
    let before = audit(&world, wanted);
    world.kill();
    world.move_to("latchwork-data");
    let rows = audit(&world, wanted);
    assert_eq!(rows, before, "other rows after a kill");
    let said: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            let what = format!("{} {}", text("method"), text("path"));
            json!([
                text("who"),
                text("role"),
                what,
                row["targets"],
                row["status"],
                row["refused"]
            ])
        })
        .collect();
    let state = "PUT /services/Ledger/state/a%2Fb";
    assert_eq!(
        said,
        [
            json!(["admin", "admin", set, ["Shop"], 200, false]),
            json!(["operator", "operator", cancel, [unknown], 404, false]),
            json!([
                "operator",
                "operator",
                "POST /internal/invocations_batch_operations/kill",
                [unknown, "inv_none"],
                200,
                false
            ]),
            json!(["operator", "operator", state, ["Ledger", "a/b"], 202, false]),
            json!(["viewer", "viewer", set, ["Shop"], 403, true]),
            json!(["caller", "caller", set, ["Shop"], 403, true]),
            json!(["unauthenticated", "-", set, ["Shop"], 401, true]),
        ]
    );
    for row in &rows {
        let peer = row["peer"].as_str().expect("a peer");
        assert!(peer.starts_with("127.0.0.1:"), "{row}");
        assert_eq!(
            row.get("answered_at").is_some(),
            row["refused"] == false,
            "{row}"
        );
        assert!(
            !row.to_string().contains("c2VjcmV0"),
            "a body was noted: {row}"
        );
    }
    assert_eq!(rows[0]["route"], "/services/{service}");
    let registered = audit(&world, "route = '/deployments'");
    let targets = registered[0]["targets"].as_array().expect("targets");
    assert_eq!(targets[0], world.endpoint.as_str(), "{registered:?}");
    assert!(
        targets[1].as_str().is_some_and(|id| id.starts_with("dp_")),
        "{registered:?}"
    );
}

#[test]
fn what_was_acknowledged_has_its_row_after_a_kill() {
    let mut world = World::bare_with(&[("LATCHWORK_PARTITIONS", "3")]);
    world
        .run(&["deployments", "register", &world.endpoint])
        .ok();
    let mut acknowledged = 0;
    for round in 0..5 {
        for step in 0..=round {
            let wish = format!("{{\"abort_timeout\": \"{}s\"}}", 100 + step);
            let answer = with(
                world.admin_at(),
                "PATCH /services/Shop",
                None,
                wish.as_bytes(),
            );
            assert_eq!(status(&answer), 200, "{answer}");
            acknowledged += 1;
        }
        world.kill();
        world.move_to("latchwork-data");
        let rows = audit(&world, "route = '/services/{service}' AND status = 200");
        assert_eq!(rows.len(), acknowledged, "{rows:?}");
        assert!(
            rows.iter().all(|row| row["who"] == "unauthenticated"),
            "{rows:?}"
        );
    }
    // A backup has them too.
    let (backups, elsewhere) = (world.path("backups"), world.path("restored"));
    world.run(&["backup", &backups]).ok();
    world
        .run(&["restore", &backups, "--data-dir", &elsewhere])
        .ok();
    world.move_to(&elsewhere);
    let rows = audit(&world, "route = '/services/{service}'");
    assert_eq!(rows.len(), acknowledged, "{rows:?}");
}
