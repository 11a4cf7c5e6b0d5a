//! One endpoint, watched: it comes, is registered, goes, comes again.
//!
//! ```text
//!   away ──it listens──▶ register ──▶ here, a connection is held ──it breaks──▶ listens it still?
//!    ▲                                   ▲        yes, and offers the same ─────────┤
//!    └───────────────────────────────────┼── no: its process has ended ─────────────┤
//!                      register again ◀──┴── yes, and offers something else ────────┘
//! ```
//!
//! A process that ends breaks its connections at once, whatever it is written in and however it is
//! started again. Servers also break connections that idle: then it listens still, and what it
//! offers is compared.

use super::in_flight::{InFlight, bound_to};
use super::printer::Printer;
use crate::admin::Admin;
use crate::cmd::deployments;
use crate::exit::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use ureq::http::{Method, Uri};

/// How often an endpoint that is away is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How often a registration that failed is tried again: what listens may not be ready yet.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// An endpoint, and what is done when its code is replaced.
pub(super) struct Endpoint {
    uri: String,
    /// Host and port to connect to.
    host: String,
    port: u16,
    http1: bool,
    in_flight: InFlight,
}

/// What an endpoint offers, as it is registered.
#[derive(Debug, Clone, Deserialize)]
struct Offer {
    id: String,
    services: Vec<Value>,
}

/// What has become of a registered endpoint.
enum Seen {
    /// Its process has ended.
    Gone,
    /// It offers something else.
    Changed,
}

impl Endpoint {
    pub(super) fn new(text: &str, http1: bool, in_flight: InFlight) -> Result<Self, Failure> {
        let uri = deployments::endpoint(text);
        let wrong = || {
            Failure::Usage(format!(
                "{text:?} is no address of an endpoint: give a port, host:port or a URL such as \
                 http://localhost:9080"
            ))
        };
        let parsed: Uri = uri.parse().map_err(|_| wrong())?;
        let host = parsed.host().ok_or_else(wrong)?;
        let usual = if parsed.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: parsed.port_u16().unwrap_or(usual),
            uri,
            http1,
            in_flight,
        })
    }

    /// Watches it for as long as this process lives.
    pub(super) fn watch(&self, admin: &Admin, printer: &Printer) {
        let mut registered: Option<Offer> = None;
        let mut is_awaited = false;
        loop {
            let connection = match self.connect() {
                Some(connection) => connection,
                None => {
                    if !is_awaited {
                        printer.note(&format!("waiting for handlers at {}", self.uri));
                        is_awaited = true;
                    }
                    std::thread::sleep(LOOK_EVERY);
                    continue;
                }
            };
            let offer = self.register(admin, printer);
            is_awaited = false;
            printer.note(&described(&self.uri, &offer, registered.is_some()));
            if let Some(old) = &registered {
                self.settle(admin, printer, &old.id);
            }
            match self.hold(admin, connection, &offer) {
                Seen::Changed => {}
                Seen::Gone => {
                    printer.note(&format!("{} has stopped", self.uri));
                    is_awaited = true;
                    if self.in_flight.holds() {
                        self.pause(admin, printer, &offer.id);
                    }
                }
            }
            registered = Some(offer);
        }
    }

    /// A connection, if anybody listens.
    fn connect(&self) -> Option<TcpStream> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs().ok()?;
        addresses
            .into_iter()
            .find_map(|address| TcpStream::connect_timeout(&address, CONNECT_LIMIT).ok())
    }

    /// Registers what it offers, as often as it takes.
    fn register(&self, admin: &Admin, printer: &Printer) -> Offer {
        let mut told = String::new();
        loop {
            match self.discover(admin, false) {
                Ok(offer) => return offer,
                Err(error) => {
                    let error = error.to_string();
                    // Said once, not each time.
                    if error != told {
                        printer.trouble(&format!("cannot register {}: {error}", self.uri));
                        told = error;
                    }
                    std::thread::sleep(RETRY_EVERY);
                }
            }
        }
    }

    fn discover(&self, admin: &Admin, dry_run: bool) -> Result<Offer, Failure> {
        let mut body = json!({"uri": self.uri, "force": true, "dry_run": dry_run});
        if self.http1 {
            body["use_http_11"] = true.into();
        }
        Ok(admin
            .tell(Method::POST, "/deployments", Some(&body))?
            .json()?)
    }

    /// Holds a connection until the endpoint is another than it was.
    fn hold(&self, admin: &Admin, mut connection: TcpStream, offer: &Offer) -> Seen {
        loop {
            // Nothing is asked, so nothing comes but the greeting of some, and the end.
            let mut ignored = [0; 1024];
            while connection.read(&mut ignored).is_ok_and(|read| read > 0) {}
            match self.connect() {
                Some(next) => connection = next,
                None => return Seen::Gone,
            }
            match self.discover(admin, true) {
                Ok(now) if shape(&now) == shape(offer) => {}
                Ok(_) => return Seen::Changed,
                // It listens and does not answer: it is just coming, or just going.
                Err(_) => return Seen::Gone,
            }
        }
    }

    fn pause(&self, admin: &Admin, printer: &Printer, deployment: &str) {
        match bound_to(admin, deployment) {
            Ok(ids) => {
                InFlight::Pause.settle(admin, &ids);
            }
            Err(error) => printer.trouble(&format!("what is in flight cannot be found: {error}")),
        }
    }

    /// Decides on what is in flight on the code that was replaced.
    fn settle(&self, admin: &Admin, printer: &Printer, deployment: &str) {
        let ids = match bound_to(admin, deployment) {
            Ok(ids) if ids.is_empty() => return,
            Ok(ids) => ids,
            Err(error) => {
                printer.trouble(&format!("what is in flight cannot be found: {error}"));
                return;
            }
        };
        let choice = self.in_flight.chosen(ids.len());
        let settled = choice.settle(admin, &ids);
        if settled.done > 0 {
            printer.note(&format!("in flight: {} {}", settled.done, choice.done()));
        }
        for refusal in settled.refused {
            printer.trouble(&refusal);
        }
    }
}

