//! A server and handlers on free ports, and the program that is run against them.

use crate::handlers;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const PROGRAM: &str = env!("CARGO_BIN_EXE_latchwork");
/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output, if the program ended well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The output as JSON, whatever the code is.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs the program where nothing is set, in an empty directory.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    let room = TempDir::new().expect("a directory");
    ended(program(&room, arguments))
}

/// The program with arguments, in a directory, with no variable of ours.
pub(crate) fn program(room: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .current_dir(room)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LATCHWORK_") {
            command.env_remove(name);
        }
    }
    command
}

/// Waits for its end.
pub(crate) fn ended(mut command: Command) -> Ran {
    let output = command.output().expect("the program runs");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A running server with registered handlers.
pub(crate) struct World {
    room: TempDir,
    server: Child,
    admin: String,
    ingress: String,
    pub(crate) endpoint: String,
    /// Variables of the program, besides where the server is.
    shown: Vec<(&'static str, String)>,
    _rim: Runtime,
}

impl World {
    /// Starts both and registers the handlers.
    pub(crate) fn start() -> Self {
        let world = Self::bare();
        let registered = world
            .run(&["deployments", "register", &world.endpoint])
            .ok();
        assert!(registered.contains("Shop"), "{registered}");
        world
    }

    /// Starts both; the server does not know of the handlers.
    pub(crate) fn bare() -> Self {
        Self::bare_with(&[])
    }

    /// The same, with variables for the server.
    pub(crate) fn bare_with(variables: &[(&str, &str)]) -> Self {
        let room = TempDir::new().expect("a directory");
        Self::bare_in(room, variables, Vec::new())
    }

    /// The same, in a directory that has files, and with variables for the program.
    pub(crate) fn bare_in(
        room: TempDir,
        variables: &[(&str, &str)],
        shown: Vec<(&'static str, String)>,
    ) -> Self {
        let world = Self::unready(room, variables, shown);
        world.until_there();
        world
    }

    fn unready(
        room: TempDir,
        variables: &[(&str, &str)],
        shown: Vec<(&'static str, String)>,
    ) -> Self {
        let rim = Runtime::new().expect("a runtime");
        let (listener, at) = rim
            .block_on(async {
                let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let at = listener.local_addr()?;
                std::io::Result::Ok((listener, at))
            })
            .expect("a free port");
        rim.spawn(handlers::serve(listener));

        let (server, admin, ingress) = serve(&room, variables);
        Self {
            room,
            server,
            admin,
            ingress,
            endpoint: format!("http://{at}"),
            shown,
            _rim: rim,
        }
    }

    /// A server in TLS; the program trusts the authority in the file.
    #[cfg(feature = "tls")]
    pub(crate) fn secured(room: TempDir, variables: &[(&str, &str)], authority: &str) -> Self {
        let mut world = Self::unready(room, variables, Vec::new());
        let at = |address: &str| format!("https://{}", address.replace("127.0.0.1", "localhost"));
        world.shown = vec![
            ("LATCHWORK_ADMIN_ADDR", at(&world.admin)),
            ("LATCHWORK_INGRESS_ADDR", at(&world.ingress)),
            ("SSL_CERT_FILE", world.path(authority)),
        ];
        until("the server listens", || {
            let listens = [&world.admin, &world.ingress].map(std::net::TcpStream::connect);
            listens.into_iter().all(|one| one.is_ok()).then_some(())
        });
        world
    }

    /// Ends the server at once, and starts another from another data directory, on other ports.
    pub(crate) fn move_to(&mut self, data: &str) {
        self.kill();
        (self.server, self.admin, self.ingress) =
            serve(&self.room, &[("LATCHWORK_DATA_DIR", data)]);
        self.until_there();
    }

    fn until_there(&self) {
        until("the server is there", || {
            let code = self.run(&["sql", "SELECT 1 AS one"]).code;
            (code == 0).then_some(())
        });
    }

    /// A path in the directory where the server and the program run.
    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.room.path().join(name);
        path.to_str().expect("text").to_owned()
    }

    /// Where the ingress is.
    pub(crate) fn ingress(&self) -> String {
        format!("http://{}", self.ingress)
    }

    /// Where the ingress is, as host and port.
    pub(crate) fn ingress_at(&self) -> &str {
        &self.ingress
    }

    /// Where the admin API is, as host and port.
    pub(crate) fn admin_at(&self) -> &str {
        &self.admin
    }

    /// The server's process.
    pub(crate) fn server_pid(&self) -> u32 {
        self.server.id()
    }

    /// Runs the program against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.command(arguments))
    }

    /// The program, told where this server is.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.room, arguments);
        command
            .env("LATCHWORK_ADMIN_ADDR", &self.admin)
            .env("LATCHWORK_INGRESS_ADDR", &self.ingress)
            .envs(self.shown.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Sends a call and gives its id.
    pub(crate) fn send(&self, target: &str) -> String {
        self.run(&["send", target]).ok().trim().to_owned()
    }

    /// Waits until an invocation is in a state.
    pub(crate) fn until_status(&self, id: &str, status: &str) {
        until(status, || {
            let found = self.run(&["invocations", "describe", id, "--json"]);
            (found.json()["invocation"]["status"] == status).then_some(())
        });
    }

    /// Tells the server to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.server);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is told");
        self.server.wait().expect("the server has ended");
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        self.server.kill().expect("the server is killed");
        self.server.wait().expect("the server has ended");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it never came to that: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a server on free ports; gives it with its admin port and its ingress.
fn serve(room: &TempDir, variables: &[(&str, &str)]) -> (Child, String, String) {
    let (admin, ingress) = (free().to_string(), free().to_string());
    let mut command = program(room, &["serve", "--log", "warn"]);
    let server = command
        .env("LATCHWORK_ADMIN_ADDR", &admin)
        .env("LATCHWORK_INGRESS_ADDR", &ingress)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .spawn()
        .expect("the server starts");
    (server, admin, ingress)
}

/// A port that nobody listens at.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}
