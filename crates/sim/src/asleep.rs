//! Sleepers: very many invocations asleep at once must cost the server next to no memory,
//! and every one must wake.
//!
//! ```text
//!   send × count ──▶ server ──▶ handler: notes that it fell asleep, sleeps until the same time
//!                                  │ all asleep: the server's memory is read
//!                                  ▼
//!                    all awake, each once, none early
//! ```

use crate::client::Client;
use crate::handlers::now_ms;
use crate::server::{Server, ServerError};
use bytes::Bytes;
use restate_sdk::endpoint::{Endpoint, ServiceOptions};
use restate_sdk::http_server::HttpServer;
use restate_sdk::prelude::*;
use restate_sdk::service::IntoServiceDefinition;
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Requests in flight while the sleepers are sent.
const SENDERS: usize = 32;
/// How many are put to sleep in a second at least, while it is reckoned when to wake them.
const PACE: u64 = 2_000;
/// Nothing may stand still for so long.
const STILL_LIMIT: Duration = Duration::from_secs(30);
/// How often the sleepers are counted.
const POLL: Duration = Duration::from_millis(100);

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How many sleep.
    pub(crate) count: usize,
    /// Resident memory that the server may have while all are asleep, in MiB.
    pub(crate) rss_max_mib: u64,
    /// The server binary.
    pub(crate) server: PathBuf,
}

/// Why it was not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the run could not be set up: {0}")]
    SetUp(#[from] io::Error),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("sleeper {0} was not accepted: {1}")]
    Refused(usize, String),
    #[error("{what}: only {seen} of {count} within {STILL_LIMIT:?} of the one before")]
    Still {
        what: &'static str,
        seen: usize,
        count: usize,
    },
    #[error("{0} woke before their time")]
    Early(usize),
    #[error("{0} ended more than once")]
    Twice(usize),
    #[error("{rss} MiB resident with {count} asleep; it may have {max}")]
    Memory { rss: u64, count: usize, max: u64 },
}

/// What the handlers have seen, by number of the sleeper.
struct Dormitory {
    wake_at: u64,
    asleep: Vec<AtomicBool>,
    awake: Vec<AtomicBool>,
    asleep_count: AtomicUsize,
    awake_count: AtomicUsize,
    early: AtomicUsize,
    /// The invocation that ended for each: the same may say so again in a later attempt.
    ended: Mutex<HashMap<u32, String>>,
    /// Sleepers for which two invocations ended.
    twice: AtomicUsize,
}

impl Dormitory {
    fn new(count: usize, wake_at: u64) -> Self {
        let flags = || (0..count).map(|_| AtomicBool::new(false)).collect();
        Self {
            wake_at,
            asleep: flags(),
            awake: flags(),
            asleep_count: AtomicUsize::new(0),
            awake_count: AtomicUsize::new(0),
            early: AtomicUsize::new(0),
            ended: Mutex::default(),
            twice: AtomicUsize::new(0),
        }
    }
}

