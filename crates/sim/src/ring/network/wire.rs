//! One connection: bytes that one side has sent and that the other has not read, and what happens
//! to them on the way.
//!
//! ```text
//!   End ──write──▶ lane: what flies, and when it arrives ──read──▶ End
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// After so long a side gives up what it has sent and nobody has confirmed. Systems take minutes;
/// worlds are short.
const UNCONFIRMED: Duration = Duration::from_secs(60);

/// What a connection has to go through.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// How long a byte is on its way, in ms.
    pub(super) latency_ms: u64,
    /// The longest piece that arrives at once; what follows takes as long again.
    pub(super) piece: usize,
    /// Bytes that may be on their way in one direction.
    pub(super) window: usize,
    /// After so many bytes, of both directions together …
    pub(super) after: Option<u64>,
    /// … this.
    pub(super) then: Then,
}

/// How a connection ends before its time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// Both sides are told.
    Cut,
    /// Nobody is told, and no byte arrives any more.
    Silence,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Wire {
    /// Who dialled, and who took it.
    pub(super) hosts: [IpAddr; 2],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    weather: Weather,
    /// What each side sends.
    lanes: [Lane; 2],
    sent: u64,
    broken: Option<Then>,
    /// Nothing arrives before this.
    held_until: Instant,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    flying: VecDeque<(Instant, Item)>,
    /// Bytes among it.
    bytes: usize,
    /// How it ended, as its reader has been told.
    over: Option<Over>,
    /// Its writer has been told, or will be, that nobody confirms.
    given_up: bool,
    /// Its writer has said that nothing more comes.
    finished: bool,
    /// Its reader has gone.
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
enum Item {
    Bytes(VecDeque<u8>),
    Over(Over),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Finished,
    Reset,
}

/// One side of a connection.
#[derive(Debug)]
pub(super) struct End {
    wire: Arc<Wire>,
    /// 0 dialled, 1 took the connection.
    side: usize,
    alarm: Pin<Box<Sleep>>,
}

impl End {
    /// The host at the other side.
    pub(super) fn other(&self) -> IpAddr {
        self.wire.hosts[1 - self.side]
    }
}

impl Wire {
    /// A connection, and its two sides.
    pub(super) fn connect(hosts: [IpAddr; 2], weather: Weather) -> (Arc<Self>, End, End) {
        let state = State {
            weather,
            lanes: [Lane::default(), Lane::default()],
            sent: 0,
            broken: None,
            held_until: Instant::now(),
        };
        let wire = Arc::new(Self {
            hosts,
            state: Mutex::new(state),
        });
        let end = |side| End {
            wire: wire.clone(),
            side,
            alarm: Box::pin(sleep_until(Instant::now())),
        };
        let (dialled, taken) = (end(0), end(1));
        (wire, dialled, taken)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("one thread")
    }

    /// Nothing arrives before `until`.
    pub(super) fn hold(&self, until: Instant) {
        let mut state = self.state();
        state.held_until = until;
        for lane in &mut state.lanes {
            for (at, _) in &mut lane.flying {
                *at = until.max(*at);
            }
        }
    }

    /// The host at one side is gone, and all that it has not sent yet. The other side is told, or
    /// is not.
    pub(super) fn lose(&self, host: IpAddr, then: Then) {
        let mut state = self.state();
        for side in [0, 1] {
            if self.hosts[side] == host {
                // It reads nothing any more, whatever flies.
                let lane = &mut state.lanes[1 - side];
                lane.flying.clear();
                lane.over = Some(Over::Reset);
                lane.wake();
                if matches!(then, Then::Cut) {
                    state.push(side, Item::Over(Over::Reset));
                }
            }
        }
        state.broken.get_or_insert(then);
    }
}

impl State {
    fn arrival(&self, side: usize) -> Instant {
        let latency = Duration::from_millis(self.weather.latency_ms);
        let last = self.lanes[side].flying.back().map(|(at, _)| *at);
        let now = Instant::now();
        let next = (now + latency).max(self.held_until);
        last.map_or(next, |last| last.max(next))
    }

    fn push(&mut self, side: usize, item: Item) {
        let at = self.arrival(side);
        self.push_at(side, at, item);
    }

    fn push_at(&mut self, side: usize, at: Instant, item: Item) {
        let lane = &mut self.lanes[side];
        lane.flying.push_back((at, item));
        lane.wake();
    }

    /// Takes some bytes of a side; says how many.
    fn send(&mut self, side: usize, bytes: &[u8]) -> usize {
        if self.is_lost(side) {
            return bytes.len();
        }
        let lane = &self.lanes[side];
        let room = self.weather.window.saturating_sub(lane.bytes);
        let mut taken = bytes.len().min(room);
        let left = self.weather.after.map(|after| after - self.sent);
        let breaks = left.is_some_and(|left| left <= taken as u64);
        if breaks {
            taken = left.unwrap_or(0) as usize;
        }
        self.sent += taken as u64;
        let latency = Duration::from_millis(self.weather.latency_ms);
        for (piece, bytes) in (0..).zip(bytes[..taken].chunks(self.weather.piece)) {
            let at = self.arrival(side) + latency * piece.min(1);
            self.lanes[side].bytes += bytes.len();
            self.push_at(side, at, Item::Bytes(bytes.iter().copied().collect()));
        }
        if !breaks {
            return taken;
        }
        self.broken = Some(self.weather.then);
        if matches!(self.weather.then, Then::Cut) {
            for side in [0, 1] {
                self.push(side, Item::Over(Over::Reset));
            }
        } else {
            self.is_lost(side);
        }
        // What it has lost on the way it has sent all the same.
        bytes.len()
    }

    /// Whether what a side sends arrives nowhere.
    fn is_lost(&mut self, side: usize) -> bool {
        let lane = &mut self.lanes[side];
        let (unread, given_up) = (lane.unread, lane.given_up);
        if self.broken.is_none() && !unread {
            return false;
        }
        lane.given_up = true;
        if !given_up {
            let at = match self.broken {
                Some(Then::Silence) => Instant::now() + UNCONFIRMED,
                // Who has gone answers that it has.
                _ => self.arrival(1 - side),
            };
            self.push_at(1 - side, at, Item::Over(Over::Reset));
        }
        true
    }
}

impl Lane {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()] {
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let mut state = this.wire.state();
            let lane = &mut state.lanes[1 - this.side];
            match lane.over {
                Some(Over::Finished) => return Poll::Ready(Ok(())),
                Some(Over::Reset) => return Poll::Ready(Err(reset())),
                None => {}
            }
            lane.reader = Some(task.waker().clone());
            let Some((at, item)) = lane.flying.front_mut() else {
                return Poll::Pending;
            };
            if *at > Instant::now() {
                let at = *at;
                drop(state);
                this.alarm.as_mut().reset(at);
                ready!(this.alarm.as_mut().poll(task));
                continue;
            }
            match item {
                Item::Over(over) => lane.over = Some(*over),
                Item::Bytes(bytes) => {
                    let read = bytes.len().min(buf.remaining());
                    let (first, second) = bytes.as_slices();
                    let in_first = read.min(first.len());
                    buf.put_slice(&first[..in_first]);
                    buf.put_slice(&second[..read - in_first]);
                    bytes.drain(..read);
                    let is_read = bytes.is_empty();
                    lane.bytes -= read;
                    if is_read {
                        lane.flying.pop_front();
                    }
                    lane.writer.take().into_iter().for_each(Waker::wake);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.wire.state();
        if state.lanes[1 - self.side].over == Some(Over::Reset) {
            return Poll::Ready(Err(reset()));
        }
        if state.lanes[self.side].finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = state.send(self.side, bytes);
        if taken == 0 && !bytes.is_empty() {
            state.lanes[self.side].writer = Some(task.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.wire.state();
        if !std::mem::replace(&mut state.lanes[self.side].finished, true)
            && !state.is_lost(self.side)
        {
            state.push(self.side, Item::Over(Over::Finished));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.wire.state();
        if !std::mem::replace(&mut state.lanes[self.side].finished, true) && state.broken.is_none()
        {
            state.push(self.side, Item::Over(Over::Finished));
        }
        let incoming = &mut state.lanes[1 - self.side];
        incoming.unread = true;
        incoming.flying.clear();
        incoming.bytes = 0;
        incoming.wake();
    }
}
