//! Every example against a real server, as its page says.
//!
//! The server is `latchwork` beside this test's target directory (`cargo build -p latchwork`), or
//! what LATCHWORK_BIN names.

mod guide;
mod secure;
mod world;

use std::process::Command;
use std::time::{Duration, Instant};

use latchwork::client::{Client, ClientError, Status};
use latchwork::{RetryPolicy, Target};
use serde_json::{Value, json};

use world::{PATIENCE, World, binary, curl, free_addresses, start, wait_for};

#[tokio::test]
async fn greeter() {
    let world = World::new("greeter").await;
    let target = || Target::service("Greeter", "greet");
    let call = || world.client.call::<String, _>(target(), &"Ada");
    let first = call().idempotency_key("once").send().await.unwrap();
    let again = call().idempotency_key("once").send().await.unwrap();
    assert_eq!(first.id(), again.id());
    assert!(!first.was_known() && again.was_known());
    assert_eq!(first.output().await.unwrap(), Status::Running);
    let by_key = world.client.idempotent::<String>(target(), "once");
    assert_eq!(by_key.output().await.unwrap(), Status::Running);
    let greeting = again.attach().await.unwrap();
    assert!(
        greeting.starts_with("Hello Ada, you are number "),
        "{greeting}"
    );
    assert_eq!(
        first.output().await.unwrap(),
        Status::Done(greeting.clone())
    );
    assert_eq!(by_key.attach().await.unwrap(), greeting);
}

