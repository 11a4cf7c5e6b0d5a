//! `call`, `send` and `invocations attach`: outputs, failures, and calls that take too long.

use crate::world::World;

#[test]
fn a_call_prints_the_output_and_nothing_else() {
    let world = World::start();
    assert_eq!(
        world.run(&["call", "Shop/greet", "\"Ada\""]).ok(),
        "\"Hello Ada\"\n"
    );
    assert_eq!(
        world.run(&["call", "Shop/greet", "Ada", "--text"]).ok(),
        "\"Hello Ada\"\n"
    );
    assert_eq!(world.run(&["call", "Ledger/a/b/add", "7"]).ok(), "7\n");
    assert_eq!(
        world.run(&["call", "Ledger/total", "--key", "a/b"]).ok(),
        "7\n"
    );
    let document = world
        .run(&["call", "Shop/greet", "\"Ada\"", "--wait", "10s", "--json"])
        .json();
    assert_eq!(document["status"], "succeeded");
    assert_eq!(document["output"], "Hello Ada");
    assert!(
        document["invocation_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("inv_1"))
    );
}

#[test]
fn what_went_wrong_can_be_told_from_the_exit_code() {
    let world = World::start();
    let failed = world.run(&["call", "Shop/refuse"]);
    assert_eq!((failed.code, failed.out.as_str()), (5, ""), "{failed:?}");
    assert!(failed.err.contains("[409] out of stock"), "{failed:?}");
    let document = world.run(&["call", "Shop/refuse", "--wait", "10s", "--json"]);
    assert_eq!(
        (document.code, &document.json()["error"]["code"]),
        (5, &409.into())
    );

    let unknown = world.run(&["call", "Nowhere/greet", "1"]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
    let no_json = world.run(&["call", "Shop/greet", "Ada"]);
    assert_eq!(no_json.code, 2, "{no_json:?}");
    assert!(no_json.err.contains("--text"), "{no_json:?}");
}

#[test]
fn what_takes_too_long_goes_on_and_can_be_attached_to() {
    let world = World::start();
    let slow = world.run(&["call", "Shop/hold", "--wait", "200ms", "--json"]);
    assert_eq!(
        (slow.code, &slow.json()["status"]),
        (6, &"not_ready".into())
    );
    let id = slow.json()["invocation_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let asked = world.run(&["invocations", "attach", &id, "--wait", "0"]);
    assert_eq!(asked.code, 6, "{asked:?}");
    assert!(asked.err.contains("latchwork why"), "{asked:?}");
    world.run(&["invocations", "kill", &id]).ok();
    let killed = world.run(&["invocations", "attach", &id]);
    assert_eq!(killed.code, 5, "{killed:?}");
}

#[test]
fn a_send_prints_the_id_and_knows_its_key_again() {
    let world = World::start();
    let keyed = ["send", "Shop/greet", "\"Ada\"", "--idempotency-key", "k1"];
    let first = world.run(&keyed).ok();
    let again = world.run(&keyed);
    assert!(again.err.contains("accepted before"), "{again:?}");
    assert_eq!(again.ok(), first);
    let id = first.trim();
    assert_eq!(
        world.run(&["invocations", "attach", id]).ok(),
        "\"Hello Ada\"\n"
    );

    let later = world
        .run(&["send", "Shop/greet", "\"Ada\"", "--delay", "1h", "--json"])
        .json();
    assert!(later["execution_time"].is_string(), "{later}");
    let listed = world
        .run(&["invocations", "list", "--status", "scheduled"])
        .ok();
    assert!(listed.contains("starts in"), "{listed}");
    let waited = world.run(&["send", "Shop/greet", "\"Bo\"", "--wait", "10s"]);
    assert_eq!(waited.ok(), "\"Hello Bo\"\n");
}
