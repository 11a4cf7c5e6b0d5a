//! `invocations` and `why`: found, looked at, followed, and told what to do.

use crate::world::{World, until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// The ids in a list, by filters.
fn listed(world: &World, filters: &[&str]) -> Vec<String> {
    let arguments = [&["invocations", "list", "--json"], filters].concat();
    let Value::Array(rows) = world.run(&arguments).json() else {
        panic!("a list");
    };
    let id = |row: &Value| row["id"].as_str().map(str::to_owned);
    rows.iter().filter_map(id).collect()
}

#[test]
fn a_list_shows_what_is_asked_for() {
    let world = World::start();
    world.run(&["call", "Shop/greet", "\"Ada\""]).ok();
    assert_eq!(world.run(&["call", "Shop/refuse"]).code, 5);
    let open = world.send("Shop/hold");
    assert_eq!(listed(&world, &[]), [open.as_str()]);
    assert_eq!(listed(&world, &["--all"]).len(), 3);
    assert_eq!(
        listed(&world, &["--failed", "--handler", "refuse"]).len(),
        1
    );
    assert_eq!(listed(&world, &["--older-than", "1h"]), [] as [&str; 0]);
    assert_eq!(
        listed(
            &world,
            &["--newer-than", "1h", "--where", "target = 'Shop/hold'"]
        ),
        [open.as_str()]
    );
    assert_eq!(listed(&world, &["--service", "it's"]), [] as [&str; 0]);
    let people = world.run(&["invocations", "list", "--all"]).ok();
    assert!(people.starts_with("ID "), "{people}");
    assert!(
        people.contains("failed") && people.contains("out of stock"),
        "{people}"
    );
    assert!(
        !people.contains('\u{1b}'),
        "colours without a terminal: {people}"
    );
    let wrong = world.run(&["invocations", "list", "--where", "nothing = 1"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
}

#[test]
fn an_invocation_is_described_with_its_timeline() {
    let world = World::start();
    world.run(&["call", "Shop/order", "700"]).ok();
    let ids = listed(&world, &["--all", "--handler", "order"]);
    let text = world.run(&["invocations", "describe", &ids[0]]).ok();
    for part in [
        "Shop/order",
        "succeeded, after",
        "run reserve",
        "call Ledger/main/add",
        "sleep",
        "output",
        "█",
        "░",
        "▓",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let child = listed(&world, &["--all", "--handler", "add"]);
    assert!(
        text.contains(&format!("└ {} succeeded", child[0])),
        "{text}"
    );
    let document = world
        .run(&["invocations", "describe", &ids[0], "--json"])
        .json();
    assert_eq!(document["invocation"]["target"], "Shop/order");
    assert!(
        document["journal"]
            .as_array()
            .is_some_and(|entries| entries.len() >= 7),
        "{document}"
    );

    let missing = ids[0].chars().rev().collect::<String>();
    assert_eq!(world.run(&["invocations", "describe", &missing]).code, 2);
    let mut gone = ids[0].clone();
    gone.replace_range(36..38, if gone.ends_with("00") { "11" } else { "00" });
    assert_eq!(world.run(&["invocations", "describe", &gone]).code, 3);
    assert_eq!(world.run(&["why", &gone]).code, 3);
}

#[test]
fn what_fails_is_described_with_its_failure() {
    let world = World::start();
    let id = world.send("Shop/broken");
    world.until_status(&id, "backing-off");
    let text = world.run(&["invocations", "describe", &id]).ok();
    assert!(text.contains("card declined"), "{text}");
    assert_eq!(listed(&world, &["--error", "card dec"]), [id.as_str()]);
    assert_eq!(listed(&world, &["--error", "card%dec"]), [] as [&str; 0]);
}

#[test]
fn many_are_told_at_once_but_not_by_accident() {
    let world = World::start();
    let ids: Vec<_> = (0..5).map(|_| world.send("Shop/hold")).collect();
    let unasked = world.run(&["invocations", "kill"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    let unanswered = world.run(&["invocations", "kill", "--service", "Shop"]);
    assert_eq!(unanswered.code, 2, "{unanswered:?}");
    assert!(
        unanswered.err.contains("Kill 5 invocations?"),
        "{unanswered:?}"
    );
    let dry = world.run(&[
        "invocations",
        "kill",
        "--service",
        "Shop",
        "--dry-run",
        "--json",
    ]);
    assert_eq!(dry.json()["matched"], 5);
    assert_eq!(listed(&world, &[]).len(), 5);

    let two = world.run(&["invocations", "kill", &ids[0], &ids[1], "--json"]);
    assert_eq!(
        two.json()["succeeded"].as_array().map(Vec::len),
        Some(2),
        "{two:?}"
    );
    let over = world.run(&["invocations", "kill", &ids[0], &ids[2], "--json"]);
    assert_eq!(over.code, 1, "{over:?}");
    assert_eq!(over.json()["failed"][0]["invocation_id"], ids[0]);
    let limited = world.run(&["invocations", "kill", "--all", "--limit", "1", "--yes"]);
    assert!(limited.err.contains("1 invocation killed"), "{limited:?}");
    world
        .run(&["invocations", "kill", "--handler", "hold", "--yes"])
        .ok();
    assert_eq!(listed(&world, &[]), [] as [&str; 0]);
    let nothing = world.run(&["invocations", "kill", "--handler", "hold", "--yes"]);
    assert!(nothing.err.contains("no invocation"), "{nothing:?}");
    assert_eq!(nothing.code, 0);

    world
        .run(&["invocations", "purge", "--failed", "--yes"])
        .ok();
    assert_eq!(listed(&world, &["--all"]), [] as [&str; 0]);
    assert_eq!(world.run(&["invocations", "purge", &ids[0]]).code, 3);
}

#[test]
fn one_is_paused_resumed_and_restarted() {
    let world = World::start();
    let id = world.send("Shop/broken");
    world.until_status(&id, "backing-off");
    world.run(&["invocations", "pause", &id]).ok();
    world.until_status(&id, "paused");
    world
        .run(&["invocations", "resume", "--status", "paused", "--yes"])
        .ok();
    world.until_status(&id, "backing-off");
    world.run(&["invocations", "kill", &id]).ok();
    let new = world.run(&["invocations", "restart", &id]).ok();
    assert!(new.starts_with("inv_1") && new.trim() != id, "{new}");
    world.until_status(new.trim(), "backing-off");
}

#[test]
fn a_watch_tells_of_each_change_and_ends_with_what_it_follows() {
    let world = World::start();
    let id = world.send("Shop/hold");
    let mut watch = world
        .command(&["invocations", "watch", &id, "--interval", "50ms", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    let first = next();
    assert_eq!(
        (&first["id"], &first["from"]),
        (&id.as_str().into(), &Value::Null)
    );
    world.run(&["invocations", "kill", &id]).ok();
    let last = until("it is over", || {
        Some(next()).filter(|line| line["to"] == "completed")
    });
    assert_eq!(last["result"], "failure");
    assert!(watch.wait().expect("it ends").success());
}

#[test]
fn a_watch_tells_of_those_that_it_never_saw_open() {
    let world = World::start();
    let mut watch = world
        .command(&[
            "invocations",
            "watch",
            "--interval",
            "500ms",
            "--for",
            "20s",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    let held = world.send("Shop/hold");
    let first = until("it looks", || lines.next()).expect("text");
    assert!(first.contains(&held), "{first}");
    let greeted = world
        .run(&["call", "Shop/greet", "\"Ada\"", "--json"])
        .json();
    let id = greeted["invocation_id"].as_str().expect("an id");
    let told = until("the call is told", || {
        let line = lines.next()?.expect("text");
        line.contains(id).then_some(line)
    });
    assert!(told.contains("succeeded"), "{told}");
    watch.kill().expect("it is ended");
    watch.wait().expect("it has ended");
}
