//! TLS at both ports, with certificates that `openssl` makes.

use crate::raw::{connect, request, rest, status};
use crate::world::{World, ended, until};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Runs openssl in a directory.
fn openssl(room: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command
        .current_dir(room)
        .args(arguments.split(' '))
        .output();
    let output = output.expect("openssl is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

/// A certificate authority `NAME.pem` with its key.
fn authority(room: &Path, name: &str) {
    openssl(
        room,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
             -out {name}.pem -days 2 -subj /CN={name}"
        ),
    );
}

/// A certificate `NAME.pem` with its key, for localhost, for some days from now on.
fn signed(room: &Path, name: &str, by: &str, days: i32) {
    signed_for(room, name, by, days, "DNS:localhost,IP:127.0.0.1");
}

/// The same for other hosts.
fn signed_for(room: &Path, name: &str, by: &str, days: i32, hosts: &str) {
    let names = format!("subjectAltName={hosts}\nbasicConstraints=CA:FALSE\n");
    std::fs::write(room.join("names"), names).expect("a file");
    openssl(
        room,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
             -out {name}.csr -subj /CN={name}"
        ),
    );
    openssl(
        room,
        &format!(
            "x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial \
             -out {name}.pem -days {days} -extfile names"
        ),
    );
}

/// Asks in TLS, trusting an authority, with a client certificate if one is named.
fn ask(room: &Path, to: &str, trusted: &str, shown: Option<&str>) -> Result<u16, String> {
    asked(room, to, trusted, shown, &[])
}

/// The same, offering protocols.
fn asked(
    room: &Path,
    to: &str,
    trusted: &str,
    shown: Option<&str>,
    offered: &[&[u8]],
) -> Result<u16, String> {
    let mut stream = opened(room, to, trusted, shown, offered);
    let sent = stream.write_all(&request("GET /health", "", b""));
    sent.map_err(|error| error.to_string())?;
    let answer = rest(&mut stream);
    match answer.is_empty() {
        true => Err("nothing came".to_owned()),
        false => Ok(status(&answer)),
    }
}

/// A connection on which nothing was said yet.
fn opened(
    room: &Path,
    to: &str,
    trusted: &str,
    shown: Option<&str>,
    offered: &[&[u8]],
) -> StreamOwned<ClientConnection, TcpStream> {
    let read = |name: &str| CertificateDer::from_pem_file(room.join(name)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(read(&format!("{trusted}.pem"))).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(room.join(format!("{name}.key")));
            let certificates = vec![read(&format!("{name}.pem"))];
            let config = builder.with_client_auth_cert(certificates, key.expect("a key"));
            config.expect("a pair")
        }
    };
    config.alpn_protocols = offered.iter().map(|one| one.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(client, connect(to))
}

/// A server with a certificate of an authority, and more settings.
fn secured(more: &[(&str, &str)], make: impl FnOnce(&Path)) -> World {
    let room = TempDir::new().expect("a directory");
    authority(room.path(), "ours");
    authority(room.path(), "theirs");
    signed(room.path(), "server", "ours", 1);
    make(room.path());
    let variables = [
        &[
            ("LATCHWORK_TLS_CERT_FILE", "server.pem"),
            ("LATCHWORK_TLS_KEY_FILE", "server.key"),
        ],
        more,
    ];
    World::secured(room, &variables.concat(), "ours.pem")
}

#[test]
fn whoever_trusts_the_authority_gets_an_answer_and_others_do_not() {
    let world = secured(&[], |_| {});
    let room = world.path("");
    for to in [world.admin_at(), world.ingress_at()] {
        let answered = ask(room.as_ref(), to, "ours", None);
        assert!(answered.is_ok(), "{to}: {answered:?}");
        let refused = ask(room.as_ref(), to, "theirs", None).expect_err("another authority");
        assert!(refused.contains("certificate"), "{refused}");
    }
    // In the clear nothing is said, and whoever asks so is told what to say.
    let plain = crate::raw::ask(world.admin_at(), &request("GET /health", "", b""));
    assert!(!plain.contains("HTTP"), "{plain}");
    let base = format!("http://{}", world.admin_at());
    let told = world.run(&["sql", "SELECT 1 AS one", "--admin", &base]);
    assert!(told.code != 0 && told.err.contains("https://"), "{told:?}");
    // The program speaks it too, with the certificates that the system is told to trust.
    let registered = world.run(&["deployments", "register", &world.endpoint]);
    registered.ok();
    assert!(
        world
            .run(&["call", "Shop/greet", "\"ada\""])
            .ok()
            .contains("ada")
    );
}