fn mark(flags: &[AtomicBool], count: &AtomicUsize, number: u32) {
    if let Some(flag) = flags.get(number as usize)
        && !flag.swap(true, Ordering::Relaxed)
    {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

struct Sleeper(Arc<Dormitory>);

#[restate_sdk::service(name = "Sleeper")]
impl Sleeper {
    #[handler(name = "sleep")]
    async fn sleep(&self, ctx: Context<'_>, number: u32) -> HandlerResult<()> {
        let dormitory = &self.0;
        let left = dormitory.wake_at.saturating_sub(now_ms());
        mark(&dormitory.asleep, &dormitory.asleep_count, number);
        ctx.sleep(Duration::from_millis(left)).await?;
        if now_ms() < dormitory.wake_at {
            dormitory.early.fetch_add(1, Ordering::Relaxed);
        }
        let id = ctx.invocation_id().to_owned();
        let mut ended = dormitory
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if ended
            .insert(number, id.clone())
            .is_some_and(|other| other != id)
        {
            dormitory.twice.fetch_add(1, Ordering::Relaxed);
        }
        drop(ended);
        mark(&dormitory.awake, &dormitory.awake_count, number);
        Ok(())
    }
}

/// Puts them to sleep, looks at the server, and sees that all wake.
///
/// # Errors
/// One did not sleep or wake as it should, or the server needs too much memory.
pub(crate) async fn run(options: &Options) -> Result<(), Failed> {
    let count = options.count;
    let directory = tempfile::Builder::new()
        .prefix("latchwork-asleep-")
        .tempdir()?;
    std::fs::create_dir(directory.path().join("data"))?;
    let wake_at = now_ms() + 1_000 * (5 + count as u64 / PACE);
    let dormitory = Arc::new(Dormitory::new(count, wake_at));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = listener.local_addr()?;
    let suspends = ServiceOptions::new().inactivity_timeout(Duration::from_millis(1));
    let handlers = Endpoint::builder()
        .bind(
            Sleeper(dormitory.clone())
                .into_service_definition()
                .options(suspends),
        )
        .build();
    tokio::spawn(
        HttpServer::new(handlers).serve_with_cancel(listener, std::future::pending::<()>()),
    );

    let client = Client::new();
    let mut server = Server::new(&options.server, directory.path())?;
    server.spawn()?;
    server.healthy(&client, &[]).await?;
    server.register(&client, endpoint).await?;
    server.healthy(&client, &["Sleeper".to_owned()]).await?;
    println!("idle: {}", server.memory()?);

    let started = Instant::now();
    send(&client, &server, count).await?;
    all("asleep", &dormitory.asleep_count, count).await?;
    // The last of them have said that they sleep, and are about to be suspended.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let left = wake_at.saturating_sub(now_ms());
    let memory = server.memory()?;
    println!(
        "{count} asleep after {:.1} s: {memory}; {:.1} s before they wake",
        started.elapsed().as_secs_f64(),
        left as f64 / 1_000.0
    );
    let woken = Instant::now() + Duration::from_millis(left);
    tokio::time::sleep_until(woken.into()).await;
    all("awake", &dormitory.awake_count, count).await?;
    println!(
        "{count} awake {:.1} s after their time: {}",
        woken.elapsed().as_secs_f64(),
        server.memory()?
    );
    match (
        dormitory.early.load(Ordering::Relaxed),
        dormitory.twice.load(Ordering::Relaxed),
    ) {
        (0, 0) if left == 0 => println!("they fell asleep too late for the memory to be judged"),
        (0, 0) if memory.rss_mib() > options.rss_max_mib => {
            return Err(Failed::Memory {
                rss: memory.rss_mib(),
                count,
                max: options.rss_max_mib,
            });
        }
        (0, 0) => {}
        (0, twice) => return Err(Failed::Twice(twice)),
        (early, _) => return Err(Failed::Early(early)),
    }
    Ok(())
}

async fn send(client: &Client, server: &Server, count: usize) -> Result<(), Failed> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (client, next, ingress) = (client.clone(), next.clone(), server.ingress);
        senders.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let body = Bytes::from(number.to_string());
                let reply = client
                    .post(ingress, "/Sleeper/sleep/send", None, body)
                    .await;
                match reply {
                    Ok(reply) if reply.status.is_success() => {}
                    Ok(reply) => {
                        let body = String::from_utf8_lossy(&reply.body).into_owned();
                        return Err(Failed::Refused(number, body));
                    }
                    Err(lost) => return Err(Failed::Refused(number, lost.to_string())),
                }
            }
        });
    }
    while let Some(end) = senders.join_next().await {
        end.map_err(io::Error::other)??;
    }
    Ok(())
}

/// Waits until a counter has come to all, as long as it moves.
async fn all(what: &'static str, counter: &AtomicUsize, count: usize) -> Result<(), Failed> {
    let (mut before, mut since) = (0, Instant::now());
    loop {
        let seen = counter.load(Ordering::Relaxed);
        if seen == count {
            return Ok(());
        }
        if seen != before {
            (before, since) = (seen, Instant::now());
        }
        if since.elapsed() > STILL_LIMIT {
            return Err(Failed::Still { what, seen, count });
        }
        tokio::time::sleep(POLL).await;
    }
}
