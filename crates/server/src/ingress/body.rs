//! Bodies of requests: read whole, under a limit for each and a budget for all.

use crate::error::Refusal;
use crate::listen::Paced;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use latchwork_engine::mutation::Mutation;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory that is made ready for a body of which only a part has come.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// Bytes of bodies that may be on their way in at a time.
///
/// One that finds no room is refused rather than kept waiting: bodies that wait for each
/// other's room, each holding a part of it, would wait for ever.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self {
            left: AtomicUsize::new(bytes),
        }
    }

    /// Whether there is room for so many bytes just now.
    fn has(&self, bytes: usize) -> Result<(), Refusal> {
        match self.left.load(Ordering::Relaxed) {
            left if left < bytes => Err(Refusal::Overloaded),
            _ => Ok(()),
        }
    }

    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        taken.map(drop).map_err(|_| Refusal::Overloaded)
    }
}

/// What one body has taken of the budget; given back when it is dropped.
struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Share<'_> {
    /// Makes it at least so many bytes.
    fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes.saturating_sub(self.bytes);
        self.budget.take(more)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// The whole body; one that came in one piece is not copied.
pub(super) async fn read(mut body: Paced, limit: usize, budget: &Budget) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::TooLarge { limit };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    // What is announced is not taken before it comes: whoever announces much and sends nothing
    // would keep all others out.
    budget.has(announced)?;
    let mut share = Share { budget, bytes: 0 };
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if frame.is_err() && Mutation::CutBodyTaken.is_on() {
            break;
        }
        let Ok(data) = frame.map_err(Refusal::Body)?.into_data() else {
            // Trailers are nobody's input.
            continue;
        };
        let bytes = first.len().max(whole.len()) + data.len();
        if bytes > limit {
            return Err(too_large());
        }
        share.grow_to(bytes)?;
        if first.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.min(RESERVED_BYTES_MAX).max(bytes));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_gone_gives_its_room_back() {
        let budget = Budget::new(10);
        let mut one = Share {
            budget: &budget,
            bytes: 0,
        };
        one.grow_to(4).unwrap();
        one.grow_to(8).unwrap();
        let mut two = Share {
            budget: &budget,
            bytes: 0,
        };
        assert!(matches!(two.grow_to(3), Err(Refusal::Overloaded)));
        drop(one);
        two.grow_to(3).unwrap();
        drop(two);
        assert_eq!(budget.left.load(Ordering::Relaxed), 10);
    }
}
