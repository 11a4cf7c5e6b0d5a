//! What is asked of the server: closed loops, each over a connection of its own.

use super::{Figure, handlers::Completed, milliseconds};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long a backlog may take to be worked off.
const BACKLOG_LIMIT: Duration = Duration::from_secs(120);
/// Before what is measured: connections are made, code is paged in.
const WARM_UP: Duration = Duration::from_millis(300);

/// One kind of load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) name: &'static str,
    path: &'static str,
    body: &'static str,
    pub(super) concurrency: usize,
    /// Nobody waits for what is sent; it is measured until all of it is done.
    is_sent: bool,
}

impl Load {
    /// In the order in which they run.
    pub(super) const ALL: [Self; 7] = [
        Self::call("call", "/Plain/echo", "\"Ada\"", 1),
        Self::call("call", "/Plain/echo", "\"Ada\"", 16),
        Self::call("call", "/Plain/echo", "\"Ada\"", 128),
        Self::call("call of ten steps", "/Plain/steps", "10", 1),
        Self::call("call of ten steps", "/Plain/steps", "10", 16),
        Self::call("call of one busy key", "/Counter/key/add", "1", 16),
        Self {
            is_sent: true,
            ..Self::call("send, until done", "/Plain/note/send", "\"Ada\"", 32)
        },
    ];

    const fn call(
        name: &'static str,
        path: &'static str,
        body: &'static str,
        concurrency: usize,
    ) -> Self {
        Self {
            name,
            path,
            body,
            concurrency,
            is_sent: false,
        }
    }

    /// Runs it for about `length`.
    ///
    /// # Errors
    /// If a request does not succeed.
    pub(super) async fn run(
        &self,
        server: SocketAddr,
        length: Duration,
        completed: &Completed,
    ) -> Result<Done, LoadError> {
        let completed_before = completed.count();
        let begun = Instant::now();
        let mut loops = JoinSet::new();
        for _ in 0..self.concurrency {
            loops.spawn(self.closed_loop(server, begun, length));
        }
        let mut times = Vec::new();
        let mut warm_ups = 0;
        while let Some(ended) = loops.join_next().await {
            let (measured, warming) = ended.map_err(|_| LoadError::Broken)??;
            times.extend(measured);
            warm_ups += warming;
        }
        if !self.is_sent {
            times.sort_unstable();
            return Ok(Done {
                count: times.len() as u64,
                all: times.len() as u64 + warm_ups,
                length,
                times,
            });
        }
        let sent = times.len() as u64 + warm_ups;
        let deadline = Instant::now() + BACKLOG_LIMIT;
        while completed.count() - completed_before < sent {
            if Instant::now() > deadline {
                return Err(LoadError::Backlog {
                    sent,
                    done: completed.count() - completed_before,
                });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Done {
            count: sent,
            all: sent,
            length: begun.elapsed(),
            times: Vec::new(),
        })
    }

    /// One request after the other; how long each took, and how many came before those.
    fn closed_loop(
        self,
        server: SocketAddr,
        begun: Instant,
        length: Duration,
    ) -> impl Future<Output = Result<(Vec<Duration>, u64), LoadError>> + Send + 'static {
        let failed = move |reason: String| LoadError::Failed {
            path: self.path,
            reason,
        };
        async move {
            let stream = TcpStream::connect(server).await;
            let stream = stream
                .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
                .map_err(|error| failed(error.to_string()))?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(|error| failed(error.to_string()))?;
            let driving = tokio::spawn(connection);
            let (mut times, mut warm_ups) = (Vec::new(), 0);
            loop {
                let now = begun.elapsed();
                if now >= WARM_UP + length {
                    break;
                }
                let asked = Instant::now();
                self.ask(server, &mut sender).await.map_err(failed)?;
                match now < WARM_UP {
                    true => warm_ups += 1,
                    false => times.push(asked.elapsed()),
                }
            }
            driving.abort();
            Ok((times, warm_ups))
        }
    }

    async fn ask(
        &self,
        server: SocketAddr,
        sender: &mut SendRequest<Full<Bytes>>,
    ) -> Result<(), String> {
        let request = Request::post(self.path)
            .header(HOST, server.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from_static(self.body.as_bytes())))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        match exchange.await {
            Ok((StatusCode::OK | StatusCode::ACCEPTED, _)) => Ok(()),
            Ok((status, body)) => Err(format!("{status}: {}", String::from_utf8_lossy(&body))),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Why a load did not run to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("POST {path} failed under load: {reason}. The server's log may say more.")]
    Failed { path: &'static str, reason: String },
    #[error(
        "of {sent} calls that were sent, {done} were done after {BACKLOG_LIMIT:?}. The server's log may say why."
    )]
    Backlog { sent: u64, done: u64 },
    #[error("a load broke off; this is a bug, please report it")]
    Broken,
}

/// What a load has done.
#[derive(Debug)]
pub(super) struct Done {
    /// Calls that were measured.
    count: u64,
    /// Those before them too.
    all: u64,
    /// How long it took them.
    length: Duration,
    /// How long each took, in order; empty where nobody waited.
    times: Vec<Duration>,
}

impl Done {
    /// With the processor time that the server has spent on it.
    pub(super) fn figure(&self, load: Load, spent: Option<Duration>) -> Figure {
        let quantile = |nth: usize| {
            let at = self.times.len().saturating_sub(1) * nth / 100;
            self.times.get(at).copied().map(milliseconds)
        };
        Figure {
            load: load.name,
            concurrency: load.concurrency,
            per_second: self.count as f64 / self.length.as_secs_f64(),
            p50_ms: quantile(50),
            p99_ms: quantile(99),
            server_cpu_ms: spent.map(|spent| milliseconds(spent) / self.all.max(1) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_what_was_counted() {
        let done = Done {
            count: 100,
            all: 120,
            length: Duration::from_secs(2),
            times: (1..=100).map(Duration::from_millis).collect(),
        };
        let figure = done.figure(Load::ALL[0], Some(Duration::from_millis(60)));
        assert_eq!(figure.per_second, 50.0);
        assert_eq!((figure.p50_ms, figure.p99_ms), (Some(50.0), Some(99.0)));
        assert_eq!(figure.server_cpu_ms, Some(0.5));
    }
}
