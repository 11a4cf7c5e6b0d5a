//! Who may do what: servers that ask for tokens, and those that ask nobody.

use crate::raw::{ask, request, status};
use crate::world::{PATIENCE, Ran, World, ended, free, program, run, until};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROLES: [&str; 4] = ["caller", "viewer", "operator", "admin"];

/// The arguments that make a token whose name is its role.
fn made(role: &str, more: &[&str]) -> (String, String) {
    let arguments = [
        &["token", "create", "--json", "--name", role, "--role", role],
        more,
    ];
    let told = run(&arguments.concat()).json();
    let text = |of: &str| told[of].as_str().expect("text").to_owned();
    (text("token"), text("lines"))
}

/// A server that knows a token of each role, and the tokens in the order of [`ROLES`].
pub(crate) fn guarded() -> (World, [String; 4]) {
    let room = TempDir::new().expect("a directory");
    let all = ROLES.map(|role| made(role, &[]));
    let lines: String = all.iter().map(|(_, lines)| lines.as_str()).collect();
    fs::write(room.path().join("tokens.toml"), lines).expect("a file");
    let tokens = all.map(|(token, _)| token);
    let shown = vec![("LATCHWORK_TOKEN", tokens[3].clone())];
    let world = World::bare_in(room, &[("LATCHWORK_AUTH_FILE", "tokens.toml")], shown);
    world
        .run(&["deployments", "register", &world.endpoint])
        .ok();
    (world, tokens)
}

/// The answer to a request with a token, or with none.
pub(crate) fn with(to: &str, line: &str, token: Option<&str>, body: &[u8]) -> String {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let headers = format!(
        "content-type: application/json\r\n{}",
        token.unwrap_or_default()
    );
    ask(to, &request(line, &headers, body))
}

#[test]
fn each_role_reaches_what_it_is_for_and_no_more() {
    let (world, tokens) = guarded();
    let (admin, ingress) = (world.admin_at(), world.ingress_at());
    let unknown = "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy";
    for (to, line, body, needed, may) in [
        (
            ingress,
            "POST /Shop/greet",
            "\"ada\"",
            "caller",
            &["caller", "operator", "admin"][..],
        ),
        (
            admin,
            "GET /services",
            "",
            "viewer",
            &["viewer", "operator", "admin"],
        ),
        (
            admin,
            "GET /metrics",
            "",
            "viewer",
            &["viewer", "operator", "admin"],
        ),
        (
            admin,
            "POST /query",
            "{\"query\": \"SELECT 1\"}",
            "viewer",
            &["viewer", "operator", "admin"],
        ),
        (
            admin,
            &format!("PATCH /v3/invocations/{unknown}/cancel"),
            "",
            "operator",
            &["operator", "admin"],
        ),
        (
            admin,
            "PUT /services/Ledger/state/k",
            "{}",
            "operator",
            &["operator", "admin"],
        ),
        (
            admin,
            "DELETE /v2/deployments/dp_none",
            "",
            "admin",
            &["admin"],
        ),
        (admin, "PATCH /services/Shop", "{}", "admin", &["admin"]),
        (admin, "POST /backup", "{}", "admin", &["admin"]),
    ] {
        for wrong in [None, Some("lwk_none")] {
            let answer = with(to, line, wrong, body.as_bytes());
            assert_eq!(status(&answer), 401, "{line}: {answer}");
            assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
            assert!(answer.contains("\"restate_code\":\"LW0001\""), "{answer}");
            assert!(answer.contains("a token is needed") || answer.contains("not known here"));
        }
        for (role, token) in ROLES.iter().zip(&tokens) {
            let answer = with(to, line, Some(token), body.as_bytes());
            if may.contains(role) {
                assert!(
                    ![401, 403].contains(&status(&answer)),
                    "{role}: {line}: {answer}"
                );
                continue;
            }
            assert_eq!(status(&answer), 403, "{role}: {line}: {answer}");
            assert!(answer.contains("\"restate_code\":\"LW0002\""), "{answer}");
            let said = format!("needs the role {needed}");
            let has = format!("has the role {role}");
            assert!(answer.contains(&said) && answer.contains(&has), "{answer}");
        }
    }
}

