//! Faults on the way to a deployment, drawn from a seed: for whoever wants to see whether
//! handlers stand them.
//!
//! ```text
//!   attempt ──▶ Faults ──▶ the transport proper
//!                 ├ refused: nobody answers
//!                 ├ late:    the start is on its way for a while
//!                 ├ doubled: it arrives twice, and only one is listened to
//!                 ├ cut:     the handler is gone after so many bytes of its response
//!                 └ deaf:    the handler is gone when it is told something
//! ```
//!
//! The n-th attempt meets what the seed says of n. An attempt that follows a faulty one of the
//! same invocation is spared, so that everything ends. Absent: faults of the server and its disk.

use crate::transport::{
    BoxFuture, OpenRequest, ReceiveBody, ResponseHead, SendBody, Stream, Transport, TransportError,
};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// The header that names the invocation.
const INVOCATION: &str = "x-restate-invocation-id";
/// How long a late start is on its way at most.
const LATE_MS_MAX: u64 = 50;
/// After how many bytes of a response it is cut, at most: a few steps of most handlers.
const CUT_BYTES_MAX: usize = 600;
/// After how many messages a request is cut, at most.
const DEAF_MESSAGES_MAX: u32 = 4;

/// A transport with faults.
pub struct Faults {
    inner: Arc<dyn Transport>,
    seed: u64,
    opened: AtomicU64,
    /// Invocations whose last attempt met a fault.
    spared: Mutex<HashSet<Bytes>>,
}

/// What an attempt meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Refused,
    Late(Duration),
    Doubled,
    /// The bytes of the response that still arrive.
    Cut(usize),
    /// The messages after the first that still arrive.
    Deaf(u32),
}

impl Fault {
    /// What the n-th attempt meets.
    fn draw(seed: u64, nth: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed ^ nth.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        match random.random_range(0..10) {
            0 => Self::Refused,
            1 => Self::Late(Duration::from_millis(random.random_range(1..=LATE_MS_MAX))),
            2 => Self::Doubled,
            3..=5 => Self::Cut(random.random_range(0..=CUT_BYTES_MAX)),
            6 => Self::Deaf(random.random_range(0..=DEAF_MESSAGES_MAX)),
            _ => Self::None,
        }
    }

    /// Whether the attempt can come to nothing by it.
    fn breaks(self) -> bool {
        matches!(self, Self::Refused | Self::Cut(_) | Self::Deaf(_))
    }
}

impl Faults {
    /// Puts faults before a transport.
    pub fn new(inner: Arc<dyn Transport>, seed: u64) -> Self {
        Self {
            inner,
            seed,
            opened: AtomicU64::new(0),
            spared: Mutex::default(),
        }
    }

    fn next(&self, request: &OpenRequest) -> Fault {
        let nth = self.opened.fetch_add(1, Ordering::Relaxed);
        let fault = Fault::draw(self.seed, nth);
        let id = request.headers.get(INVOCATION);
        let id = Bytes::copy_from_slice(id.map_or(b"", |id| id.as_bytes()));
        let mut spared = self.spared.lock().unwrap_or_else(PoisonError::into_inner);
        if spared.remove(&id) {
            return Fault::None;
        }
        if fault.breaks() {
            spared.insert(id);
        }
        fault
    }
}

impl Transport for Faults {
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        let fault = self.next(&request);
        let address = request.deployment.uri.clone();
        let wounded = Wounded {
            address,
            seed: self.seed,
        };
        let shadow = (fault == Fault::Doubled).then(|| {
            self.inner.open(OpenRequest {
                deployment: request.deployment.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
            })
        });
        let opening = match fault {
            Fault::Refused => return Box::pin(async move { Err(wounded.error("refused")) }),
            _ => self.inner.open(request),
        };
        Box::pin(async move {
            if let Fault::Late(delay) = fault {
                tokio::time::sleep(delay).await;
            }
            let Stream { send, receive } = opening.await?;
            Ok(match fault {
                Fault::Cut(left) => Stream {
                    send,
                    receive: Box::new(CutResponse {
                        inner: Some(receive),
                        left,
                        wounded,
                    }),
                },
                Fault::Deaf(left) => Stream {
                    send: Box::new(CutRequest {
                        inner: send,
                        left: left + 1,
                        wounded,
                    }),
                    receive,
                },
                Fault::Doubled => {
                    let shadow = match shadow {
                        Some(shadow) => shadow.await.ok(),
                        None => None,
                    };
                    let (second, ghost) = shadow.map(|it| (it.send, it.receive)).unzip();
                    Stream {
                        send: Box::new(DoubledStart {
                            inner: send,
                            second,
                        }),
                        receive: Box::new(WithGhost {
                            inner: receive,
                            ghost: ghost.map(|body| Ghost {
                                body,
                                is_headed: false,
                            }),
                        }),
                    }
                }
                Fault::None | Fault::Refused | Fault::Late(_) => Stream { send, receive },
            })
        })
    }
}

