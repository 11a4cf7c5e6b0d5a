//! The fake world: it lies to the server and watches what becomes of it.
//!
//! ```text
//!   workload (seeded) ──▶ clients ──HTTP──▶ latchwork serve ──▶ handlers, in their own processes
//!                            │                    ▲ kill -9         ▲ kill -9   │
//!                            └──▶ auditor ◀───────┴── crash loop ───┘  witness ◀┘
//! ```
//!
//! Comes in: a seed and the path of a server binary. Goes out: a line for every ten
//! rounds, and whatever promise was broken, with the command that repeats it.
//!
//! Start at [`crash::run`]; [`asleep::run`] has no faults, only very many. Absent there on purpose:
//! any knowledge of how the server works inside. It is held to what a client and a handler can
//! observe. The feature `rings` adds `ring`, which runs the inside of the server in a world of its
//! own.

mod address;
mod asleep;
mod auditor;
mod client;
mod crash;
mod desk;
mod handlers;
mod power_loss;
#[cfg(feature = "rings")]
mod ring;
mod server;
#[cfg(feature = "rings")]
mod simulate;
mod witness;
mod workload;
mod world;

use clap::{Parser, Subcommand};
use handlers::Sdk;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "latchwork-sim",
    about = "Breaks a latchwork server and checks its promises"
)]
struct Arguments {
    #[command(subcommand)]
    ring: Ring,
}

#[derive(Subcommand)]
enum Ring {
    /// Kills a real server at random instants, again and again.
    Crash(Crash),
    /// Drops what a server has not synced, in very many ways.
    PowerLoss(PowerLoss),
    /// Plays worlds of faults around the real runtime and SDK, in virtual time.
    #[cfg(feature = "rings")]
    Simulate(simulate::Simulate),
    /// Switches on one deliberate bug after the other, and says how many seeds find it.
    #[cfg(feature = "rings")]
    Mutations(simulate::Mutations),
    /// Puts very many invocations to sleep at once, looks at the server's memory, wakes all.
    Asleep(Asleep),
    /// Runs the handlers with an SDK for Rust, for the other commands.
    #[command(hide = true)]
    Handlers(Handlers),
}

/// Where to serve handlers.
#[derive(Parser)]
struct Handlers {
    /// What they are written with.
    sdk: Sdk,
    /// Where they are called.
    #[arg(env = "HANDLERS_ADDR")]
    address: SocketAddr,
    /// Where the witness listens.
    #[arg(env = "WITNESS_ADDR")]
    desk: SocketAddr,
}

/// How to run the sleepers.
#[derive(Parser)]
struct Asleep {
    /// How many sleep at once.
    #[arg(long, default_value_t = 200_000)]
    count: usize,
    /// Resident memory that the server may have meanwhile, in MiB.
    #[arg(long, default_value_t = 150)]
    rss_max: u64,
    /// The server binary, run as `PATH serve` [default: `latchwork` beside this program].
    #[arg(long)]
    server: Option<PathBuf>,
}

/// How to lose power.
#[derive(Parser)]
struct PowerLoss {
    /// Fixes the workload and what is lost; random if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many times.
    #[arg(long, default_value_t = 200)]
    images: usize,
    /// The server binary, run as `PATH serve` [default: `latchwork` beside this program].
    #[arg(long)]
    server: Option<PathBuf>,
}

/// How to run the crash loop.
#[derive(Parser)]
struct Crash {
    /// Fixes the workload and the instants of the kills; random if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many times the server is killed.
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// What handlers are written with. Several: the tasks are mixed.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "rust,latchwork,typescript"
    )]
    handlers: Vec<Sdk>,
    /// Kills handlers too, in half of the rounds.
    #[arg(long)]
    kill_endpoints: bool,
    /// The server binary, run as `PATH serve` [default: `latchwork` beside this program].
    #[arg(long)]
    server: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        match Arguments::parse().ring {
            Ring::Crash(arguments) => {
                let options = crash::Options {
                    seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
                    rounds: arguments.rounds,
                    sdks: arguments.handlers,
                    kill_endpoints: arguments.kill_endpoints,
                    server: arguments.server.unwrap_or_else(server_beside_us),
                };
                println!("seed {}", options.seed);
                crash::run(&options)
                    .await
                    .map_err(|error| error.to_string())
            }
            Ring::PowerLoss(arguments) => {
                let options = power_loss::Options {
                    seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
                    images: arguments.images,
                    server: arguments.server.unwrap_or_else(server_beside_us),
                };
                println!("seed {}", options.seed);
                power_loss::run(&options)
                    .await
                    .map_err(|error| error.to_string())
            }
            Ring::Handlers(Handlers { sdk, address, desk }) => handlers::serve(sdk, address, desk)
                .await
                .map_err(|error| error.to_string()),
            #[cfg(feature = "rings")]
            Ring::Simulate(arguments) => {
                tokio::task::block_in_place(|| simulate::simulate(&arguments))
            }
            #[cfg(feature = "rings")]
            Ring::Mutations(arguments) => {
                tokio::task::block_in_place(|| simulate::mutations(&arguments))
            }
            Ring::Asleep(arguments) => {
                let options = asleep::Options {
                    count: arguments.count,
                    rss_max_mib: arguments.rss_max,
                    server: arguments.server.unwrap_or_else(server_beside_us),
                };
                asleep::run(&options)
                    .await
                    .map_err(|error| error.to_string())
            }
        }
    };
    tokio::select! {
        end = run => match end {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        // Dropping the loop ends the server and removes its directory.
        _ = tokio::signal::ctrl_c() => ExitCode::from(130),
    }
}

/// Cargo puts both programs into the same folder.
fn server_beside_us() -> PathBuf {
    std::env::current_exe()
        .unwrap_or_default()
        .with_file_name("latchwork")
}
