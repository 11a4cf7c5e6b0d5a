//! The server's life: a configuration comes in, and the process serves until it is told to
//! stop or a partition dies.
//!
//! ```text
//!   recover ──▶ bind ──▶ announce ──▶ serve … SIGTERM ──▶ stop accepting ──▶ drain ──▶ end
//! ```

use crate::access::{Access, Open, OpenError as Exposed, TokensError, open_to_whom};
use crate::admin;
use crate::config::Config;
use crate::dev::{AheadClock, Dev, run_ahead};
use crate::health::{self, Health};
use crate::ingress;
use crate::listen::{Port, connections_for};
use crate::metrics::{SERIES_OF_A_HANDLER, States};
use crate::ports::Parts;
use crate::reload::{self, Reload};
use crate::telemetry::{Exporter, Sent, Target, log_to_stderr};
use crate::tls::{Door, TlsError, Trust};
use crate::transport::{HttpTransport, Reach};
use latchwork_protocol::service::identity::Signer;
use latchwork_runtime::trace::{Steps, Tracer};
use latchwork_runtime::transport::Transport;
use latchwork_runtime::{
    Clock, Fatal, Faults, Node, NodeLimits, NodeOptions, OpenError, SteadyClock, SystemClock,
};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long connections are served after the partitions have stopped: those who waited are
/// told so.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Strangers could use the server.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened at.
    #[error(
        "cannot listen at {address} for the {what}: {source}{}",
        listen_advice(source, flag)
    )]
    Listen {
        /// What for.
        what: &'static str,
        /// Where.
        address: String,
        /// The flag that gives another.
        flag: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The key that requests are signed with cannot be used.
    #[error(
        "cannot use the identity key {path}: {reason}. It must be a PEM file (PKCS#8) with an Ed25519 key"
    )]
    IdentityKey {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system refuses something that is needed to start.
    #[error("cannot {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A partition died. Everything that was accepted is in the log.
    #[error("a partition has stopped: {0}")]
    Partition(#[from] Fatal),
    /// A partition ended although nobody asked it to.
    #[error("a partition ended without a reason; this is a defect of the server")]
    Ended,
}

fn listen_advice(source: &io::Error, flag: &str) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                ". Another program listens there: stop it, or choose another address with {flag}"
            )
        }
        io::ErrorKind::PermissionDenied => format!(". Choose a port above 1023 with {flag}"),
        _ => format!(". Choose another address with {flag}"),
    }
}

/// Serves until SIGTERM or SIGINT, then drains and returns.
///
/// # Errors
/// If the server cannot start, or a partition dies.
pub fn run(config: &Config) -> Result<(), RunError> {
    run_for_development(config, Dev::default())
}

/// The same, with what only a server for development does.
///
/// # Errors
/// As [`run`].
pub fn run_for_development(config: &Config, dev: Dev) -> Result<(), RunError> {
    log_to_stderr(&config.log, config.log_format);
    let rim = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.rim_threads)
        .thread_name("rim")
        .enable_all()
        .build()
        .map_err(|source| RunError::System {
            what: "start threads",
            source,
        })?;
    let result = rim.block_on(serve(config, dev));
    // Whatever still runs has had its time.
    rim.shutdown_background();
    result
}

