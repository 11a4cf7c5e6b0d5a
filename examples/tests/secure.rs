//! The client towards a server that speaks TLS and asks for tokens.

use std::path::Path;
use std::process::Command;

use latchwork::Target;
use latchwork::client::{Client, ClientBuilder, ClientError};

use crate::world::{Process, free_addresses, server_binary, wait_for};

/// An authority `ca.pem`, and a certificate by it for localhost, `server.pem`, with its key.
fn certificates(room: &Path) {
    std::fs::write(room.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for arguments in [
        format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"),
        format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names"
            .to_owned(),
    ] {
        let mut openssl = Command::new("openssl");
        let made = openssl.current_dir(room).args(arguments.split(' ')).output();
        let made = made.expect("openssl is there");
        assert!(made.status.success(), "{made:?}");
    }
}

/// What a request without a handler comes to.
async fn status(client: ClientBuilder) -> u16 {
    let client = client.build().unwrap();
    let call = client.call::<(), _>(Target::service("Nobody", "greet"), &1);
    match call.await {
        Err(ClientError::Refused { status, .. }) => status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_with_a_token_is_let_in() {
    let room = tempfile::tempdir().unwrap();
    certificates(room.path());
    let token = Command::new(server_binary())
        .args(["token", "create", "--name", "ada", "--role", "admin"])
        .output()
        .unwrap();
    std::fs::write(room.path().join("tokens.toml"), &token.stdout).unwrap();
    let said = String::from_utf8(token.stderr).unwrap();
    let token = said.split_whitespace().last().unwrap();

    let [ingress, admin] = free_addresses();
    let file = |name: &str| room.path().join(name);
    let server = Command::new(server_binary())
        .arg("serve")
        .env("LATCHWORK_INGRESS_ADDR", &ingress)
        .env("LATCHWORK_ADMIN_ADDR", &admin)
        .env("LATCHWORK_DATA_DIR", file("data"))
        .env("LATCHWORK_TLS_CERT_FILE", file("server.pem"))
        .env("LATCHWORK_TLS_KEY_FILE", file("server.key"))
        .env("LATCHWORK_AUTH_FILE", file("tokens.toml"))
        .spawn();
    let _server = Process(server.expect("the server starts"));
    wait_for(&ingress);
    wait_for(&admin);
    let url = |address: &str| address.replace("127.0.0.1", "https://localhost");
    let stranger = || Client::builder(&url(&ingress)).ca_file(file("ca.pem"));
    let known = || stranger().token(token);
    assert_eq!(status(stranger()).await, 401);
    assert_eq!(status(known()).await, 404);
    let operator = known().admin(&url(&admin)).build().unwrap();
    let unknown = operator.workflow::<()>("Nobody", "a").cancel().await;
    assert!(
        matches!(unknown, Err(ClientError::Refused { status: 404, .. })),
        "{unknown:?}"
    );
}
