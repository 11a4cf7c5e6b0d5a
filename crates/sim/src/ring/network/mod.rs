//! The network ring: the real server and the real SDK, each behind its real HTTP, joined by a
//! network that cuts, splits, delays and loses; one thread, virtual time, one seed.
//!
//! ```text
//!   callers, operator ──HTTP──▶ fabric ──▶ ingress, admin ▶ SteppedNode ▶ transport
//!                                 ▲ │                                        │
//!          what goes wrong ───────┘ └──────────────── HTTP/2 ◀───────────────┘
//!                                      └──▶ hyper ▶ SDK endpoint ▶ scripts ──▶ auditor
//! ```
//!
//! [`fabric`] is the network, made of [`wire`]s; [`faults`] is how often what happens there;
//! [`caller`], [`people`] and [`line`] are those outside; [`endpoint`] is the host with the handlers;
//! [`world`] lets it happen and then come to rest. Scripts, storage and the auditor are those of the
//! runtime ring. Start at [`play`].

mod attempts;
mod caller;
mod endpoint;
mod fabric;
mod faults;
mod line;
mod people;
mod wire;
mod world;

use super::script::Stage;
use fabric::Fabric;
use faults::Rates;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) use world::play;

/// What all of a world's tasks share.
#[derive(Clone)]
struct Shared {
    stage: Stage,
    fabric: Arc<Fabric>,
    rates: Rates,
    /// Callers that have not got what they asked for.
    waiting: Arc<Mutex<usize>>,
    /// The ids of what callers have asked for.
    known: Arc<Mutex<Vec<String>>>,
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
