//! `latchwork dev`, with handlers that come and go.

use crate::handlers;
use crate::world::{ended, free, program, until};
use std::fs::File;
use std::net::SocketAddr;
use std::process::Child;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A development server, and what it has printed.
struct Dev {
    room: TempDir,
    server: Child,
    endpoint: SocketAddr,
    admin: String,
    ingress: String,
}

impl Dev {
    fn start(flags: &[&str]) -> Self {
        let room = TempDir::new().expect("a directory");
        let endpoint = free();
        let [admin, ingress] = [free(), free()].map(|address| address.to_string());
        let mut command = program(&room, &["dev", &format!("http://{endpoint}")]);
        let server = command
            .args(flags)
            .env("LATCHWORK_ADMIN_ADDR", &admin)
            .env("LATCHWORK_INGRESS_ADDR", &ingress)
            .stdout(File::create(room.path().join("out")).expect("a file"))
            .spawn()
            .expect("it starts");
        Self {
            room,
            server,
            endpoint,
            admin,
            ingress,
        }
    }

    /// Serves the handlers until it is dropped.
    fn handlers(&self) -> Runtime {
        let rim = Runtime::new().expect("a runtime");
        let listener = rim.block_on(tokio::net::TcpListener::bind(self.endpoint));
        rim.spawn(handlers::serve(listener.expect("the port is free")));
        rim
    }

    fn send(&self, call: &[&str]) -> String {
        let mut command = program(&self.room, &[&["send"], call].concat());
        command
            .env("LATCHWORK_ADMIN_ADDR", &self.admin)
            .env("LATCHWORK_INGRESS_ADDR", &self.ingress);
        ended(command).ok().trim().to_owned()
    }

    /// Waits for a line with these words, which it gives.
    fn line(&self, words: &str) -> String {
        until(words, || {
            let out = std::fs::read_to_string(self.room.path().join("out")).ok()?;
            let found = out.lines().find(|line| line.contains(words));
            found.map(str::to_owned)
        })
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // The test may have failed before it ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn each_step_is_a_line_and_thirty_days_pass_at_once() {
    let dev = Dev::start(&["--virtual-time"]);
    dev.line("waiting for handlers");
    let _rim = dev.handlers();
    dev.line("Shop (greet");
    let id = dev.send(&["Shop/nap", "2592000000"]);
    let completed = dev.line(": 2592000000");
    assert!(completed.contains("completed in 30d"), "{completed}");
    dev.line(&format!("started  {id}"));
    dev.line("run \"lie down\" done");
    dev.line("sleeps ");
    dev.line("later ──");
    dev.line("wakes up");
    dev.line("run \"get up\" done");
    dev.send(&["Shop/refuse"]);
    assert!(dev.line("out of stock").contains("failed after"));
}

#[test]
fn handlers_that_are_started_again_are_registered_again_and_what_was_in_flight_is_killed() {
    let dev = Dev::start(&["--in-flight", "kill"]);
    let rim = dev.handlers();
    dev.line("Shop (greet");
    let id = dev.send(&["Shop/nap", "3600000"]);
    dev.line("run \"lie down\" done");
    drop(rim);
    dev.line("has stopped");
    dev.line("paused (operator)");
    let _rim = dev.handlers();
    dev.line("is back with");
    dev.line("in flight: 1 killed");
    assert!(dev.line("killed after").contains(&id));
}