async fn serve(config: &Config, dev: Dev) -> Result<(), RunError> {
    let mut stops = Stops::new()?;
    let signer = config.identity_key_file.as_ref().map(signer).transpose()?;
    let ahead = dev.virtual_time.then(Arc::<AheadClock>::default);
    let clock: Arc<dyn Clock> = match &ahead {
        Some(ahead) => ahead.clone(),
        None => Arc::new(SteadyClock::over(SystemClock)),
    };
    let access = Arc::new(match &config.auth_file {
        Some(path) => Access::guarded(path)?,
        None => Access::open(),
    });
    let door = Door::of(config)?;
    let trust = Arc::new(Trust::of(config)?);
    let reach = Reach::new(&config.deployments_allow, &config.deployments_deny);
    let transport = HttpTransport::new(signer, clock.clone());
    let transport = Arc::new(transport.within(reach).trusting(trust.clone()));
    let ingress_listener = listen("ingress", &config.ingress_addr, "--ingress-addr").await?;
    let admin_listener = listen("admin API", &config.admin_addr, "--admin-addr").await?;
    let exposed_to = exposure(config, &ingress_listener, &admin_listener)?;
    let sent = Arc::new(Sent::default());
    let (stop_spans, spans_stopping) = watch::channel(());
    let (tracer, exporting) = tracer(config, &sent, clock.clone(), spans_stopping);
    let mut node = open(config, &dev, transport.clone(), clock.clone(), tracer)?;
    if let Some(ahead) = ahead {
        tokio::spawn(run_ahead(ahead, node.handle()));
    }

    let ingress_addr = address(&ingress_listener, &config.ingress_addr);
    let admin_addr = address(&admin_listener, &config.admin_addr);
    let health = Arc::new(Health::default());
    #[cfg(feature = "ui")]
    let (live, sampling) = {
        let (live, sampler) = crate::live::halves();
        let watched = crate::live::Watched {
            handle: node.handle(),
            clock: clock.clone(),
            health: health.clone(),
            directory: config.data_dir.clone(),
        };
        (live, tokio::spawn(crate::live::watch(sampler, watched)))
    };
    let ingress_url = format!("{}{}/", scheme(&door), reachable(&ingress_addr));
    let states = Arc::new(States::default());
    let counting = tokio::spawn(states.clone().watch(node.handle()));
    let parts = Parts {
        config,
        access: access.clone(),
        handle: node.handle(),
        audit: admin::Auditor::new(config.audit_rows_max, config.audit_age_max),
        backups: node.backups(),
        transport,
        clock,
        health: health.clone(),
        states,
        sent,
        ingress_url,
        #[cfg(feature = "ui")]
        live,
    };
    let (ingress, admin) = parts.assemble();
    let connections_max = connections_for(config.connections_max);
    let port = |name| Port {
        name,
        connections_max,
        door: door.clone(),
        // Longer than the partitions are given, so that those who wait can be told.
        drain_limit: config.shutdown_grace + FAREWELL,
        dated: true,
    };
    let (stop, stopping) = watch::channel(());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(ingress::serve(
        ingress_listener,
        port("ingress"),
        Arc::new(ingress),
        gone(stopping.clone()),
    ));
    tasks.spawn(admin::serve(
        admin_listener,
        port("admin API"),
        Arc::new(admin),
        gone(stopping),
    ));
    let watched = (config.data_dir.clone(), config.disk_bytes_min);
    let watch = tokio::spawn(health::watch(node.handle(), health, watched.0, watched.1));
    let reloading = reloading(&access, &door, &trust)?;
    announce(config, &node, &door, &ingress_addr, &admin_addr);
    match exposed_to {
        Open::Nobody => {}
        Open::ThisMachine => tracing::info!(
            "nobody is asked for a token: every program on this machine can do everything"
        ),
        Open::Everybody => {
            tracing::warn!("whoever reaches the server can do everything: insecure_no_auth is set");
        }
    }

    tokio::select! {
        () = node.died() => {
            // The dead partition answers nothing: there is nobody to wait for.
            node.shutdown(Duration::ZERO).await?;
            return Err(RunError::Ended);
        }
        name = stops.next() => {
            let grace = config.shutdown_grace;
            tracing::info!("{name}: no new work is taken, running attempts have {grace:?}");
        }
    }
    drop(stop);
    watch.abort();
    reloading.abort();
    // Ends the streams of those who watch.
    #[cfg(feature = "ui")]
    sampling.abort();
    counting.abort();
    let ended = node.shutdown(config.shutdown_grace).await;
    let farewell = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("some connections were cut");
    }
    drop(stop_spans);
    if let Some(exporting) = exporting
        && tokio::time::timeout(FAREWELL, exporting).await.is_err()
    {
        tracing::warn!("the last spans were not sent: the collector does not answer");
    }
    ended?;
    tracing::info!("stopped; what was accepted goes on when the server is started again");
    Ok(())
}

/// What decides on spans, and the task that sends them, if they are to be sent anywhere.
fn tracer(
    config: &Config,
    sent: &Arc<Sent>,
    clock: Arc<dyn Clock>,
    stopping: watch::Receiver<()>,
) -> (Tracer, Option<JoinHandle<()>>) {
    match Target::of(config, |name| std::env::var(name).ok()) {
        Ok(None) => (Tracer::off(), None),
        Ok(Some(target)) => {
            let sampling = target.sampling;
            tracing::info!(url = %target.url, "spans are sent to a collector");
            let (exporter, task) = Exporter::start(target, sent.clone(), clock, stopping);
            (Tracer::new(Arc::new(exporter), sampling), Some(task))
        }
        // These variables are for all programs of a machine: what one of them says wrong keeps
        // no work from being done.
        Err(reason) => {
            tracing::warn!("nothing is traced: {reason}");
            (Tracer::off(), None)
        }
    }
}

