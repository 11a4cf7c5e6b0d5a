//! `backup` and `restore`: a server under load is backed up, killed, and restored elsewhere.

use crate::world::{World, run, until};
use serde_json::Value;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use ureq::Agent;

/// How long a call may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Objects whose state is most of what there is to back up.
const NOTES: usize = 300;

/// Something that was accepted: its id, and what it must come to.
#[derive(Debug, Clone)]
struct Accepted {
    id: String,
    output: Value,
}

struct Caller {
    agent: Agent,
    ingress: String,
    next: AtomicU64,
}

impl Caller {
    fn new(world: &World) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .build();
        Self {
            agent: config.into(),
            ingress: world.ingress(),
            next: AtomicU64::new(0),
        }
    }

    /// Sends a call with a key of its own; it was accepted when this returns.
    fn send(&self, path: &str, input: &Value, output: Value) -> Result<Accepted, ureq::Error> {
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let mut request = self
            .agent
            .post(format!("{}/{path}", self.ingress))
            .header("content-type", "application/json");
        // The key of a workflow is its own.
        if !path.starts_with("Approval") {
            request = request.header("idempotency-key", key);
        }
        let text = request
            .send(input.to_string())?
            .body_mut()
            .read_to_string()?;
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let id = answer["invocationId"].as_str().expect("an id").to_owned();
        Ok(Accepted { id, output })
    }

    /// The output of something that was accepted, when it is there.
    fn output(&self, id: &str) -> Value {
        let url = format!("{}/restate/invocation/{id}/attach", self.ingress);
        let answer = self.agent.get(url).call();
        let mut answer = answer.unwrap_or_else(|error| panic!("{id}: {error}"));
        let text = answer.body_mut().read_to_string().expect("text");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn total(world: &World) -> u64 {
    let total = world.run(&["call", "Ledger/main/total"]).ok();
    total.trim().parse().expect("a number")
}

#[test]
fn what_was_acknowledged_before_a_backup_is_done_by_whoever_is_restored_from_it() {
    let mut world = World::bare_with(&[("LATCHWORK_PARTITIONS", "2")]);
    let endpoint = world.endpoint.clone();
    world.run(&["deployments", "register", &endpoint]).ok();
    let caller = Caller::new(&world);
    let sent = |path: &str, input: Value, output: Value| {
        caller.send(path, &input, output).expect("it is accepted")
    };
    let notes: Vec<_> = (0..NOTES)
        .map(|number| {
            let path = format!("Ledger/note-{number}/note/send");
            sent(&path, format!("{number:02048}").into(), Value::Null)
        })
        .collect();
    let (last, _) = notes.split_last().expect("notes");
    until("the notes are kept", || {
        let open = world.run(&[
            "sql",
            "SELECT COUNT(1) AS n FROM sys_invocation WHERE status <> 'completed'",
            "--json",
        ]);
        (open.json()[0]["n"] == 0).then_some(())
    });
    assert!(!last.id.is_empty());

    let mut accepted = Vec::new();
    for number in 0..5_u64 {
        accepted.push(sent(
            "Shop/greet/send?delay=4s",
            format!("{number}").into(),
            format!("Hello {number}").into(),
        ));
        accepted.push(sent(
            "Shop/nap/send",
            (3_000 + number).into(),
            (3_000 + number).into(),
        ));
        accepted.push(sent(
            &format!("Approval/{number}/run/send"),
            "May I?".into(),
            "yes".into(),
        ));
    }
    // From here on orders come all the time: each is a step, a call to the other service, and a sleep.
    let orders = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let backups = world.path("backups");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Cut off by the end of the server at the latest; then it was not accepted.
                    if let Ok(order) = caller.send("Shop/order/send", &1.into(), Value::Null) {
                        orders.lock().expect("no panic").push(order);
                    }
                }
            });
        }
        let count = || orders.lock().expect("no panic").len();
        until("orders come", || (count() > 50).then_some(()));
        accepted.extend(orders.lock().expect("no panic").iter().cloned());
        let before = count();
        let first = world.run(&["backup", &backups, "--json"]);
        assert_eq!(first.code, 0, "{first:?}");
        let first = first.json();
        assert_eq!(first["generation"], 1, "{first}");
        assert_eq!(first["reused_bytes"], 0, "{first}");
        assert_eq!(first["partitions"].as_array().map(Vec::len), Some(2));
        let written = first["written_bytes"].as_u64().expect("a number");
        assert!(written > (NOTES * 2048) as u64, "{first}");
        until("orders still come", || {
            (count() > before + 20).then_some(())
        });

        let second = world.run(&["backup", &backups, "--json"]).json();
        let more = second["written_bytes"].as_u64().expect("a number");
        assert!(more < written / 3, "{more} after {written}");
        assert!(second["reused_bytes"].as_u64() >= Some(written), "{second}");
        stop.store(true, Ordering::Relaxed);
    });
    let verified = world.run(&["backup", "verify", &backups]).ok();
    assert!(
        verified.contains("generation 1") && verified.contains("generation 2"),
        "{verified}"
    );
    world.kill();
    let checked = world.run(&["doctor", "--data-dir", &world.path("latchwork-data")]);
    assert_eq!(checked.code, 0, "{checked:?}");

    let elsewhere = world.path("restored");
    let restored = world.run(&["restore", &backups, "--at", "1", "--data-dir", &elsewhere]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored
            .err
            .contains("Only one server may run from this data"),
        "{restored:?}"
    );
    world.move_to(&elsewhere);
    let caller = Caller::new(&world);
    for number in 0..5 {
        world
            .run(&["call", &format!("Approval/{number}/decide"), "\"yes\""])
            .ok();
    }
    for one in &accepted {
        let output = caller.output(&one.id);
        // What an order gives is a running total.
        assert!(
            output == one.output || (one.output.is_null() && output.is_u64()),
            "{one:?}: {output}"
        );
    }
    let sql = "SELECT COUNT(1) AS n, SUM(CASE WHEN completion_result = 'success' THEN 1 ELSE 0 END) AS done \
               FROM sys_invocation WHERE target = 'Shop/order'";
    let done = until("all orders are done", || {
        let found = world.run(&["sql", sql, "--json"]).json()[0].clone();
        (found["n"] == found["done"]).then_some(found["n"].as_u64()?)
    });
    assert_eq!(total(&world), done, "each order has added one");
    let note = world.run(&["state", "get", "Ledger/note-7", "note"]).ok();
    assert!(note.contains("00007"), "{note}");

    // It goes on, also with its backups, and removes what is not wanted any more.
    let third = world.run(&["backup", &backups, "--keep", "1", "--json"]);
    assert_eq!(
        third.json()["removed"],
        serde_json::json!([1, 2]),
        "{third:?}"
    );
    let listed = world.run(&["backup", "list", &backups, "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed[0]["generation"], 3);
}

#[test]
fn a_backup_goes_only_where_it_may() {
    let mut world = World::bare();
    let inside = world.run(&["backup", &world.path("latchwork-data/backups")]);
    assert_eq!(inside.code, 1, "{inside:?}");
    assert!(
        inside.err.contains("inside the data directory"),
        "{inside:?}"
    );
    let far = world.run(&["backup", &world.path("no/where")]);
    assert!(
        far.code == 1 && far.err.contains("is the disk mounted?"),
        "{far:?}"
    );
    fs::create_dir(world.path("papers")).expect("a directory");
    fs::write(world.path("papers/thesis.txt"), "").expect("a file");
    let foreign = world.run(&["backup", "papers"]);
    assert!(
        foreign.code == 1 && foreign.err.contains("thesis.txt"),
        "{foreign:?}"
    );
    let relative = run(&["backup", "papers", "--admin", "box.invalid:9070"]);
    assert_eq!(relative.code, 2, "{relative:?}");
    assert_eq!(world.run(&["backup", "b", "--keep", "0"]).code, 2);

    let made = world.run(&["backup", "backups"]).ok();
    assert!(
        made.contains("generation 1") && made.contains("partition 0"),
        "{made}"
    );
    world.run(&["backup", "backups"]).ok();
    let pruned = world.run(&["backup", "prune", "backups", "--keep", "1", "--json"]);
    assert_eq!(
        pruned.json()["removed"],
        serde_json::json!([1]),
        "{pruned:?}"
    );
    assert_eq!(
        world
            .run(&["backup", "prune", "papers", "--keep", "1"])
            .code,
        3
    );
    let full = world.run(&["restore", "backups", "--data-dir", "papers"]);
    assert!(
        full.code == 1 && full.err.contains("thesis.txt"),
        "{full:?}"
    );
    let none = world.run(&["restore", "backups", "--at", "7", "--data-dir", "new"]);
    assert_eq!(none.code, 3, "{none:?}");
    assert_eq!(world.run(&["backup", "list", "papers"]).code, 3);

    world.kill();
    let nobody = world.run(&["backup", "backups"]);
    assert_eq!(nobody.code, 4, "{nobody:?}");
    let rows = world.path("backups/rows/000001-0.rows");
    let mut bytes = fs::read(&rows).expect("rows");
    bytes[35] ^= 1;
    fs::write(&rows, bytes).expect("written");
    let verified = world.run(&["backup", "verify", "backups"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.contains("000001-0.rows"), "{verified:?}");
    let damaged = world.run(&["restore", "backups", "--data-dir", "new"]);
    assert!(
        damaged.code == 1 && damaged.err.contains("000001-0.rows"),
        "{damaged:?}"
    );
    assert!(
        !fs::exists(world.path("new")).expect("it can be seen"),
        "nothing is made of a damaged backup"
    );
}

#[test]
fn a_restore_that_was_cut_off_is_no_data_directory_and_is_begun_anew() {
    let mut world = World::start();
    world.run(&["call", "Ledger/main/add", "7"]).ok();
    world.run(&["backup", "backups"]).ok();
    let other = World::bare().run(&["backup", &world.path("backups")]);
    assert!(
        other.code == 1 && other.err.contains("of another data directory"),
        "{other:?}"
    );
    world.kill();
    // Cut off while its parts were moved into place.
    let half = world.path("half");
    for name in ["restoring", "tables", "log/0"] {
        fs::create_dir_all(format!("{half}/{name}")).expect("a directory");
    }
    fs::write(format!("{half}/restoring/unfinished"), "").expect("a file");
    let refused = world.run(&["serve", "--data-dir", &half]);
    assert!(
        refused.code == 1 && refused.err.contains("not finished"),
        "{refused:?}"
    );
    let looked = world.run(&["doctor", "--data-dir", &half]);
    assert!(
        looked.code == 1 && looked.out.contains("not finished"),
        "{looked:?}"
    );
    world.run(&["restore", "backups", "--data-dir", &half]).ok();
    world.move_to(&half);
    assert_eq!(world.run(&["call", "Ledger/main/total"]).ok(), "7\n");
    world.stop();
    let again = world.run(&["restore", "backups", "--data-dir", &half]);
    assert!(
        again.code == 1 && again.err.contains("is not empty"),
        "{again:?}"
    );
}
