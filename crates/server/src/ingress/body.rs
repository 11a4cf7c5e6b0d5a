//! Bodies of requests: read whole, under a limit.

use crate::error::Refusal;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// The whole body; one that came in one piece is not copied.
pub(super) async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::TooLarge { limit };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Refusal::Body)?.into_data() else {
            // Trailers are nobody's input.
            continue;
        };
        if first.len().max(whole.len()) + data.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.max(first.len() + data.len()));
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