#[test]
fn each_operation_takes_the_role_that_its_document_says() {
    let (world, tokens) = guarded();
    let admin = world.admin_at();
    for open in ["/health", "/ui/", "/ui/app.js", "/"] {
        let answer = with(admin, &format!("GET {open}"), None, b"");
        assert!(status(&answer) < 400, "{open}: {answer}");
    }
    let health = with(world.ingress_at(), "GET /restate/health", None, b"");
    assert_eq!(status(&health), 200, "{health}");
    let mut asked = 0;
    let all: Value = {
        let token = world.command(&[]);
        let token = token
            .get_envs()
            .find(|(name, _)| *name == "LATCHWORK_TOKEN");
        let token = token
            .and_then(|(_, value)| value?.to_str())
            .expect("a token");
        let answer = with(admin, "GET /openapi", Some(token), b"");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body = &body[body.find('{').expect("JSON")..=body.rfind('}').expect("JSON")];
        serde_json::from_str(body).expect("JSON")
    };
    for (path, operations) in all["paths"].as_object().expect("paths") {
        let path = path.replace(['{', '}', '*'], "");
        for (method, operation) in operations.as_object().expect("operations") {
            let line = format!("{} {path}", method.to_uppercase());
            let Some(needed) = operation["security"][0]["token"][0].as_str() else {
                assert_eq!(line, "GET /health", "no role: {operation}");
                continue;
            };
            let place = |role: &str| ROLES.iter().position(|one| *one == role);
            let answer = with(admin, &line, None, b"{}");
            assert_eq!(status(&answer), 401, "{line}: {answer}");
            for (role, token) in ROLES.iter().zip(&tokens) {
                let may = *role != "caller" && place(role) >= place(needed);
                // It has no end.
                if may && path == "/live" {
                    continue;
                }
                let answer = with(admin, &line, Some(token), b"{}");
                assert_eq!(status(&answer) != 403, may, "{role}: {line}: {answer}");
            }
            asked += 1;
        }
    }
    assert!(asked > 20, "only {asked} operations");
}

#[test]
fn a_caller_can_be_limited_to_services_and_a_token_can_be_taken_back() {
    let (world, tokens) = guarded();
    let file = world.path("tokens.toml");
    let before = fs::read_to_string(&file).expect("tokens");
    let (limited, lines) = made("caller", &["--service", "Shop"]);
    let lines = lines.replace("\"caller\"\nrole", "\"limited\"\nrole");
    fs::write(&file, format!("{before}{lines}")).expect("a file");
    let call = |line: &str, token: &str| {
        let answer = with(world.ingress_at(), line, Some(token), b"\"a\"");
        (status(&answer), answer)
    };
    until("the file is read again", || {
        (call("POST /Shop/greet", &limited).0 == 200).then_some(())
    });
    for line in [
        "POST /Ledger/k/total",
        "POST /Ledger/k/total/send",
        "POST /restate/call/Ledger/k/total",
    ] {
        let (refused, answer) = call(line, &limited);
        assert_eq!(refused, 403, "{line}: {answer}");
        assert!(
            answer.contains("for other services than Ledger"),
            "{answer}"
        );
    }
    let (refused, answer) = call("POST /restate/awakeables/sign_1x/resolve", &limited);
    assert_eq!(refused, 403, "{answer}");
    assert_eq!(call("POST /Shop/greet", &tokens[0]).0, 200);
    // A file that says nothing sensible takes nothing away.
    fs::write(&file, "[[token]]").expect("a file");
    assert_eq!(call("POST /Shop/greet", &limited).0, 200);
    fs::write(&file, before).expect("a file");
    until("the token is taken back", || {
        (call("POST /Shop/greet", &limited).0 == 401).then_some(())
    });
}

#[test]
fn the_token_of_a_call_is_in_no_table() {
    let (world, tokens) = guarded();
    let answer = with(
        world.ingress_at(),
        "POST /Shop/greet",
        Some(&tokens[0]),
        b"\"a\"",
    );
    assert_eq!(status(&answer), 200, "{answer}");
    let data = world.path("latchwork-data");
    let has_token = |bytes: &[u8]| {
        bytes
            .windows(tokens[0].len())
            .any(|at| at == tokens[0].as_bytes())
    };
    let mut files = 0;
    for folder in walk(data.as_ref()) {
        let bytes = fs::read(&folder).expect("a file");
        assert!(!has_token(&bytes), "{} has the token", folder.display());
        files += 1;
    }
    assert!(files > 0, "nothing is in {data}");
}

