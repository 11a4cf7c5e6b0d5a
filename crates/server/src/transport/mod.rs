//! HTTP to deployments: the runtime's [`Transport`], and discovery.
//!
//! ```text
//!   OpenRequest ──▶ address (uri, cached) ──▶ pool (one per authority) ──▶ h2 stream | h1 exchange
//!                                               └─ dial: name ──▶ reach ──▶ network, TLS
//! ```
//!
//! Comes in: what to ask a deployment for. Goes out: both directions of one request, as they
//! arise. Start at [`HttpTransport`]. Absent on purpose: retries, timeouts of an attempt, and
//! what the bytes mean; those are the runtime's.

mod address;
mod dial;
mod discovery;
mod h1;
mod h2;
mod network;
mod pool;
mod post;
mod range;
mod reach;
#[cfg(feature = "tls")]
mod secure;

pub use discovery::{Discovered, DiscoveryError};
pub use network::{Io, Network};
pub use range::{Range, Ranges};
pub use reach::Reach;

use crate::tls::Trust;
use address::Address;
use dial::Means;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use latchwork_protocol::service::identity::{SCHEME, SCHEME_HEADER, Signer, TOKEN_HEADER};
use latchwork_runtime::Clock;
use latchwork_runtime::transport::{BoxFuture, OpenRequest, Stream, Transport, TransportError};
use pool::Pool;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Opens streams to deployments over HTTP/2, or HTTP/1.1 where they were registered so.
/// Connections are kept until the other side closes them.
pub struct HttpTransport {
    places: RwLock<Places>,
    means: Means,
    identity: Identity,
}

/// What is known of the addresses that were spoken to.
#[derive(Default)]
struct Places {
    /// By the address as it was registered; those over HTTP/1.1 apart.
    by_uri: [HashMap<String, Arc<Place>>; 2],
    /// By scheme and authority: deployments behind one address share its connections.
    pools: HashMap<String, Arc<Pool>>,
}

/// One address, with the connections to it.
struct Place {
    address: Address,
    pool: Arc<Pool>,
}

/// Signs requests, where the operator gave a key.
struct Identity {
    signer: Option<Signer>,
    clock: Arc<dyn Clock>,
}

impl HttpTransport {
    /// With the key that requests are signed with, if there is one; the clock dates signatures.
    pub fn new(signer: Option<Signer>, clock: Arc<dyn Clock>) -> Self {
        Self {
            places: RwLock::default(),
            means: Means::default(),
            identity: Identity { signer, clock },
        }
    }

    /// The same, with other addresses that may be dialled than those that are by default.
    pub fn within(mut self, reach: Reach) -> Self {
        self.means.reach = Arc::new(reach);
        self
    }

    /// The same, in another network than that of this machine.
    pub fn through(mut self, network: Arc<dyn Network>) -> Self {
        self.means.network = network;
        self
    }

    /// The same, with those who are trusted to be deployments; without, it is those whom the
    /// system trusts.
    pub(crate) fn trusting(mut self, trust: Arc<Trust>) -> Self {
        self.means.trust = trust;
        self
    }

    fn place(&self, uri: &str, http1: bool) -> Result<Arc<Place>, TransportError> {
        // A map stays whole whatever panics beside it.
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.by_uri[usize::from(http1)].get(uri) {
            return Ok(place.clone());
        }
        drop(places);
        let address = Address::parse(uri)?;
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let pool = places
            .pools
            .entry(address.origin().to_owned())
            .or_insert_with(|| Arc::new(Pool::new(&address, self.means.clone())))
            .clone();
        let place = Arc::new(Place { address, pool });
        places.by_uri[usize::from(http1)].insert(uri.to_owned(), place.clone());
        Ok(place)
    }
}

impl Transport for HttpTransport {
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        let OpenRequest {
            deployment,
            path,
            mut headers,
        } = request;
        let prepared = self
            .place(&deployment.uri, deployment.http1)
            .and_then(|place| {
                add(&mut headers, &deployment.additional_headers, &place.address)?;
                self.identity.sign(&mut headers, &path);
                let request = place.request(Method::POST, &path, headers)?;
                Ok((place, request))
            });
        Box::pin(async move {
            let (place, request) = prepared?;
            place.pool.open(request, deployment.http1, false).await
        })
    }
}

impl Place {
    fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Request<()>, TransportError> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = self.address.uri(path)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

impl Identity {
    /// The path is the one below the address: a proxy may strip or add a prefix.
    fn sign(&self, headers: &mut HeaderMap, path: &str) {
        let Some(signer) = &self.signer else {
            return;
        };
        let token = signer.token(path, self.clock.wall_ms() / 1_000);
        // A token is base64 and dots, so it is always a header value.
        if let Ok(token) = HeaderValue::from_maybe_shared(bytes::Bytes::from(token)) {
            headers.insert(SCHEME_HEADER, HeaderValue::from_static(SCHEME));
            headers.insert(TOKEN_HEADER, token);
        }
    }
}

/// Adds the headers that an operator configured; they win.
fn add(
    headers: &mut HeaderMap,
    additional: &BTreeMap<String, String>,
    address: &Address,
) -> Result<(), TransportError> {
    for (name, value) in additional {
        let pair = HeaderName::try_from(name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        let (name, value) = pair.ok_or_else(|| TransportError::Unsupported {
            address: address.text().to_owned(),
            reason: format!(
                "the additional header {name:?} of the deployment is no valid HTTP header; \
                 register it again without"
            ),
        })?;
        headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
