//! The handlers that the server calls: processes of their own, once for each SDK, which tell the
//! witness what they see.
//!
//! Each kind of work is one service, named after the SDK, and the inputs name the task, so that
//! the witness can tell whose they are. Two of the services have next to no inactivity timeout:
//! what they wait for suspends them, so that recovery meets suspended invocations too.

mod attempt;
mod latchwork;
mod process;
mod reporter;
mod rust;
mod typescript;

pub(crate) use process::{Endpoint, EndpointError};
pub(crate) use reporter::Reporter;

use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// What handlers are written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sdk {
    /// The released Rust SDK.
    Rust,
    /// Our own SDK.
    Latchwork,
    /// The TypeScript SDK; needs Node.
    #[value(name = "typescript")]
    TypeScript,
}

impl Sdk {
    /// What the names of its services begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Latchwork => "Latchwork",
            Self::TypeScript => "TypeScript",
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Latchwork => "latchwork",
            Self::TypeScript => "typescript",
        }
    }

    /// The services that the server must know.
    pub(crate) fn services(self) -> [String; 5] {
        ["Steps", "Counter", "Fan", "Leaf", "Wait"].map(|name| format!("{}{name}", self.prefix()))
    }
}

/// Serves the handlers with an SDK for Rust at `address` for ever, reporting to the witness at `desk`.
///
/// # Errors
/// If it cannot listen there, or there is no witness, or they are not in this program.
pub(crate) async fn serve(sdk: Sdk, address: SocketAddr, desk: SocketAddr) -> io::Result<()> {
    match sdk {
        Sdk::Rust => rust::serve(address, desk).await,
        Sdk::Latchwork => latchwork::serve(address, desk).await,
        Sdk::TypeScript => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Input of `Steps/run`.
#[derive(Serialize, Deserialize)]
pub(crate) struct StepsInput {
    /// How many runs.
    pub(crate) steps: u32,
    /// The sleep between two of them, in ms.
    pub(crate) sleep_ms: u64,
    /// Bytes that are only there to be stored.
    pub(crate) ballast: String,
}

/// Input of `Fan/fan`.
#[derive(Serialize, Deserialize)]
pub(crate) struct FanInput {
    /// The task.
    pub(crate) task: String,
    /// How many children.
    pub(crate) width: u32,
    /// The service of the children.
    pub(crate) leaf: String,
}

/// Input of `Leaf/leaf`.
#[derive(Serialize, Deserialize)]
struct LeafInput {
    task: String,
    index: u32,
}