#[test]
fn clients_need_a_certificate_of_the_authority_that_is_named() {
    let world = secured(&[("LATCHWORK_TLS_CLIENT_CA_FILE", "ours.pem")], |room| {
        signed(room, "friend", "ours", 1);
        signed(room, "stranger", "theirs", 1);
        signed(room, "late", "ours", -1);
    });
    let room = world.path("");
    let shown = |name| ask(room.as_ref(), world.admin_at(), "ours", name);
    assert_eq!(shown(Some("friend")), Ok(200));
    for refused in [None, Some("stranger"), Some("late")] {
        assert!(shown(refused).is_err(), "{refused:?} was let in");
    }
}

#[test]
fn the_program_trusts_and_shows_what_it_is_told_to() {
    let world = secured(&[("LATCHWORK_TLS_CLIENT_CA_FILE", "ours.pem")], |room| {
        signed(room, "friend", "ours", 1);
        signed(room, "stranger", "theirs", 1);
        std::fs::write(room.join("empty.pem"), "").expect("a file");
    });
    // What the system trusts is not enough here.
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = world.command(arguments);
        command.env("SSL_CERT_FILE", "theirs.pem");
        command.envs(variables.iter().copied());
        ended(command)
    };
    let asks = ["services", "set", "Shop", "public=true"];
    let with = |more: &[&str]| run(&[&asks[..], more].concat(), &[]);
    let friend = ["--cert-file", "friend.pem", "--key-file", "friend.key"];
    let trusting = ["--ca-file", "ours.pem"];
    let answered = with(&[&friend[..], &trusting].concat());
    assert!(
        answered.code == 3 && answered.err.contains("Shop"),
        "{answered:?}"
    );
    let variables = [
        ("LATCHWORK_CA_FILE", "ours.pem"),
        ("LATCHWORK_CERT_FILE", "friend.pem"),
        ("LATCHWORK_KEY_FILE", "friend.key"),
    ];
    let sql = "SELECT who, certificate, status FROM sys_audit";
    let noted = run(&["sql", "--json", sql], &variables).json();
    let row = serde_json::json!({"who": "CN=friend", "certificate": "CN=friend", "status": 404});
    assert_eq!(noted, serde_json::json!([row]));
    for (more, code, word) in [
        (&friend[..], 4, "--ca-file"),
        (&trusting, 4, "--cert-file"),
        (
            &[
                "--ca-file",
                "ours.pem",
                "--cert-file",
                "stranger.pem",
                "--key-file",
                "stranger.key",
            ],
            4,
            "--cert-file",
        ),
        (&friend[..2], 2, "go together"),
        (&["--ca-file", "empty.pem"], 2, "no certificate"),
        (&["--ca-file", "missing.pem"], 2, "missing.pem"),
        (
            &["--cert-file", "friend.pem", "--key-file", "friend.pem"],
            2,
            "friend.pem",
        ),
    ] {
        let ran = with(more);
        assert!(
            ran.code == code && ran.err.contains(word),
            "{more:?}: {ran:?}"
        );
    }
}

