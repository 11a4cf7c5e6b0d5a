//! The network: who listens where, who is cut off from whom, and what each connection goes
//! through.

use super::faults::Rates;
use super::wire::{End, Then, Weather, Wire};
use crate::ring::faults::Fates;
use latchwork_runtime::transport::BoxFuture;
use latchwork_server::Listener;
use latchwork_server::transport::{Io, Network};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// What hosts know each other by.
pub(super) const HOSTS: [(&str, IpAddr); 3] = [
    ("server", IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1))),
    ("endpoint", IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2))),
    ("clients", IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3))),
];
pub(super) const SERVER: IpAddr = HOSTS[0].1;
pub(super) const ENDPOINT: IpAddr = HOSTS[1].1;
pub(super) const CLIENTS: IpAddr = HOSTS[2].1;

fn name(host: IpAddr) -> &'static str {
    let found = HOSTS.iter().find(|(_, address)| *address == host);
    found.map_or("nobody", |(name, _)| name)
}

/// What all connections of a world go through.
#[derive(Debug)]
pub(super) struct Fabric {
    fates: Arc<Fates>,
    rates: Rates,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    listening: BTreeMap<SocketAddr, UnboundedSender<End>>,
    wires: Vec<Weak<Wire>>,
    /// Who cannot reach whom, until when.
    split: Option<([IpAddr; 2], Instant)>,
    /// Connections that were made.
    made: u64,
}

impl Fabric {
    pub(super) fn new(fates: &Arc<Fates>, rates: Rates) -> Arc<Self> {
        Arc::new(Self {
            fates: fates.clone(),
            rates,
            inner: Mutex::default(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("one thread")
    }

    /// Connections that were made so far.
    pub(super) fn made(&self) -> u64 {
        self.inner().made
    }

    /// Takes connections at an address, in place of whoever did before.
    pub(super) fn listen(&self, address: SocketAddr) -> Ear {
        let (sender, taken) = unbounded_channel();
        self.inner().listening.insert(address, sender);
        Ear(taken)
    }

    /// A connection from a host to an address.
    ///
    /// # Errors
    /// If nobody listens there.
    pub(super) async fn connect(&self, from: IpAddr, to: SocketAddr) -> io::Result<End> {
        let weather = self.weather(from, to);
        let split = self.inner().split;
        if let Some((hosts, until)) = split
            && hosts.contains(&from)
            && hosts.contains(&to.ip())
        {
            // What knocks is sent again until it gets through.
            tokio::time::sleep_until(until).await;
        }
        tokio::time::sleep(Duration::from_millis(weather.latency_ms)).await;
        let mut inner = self.inner();
        let Some(ear) = inner.listening.get(&to).cloned() else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (wire, dialled, taken) = Wire::connect([from, to.ip()], weather);
        if ear.send(taken).is_err() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        inner.made += 1;
        inner.wires.retain(|wire| wire.strong_count() > 0);
        inner.wires.push(Arc::downgrade(&wire));
        Ok(dialled)
    }

    fn weather(&self, from: IpAddr, to: SocketAddr) -> Weather {
        let fates = &self.fates;
        let mut weather = Weather {
            latency_ms: fates.below(4),
            piece: usize::MAX,
            window: 64 << 10,
            after: None,
            then: Then::Cut,
        };
        if !fates.strikes(|_| self.rates.connection) {
            return weather;
        }
        match fates.below(8) {
            0 => weather.latency_ms = 200 + fates.below(3_000),
            1 => weather.piece = 1 + fates.below(40) as usize,
            2 => weather.window = 1 + fates.below(200) as usize,
            cuts => {
                // An attempt's first frames, or many attempts.
                let reach = [150, 600, 4_000, 20_000][fates.below(4) as usize];
                weather.after = Some(fates.below(reach));
                if cuts == 3 {
                    weather.then = Then::Silence;
                }
            }
        }
        let (from, to) = (name(from), name(to.ip()));
        fates.say(format_args!("{from} to {to}: {weather:?}"));
        weather
    }

    /// Two hosts cannot reach each other for a while.
    pub(super) fn split(&self, hosts: [IpAddr; 2], lasts: Duration) {
        let (one, other) = (name(hosts[0]), name(hosts[1]));
        self.fates
            .say(format_args!("{one} and {other} are apart for {lasts:?}"));
        let until = Instant::now() + lasts;
        let mut inner = self.inner();
        inner.split = Some((hosts, until));
        for wire in inner.wires.iter().filter_map(Weak::upgrade) {
            if hosts.iter().all(|host| wire.hosts.contains(host)) {
                wire.hold(until);
            }
        }
    }

    /// A host goes down with all its connections. In some cases nobody hears of it.
    pub(super) fn crash(&self, host: IpAddr) {
        let then = match self.fates.strikes(|_| self.rates.connection / 2) {
            true => Then::Silence,
            false => Then::Cut,
        };
        self.fates
            .say(format_args!("{} goes down: {then:?}", name(host)));
        self.inner()
            .listening
            .retain(|address, _| address.ip() != host);
        self.lose_all(host, then);
    }

    /// A host loses all its connections, as when a proxy before it is started anew.
    pub(super) fn lose_all(&self, host: IpAddr, then: Then) {
        let inner = self.inner();
        for wire in inner.wires.iter().filter_map(Weak::upgrade) {
            if wire.hosts.contains(&host) {
                wire.lose(host, then);
            }
        }
    }
}

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Ear(UnboundedReceiver<End>);

impl Listener for Ear {
    type Io = End;

    async fn accept(&mut self) -> io::Result<(End, SocketAddr)> {
        match self.0.recv().await {
            Some(taken) => {
                let from = SocketAddr::new(taken.other(), 0);
                Ok((taken, from))
            }
            // Somebody else listens there.
            None => std::future::pending().await,
        }
    }
}

/// How one run of a host reaches others.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) fabric: Arc<Fabric>,
    pub(super) host: IpAddr,
    /// It has not crashed.
    pub(super) lives: Arc<AtomicBool>,
}

impl Network for Uplink {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let found = HOSTS.iter().find(|(name, _)| *name == host);
        let found = found.map(|(_, address)| vec![SocketAddr::new(*address, port)]);
        Box::pin(std::future::ready(
            found.ok_or_else(|| io::ErrorKind::NotFound.into()),
        ))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Io>>> {
        let (fabric, host, lives) = (self.fabric.clone(), self.host, self.lives.clone());
        Box::pin(async move {
            if !lives.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::NetworkDown.into());
            }
            let end = fabric.connect(host, address).await?;
            Ok(Box::new(end) as Box<dyn Io>)
        })
    }
}