#[tokio::test]
async fn what_a_client_is_told_when_it_goes_wrong() {
    let world = World::new("greeter").await;
    let long = world
        .client
        .call::<String, _>(Target::service("Greeter", "greet"), &"Grace")
        .delay(Duration::from_secs(600))
        .send()
        .await
        .unwrap();
    let waited = long.attach_for(Duration::from_millis(50)).await.unwrap();
    assert_eq!(waited, Status::Running);
    long.cancel().await.unwrap();
    let cancelled = long.attach().await.unwrap_err();
    assert!(cancelled.failure().is_some(), "{cancelled}");

    let missing = world
        .call::<String>(Target::service("Nobody", "greet"), &"x")
        .await
        .unwrap_err();
    assert!(
        matches!(missing, ClientError::Refused { status: 404, .. }),
        "{missing}"
    );
    let bad = world
        .call::<String>(Target::service("Greeter", "greet"), &7)
        .await
        .unwrap_err();
    assert_eq!(bad.failure().map(|it| it.status()), Some(400), "{bad}");
    let [nobody] = free_addresses();
    let away = Client::builder(&format!("http://{nobody}")).retry(RetryPolicy::never());
    let away = away.build().unwrap();
    let away = away.call::<String, _>(Target::service("A", "b"), &1).await;
    assert!(
        matches!(away, Err(ClientError::Unreachable { .. })),
        "{away:?}"
    );
    assert!(Client::new("localhost:8080").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_does_not_notice_that_the_server_is_killed() {
    let mut world = World::new("greeter").await;
    let client = Client::builder(&world.ingress).retry(RetryPolicy::default());
    let client = client.build().unwrap();
    let target = || Target::service("Greeter", "greet");
    let sent = client.call::<String, _>(target(), &"Ada");
    let sent = sent.idempotency_key("once").send().await.unwrap();
    // Both are on their way for two seconds: the greeter sleeps.
    let waiting = {
        let client = client.clone();
        let call = async move {
            let call = client.call::<String, _>(target(), &"Ada");
            call.idempotency_key("once").await
        };
        tokio::spawn(call)
    };
    let attached = {
        let sent = sent.clone();
        tokio::spawn(async move { sent.attach().await })
    };
    world.kill();
    world.restart();
    let greeting = waiting.await.unwrap().unwrap();
    assert_eq!(attached.await.unwrap().unwrap(), greeting);
    assert_eq!(
        client
            .idempotent::<String>(target(), "once")
            .output()
            .await
            .unwrap(),
        Status::Done(greeting)
    );
}

#[tokio::test]
async fn job_scheduler() {
    let world = World::new("job-scheduler").await;
    let job = |handler| Target::keyed("Job", "report", handler);
    let plan = json!({"every_ms": 10, "times": 3, "text": "tick"});
    world.call::<()>(job("schedule"), &plan).await.unwrap();
    assert_eq!([world.line(), world.line(), world.line()], ["tick"; 3]);
    // The last run is over soon after its line.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status: Value = world.call(job("status"), &()).await.unwrap();
        if status == json!({"done": 3, "left": 0}) {
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
    }
    let plan = json!({"every_ms": 60_000, "times": 3, "text": "tock"});
    world.call::<()>(job("schedule"), &plan).await.unwrap();
    world.call::<()>(job("stop"), &()).await.unwrap();
    let status: Value = world.call(job("status"), &()).await.unwrap();
    assert_eq!(status, json!({"done": 0, "left": 3}));
}

#[tokio::test]
async fn fan_out() {
    let world = World::new("fan-out").await;
    let texts = ["to be or not", "to be"];
    let target = Target::service("WordCount", "count");
    let counts: Value = world.call(target, &texts).await.unwrap();
    assert_eq!(counts, json!({"be": 2, "not": 1, "or": 1, "to": 2}));
}

#[tokio::test]
async fn sync_to_async() {
    let world = World::new("sync-to-async").await;
    let prepare = |user: &str, seconds: &str| {
        let out = Command::new(binary(world.example))
            .args(["prepare", user, seconds])
            .env("INGRESS", &world.ingress)
            .env("WAIT_SECONDS", "1")
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(
        prepare("ada", "0"),
        "the data is at https://data.example.com/ada\n"
    );
    assert_eq!(
        prepare("grace", "3"),
        "this takes longer; you will get a mail\n"
    );
    assert_eq!(
        world.line(),
        "mail to grace@example.com: your data is at https://data.example.com/grace"
    );
    let run = world.client.workflow::<String>("DataPreparation", "grace");
    assert_eq!(
        run.attach().await.unwrap(),
        "https://data.example.com/grace"
    );
}

#[tokio::test]
async fn promises() {
    let world = World::new("promises").await;
    let promise = |key: &str, handler: &str| Target::keyed("Promise", key, handler);
    let peeked: Option<Value> = world.call(promise("launch", "peek"), &()).await.unwrap();
    assert_eq!(peeked, None);
    let wait = |key| world.client.call::<Value, _>(promise(key, "wait"), &());
    let early = wait("launch").send().await.unwrap();
    let value = json!({"go": true});
    let first: bool = world
        .call(promise("launch", "resolve"), &value)
        .await
        .unwrap();
    let second: bool = world.call(promise("launch", "resolve"), &1).await.unwrap();
    assert_eq!((first, second), (true, false));
    assert_eq!(early.attach().await.unwrap(), value);
    assert_eq!(wait("launch").await.unwrap(), value);
    let rejected: bool = world.call(promise("other", "reject"), &"no").await.unwrap();
    assert!(rejected);
    let failure = wait("other").await.unwrap_err();
    assert_eq!(failure.failure().map(|it| it.message()), Some("no"));
}

#[tokio::test]
async fn saga() {
    let world = World::new("saga").await;
    let book = || Target::service("Travel", "book");
    let trip = json!({"trip": "t1", "hotel": "empty"});
    let booked: Vec<String> = world.call(book(), &trip).await.unwrap();
    assert_eq!(booked, ["flight t1", "car t1", "hotel t1"]);
    let lines = [world.line(), world.line(), world.line()];
    assert_eq!(lines[2], "hotel of t1 booked");

    let trip = json!({"trip": "t2", "hotel": "full"});
    let refused = world.call::<Value>(book(), &trip).await.unwrap_err();
    let failure = refused.failure().unwrap();
    assert_eq!(
        (failure.status(), failure.message()),
        (409, "full has no rooms")
    );
    let reason: Value = failure.downcast().unwrap();
    assert_eq!(reason, json!({"NoRooms": {"hotel": "full"}}));
    let lines = [world.line(), world.line(), world.line(), world.line()];
    assert_eq!(
        lines[2..],
        [
            "car t2 cancelled".to_owned(),
            "flight t2 cancelled".to_owned()
        ]
    );
}

#[tokio::test]
async fn payments() {
    let world = World::new("payments").await;
    let pay = |card: &str, key: &str| {
        let payment = json!({"card": card, "cents": 1200});
        let target = Target::service("Payments", "pay");
        world
            .client
            .call::<String, _>(target, &payment)
            .idempotency_key(key)
    };
    assert_eq!(pay("good", "o1").await.unwrap(), "paid 1200 cents");
    let declined = pay("stolen", "o2").await.unwrap_err();
    assert_eq!(declined.failure().map(|it| it.status()), Some(402));

    let slow = pay("slow", "o3").send().await.unwrap();
    let line = world.line();
    let reference = line.strip_prefix("pending ").unwrap();
    let webhook = json!({"reference": reference, "status": "paid"});
    let target = Target::service("Payments", "webhook");
    world.call::<()>(target, &webhook).await.unwrap();
    assert_eq!(slow.attach().await.unwrap(), "paid 1200 cents");
    assert_eq!(pay("slow", "o3").await.unwrap(), "paid 1200 cents");

    // Without the service in between, as any process may.
    let other = pay("slow", "o4").send().await.unwrap();
    let line = world.line();
    let reference = line.strip_prefix("pending ").unwrap();
    world
        .client
        .resolve_awakeable(reference, &"declined")
        .await
        .unwrap();
    let failure = other.attach().await.unwrap_err();
    assert_eq!(failure.failure().map(|it| it.status()), Some(402));

    let rejected = pay("slow", "o5").send().await.unwrap();
    let line = world.line();
    let reference = line.strip_prefix("pending ").unwrap();
    let client = &world.client;
    client.reject_awakeable(reference, "lost").await.unwrap();
    let failure = rejected.attach().await.unwrap_err();
    assert_eq!(failure.failure().map(|it| it.message()), Some("lost"));
}

#[test]
fn embedded() {
    let data = tempfile::tempdir().unwrap();
    let [address] = free_addresses();
    let arguments = [&*address, data.path().to_str().unwrap()];
    let report = "/reports/2026-11";
    let (mut process, lines) = start("embedded", &arguments);
    wait_for(&address);
    let ordered = curl(&address, "POST", report, "{\"pages\": 3}");
    assert!(ordered.starts_with("HTTP/1.1 202"), "{ordered}");
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "page 1 of 2026-11");
    // Recorded when the page after it is made.
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "page 2 of 2026-11");
    process.0.kill().unwrap();
    process.0.wait().unwrap();

    let (_process, lines) = start("embedded", &arguments);
    wait_for(&address);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = curl(&address, "GET", report, "");
        if answer.starts_with("HTTP/1.1 200") {
            assert!(answer.ends_with("\"2026-11: 3 pages\""), "{answer}");
            break;
        }
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        assert!(Instant::now() < deadline, "{answer}");
        std::thread::yield_now();
    }
    let again: Vec<String> = lines.try_iter().collect();
    assert!(
        !again.contains(&"page 1 of 2026-11".to_owned()),
        "{again:?}"
    );
    assert_eq!(again.last().map(String::as_str), Some("page 3 of 2026-11"));
    let missing = curl(&address, "GET", "/reports/never", "");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
}