#[test]
fn whoever_finds_no_room_is_told_in_tls() {
    let world = secured(&[("LATCHWORK_CONNECTIONS_MAX", "2")], |_| {});
    let room = world.path("");
    let to = world.admin_at();
    let held = [0, 1].map(|_| {
        until("a connection is served", || {
            let mut stream = opened(room.as_ref(), to, "ours", None, &[]);
            let sent = stream.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n");
            let mut answer = [0; 12];
            let heard = sent.and_then(|()| stream.read_exact(&mut answer));
            (heard.is_ok() && answer == *b"HTTP/1.1 200").then_some(stream)
        })
    });
    assert_eq!(ask(room.as_ref(), to, "ours", None), Ok(503));
    // In the clear not a word, and over HTTP/2 neither.
    let plain = crate::raw::ask(to, &request("GET /health", "", b""));
    assert!(!plain.contains("HTTP"), "{plain}");
    let refused = asked(room.as_ref(), to, "ours", None, &[b"h2"]).expect_err("no room");
    assert_eq!(refused, "nothing came");
    drop(held);
    until("there is room again", || {
        (ask(room.as_ref(), to, "ours", None) == Ok(200)).then_some(())
    });
}

/// How a deployment shakes hands: with which certificate, and asking for one of whom.
fn handshake(room: &Path, name: &str, asks_for: Option<&str>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let read = |name: &str| CertificateDer::from_pem_file(room.join(name)).expect("a certificate");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match asks_for {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(read(&format!("{authority}.pem")))
                .expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::from_pem_file(room.join(format!("{name}.key"))).expect("a key");
    let config = builder.with_single_cert(vec![read(&format!("{name}.pem"))], key);
    let mut config = config.expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Something in TLS before the handlers. What it shakes hands with can be replaced, which ends the
/// connections that there are.
struct Endpoint {
    at: String,
    handshake: Arc<Mutex<Arc<ServerConfig>>>,
}

/// Shakes hands at a free port with whoever comes, and passes on what is said to `handlers`.
fn endpoint(config: Arc<ServerConfig>, handlers: &str) -> Endpoint {
    let handshake = Arc::new(Mutex::new(config));
    let handlers = handlers.replace("http://", "");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let shared = handshake.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let config = shared.lock().expect("no panic").clone();
            let server = ServerConnection::new(config.clone()).expect("a server");
            let handlers = connect(&handlers);
            let shared = shared.clone();
            let goes_on = move || Arc::ptr_eq(&config, &shared.lock().expect("no panic"));
            let outer = StreamOwned::new(server, socket);
            std::thread::spawn(move || pass_on(outer, handlers, goes_on));
        }
    });
    Endpoint {
        at: format!("https://localhost:{}", at.port()),
        handshake,
    }
}

/// Carries bytes to and fro, until one side has ended.
fn pass_on(
    mut outer: StreamOwned<ServerConnection, TcpStream>,
    mut inner: TcpStream,
    goes_on: impl Fn() -> bool,
) {
    let pause = Some(Duration::from_millis(5));
    outer.sock.set_read_timeout(pause).expect("a timeout");
    inner.set_read_timeout(pause).expect("a timeout");
    while goes_on() && carry(&mut outer, &mut inner) && carry(&mut inner, &mut outer) {}
}