/// Says whose fault it was.
struct Wounded {
    address: String,
    seed: u64,
}

impl Wounded {
    fn error(&self, what: &str) -> TransportError {
        TransportError::Broken {
            address: self.address.clone(),
            reason: format!("{what} on purpose (faults of seed {})", self.seed),
        }
    }
}

/// A response that breaks off.
struct CutResponse {
    /// Gone when it was cut: the handler must see that nobody listens.
    inner: Option<Box<dyn ReceiveBody>>,
    left: usize,
    wounded: Wounded,
}

impl CutResponse {
    fn cut(&mut self) -> TransportError {
        self.inner = None;
        self.wounded.error("cut")
    }
}

impl ReceiveBody for CutResponse {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        match &mut self.inner {
            Some(inner) => inner.poll_head(cx),
            None => Poll::Ready(Err(self.cut())),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        let Some(inner) = self.inner.as_mut().filter(|_| self.left > 0) else {
            return Poll::Ready(Some(Err(self.cut())));
        };
        inner.poll_data(cx).map(|data| match data {
            Some(Ok(data)) => {
                let kept = data.len().min(self.left);
                self.left -= kept;
                Some(Ok(data.slice(..kept)))
            }
            other => other,
        })
    }
}

/// A request that breaks off.
struct CutRequest {
    inner: Box<dyn SendBody>,
    left: u32,
    wounded: Wounded,
}

impl SendBody for CutRequest {
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError> {
        let Some(left) = self.left.checked_sub(1) else {
            self.inner.reset();
            return Err(self.wounded.error("cut"));
        };
        self.left = left;
        self.inner.send(data, end)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

/// A request whose first message goes to two handlers.
struct DoubledStart {
    inner: Box<dyn SendBody>,
    second: Option<Box<dyn SendBody>>,
}

impl SendBody for DoubledStart {
    fn send(&mut self, data: Bytes, end: bool) -> Result<(), TransportError> {
        if let Some(mut second) = self.second.take() {
            // It is told nothing more, whatever becomes of it.
            drop(second.send(data.clone(), true));
        }
        self.inner.send(data, end)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

/// A response beside which another handler runs that nobody listens to.
struct WithGhost {
    inner: Box<dyn ReceiveBody>,
    ghost: Option<Ghost>,
}

struct Ghost {
    body: Box<dyn ReceiveBody>,
    is_headed: bool,
}

impl Ghost {
    /// Lets it go on, and throws away what it says; true when it has ended.
    fn poll_away(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_headed {
            match self.body.poll_head(cx) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => return true,
                Poll::Ready(Ok(_)) => self.is_headed = true,
            }
        }
        loop {
            match self.body.poll_data(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return true,
            }
        }
    }
}

impl ReceiveBody for WithGhost {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        self.inner.poll_head(cx)
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        if let Some(ghost) = &mut self.ghost
            && ghost.poll_away(cx)
        {
            self.ghost = None;
        }
        self.inner.poll_data(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_what_every_attempt_meets() {
        let drawn = |seed| {
            (0..200)
                .map(|nth| Fault::draw(seed, nth))
                .collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let all = drawn(7);
        assert!(all.iter().any(|fault| matches!(fault, Fault::Cut(_))));
        assert!(all.contains(&Fault::Doubled) && all.contains(&Fault::None));
        assert!(all.iter().any(|fault| matches!(fault, Fault::Late(_))));
    }
}
