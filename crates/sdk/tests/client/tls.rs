//! The client in TLS, with certificates that `openssl` makes.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use latchwork::Target;
use latchwork::client::{Client, ClientBuilder, ClientError, SetupError};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::server::Act::Answer;
use crate::server::Server;

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

/// An authority `NAME.pem`, and for localhost a certificate `NAME-leaf.pem` by it, with their keys.
fn authority(room: &Path, name: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        room,
        &format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"),
    );
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
    std::fs::write(room.join("names"), names).unwrap();
    openssl(
        room,
        &format!("req {key} -keyout {name}-leaf.key -out {name}-leaf.csr -subj /CN={name}-leaf"),
    );
    openssl(
        room,
        &format!(
            "x509 -req -in {name}-leaf.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial \
             -out {name}-leaf.pem -days 2 -extfile names"
        ),
    );
}

/// A server with the certificate of `name`, that asks for one by `clients` if that is named.
fn server(room: &Path, name: &str, clients: Option<&str>) -> Server {
    let read = |name: &str| CertificateDer::from_pem_file(room.join(name)).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(read(&format!("{authority}.pem"))).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_file(room.join(format!("{name}-leaf.key"))).unwrap();
    let config = builder.with_single_cert(vec![read(&format!("{name}-leaf.pem"))], key);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Server::on(listener, Some(config.unwrap()), &[Answer(200, "", "7")])
}

async fn ask(client: ClientBuilder) -> Result<u32, ClientError> {
    let target = Target::service("A", "b");
    client.build().unwrap().call::<u32, _>(target, &1).await
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority() {
    let room = tempfile::tempdir().unwrap();
    authority(room.path(), "ours");
    authority(room.path(), "theirs");
    let server = server(room.path(), "ours", None);
    let url = format!("https://localhost:{}", server.address.port());
    // Trying again would be of no use: it is not done, though this policy has no end.
    let stranger = Client::builder(&url).ca_file(room.path().join("theirs.pem"));
    let error = ask(stranger.retry(Default::default())).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");

    let client = Client::builder(&url).ca_file(room.path().join("ours.pem"));
    assert_eq!(ask(client).await.unwrap(), 7);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_certificate_is_shown_to_who_asks_for_one() {
    let room = tempfile::tempdir().unwrap();
    authority(room.path(), "ours");
    let server = server(room.path(), "ours", Some("ours"));
    let url = format!("https://127.0.0.1:{}", server.address.port());
    let file = |name: &str| room.path().join(name);
    let client = || Client::builder(&url).ca_file(file("ours.pem"));
    let error = ask(client().retry(latchwork::RetryPolicy::never())).await;
    assert!(error.is_err(), "{error:?}");
    let known = client().certificate_files(file("ours-leaf.pem"), file("ours-leaf.key"));
    assert_eq!(ask(known).await.unwrap(), 7);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("ca.pem");
    let build = || Client::builder("https://localhost").ca_file(&path).build();
    let missing = build().unwrap_err().to_string();
    assert!(missing.contains("ca.pem"), "{missing}");
    std::fs::write(&path, "no certificate").unwrap();
    let empty = build().unwrap_err();
    assert!(matches!(empty, SetupError::Certificate { .. }), "{empty}");
}