fn open(
    config: &Config,
    dev: &Dev,
    transport: Arc<HttpTransport>,
    clock: Arc<dyn Clock>,
    tracer: Tracer,
) -> Result<Node, OpenError> {
    let tracer = match &dev.steps {
        Some(sink) => tracer.watched_by(Arc::new(Steps::new(sink.clone(), clock.clone()))),
        None => tracer,
    };
    let transport: Arc<dyn Transport> = match dev.faults {
        Some(seed) => Arc::new(Faults::new(transport, seed)),
        None => transport,
    };
    let options = NodeOptions {
        directory: config.data_dir.clone(),
        partitions: config.partitions.unwrap_or(0),
        cache_bytes: config.cache_bytes,
        limits: NodeLimits {
            attempts_max: config.attempts_max,
            attempts_bytes_max: config.attempts_bytes_max,
            invocation_bytes_max: config.invocation_bytes_max,
            metered_handlers_max: (config.metrics_series_max / SERIES_OF_A_HANDLER).max(1),
            inactivity_max: dev.inactivity_max(),
        },
    };
    let rim = tokio::runtime::Handle::current();
    // Recovery may take a while, and nothing else is to be done before it ends.
    tokio::task::block_in_place(|| Node::open(&options, transport, clock, tracer, &rim))
}

fn signer(path: &PathBuf) -> Result<Signer, RunError> {
    let refused = |reason: String| RunError::IdentityKey {
        path: path.clone(),
        reason,
    };
    let pem = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let signer = Signer::from_pem(&pem).map_err(|error| refused(error.to_string()))?;
    tracing::info!(public_key = %signer.public_key(), "requests to endpoints are signed");
    Ok(signer)
}

async fn listen(
    what: &'static str,
    address: &str,
    flag: &'static str,
) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen {
            what,
            address: address.to_owned(),
            flag,
            source,
        })
}

/// Who can use the server without a token, if that is as the operator wants it.
fn exposure(config: &Config, ingress: &TcpListener, admin: &TcpListener) -> Result<Open, RunError> {
    let at = |listener: &TcpListener| {
        listener.local_addr().map_err(|source| RunError::System {
            what: "tell where it listens",
            source,
        })
    };
    Ok(open_to_whom(config, at(ingress)?, at(admin)?)?)
}

/// The task that reads tokens and certificates again.
fn reloading(
    access: &Arc<Access>,
    door: &Door,
    trust: &Arc<Trust>,
) -> Result<JoinHandle<()>, RunError> {
    let hangup = signal(SignalKind::hangup()).map_err(|source| RunError::System {
        what: "listen for signals",
        source,
    })?;
    let (tokens, door, trust) = (access.clone(), door.clone(), trust.clone());
    let all = vec![
        Reload {
            files: access.file().map(ToOwned::to_owned).into_iter().collect(),
            read: Box::new(move || tokens.reload()),
        },
        Reload {
            files: door.files(),
            read: Box::new(move || door.reload()),
        },
        Reload {
            files: trust.files(),
            read: Box::new(move || trust.reload()),
        },
    ];
    Ok(tokio::spawn(reload::watch(hangup, all)))
}

fn scheme(door: &Door) -> &'static str {
    if door.is_tls() { "https://" } else { "http://" }
}

/// Where a listener listens: the port may have been left to the system.
fn address(listener: &TcpListener, asked: &str) -> String {
    listener
        .local_addr()
        .map_or_else(|_| asked.to_owned(), |address| address.to_string())
}

/// An address that a client on this machine can use.
fn reachable(address: &str) -> String {
    address
        .replace("0.0.0.0:", "127.0.0.1:")
        .replace("[::]:", "[::1]:")
}

/// Ends when the other half is dropped.
async fn gone(mut stopping: watch::Receiver<()>) {
    while stopping.changed().await.is_ok() {}
}

fn announce(config: &Config, node: &Node, door: &Door, ingress: &str, admin: &str) {
    let scheme = scheme(door);
    let recovery = node.recovery();
    if recovery.replayed > 0 {
        tracing::info!(
            records = recovery.replayed,
            "recovered: records were applied again"
        );
    }
    for cut in &recovery.cut {
        tracing::warn!("recovered: {cut}");
    }
    let directory =
        std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    let ui = if cfg!(feature = "ui") {
        format!("web UI at {scheme}{}/ui/\n", reachable(admin))
    } else {
        String::new()
    };
    let lines = format!(
        "latchwork {} takes calls at {scheme}{}\nadmin API at {scheme}{}\n{}data in {}\n",
        env!("CARGO_PKG_VERSION"),
        reachable(ingress),
        reachable(admin),
        ui,
        directory.display(),
    );
    // Whoever started us may not read what we print.
    let mut stdout = io::stdout().lock();
    drop(
        stdout
            .write_all(lines.as_bytes())
            .and_then(|()| stdout.flush()),
    );
}

/// The signals that end the server.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> Result<Self, RunError> {
        let listen = |kind| {
            signal(kind).map_err(|source| RunError::System {
                what: "listen for signals",
                source,
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them; returns its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
