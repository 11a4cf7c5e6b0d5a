//! `latchwork dev`, with handlers that come and go.

use crate::handlers;
use crate::terminal::Terminal;
use crate::world::{Ran, ended, free, program, until};
use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command};
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
        Self::start_with(flags, |_| {})
    }

    /// Where somebody sits at a terminal.
    fn start_at(terminal: &Terminal, flags: &[&str]) -> Self {
        Self::start_with(flags, |command| {
            command.stdin(terminal.end()).stderr(terminal.end());
        })
    }

    fn start_with(flags: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let room = TempDir::new().expect("a directory");
        let endpoint = free();
        let [admin, ingress] = [free(), free()].map(|address| address.to_string());
        let mut command = program(&room, &["dev", &format!("http://{endpoint}")]);
        prepare(&mut command);
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

    /// Runs the program against this server.
    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = program(&self.room, arguments);
        command
            .env("LATCHWORK_ADMIN_ADDR", &self.admin)
            .env("LATCHWORK_INGRESS_ADDR", &self.ingress);
        ended(command)
    }

    fn send(&self, call: &[&str]) -> String {
        let ran = self.run(&[&["send"], call].concat());
        ran.ok().trim().to_owned()
    }

    /// Stops the handlers that have an invocation in flight, and starts them again.
    fn replace(&self, rim: Runtime) -> Runtime {
        drop(rim);
        self.line("has stopped");
        self.handlers()
    }

    /// How many lines with these words there are.
    fn count(&self, words: &str) -> usize {
        let out = std::fs::read_to_string(self.room.path().join("out")).unwrap_or_default();
        out.lines().filter(|line| line.contains(words)).count()
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

/// Somebody is in the middle of a nap of an hour.
fn napping(dev: &Dev) -> (Runtime, String) {
    let rim = dev.handlers();
    dev.line("Shop (greet");
    let id = dev.send(&["Shop/nap", "3600000"]);
    dev.line("run \"lie down\" done");
    (rim, id)
}

#[test]
fn a_second_sleep_counts_from_the_end_of_the_first() {
    let dev = Dev::start(&["--virtual-time"]);
    let _rim = dev.handlers();
    dev.line("Shop (greet");
    dev.send(&["Shop/nap_twice", "86400000"]);
    let completed = dev.line(": 86400000");
    assert!(completed.contains("completed in 2d"), "{completed}");
    assert_eq!((dev.count("sleeps "), dev.count("sleeps 0s")), (2, 0));
}

#[test]
fn what_is_in_flight_is_finished_by_the_new_code() {
    let dev = Dev::start(&["--in-flight", "finish"]);
    let rim = dev.handlers();
    dev.line("Shop (greet");
    let id = dev.send(&["Approval/a/run", "\"may I?\""]);
    dev.line("looks for promise");
    let _rim = dev.replace(rim);
    dev.line("in flight: 1 on the new code now");
    assert_eq!(dev.count("paused"), 0);
    dev.send(&["Approval/a/decide", "\"you may\""]);
    dev.line(": \"you may\"");
    let described = dev.run(&["invocations", "describe", &id, "--json"]).json();
    assert_eq!(described["invocation"]["status"], "completed");
}

#[test]
fn what_is_in_flight_is_ended_and_started_again_as_new() {
    let dev = Dev::start(&["--in-flight", "restart"]);
    let (rim, id) = napping(&dev);
    let _rim = dev.replace(rim);
    dev.line("in flight: 1 ended, and started again as new");
    assert!(dev.line("killed after").contains(&id));
    until("it naps again", || {
        (dev.count("run \"lie down\" done") == 2).then_some(())
    });
}

#[test]
fn what_is_in_flight_is_held_until_somebody_decides() {
    let dev = Dev::start(&["--in-flight", "pause"]);
    let (rim, id) = napping(&dev);
    let _rim = dev.replace(rim);
    dev.line("in flight: 1 paused; `latchwork invocations resume` or `kill` them");
    assert_eq!(dev.count("resumed"), 0);
    dev.run(&["invocations", "resume", &id]).ok();
    assert!(dev.line("resumed").contains("Shop/nap"));
}

#[test]
fn at_a_terminal_it_asks_until_it_understands() {
    let terminal = Terminal::open();
    let dev = Dev::start_at(&terminal, &[]);
    let (rim, id) = napping(&dev);
    let _rim = dev.replace(rim);
    let question = "1 invocation unfinished on the old code: [f]inish";
    until("it asks", || (terminal.count(question) == 1).then_some(()));
    // Nothing of it runs while nobody has answered.
    dev.line("paused (operator)");
    terminal.write("what?\n");
    until("it asks again", || {
        (terminal.count(question) == 2).then_some(())
    });
    terminal.write("kill\n");
    dev.line("in flight: 1 killed");
    assert!(dev.line("killed after").contains(&id));
}

#[test]
fn at_a_terminal_return_finishes_and_hanging_up_leaves_it_paused() {
    let terminal = Terminal::open();
    let dev = Dev::start_at(&terminal, &[]);
    let (rim, _) = napping(&dev);
    let rim = dev.replace(rim);
    until("it asks", || {
        (terminal.count("[f]inish") == 1).then_some(())
    });
    terminal.write("\n");
    dev.line("in flight: 1 on the new code now");
    until("it goes on", || (dev.count("resumed") == 1).then_some(()));

    drop(rim);
    until("it is gone again", || {
        (dev.count("has stopped") == 2).then_some(())
    });
    let _rim = dev.handlers();
    until("it asks", || {
        (terminal.count("[f]inish") == 2).then_some(())
    });
    drop(terminal);
    dev.line("in flight: 1 paused");
}
