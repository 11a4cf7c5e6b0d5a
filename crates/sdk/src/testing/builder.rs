//! What a world is to be like, and its beginning.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use latchwork_runtime::transport::Transport;
use latchwork_runtime::{Clock, Faults, NodeLimits, SeededDice, TimerClock};
use tokio::runtime::{Handle as Runtime, RuntimeFlavor};
use tokio::time::Instant;

use super::World;
use super::driver::{Crashes, Driver};
use super::stage::{BEGAN_MS, Stage};
use crate::client::Client;
use crate::embedded::door::Inside;
use crate::embedded::register;
use crate::embedded::transport::InProcess;
use crate::endpoint::{Endpoint, EndpointBuilder};
use crate::handler::Service;

/// Attempts that may run at a time.
const ATTEMPTS_MAX: usize = 10_000;
/// Bytes of journals and state that attempts may hold at a time.
const ATTEMPTS_BYTES_MAX: u64 = 256 << 20;
/// Bytes of one invocation's journal.
const INVOCATION_BYTES_MAX: u64 = 64 << 20;

/// Puts a [`World`] together.
#[must_use = "a world begins with start"]
pub struct Builder {
    endpoint: EndpointBuilder,
    seed: u64,
    has_faults: bool,
    always_replay: bool,
    repeat: Option<String>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            endpoint: Endpoint::builder(),
            seed: 0,
            has_faults: false,
            always_replay: false,
            repeat: None,
        }
    }

    /// Says how the run is repeated.
    pub(super) fn repeated_by(mut self, command: String) -> Self {
        self.repeat = Some(command);
        self
    }

    /// Adds a service.
    pub fn bind(mut self, service: impl Service) -> Self {
        self.endpoint = self.endpoint.bind(service);
        self
    }

    /// Ends each attempt at each await of something durable, so that what follows is in a new one
    /// that replays everything: handlers that do not always do the same are found.
    pub fn always_replay(mut self) -> Self {
        self.always_replay = true;
        self
    }

    /// Lets go wrong what may go wrong, as this seed says: attempts are refused, late, doubled, and
    /// cut off in their middle; the server crashes between any two of its steps, and begins again
    /// from its log. Nothing that was accepted gets lost by it, and everything still ends.
    pub fn faults(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.has_faults = true;
        self
    }

    /// Begins.
    ///
    /// # Panics
    /// Outside of a tokio runtime, and in one with several threads: there, nothing would repeat. If
    /// what is bound cannot be registered.
    pub async fn start(self) -> World {
        hold_time().await;
        let clock = TimerClock::starting_at(BEGAN_MS);
        let endpoint = self
            .endpoint
            .clock(move || UNIX_EPOCH + Duration::from_millis(clock.now_ms()))
            .build();
        let handlers: Arc<dyn Transport> = Arc::new(InProcess::new(endpoint.clone()));
        let transport = match self.has_faults {
            true => Arc::new(Faults::new(handlers, self.seed)),
            false => handlers,
        };
        let stage = Arc::new(Stage::new(clock));
        let crashes = Arc::new(Crashes::new(self.seed));
        let driver = Driver::new(
            stage.clone(),
            NodeLimits {
                attempts_max: ATTEMPTS_MAX,
                attempts_bytes_max: ATTEMPTS_BYTES_MAX,
                invocation_bytes_max: INVOCATION_BYTES_MAX,
                metered_handlers_max: 1,
                inactivity_max: self.always_replay.then_some(Duration::ZERO),
            },
            transport,
            Arc::new(SeededDice::new(self.seed)),
            crashes.clone(),
        );
        let driver = tokio::spawn(driver.run()).abort_handle();
        let handle = stage.up().await;
        if let Err(error) = register::register(&handle, &endpoint).await {
            panic!("{error}");
        }
        if self.has_faults {
            crashes.begin();
        }
        let title = match (self.has_faults, self.always_replay) {
            (false, false) => "no faults".to_owned(),
            (false, true) => "always replay".to_owned(),
            (true, false) => format!("faults of seed {}", self.seed),
            (true, true) => format!("faults of seed {}, always replay", self.seed),
        };
        let place = "the world of the test".to_owned();
        World {
            client: Client::of(Arc::new(Inside::new(stage.clone(), place))),
            stage,
            driver,
            title,
            repeat: self.repeat,
        }
    }
}

/// Sees to it that time passes only when there is nothing else to do.
async fn hold_time() {
    let flavor = Runtime::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::CurrentThread) => {}
        Ok(_) => panic!(
            "a world needs a tokio runtime of one thread, so that what happens can repeat: use \
             #[tokio::test] without a flavor, or testing::check"
        ),
        Err(_) => panic!("a world needs a tokio runtime: use #[tokio::test] or testing::check"),
    }
    if !is_held() {
        tokio::time::pause();
    }
    // The runtime counts whole milliseconds since it began, which was a little before.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Whether this runtime's time stands still. Nobody tells; but then it does so for a while.
fn is_held() -> bool {
    let (theirs, ours) = (Instant::now(), std::time::Instant::now());
    while ours.elapsed() < Duration::from_micros(5) {
        std::hint::spin_loop();
    }
    Instant::now() == theirs
}