#[test]
fn secrets_of_calls_are_in_no_table_unless_the_handler_asks_for_them() {
    let world = World::start();
    let mut number = 0;
    // The names of the headers whose values have got to disk.
    let mut stored = |world: &World| -> Vec<&str> {
        number += 1;
        let names = [
            "authorization",
            "cookie",
            "proxy-authorization",
            "x-api-token",
            "x-plain",
        ];
        let value = |name: &str| format!("value-{number}-of-{name}");
        let lines = names
            .map(|name| format!("{name}: {}\r\n", value(name)))
            .concat();
        let headers = format!("content-type: application/json\r\n{lines}");
        let bytes = request("POST /Shop/greet", &headers, b"\"a\"");
        let answer = ask(world.ingress_at(), &bytes);
        assert_eq!(status(&answer), 200, "{answer}");
        let data = world.path("latchwork-data");
        let files: Vec<_> = walk(data.as_ref())
            .iter()
            .map(|file| fs::read(file).expect("a file"))
            .collect();
        let is_there = |name: &&str| {
            let value = value(name);
            let mut found = files
                .iter()
                .map(|file| file.windows(value.len()).any(|at| at == value.as_bytes()));
            found.any(|found| found)
        };
        names.into_iter().filter(is_there).collect()
    };
    assert_eq!(stored(&world), ["x-api-token", "x-plain"]);
    world
        .run(&["services", "set", "Shop", "keep_headers=Cookie"])
        .ok();
    assert_eq!(stored(&world), ["cookie", "x-api-token", "x-plain"]);
    let other = World::bare_with(&[("LATCHWORK_SECRET_HEADERS", "cookie,x-*-token")]);
    other
        .run(&["deployments", "register", &other.endpoint])
        .ok();
    assert_eq!(
        stored(&other),
        ["authorization", "proxy-authorization", "x-plain"]
    );
}

#[test]
fn headers_for_deployments_are_shown_without_their_values() {
    let world = World::bare();
    let register = [
        "deployments",
        "register",
        &world.endpoint,
        "--header",
        "x-key: hushhush",
    ];
    world.run(&register).ok();
    let listed = world.run(&["deployments", "list", "--json"]).json();
    let id = listed[0]["id"].as_str().expect("an id");
    let path = format!("/deployments/{id}");
    let body = |answer: &str| {
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
    };
    let ask = |line: &str, given: &[u8]| {
        body(&with(world.admin_at(), line, None, given)).expect("a body")
    };
    let get = ask(&format!("GET {path}"), b"");
    for shown in [
        &get,
        &ask("GET /deployments", b""),
        &world.run(&["deployments", "describe", id]).ok(),
    ] {
        assert!(shown.contains("x-key") && shown.contains("***"), "{shown}");
        assert!(!shown.contains("hushhush"), "{shown}");
    }
    // What was read can be given back; what is not stored is asked for.
    let patch = format!("PATCH {path}");
    let changed = ask(
        &patch,
        br#"{"additional_headers": {"x-key": "***", "x-b": "1"}}"#,
    );
    assert!(changed.contains("x-b"), "{changed}");
    let refused = ask(&patch, br#"{"additional_headers": {"x-c": "***"}}"#);
    assert!(
        refused.contains("x-c") && refused.contains("give the value"),
        "{refused}"
    );
}

/// All files below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(walk(&path));
        } else {
            all.push(path);
        }
    }
    all
}

#[test]
fn strangers_are_let_in_without_a_token_only_if_the_operator_says_so() {
    let room = TempDir::new().expect("a directory");
    let refused = |admin: &str, ingress: &str| -> Ran {
        let arguments = ["serve", "--admin-addr", admin, "--ingress-addr", ingress];
        let mut command = program(&room, &arguments);
        let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = piped.spawn().expect("it starts");
        let began = Instant::now();
        while server.try_wait().expect("a process").is_none() {
            if began.elapsed() > PATIENCE {
                server.kill().expect("killed");
                panic!("it serves at {admin} and {ingress}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = server.wait_with_output().expect("it has ended");
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::new(),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    };
    for (admin, ingress, what) in [
        ("0.0.0.0:0", "127.0.0.1:0", "admin API"),
        ("127.0.0.1:0", "0.0.0.0:0", "ingress"),
    ] {
        let ran = refused(admin, ingress);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(
            ran.err.contains("LW0003") && ran.err.contains(what),
            "{ran:?}"
        );
    }
    let at = free();
    let admin = format!("0.0.0.0:{}", at.port());
    let arguments = [
        "serve",
        "--admin-addr",
        &admin,
        "--ingress-addr",
        "127.0.0.1:0",
        "--insecure-no-auth",
        "true",
    ];
    let mut server = program(&room, &arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let at = at.to_string();
    until("it is there", || {
        let mut asks = program(&room, &["sql", "SELECT 1 AS one"]);
        asks.env("LATCHWORK_ADMIN_ADDR", &at);
        (ended(asks).code == 0).then_some(())
    });
    server.kill().expect("killed");
    server.wait().expect("ended");
}
