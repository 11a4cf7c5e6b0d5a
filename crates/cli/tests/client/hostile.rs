//! Clients that mean no good, against a server process: whatever they send, it is answered with
//! words or cut off, the server lives on, and its memory stays where it was.

use crate::raw::{ask, connect, request, status};
use crate::world::{World, until};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What the memory of a server may grow by, in KiB, under anything below.
const GROWTH_KIB_MAX: u64 = 160 << 10;

/// Kibibytes of memory that a process has at most had.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.expect("a number")
}

#[test]
fn what_is_no_request_is_refused_with_words() {
    let world = World::start();
    let mut wrong = Vec::new();
    let long = "k".repeat(17 << 10);
    for (line, headers, body, refused, words) in [
        // Paths.
        ("GET /", "", &b""[..], 400, "shape"),
        ("POST //Shop//greet", "", b"", 404, "not registered"),
        ("POST /Shop/../Shop/greet", "", b"", 400, "shape"),
        ("POST /%53hop/greet", "", b"", 404, "not registered"),
        ("POST /Shop%2fgreet", "", b"", 400, "shape"),
        ("POST /Shop/greet%00", "", b"", 404, "no handler"),
        ("POST /Shop/greet%0d%0ax:%20y", "", b"", 404, "no handler"),
        ("POST /Ledger/%ff%fe/total", "", b"", 400, "not UTF-8"),
        (
            &format!("POST /Ledger/{long}/total"),
            "",
            b"",
            400,
            "17408 bytes",
        ),
        // Headers.
        ("POST /Shop/greet", "x-a: \u{fc}\r\n", b"\"a\"", 400, "x-a"),
        (
            "POST /Shop/greet",
            "idempotency-key: \u{fc}\r\n",
            b"\"a\"",
            400,
            "idempotency-key",
        ),
        // Delays.
        (
            "POST /Shop/greet/send?delay=99999999999999999999d",
            "",
            b"\"a\"",
            400,
            "duration",
        ),
        (
            "POST /Shop/greet/send?delay=-1s",
            "",
            b"\"a\"",
            400,
            "duration",
        ),
        // Ids of others, of nobody, and what is no id.
        (
            "GET /restate/invocation/inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy/output",
            "",
            b"",
            404,
            "not found",
        ),
        (
            "GET /restate/invocation/inv_1/output",
            "",
            b"",
            400,
            "characters",
        ),
        (
            "GET /restate/invocation/..%2f..%2fetc/output",
            "",
            b"",
            400,
            "inv_1",
        ),
        (
            "POST /restate/awakeables/sign_1x/resolve",
            "",
            b"",
            400,
            "characters",
        ),
        // Bodies.
        (
            "POST /restate/lookup",
            "",
            &vec![b'['; 60_000],
            400,
            "names no invocation",
        ),
        (
            "POST /restate/lookup",
            "",
            &vec![b' '; 70_000],
            413,
            "larger than",
        ),
    ] {
        let headers = format!("content-type: application/json\r\n{headers}");
        let answer = ask(world.ingress_at(), &request(line, &headers, body));
        let is_right = status(&answer) == refused
            && answer.contains(words)
            && !answer.contains('\0')
            && answer.matches("HTTP/1.1 ").count() == 1;
        if !is_right {
            wrong.push(format!(
                "not {refused} with {words:?}: {line:.80}: {answer:.500}"
            ));
        }
    }
    let json = "content-type: application/json\r\n";
    let nested = [br#"{"query": "#.as_slice(), &vec![b'['; 100_000]].concat();
    for (line, headers, body, refused) in [
        ("GET /ui/../../etc/passwd", "", &b""[..], 404),
        ("GET /ui/%2e%2e/%2e%2e/etc/passwd", "", b"", 404),
        ("GET /ui/..%2f..%2fetc%2fpasswd", "", b"", 404),
        ("GET /ui/%00", "", b"", 404),
        ("GET /ui//etc/passwd", "", b"", 404),
        ("GET /services/%ff", "", b"", 400),
        ("GET /services/a%00b", "", b"", 404),
        ("GET /invocations/%0d%0a", "", b"", 400),
        ("POST /query", json, &nested, 422),
        ("POST /query", json, br#"{"query": "ATTACH 'x' AS y"}"#, 400),
        (
            "POST /query",
            json,
            br#"{"query": "SELECT load_extension('x')"}"#,
            400,
        ),
        (
            "POST /query",
            json,
            br#"{"query": "SELECT 1; SELECT 2"}"#,
            400,
        ),
        ("POST /query", json, b"{\"query\": \"\xff\"}", 400),
        (
            "POST /deployments",
            json,
            br#"{"uri": "http://169.254.169.254/"}"#,
            400,
        ),
        (
            "POST /deployments",
            json,
            br#"{"uri": "file:///etc/passwd"}"#,
            400,
        ),
        (
            "POST /deployments",
            json,
            br#"{"uri": "http://a", "additional_headers": {"a\r\nb": "c"}}"#,
            400,
        ),
        (
            "POST /deployments",
            json,
            br#"{"uri": "http://a", "additional_headers": {"a": "c\r\nx: y"}}"#,
            400,
        ),
        (
            "POST /deployments",
            "content-type: text/plain\r\n",
            br#"{"uri": "http://a"}"#,
            415,
        ),
    ] {
        let answer = ask(world.admin_at(), &request(line, headers, body));
        if status(&answer) != refused || answer.contains("root:") {
            wrong.push(format!("not {refused}: {line}: {answer:.500}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    world.run(&["call", "Shop/greet", "\"all\""]).ok();
}

#[test]
fn statements_cannot_take_more_than_they_are_given() {
    let world = World::bare_with(&[("LATCHWORK_QUERY_TIME_MAX", "2s")]);
    let before = peak_kib(world.server_pid());
    for sql in [
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c",
        "WITH RECURSIVE c(s) AS (SELECT 'xxxxxxxxxxxxxxxx' UNION ALL SELECT s || s FROM c) SELECT length(s) FROM c",
        "SELECT regexp_like(repeat('a', 100000), '^(a+)+$b')",
        "SELECT repeat('a', 100000) LIKE repeat('%a', 1000) || 'b'",
        "SELECT repeat('a', 2000000000)",
    ] {
        let ran = world.run(&["sql", sql, "--json"]);
        // Refused, or answered: in either case soon, and without the memory of the machine.
        assert!(ran.code == 0 || !ran.err.is_empty(), "{sql}: {ran:?}");
        world.run(&["sql", "SELECT 1 AS one"]).ok();
    }
    let grown = peak_kib(world.server_pid()).saturating_sub(before);
    assert!(
        grown < GROWTH_KIB_MAX + (128 << 10),
        "it took {grown} KiB more"
    );
}

/// Frames of HTTP/2 that cost whoever sends them nothing, and that no stream is needed for.
#[test]
fn floods_of_pings_and_settings_take_no_memory_and_hold_nobody_up() {
    let world = World::start();
    let before = peak_kib(world.server_pid());
    let ping = b"\0\0\x08\x06\0\0\0\0\0abcdefgh".as_slice();
    let answered_ping = b"\0\0\x08\x06\x01\0\0\0\0abcdefgh";
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".as_slice();
    for (to, health) in [
        (world.ingress_at(), "/restate/health"),
        (world.admin_at(), "/health"),
    ] {
        for (frame, listens) in [
            (ping, false),
            (ping, true),
            (settings, false),
            (settings, true),
            (answered_ping, false),
        ] {
            let mut socket = connect(to);
            socket
                .set_write_timeout(Some(Duration::from_secs(1)))
                .expect("a timeout");
            let listening = listens.then(|| {
                let mut socket = socket.try_clone().expect("a socket");
                std::thread::spawn(move || std::io::copy(&mut socket, &mut std::io::sink()))
            });
            let greeting = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", settings].concat();
            socket.write_all(&greeting).expect("it is greeted");
            let frames = frame.repeat(1000);
            // It is over when all is sent, or when no more is taken.
            for piece in 0..500 {
                if socket.write_all(&frames).is_err() {
                    break;
                }
                if piece % 100 == 50 {
                    let answer = ask(to, &request(&format!("GET {health}"), "", b""));
                    assert_eq!(status(&answer), 200, "{answer}");
                }
            }
            let answer = ask(to, &request(&format!("GET {health}"), "", b""));
            assert_eq!(status(&answer), 200, "{answer}");
            drop(socket.shutdown(std::net::Shutdown::Both));
            if let Some(listening) = listening {
                drop(listening.join().expect("no panic"));
            }
        }
    }
    let grown = peak_kib(world.server_pid()).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "it took {grown} KiB more");
}

#[test]
fn endless_bodies_end_and_take_no_memory() {
    let world = World::start();
    let before = peak_kib(world.server_pid());
    let announced = b"POST /Shop/greet HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999999\r\n\r\n";
    let answer = ask(world.ingress_at(), announced);
    assert_eq!(status(&answer), 413, "{answer}");
    for (to, path) in [
        (world.ingress_at(), "/Shop/greet"),
        (world.admin_at(), "/query"),
    ] {
        let mut socket = connect(to);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("sent");
        let piece = [b"10000\r\n", [b'x'; 0x10000].as_slice(), b"\r\n"].concat();
        let sent = (0..100_000).take_while(|_| socket.write_all(&piece).is_ok());
        // The connection is closed soon after the limit.
        let sent = sent.count();
        assert!(sent < 4096, "{sent} pieces of 64 KiB were taken at {path}");
    }
    // A hundred that announce much and send nothing do not keep others out.
    let held: Vec<_> = (0..100)
        .map(|_| {
            let mut socket = connect(world.ingress_at());
            let announced =
                b"POST /Shop/greet HTTP/1.1\r\nhost: a\r\ncontent-length: 33000000\r\n\r\n";
            socket.write_all(announced).expect("sent");
            socket
        })
        .collect();
    world.run(&["call", "Shop/greet", "\"all\""]).ok();
    drop(held);
    let grown = peak_kib(world.server_pid()).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "it took {grown} KiB more");
}

#[test]
fn without_files_connections_live_on_and_new_ones_come_in_later() {
    let world = World::start();
    let pid = Pid::from_raw(world.server_pid().cast_signed());
    let greet = |last: bool| {
        let close = if last { "connection: close\r\n" } else { "" };
        format!(
            "POST /Shop/greet HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{close}\
             content-length: 3\r\n\r\n\"a\""
        )
    };
    let mut within = connect(world.ingress_at());
    let answered = |socket: &mut TcpStream| {
        socket.write_all(greet(false).as_bytes()).expect("sent");
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        // What follows is read before the next is asked.
        let mut more = [0; 4096];
        let _ = socket.read(&mut more).expect("the rest");
    };
    answered(&mut within);
    let open = std::fs::read_dir(format!("/proc/{}/fd", world.server_pid()));
    let open = open.expect("a process").count() as u64;
    let usual = getrlimit(Resource::Nofile);
    let none_left = Rlimit {
        current: Some(open),
        maximum: usual.maximum,
    };
    prlimit(pid, Resource::Nofile, none_left).expect("a limit");
    // More than there are files; the system accepts them for the server, which cannot.
    let waiting: Vec<_> = (0..50).map(|_| connect(world.ingress_at())).collect();
    answered(&mut within);
    answered(&mut within);
    drop(waiting);
    prlimit(pid, Resource::Nofile, usual).expect("a limit");
    until("new connections come in", || {
        let answer = ask(world.ingress_at(), greet(true).as_bytes());
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn connections_beyond_the_limit_are_refused_and_the_other_port_is_not_concerned() {
    let world = World::bare_with(&[("LATCHWORK_CONNECTIONS_MAX", "20")]);
    let held: Vec<_> = (0..200).map(|_| connect(world.ingress_at())).collect();
    let refused = until("the limit is reached", || {
        let answer = ask(world.ingress_at(), &request("GET /restate/health", "", b""));
        answer.starts_with("HTTP/1.1 503").then_some(answer)
    });
    assert!(refused.contains("connections_max"), "{refused}");
    world.run(&["sql", "SELECT 1 AS one"]).ok();
    drop(held);
    until("there is room again", || {
        let answer = ask(world.ingress_at(), &request("GET /restate/health", "", b""));
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
}
