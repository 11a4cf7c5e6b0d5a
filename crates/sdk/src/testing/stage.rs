//! Where the test and the server meet: who is up just now, and whether anything can happen still.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use latchwork_runtime::{AskError, Clock, Handle, TimerClock};
use tokio::sync::watch;

use super::record::Record;
use crate::embedded::door::Host;

/// When a world begins, in ms since 1970: with the year 2030.
pub(super) const BEGAN_MS: u64 = 1_893_456_000_000;
/// After so long a question is asked again that met a server that was about to stop.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What the test and the server share.
pub(super) struct Stage {
    pub(super) clock: TimerClock,
    pub(super) record: Arc<Record>,
    server: watch::Sender<Server>,
    /// Questions that were asked.
    asked: AtomicU64,
    /// Those that wait for an answer.
    waiting: AtomicUsize,
}

/// The server, as a client meets it.
#[derive(Clone)]
enum Server {
    /// It has crashed, and will begin again.
    Down,
    Up(Handle),
    /// Nothing will happen any more, and why.
    Over(Arc<str>),
}

impl Stage {
    pub(super) fn new(clock: TimerClock) -> Self {
        Self {
            clock,
            record: Arc::default(),
            server: watch::Sender::new(Server::Down),
            asked: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_up(&self, handle: Handle) {
        self.server.send_replace(Server::Up(handle));
    }

    pub(super) fn is_down(&self) {
        self.server.send_replace(Server::Down);
    }

    /// Whoever waits, and whoever asks from here on, is told so by a panic.
    pub(super) fn is_over(&self, why: String) {
        self.server.send_replace(Server::Over(why.into()));
    }

    /// Changes with each step and each question.
    pub(super) fn activity(&self) -> u64 {
        self.record.count() + self.asked.load(Ordering::Relaxed)
    }

    /// Whether a question waits for an answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// The way in, once there is one.
    pub(super) async fn up(&self) -> Handle {
        let mut server = self.server.subscribe();
        loop {
            match &*server.borrow_and_update() {
                Server::Up(handle) => return handle.clone(),
                Server::Over(why) => panic!("{why}"),
                Server::Down => {}
            }
            // The sender is here.
            let _ = server.changed().await;
        }
    }

    /// Waits until everything is over, and gives why.
    async fn over(&self) -> Arc<str> {
        let mut server = self.server.subscribe();
        loop {
            if let Server::Over(why) = &*server.borrow_and_update() {
                return why.clone();
            }
            let _ = server.changed().await;
        }
    }
}

/// Counts a question for as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Host for Arc<Stage> {
    const ASKS_AGAIN: bool = true;

    async fn handle(&self) -> Handle {
        self.up().await
    }

    async fn ask<T: Send, A: Future<Output = Result<T, AskError>> + Send>(
        &self,
        ask: impl Fn(Handle) -> A + Send + Sync,
    ) -> Result<T, AskError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting::begin(&self.waiting);
        loop {
            let handle = self.up().await;
            let mut asked = pin!(ask(handle));
            let mut over = pin!(self.over());
            let answer = poll_fn(|task| {
                if let Poll::Ready(answer) = asked.as_mut().poll(task) {
                    return Poll::Ready(answer);
                }
                if let Poll::Ready(why) = over.as_mut().poll(task) {
                    panic!("{why}");
                }
                Poll::Pending
            });
            match answer.await {
                // What it was asked is in its log, or is not.
                Err(AskError::Stopping | AskError::Overloaded) => {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }

    fn after(&self, delay_ms: u64) -> u64 {
        self.clock.after(delay_ms)
    }
}
