//! One browser's stream: what is shown as it is, then each change of it.

use super::{Board, Live};
use crate::body::Told;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Events that wait for a slow browser; then it is left behind, and catches up with the next.
const WAITING_MAX: usize = 4;

/// Why a browser gets no stream.
#[derive(Debug, thiserror::Error)]
#[error("too many watch already: close some pages of the web UI, and try again")]
pub(crate) struct Refused;

impl Live {
    /// A stream of server-sent events: `all`, then `change` for each. It ends when the server stops.
    ///
    /// # Errors
    /// If too many watch already.
    pub(crate) fn events(&self) -> Result<Response, Refused> {
        let permit = self.room.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Refused)?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(feed(self.board.clone(), sender, permit));
        self.came.notify_one();
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        Ok((headers, Body::new(Told(receiver))).into_response())
    }
}

async fn feed(
    mut board: tokio::sync::watch::Receiver<Arc<Board>>,
    sender: mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
) {
    let mut seen = board.borrow_and_update().clone();
    if sender.send(event("all", json!(*seen))).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            changed = board.changed() => if changed.is_err() {
                return;
            },
            () = sender.closed() => return,
        }
        let now = board.borrow_and_update().clone();
        // Who missed a sample gets them all again.
        let last = seen.samples.back();
        let is_next = now.samples.back() == last || now.samples.iter().rev().nth(1) == last;
        let text = if is_next {
            let sample = now.samples.back().filter(|sample| Some(*sample) != last);
            let change = json!({
                "sample": sample, "handlers": now.handlers, "now": now.now, "census": now.census,
            });
            event("change", change)
        } else {
            event("all", json!(*now))
        };
        seen = now;
        if sender.send(text).await.is_err() {
            return;
        }
    }
}

fn event(name: &str, data: serde_json::Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, WATCHERS_MAX, halves};
    use super::*;
    use http_body_util::BodyExt;

    async fn next(body: &mut Body) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        let bytes = frame.into_data().unwrap();
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn board(times: &[u64]) -> Arc<Board> {
        let sample = |at: &u64| Sample {
            at: *at,
            ..Sample::default()
        };
        Arc::new(Board {
            samples: times.iter().map(sample).collect(),
            ..Board::default()
        })
    }

    #[tokio::test]
    async fn a_stream_begins_with_all_goes_on_with_changes_and_ends_with_the_sampler() {
        let (live, sampler) = halves();
        let mut body = live.events().unwrap().into_body();
        assert!(next(&mut body).await.unwrap().starts_with("event: all\n"));
        sampler.board.send_replace(board(&[5]));
        let change = next(&mut body).await.unwrap();
        assert!(change.starts_with("event: change\n"), "{change}");
        assert!(change.contains("\"at\":5"), "{change}");
        sampler.board.send_replace(board(&[5]));
        let change = next(&mut body).await.unwrap();
        assert!(change.contains("\"sample\":null"), "{change}");
        // Who missed one gets all.
        sampler.board.send_replace(board(&[5, 6, 7]));
        let all = next(&mut body).await.unwrap();
        assert!(all.starts_with("event: all\n"), "{all}");
        drop(sampler);
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn only_so_many_watch() {
        let (live, _sampler) = halves();
        let all: Vec<_> = (0..WATCHERS_MAX).map(|_| live.events().unwrap()).collect();
        assert!(live.events().is_err());
        drop(all);
        let room = live.room.clone();
        let freed = room.acquire();
        assert!(
            tokio::time::timeout(std::time::Duration::from_secs(5), freed)
                .await
                .is_ok()
        );
    }
}
