//! TLS at both ports, with certificates that `openssl` makes.

use crate::raw::{connect, request, rest, status};
use crate::world::World;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
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
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
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
    let read = |name: &str| CertificateDer::from_pem_file(room.join(name)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(read(&format!("{trusted}.pem"))).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(room.join(format!("{name}.key")));
            let certificates = vec![read(&format!("{name}.pem"))];
            let config = builder.with_client_auth_cert(certificates, key.expect("a key"));
            config.expect("a pair")
        }
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = StreamOwned::new(client, connect(to));
    let sent = stream.write_all(&request("GET /health", "", b""));
    sent.map_err(|error| error.to_string())?;
    let answer = rest(&mut stream);
    match answer.is_empty() {
        true => Err("nothing came".to_owned()),
        false => Ok(status(&answer)),
    }
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
    // In the clear nothing is said.
    let plain = crate::raw::ask(world.admin_at(), &request("GET /health", "", b""));
    assert!(!plain.starts_with("HTTP/1.1 200"), "{plain}");
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
fn a_new_certificate_is_used_without_a_restart() {
    let world = secured(&[], |_| {});
    let room = world.path("");
    let trusting = |authority| ask(room.as_ref(), world.admin_at(), authority, None).is_ok();
    assert!(!trusting("theirs"));
    signed(room.as_ref(), "next", "theirs", 1);
    std::fs::rename(world.path("next.key"), world.path("server.key")).expect("renamed");
    std::fs::rename(world.path("next.pem"), world.path("server.pem")).expect("renamed");
    crate::world::until("the new one is used", || trusting("theirs").then_some(()));
}
