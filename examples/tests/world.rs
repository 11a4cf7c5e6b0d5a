//! A server, an example, and what one needs to talk to them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use latchwork::client::{Client, ClientError};
use latchwork::{Decode, Encode, Target};
use serde_json::json;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server and one example, which it knows.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) ingress: String,
    pub(crate) example: &'static str,
    lines: Receiver<String>,
    /// Of ingress and admin API.
    ports: [String; 2],
    server: Process,
    _handlers: Process,
    data: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new(example: &'static str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let [ingress, admin, endpoint] = free_addresses();
        let ports = [ingress.clone(), admin.clone()];
        let server = serve(&ports, data.path());
        let (handlers, lines) = start(example, &[&endpoint]);
        for address in [&ingress, &admin, &endpoint] {
            wait_for(address);
        }
        register(&admin, &endpoint);
        let [at, operators] = [&ingress, &admin].map(|address| format!("http://{address}"));
        let client = Client::with_admin(&at, &operators).unwrap();
        Self {
            client,
            ingress: at,
            example,
            lines,
            ports,
            server,
            _handlers: handlers,
            data,
        }
    }

    pub(crate) async fn call<O: Decode>(
        &self,
        target: Target,
        input: &impl Encode,
    ) -> Result<O, ClientError> {
        self.client.call(target, input).await
    }

    /// Kills the server, without a word to anybody.
    pub(crate) fn kill(&mut self) {
        self.server.0.kill().unwrap();
        self.server.0.wait().unwrap();
    }

    /// Starts it again, on what it has left.
    pub(crate) fn restart(&mut self) {
        self.server = serve(&self.ports, self.data.path());
    }

    /// The next line that the example prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }
}

/// Starts a server.
fn serve([ingress, admin]: &[String; 2], data: &Path) -> Process {
    let server = Command::new(server_binary())
        .arg("serve")
        .env("LATCHWORK_INGRESS_ADDR", ingress)
        .env("LATCHWORK_ADMIN_ADDR", admin)
        .env("LATCHWORK_DATA_DIR", data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Process(server.expect("the server starts"))
}

/// Starts an example; gives what it prints, line by line.
pub(crate) fn start(example: &str, arguments: &[&str]) -> (Process, Receiver<String>) {
    let mut process = Command::new(binary(example))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(process.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    (Process(process), lines)
}

pub(crate) fn wait_for(address: &str) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "nobody listens at {address}");
        std::thread::yield_now();
    }
}

pub(crate) fn free_addresses<const N: usize>() -> [String; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

pub(crate) fn binary(example: &str) -> PathBuf {
    let path = match example {
        "greeter" => env!("CARGO_BIN_EXE_greeter"),
        "job-scheduler" => env!("CARGO_BIN_EXE_job-scheduler"),
        "fan-out" => env!("CARGO_BIN_EXE_fan-out"),
        "sync-to-async" => env!("CARGO_BIN_EXE_sync-to-async"),
        "promises" => env!("CARGO_BIN_EXE_promises"),
        "saga" => env!("CARGO_BIN_EXE_saga"),
        "payments" => env!("CARGO_BIN_EXE_payments"),
        "embedded" => env!("CARGO_BIN_EXE_embedded"),
        other => panic!("there is no example {other}"),
    };
    path.into()
}

pub(crate) fn server_binary() -> PathBuf {
    let beside = || binary("greeter").with_file_name("latchwork");
    let path = std::env::var_os("LATCHWORK_BIN").map_or_else(beside, PathBuf::from);
    assert!(
        path.exists(),
        "there is no server at {}: build it with `cargo build -p latchwork`, or name one with LATCHWORK_BIN",
        path.display()
    );
    path
}

/// What the curl of the examples' pages does. Gives the whole answer.
pub(crate) fn curl(address: &str, verb: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{verb} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn register(admin: &str, endpoint: &str) {
    let body = json!({ "uri": format!("http://{endpoint}") }).to_string();
    let answer = curl(admin, "POST", "/deployments", &body);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
