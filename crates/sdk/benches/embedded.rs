//! What the embedded server does in this process, on this disk: durable calls a second, how long each
//! takes, what it costs to start.
//!
//!     cargo bench -p latchwork-sdk --bench embedded                      # a minute
//!     cargo bench -p latchwork-sdk --bench embedded -- --secs 10 --dir /var/tmp
//!
//! Closed loops: each of so many tasks makes a call, waits for its result, and makes the next. A call is
//! synced to the disk when it is accepted and when it is completed, and a step when it is recorded, as
//! behind the ports of a server. Without `--bench`, as `cargo test` runs it, each load is only tried.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use latchwork::embedded::Latchwork;
use latchwork::{Context, Result};

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Calls at once.
const CONCURRENCY: [usize; 3] = [1, 16, 128];
/// Steps of a call, one after the other.
const STEPS: [u32; 2] = [0, 10];
/// Before what is measured: memory is taken, files are made.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long a load is measured.
const MEASURED: Duration = Duration::from_secs(8);
/// How long one is tried that is not measured.
const TRIAL: Duration = Duration::from_millis(50);

struct Work;

#[latchwork::service]
impl Work {
    /// Takes so many durable steps, one after the other.
    #[handler]
    async fn steps(&self, ctx: &Context, count: u32) -> Result<u32> {
        for step in 0..count {
            ctx.run("step", || async move { Ok(step) }).await?;
        }
        Ok(count)
    }
}

struct Options {
    /// For each load.
    length: Duration,
    warm_up: Duration,
    directory: PathBuf,
}

impl Options {
    fn read() -> Outcome<Self> {
        let measured = std::env::args().any(|argument| argument == "--bench");
        let mut options = Self {
            length: if measured { MEASURED } else { TRIAL },
            warm_up: if measured { WARM_UP } else { Duration::ZERO },
            // Not that of temporary files, which may be in memory.
            directory: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or("the last option has no value");
            match &*argument {
                "--secs" => options.length = Duration::from_secs_f64(value()?.parse()?),
                "--dir" => options.directory = value()?.into(),
                // What is meant for the test runner means nothing here.
                _ => {}
            }
        }
        Ok(options)
    }
}

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&options))
}

async fn measure(options: &Options) -> Outcome<()> {
    let data = tempfile::tempdir_in(&options.directory)?;
    let before = memory();
    let begun = Instant::now();
    let latchwork = Latchwork::embedded(data.path()).bind(Work).start().await?;
    let started = begun.elapsed();
    WorkClient::new(latchwork.client()).steps(1).await?;
    println!(
        "start {:.1} ms, first call of one step after {:.1} ms; memory {} before, {} then",
        milliseconds(started),
        milliseconds(begun.elapsed()),
        mebibytes(before),
        mebibytes(memory()),
    );
    println!("data in {}", options.directory.display());
    println!();
    println!("| steps | at once | calls a second | p50 ms | p99 ms |");
    println!("|--:|--:|--:|--:|--:|");
    let latchwork = Arc::new(latchwork);
    for steps in STEPS {
        for concurrency in CONCURRENCY {
            let (times, took) = load(&latchwork, steps, concurrency, options).await?;
            println!(
                "| {steps} | {concurrency} | {:.0} | {:.3} | {:.3} |",
                times.len() as f64 / took.as_secs_f64(),
                quantile(&times, 50),
                quantile(&times, 99),
            );
        }
    }
    println!();
    println!("memory afterwards {}", mebibytes(memory()));
    let latchwork = Arc::into_inner(latchwork).ok_or("a load goes on")?;
    latchwork.shutdown().await?;
    Ok(())
}

/// How long each call took, in order, and how long all together. Those that began while warming up
/// do not count.
async fn load(
    latchwork: &Arc<Latchwork>,
    steps: u32,
    concurrency: usize,
    options: &Options,
) -> Outcome<(Vec<Duration>, Duration)> {
    let from = Instant::now() + options.warm_up;
    let until = from + options.length;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        let latchwork = Arc::clone(latchwork);
        loops.spawn(async move {
            let work = WorkClient::new(latchwork.client());
            let mut times = Vec::new();
            loop {
                let asked = Instant::now();
                if asked >= until {
                    return Outcome::Ok(times);
                }
                work.steps(steps).await?;
                if asked >= from {
                    times.push(asked.elapsed());
                }
            }
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = loops.join_next().await {
        times.extend(ended??);
    }
    let took = from.elapsed();
    if times.is_empty() {
        return Err(format!("no call of {steps} steps was made in time").into());
    }
    times.sort_unstable();
    Ok((times, took))
}

fn quantile(times: &[Duration], nth: usize) -> f64 {
    let at = (times.len() - 1) * nth / 100;
    milliseconds(times[at])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Bytes of this process that are in memory, where the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or("?".to_owned(), |bytes| {
        format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0)
    })
}
