//! Commands that need no server, and command lines that are wrong.

use crate::world::{ended, program, run};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use tempfile::TempDir;

#[test]
fn a_code_is_explained() {
    let page = run(&["explain", "meta0003"]).ok();
    assert!(page.contains("What to do"), "{page}");
    assert!(run(&["explain"]).ok().contains("META0012"));
    assert_eq!(run(&["explain", "META9999"]).code, 3);
}

#[test]
fn settings_are_shown_with_where_they_are_from() {
    let room = TempDir::new().expect("a directory");
    std::fs::write(room.path().join("latchwork.toml"), "log = 'warn'").expect("a file");
    let mut command = program(&room, &["config", "--json"]);
    command.env("LATCHWORK_ADMIN_ADDR", "127.0.0.1:1234");
    let document = ended(command).json();
    assert_eq!(document["log"]["value"], "warn");
    assert_eq!(document["log"]["from"], "in latchwork.toml");
    assert_eq!(document["admin_addr"]["from"], "in the environment");
    assert_eq!(document["partitions"]["value"], serde_json::Value::Null);
    assert_eq!(document["attempts_max"]["from"], "default");

    std::fs::write(room.path().join("latchwork.toml"), "lag = 'warn'").expect("a file");
    let wrong = ended(program(&room, &["config"]));
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("did you mean log?"), "{wrong:?}");
}

#[test]
fn the_file_says_where_the_server_is() {
    let room = TempDir::new().expect("a directory");
    std::fs::write(
        room.path().join("latchwork.toml"),
        "admin_addr = '0.0.0.0:1'",
    )
    .expect("a file");
    let list = ended(program(&room, &["invocations", "list"]));
    assert_eq!(list.code, 4, "{list:?}");
    assert!(list.err.contains("http://127.0.0.1:1:"), "{list:?}");
    let flag = ended(program(
        &room,
        &["invocations", "list", "--admin", "127.0.0.1:2"],
    ));
    assert!(flag.err.contains("http://127.0.0.1:2:"), "{flag:?}");
}

#[test]
fn shells_get_their_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).ok();
        assert!(script.contains("idempotency-key"), "{shell}");
    }
}

#[test]
fn a_wrong_command_line_is_told_apart() {
    for arguments in [
        vec!["invocations", "describe", "inv_1"],
        vec!["invocations", "list", "--status", "asleep"],
        vec!["call"],
        vec!["call", "Shop"],
        vec!["services", "list", "--admin", "ftp://box"],
        vec!["nothing"],
    ] {
        let ran = run(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_token_is_sent_along() {
    let room = TempDir::new().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let answering = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        (&stream).write_all(answer.as_bytes()).expect("it is heard");
        head.join("\n").to_lowercase()
    });
    let mut command = program(&room, &["deployments", "list", "--admin", &address]);
    command.env("LATCHWORK_TOKEN", "s3cret");
    assert_eq!(ended(command).code, 1);
    let head = answering.join().expect("it was asked");
    assert!(head.contains("authorization: bearer s3cret"), "{head}");
}

/// `latchwork … | head` must not end with an error.
#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let room = TempDir::new().expect("a directory");
    let mut command = program(&room, &["completions", "bash"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

/// Answers one request with JSON; gives its first line.
fn answer_once(listener: TcpListener, status: &str, body: &str) -> std::io::Result<String> {
    let (stream, _) = listener.accept()?;
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let length = body.len();
    write!(
        &stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    Ok(first)
}

#[test]
fn why_is_told_as_the_server_says_it() {
    const ID: &str = "inv_19QiLrvnBqhy5XGaQaCTBQ1jLXIWdsymtN";
    let why = format!(
        r#"{{"id":"{ID}","status":"suspended","reason":"awaits_call","since":"2026-11-24T08:31:12Z",
            "sentence":"It waits for Ledger/main/slow.","details":{{}},
            "chain":[{{"id":"inv_1b","target":"Ledger/main/slow","reason":"timer","sentence":"It sleeps."}}]}}"#
    );
    let gone = format!(r#"{{"message":"there is no invocation {ID}","restate_code":null}}"#);
    for (status, body, code, said) in [
        ("200 OK", why.as_str(), 0, "It waits for Ledger/main/slow."),
        ("200 OK", why.as_str(), 0, "└─ Ledger/main/slow inv_1b"),
        ("404 Not Found", gone.as_str(), 3, "there is no invocation"),
        ("200 OK", "[]", 1, "something else than expected"),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let admin = listener.local_addr().expect("its address").to_string();
        let ran = std::thread::scope(|scope| {
            let server = scope.spawn(|| answer_once(listener, status, body));
            let ran = run(&["why", ID, "--admin", &admin]);
            let first = server.join().expect("it answers").expect("a request");
            assert!(first.contains(&format!("/invocations/{ID}/why")), "{first}");
            ran
        });
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains(said) || ran.err.contains(said), "{ran:?}");
    }
}