/// Carries what there is; false: there is no more.
fn carry(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut bytes = [0; 16 << 10];
    match from.read(&mut bytes) {
        Ok(0) => false,
        Ok(count) => to
            .write_all(&bytes[..count])
            .and_then(|()| to.flush())
            .is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn deployments_are_spoken_to_in_tls_and_shown_a_certificate() {
    let settings = [
        ("LATCHWORK_DEPLOYMENT_CA_FILE", "ours.pem"),
        ("LATCHWORK_DEPLOYMENT_CERT_FILE", "friend.pem"),
        ("LATCHWORK_DEPLOYMENT_KEY_FILE", "friend.key"),
    ];
    let world = secured(&settings, |room| signed(room, "friend", "ours", 1));
    let room = world.path("");
    let ours = handshake(room.as_ref(), "server", Some("ours"));
    let Endpoint { at, .. } = endpoint(ours, &world.endpoint);
    world.run(&["deployments", "register", &at]).ok();
    let called = world.run(&["call", "Shop/greet", "\"ada\""]).ok();
    assert!(called.contains("ada"), "{called}");
    let deployments = world.run(&["deployments", "list", "--json"]).json();
    let id = deployments[0]["id"].as_str().expect("an id");
    // Where it goes now, another authority is asked for.
    let theirs = handshake(room.as_ref(), "server", Some("theirs"));
    let moved = endpoint(theirs, &world.endpoint);
    let refused = world.run(&["deployments", "update", id, "--uri", &moved.at]);
    assert!(
        refused.code == 1 && refused.err.contains("LW0004"),
        "{refused:?}"
    );
}

#[test]
fn attempts_say_why_a_deployment_is_not_trusted_and_go_on_when_it_is() {
    let world = secured(&[("LATCHWORK_DEPLOYMENT_CA_FILE", "ours.pem")], |room| {
        signed(room, "late", "ours", -1);
    });
    let room = world.path("");
    let good = handshake(room.as_ref(), "server", None);
    let endpoint = endpoint(good.clone(), &world.endpoint);
    world.run(&["deployments", "register", &endpoint.at]).ok();
    world.run(&["call", "Shop/greet", "\"ada\""]).ok();
    *endpoint.handshake.lock().expect("no panic") = handshake(room.as_ref(), "late", None);
    let asked = "SELECT id, last_failure FROM sys_invocation WHERE last_failure LIKE '%LW0004%'";
    let (id, failure) = until("an attempt fails", || {
        // The first may go over the old connection.
        world.run(&["send", "Shop/greet", "\"eve\""]).ok();
        let found = world.run(&["sql", "--json", asked]).json();
        let text = |name: &str| found[0][name].as_str().map(str::to_owned);
        Some((text("id")?, text("last_failure")?))
    });
    for word in [&*endpoint.at, "has expired"] {
        assert!(failure.contains(word), "{failure}");
    }
    *endpoint.handshake.lock().expect("no panic") = good;
    let ended = world.run(&["invocations", "attach", &id]).ok();
    assert!(ended.contains("eve"), "{ended}");
}

#[test]
fn a_deployment_that_is_not_trusted_is_refused_with_the_reason() {
    let world = secured(&[("LATCHWORK_DEPLOYMENT_CA_FILE", "ours.pem")], |room| {
        signed(room, "strange", "theirs", 1);
        signed(room, "late", "ours", -1);
        signed_for(room, "other", "ours", 1, "DNS:elsewhere");
    });
    let room = world.path("");
    for (name, asks_for, said) in [
        ("strange", None, "deployment_ca_file"),
        ("late", None, "has expired"),
        ("other", None, "is for other names"),
        ("server", Some("theirs"), "deployment_cert_file"),
    ] {
        let shaking = handshake(room.as_ref(), name, asks_for);
        let Endpoint { at, .. } = endpoint(shaking, &world.endpoint);
        let refused = world.run(&["deployments", "register", &at]);
        assert_eq!(refused.code, 1, "{name}: {refused:?}");
        for word in ["LW0004", &at, said] {
            assert!(refused.err.contains(word), "{name}: {refused:?}");
        }
    }
    let plain = world
        .endpoint
        .replace("http://127.0.0.1", "https://localhost");
    let refused = world.run(&["deployments", "register", &plain]);
    assert!(refused.err.contains("does not speak TLS"), "{refused:?}");
    assert_eq!(
        world.run(&["deployments", "list", "--json"]).json(),
        serde_json::json!([])
    );
    assert!(
        world
            .run(&["explain", "LW0004"])
            .ok()
            .contains("deployment_ca_file")
    );
}

#[test]
fn a_new_certificate_is_used_without_a_restart() {
    let world = secured(&[], |_| {});
    let room = world.path("");
    let trusting = |authority| ask(room.as_ref(), world.admin_at(), authority, None).is_ok();
    assert!(!trusting("theirs"));
    signed(room.as_ref(), "next", "theirs", 1);
    std::fs::rename(world.path("next.key"), world.path("server.key")).expect("renamed");
    std::fs::rename(world.path("next.pem"), world.path("server.pem")).expect("renamed");
    until("the new one is used", || trusting("theirs").then_some(()));
}
