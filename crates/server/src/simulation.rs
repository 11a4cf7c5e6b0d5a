//! Both ports of a server, for a world that brings its own connections, time and partitions.
//!
//! What is served is what [`crate::run()`] serves, without what a simulation cannot repeat: threads
//! that count, watch and query, and the date of the machine in answers.

use crate::access::Access;
use crate::config::Config;
use crate::health::Health;
use crate::listen::{Listener, Port};
use crate::ports::Parts;
use crate::tls::{Door, TlsError};
use crate::transport::HttpTransport;
use crate::{admin, ingress};
use latchwork_runtime::{Backups, Clock, Handle};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

/// Connections that a port serves at a time.
const CONNECTIONS_MAX: usize = 1000;

/// Serves both ports until it is dropped, which leaves connections as they are: whoever lets a
/// server crash has to cut them.
///
/// # Errors
/// If the default settings are none.
pub async fn serve(
    listeners: (impl Listener, impl Listener),
    handle: Handle,
    transport: Arc<HttpTransport>,
    clock: Arc<dyn Clock>,
) -> Result<(), TlsError> {
    let config = Config::default();
    let backups = Backups::new(
        handle.clone(),
        config.data_dir.clone(),
        "simulated".into(),
        clock.clone(),
    );
    let parts = Parts {
        config: &config,
        access: Arc::new(Access::open()),
        handle,
        audit: admin::Auditor::new(config.audit_rows_max, config.audit_age_max),
        backups: Arc::new(backups),
        transport,
        clock,
        health: Arc::new(Health::default()),
        states: Arc::default(),
        sent: Arc::default(),
        ingress_url: "http://simulated/".into(),
        #[cfg(feature = "ui")]
        live: crate::live::halves().0,
    };
    let (ingress, admin) = parts.assemble();
    let door = Door::of(&config)?;
    let port = |name| Port {
        name,
        connections_max: CONNECTIONS_MAX,
        door: door.clone(),
        drain_limit: Duration::ZERO,
        dated: false,
    };
    tokio::join!(
        biased;
        ingress::serve(listeners.0, port("ingress"), Arc::new(ingress), pending()),
        admin::serve(listeners.1, port("admin API"), Arc::new(admin), pending()),
    );
    Ok(())
}
