//! `deployments`, `services`, `state`, `sql` and `doctor`: what is registered and kept.

use crate::world::World;

#[test]
fn a_deployment_is_registered_described_and_removed() {
    let world = World::bare();
    let none = world.run(&["deployments", "list"]);
    assert!(none.err.contains("register"), "{none:?}");
    let dry = world
        .run(&["deployments", "register", &world.endpoint, "--dry-run"])
        .ok();
    assert!(dry.contains("dry run"), "{dry}");
    let registered = world.run(&[
        "deployments",
        "register",
        &world.endpoint,
        "--metadata",
        "by=test",
        "--json",
    ]);
    let id = registered.json()["id"].as_str().expect("an id").to_owned();
    let again = world
        .run(&["deployments", "register", &world.endpoint])
        .ok();
    assert!(again.contains("registered already"), "{again}");
    let list = world.run(&["deployments", "list"]).ok();
    assert!(
        list.contains(&id) && list.contains("active") && list.contains("Ledger"),
        "{list}"
    );
    let described = world.run(&["deployments", "describe", &id]).ok();
    assert!(
        described.contains("by: test") && described.contains("VirtualObject"),
        "{described}"
    );

    let unreachable = world.run(&["deployments", "register", "http://127.0.0.1:1"]);
    assert_eq!(unreachable.code, 1, "{unreachable:?}");
    assert!(
        unreachable.err.contains("latchwork explain META0003"),
        "{unreachable:?}"
    );
    assert_eq!(
        world
            .run(&["deployments", "describe", "dp_14oDjSfAjpiaC35etsssyIX"])
            .code,
        3
    );
    assert_eq!(
        world.run(&["deployments", "remove", &id, "--force"]).code,
        2
    );
    world
        .run(&["deployments", "remove", &id, "--force", "--yes"])
        .ok();
    assert_eq!(world.run(&["deployments", "describe", &id]).code, 3);
}

#[test]
fn a_service_is_described_and_set() {
    let world = World::start();
    let id = world.send("Shop/hold");
    let list = world.run(&["services", "list"]).ok();
    let shop = list
        .lines()
        .find(|line| line.starts_with("Shop"))
        .expect("a line");
    assert!(shop.contains(" 1 "), "{list}");
    world.until_status(&id, "running");
    let described = world.run(&["services", "describe", "Shop"]).ok();
    assert!(described.contains("1 running"), "{described}");
    let set = world
        .run(&[
            "services",
            "set",
            "Shop",
            "public=false",
            "abort_timeout=7m",
        ])
        .ok();
    assert!(set.contains("7m") && set.contains("false"), "{set}");
    let private = world.run(&["call", "Shop/greet", "1"]);
    assert_eq!(private.code, 1, "{private:?}");
    assert_eq!(world.run(&["services", "set", "Shop", "nothing=1"]).code, 1);
    assert_eq!(world.run(&["services", "describe", "Nothing"]).code, 3);
}

#[test]
fn state_is_read_and_changed() {
    let world = World::start();
    world.run(&["call", "Ledger/it's/add", "7"]).ok();
    assert_eq!(
        world.run(&["state", "get", "Ledger/it's", "total"]).ok(),
        "7\n"
    );
    world
        .run(&["state", "set", "Ledger/it's", "total=9", "note={\"a\": 1}"])
        .ok();
    assert_eq!(world.run(&["call", "Ledger/it's/total"]).ok(), "9\n");
    let document = world.run(&["state", "get", "Ledger/it's", "--json"]).json();
    assert_eq!(document, serde_json::json!({"note": {"a": 1}, "total": 9}));
    world.run(&["state", "unset", "Ledger/it's", "note"]).ok();
    assert_eq!(world.run(&["state", "get", "Ledger/it's", "note"]).code, 3);
    let list = world.run(&["state", "list", "Ledger"]).ok();
    assert!(
        list.contains("Ledger/it's") && list.contains("total"),
        "{list}"
    );
    assert_eq!(world.run(&["state", "clear", "Ledger/it's"]).code, 2);
    world.run(&["state", "clear", "Ledger/it's", "--yes"]).ok();
    assert_eq!(world.run(&["call", "Ledger/it's/total"]).ok(), "0\n");
    assert_eq!(world.run(&["state", "get", "Ledger/it's"]).code, 3);
    assert_eq!(
        world.run(&["state", "set", "Ledger/a", "total=seven"]).code,
        2
    );
    assert_eq!(world.run(&["state", "set", "Shop/a", "total=7"]).code, 1);
}

#[test]
fn sql_gives_rows() {
    let world = World::start();
    let sql = "SELECT name, ty FROM sys_service WHERE ty <> 'workflow' ORDER BY name";
    let table = world.run(&["sql", sql]);
    assert!(table.err.contains("2 rows"), "{table:?}");
    assert_eq!(
        table.ok(),
        "name    ty\nLedger  virtual_object\nShop    service\n"
    );
    let document = world.run(&["sql", sql, "--json"]).json();
    assert_eq!(document[1]["ty"], "service");
    assert_eq!(
        world.run(&["sql", "SELECT nothing FROM sys_service"]).code,
        1
    );
    assert_eq!(world.run(&["sql", "DROP TABLE state"]).code, 1);
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let mut world = World::start();
    let well = world.run(&["doctor"]);
    assert!(
        well.out.contains("answers") && well.out.contains("left for"),
        "{well:?}"
    );
    assert_eq!(well.code, 0, "{well:?}");
    let id = world.send("Shop/broken");
    world.until_status(&id, "backing-off");
    world.run(&["invocations", "pause", &id]).ok();
    world.until_status(&id, "paused");
    let paused = world.run(&["doctor", "--json"]);
    let findings = paused.json();
    let work = findings
        .as_array()
        .expect("findings")
        .iter()
        .find(|finding| finding["what"] == "work");
    assert_eq!(
        work.expect("a finding")["verdict"],
        "attention",
        "{findings}"
    );
    assert_eq!(paused.code, 0);
    world.kill();
    let dead = world.run(&["doctor"]);
    assert_eq!(dead.code, 4, "{dead:?}");
    assert_eq!(world.run(&["invocations", "list"]).code, 4);
    assert_eq!(world.run(&["call", "Shop/greet", "1"]).code, 4);
}