/// What two registrations are compared by: services and handlers, without the number of the
/// revision.
fn shape(offer: &Offer) -> Vec<Value> {
    let mut services = offer.services.clone();
    for service in &mut services {
        if let Value::Object(members) = service {
            members.remove("revision");
            members.remove("deployment_id");
        }
    }
    services
}

/// `http://… offers Greeter (greet, wave) and Ledger (add)`.
fn described(uri: &str, offer: &Offer, again: bool) -> String {
    let services: Vec<_> = offer.services.iter().map(service).collect();
    let verb = if again { "is back with" } else { "offers" };
    match services.is_empty() {
        true => format!("{uri} {verb} nothing"),
        false => format!("{uri} {verb} {}", services.join(", ")),
    }
}

fn service(service: &Value) -> String {
    let name = service["name"].as_str().unwrap_or_default();
    let handlers = service["handlers"].as_array().into_iter().flatten();
    let names: Vec<_> = handlers
        .filter_map(|handler| handler["name"].as_str())
        .collect();
    format!("{name} ({})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_do_not_make_another_offer() {
        let offer = |revision: u32, handler: &str| Offer {
            id: "dp_1".to_owned(),
            services: vec![json!({
                "name": "S", "revision": revision, "handlers": [{"name": handler}],
            })],
        };
        assert_eq!(shape(&offer(1, "a")), shape(&offer(2, "a")));
        assert_ne!(shape(&offer(1, "a")), shape(&offer(1, "b")));
        assert_eq!(
            described("http://x", &offer(1, "a"), false),
            "http://x offers S (a)"
        );
    }

    #[test]
    fn an_address_is_a_port_a_host_or_a_url() {
        let place = |text| {
            let endpoint = Endpoint::new(text, false, InFlight::Finish).expect("an address");
            (endpoint.host, endpoint.port)
        };
        assert_eq!(place("9080"), ("localhost".to_owned(), 9080));
        assert_eq!(place("https://box/x"), ("box".to_owned(), 443));
        assert_eq!(place("http://[::1]:9"), ("::1".to_owned(), 9));
        assert!(Endpoint::new("http://", false, InFlight::Finish).is_err());
    }
}
