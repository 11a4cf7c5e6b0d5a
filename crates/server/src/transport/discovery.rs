//! Discovery: an address in, what the endpoint there offers out.

use super::address::Address;
use super::h2::advise;
use super::pool::Pool;
use super::{HttpTransport, Place, add};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use latchwork_protocol::service::manifest::{self, Manifest, ManifestError};
use latchwork_runtime::transport::{ReceiveBody, TransportError};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "/discover";
/// No manifest is larger.
const BODY_BYTES_MAX: usize = 8 << 20;
/// So much of an unexpected answer is quoted.
const QUOTED_BYTES_MAX: usize = 200;

/// What an endpoint said of itself.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// What it offers; read, not yet checked.
    pub manifest: Manifest,
    /// What its SDK calls itself, if it does.
    pub sdk_version: Option<String>,
    /// It was spoken to in HTTP/1.1: as asked, or because TLS led to it.
    pub http1: bool,
}

/// Why an endpoint could not be discovered.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It cannot be reached, or not be spoken to.
    #[error("discovery failed: {0}")]
    Transport(#[from] TransportError),
    /// It answered with something else than a manifest.
    #[error("{address} answered discovery with status {status}, {}. {}", quote(body), status_advice(*status))]
    Status {
        /// The address as given.
        address: String,
        /// What it answered.
        status: StatusCode,
        /// The beginning of the answer's body.
        body: Bytes,
    },
    /// The answer is too long.
    #[error(
        "the manifest of {address} is larger than 8 MiB. Check that the address is that of an SDK \
         endpoint, base path included"
    )]
    TooLarge {
        /// The address as given.
        address: String,
    },
    /// The answer did not come in time.
    #[error(
        "{address} did not answer discovery within {limit:?}. Check that the address is that of \
         an SDK endpoint, and that it is not overloaded"
    )]
    Silent {
        /// The address as given.
        address: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The answer is no manifest that can be read.
    #[error("discovery of {address} failed: {source}")]
    Manifest {
        /// The address as given.
        address: String,
        /// Why it cannot be read.
        source: ManifestError,
    },
}

impl DiscoveryError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Manifest { source, .. } => source.code().unwrap_or("META0003"),
            Self::Transport(TransportError::Untrusted { .. }) => "LW0004",
            _ => "META0003",
        }
    }
}

impl HttpTransport {
    /// Asks the endpoint at `uri` what it offers, on a connection of its own. Redirects are
    /// not followed: what is registered is the address that answers.
    ///
    /// # Errors
    /// If there is no manifest within `limit`; the text says what there was instead.
    pub async fn discover(
        &self,
        uri: &str,
        http1: bool,
        additional_headers: &BTreeMap<String, String>,
        limit: Duration,
    ) -> Result<Discovered, DiscoveryError> {
        let address = Address::parse(uri)?;
        let pool = Arc::new(Pool::new(&address, self.means.clone()));
        let place = Place { address, pool };
        let asked = self.ask(&place, http1, additional_headers);
        tokio::time::timeout(limit, asked)
            .await
            .unwrap_or_else(|_| {
                Err(DiscoveryError::Silent {
                    address: uri.to_owned(),
                    limit,
                })
            })
    }

    async fn ask(
        &self,
        place: &Place,
        http1: bool,
        additional_headers: &BTreeMap<String, String>,
    ) -> Result<Discovered, DiscoveryError> {
        let address = || place.address.text().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(manifest::ACCEPT));
        add(&mut headers, additional_headers, &place.address)?;
        self.identity.sign(&mut headers, PATH);
        let request = place.request(Method::GET, PATH, headers)?;
        let mut stream = place.pool.open(request, http1, true).await?;
        let receive = &mut *stream.receive;
        let head = poll_fn(|cx| receive.poll_head(cx))
            .await
            .map_err(|error| headless(error, place, http1))?;
        if head.status != StatusCode::OK {
            return Err(DiscoveryError::Status {
                address: address(),
                status: head.status,
                body: beginning(receive).await,
            });
        }
        let text = |name: &str| {
            let value = head.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let body = whole(receive)
            .await?
            .ok_or_else(|| DiscoveryError::TooLarge { address: address() })?;
        let content_type = text("content-type").unwrap_or_default();
        let manifest =
            manifest::parse(&content_type, &body).map_err(|source| DiscoveryError::Manifest {
                address: address(),
                source,
            })?;
        Ok(Discovered {
            manifest,
            sdk_version: text("x-restate-server"),
            http1: http1 || place.pool.is_http1_only(),
        })
    }
}

/// A clear-text connection that ends before any answer may be one of HTTP/1.1.
fn headless(error: TransportError, place: &Place, http1: bool) -> TransportError {
    match error {
        TransportError::Broken { address, reason }
            if !http1 && place.pool.is_clear_text() && !reason.contains("use_http_11") =>
        {
            TransportError::Broken {
                address,
                reason: advise(&reason),
            }
        }
        other => other,
    }
}

/// The body; nothing if it is larger than a manifest can be.
async fn whole(receive: &mut dyn ReceiveBody) -> Result<Option<Bytes>, TransportError> {
    let mut body = BytesMut::new();
    while let Some(data) = poll_fn(|cx| receive.poll_data(cx)).await {
        let data = data?;
        if body.len() + data.len() > BODY_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&data);
    }
    Ok(Some(body.freeze()))
}

/// The beginning of a body, as far as it comes.
async fn beginning(receive: &mut dyn ReceiveBody) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < QUOTED_BYTES_MAX
        && let Some(Ok(data)) = poll_fn(|cx| receive.poll_data(cx)).await
    {
        body.extend_from_slice(&data);
    }
    body.truncate(QUOTED_BYTES_MAX);
    body.freeze()
}

fn quote(body: &Bytes) -> String {
    if body.is_empty() {
        return "without a body".to_owned();
    }
    format!("body {:?}", String::from_utf8_lossy(body))
}

fn status_advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "Does the endpoint ask for a signature, or a proxy for credentials?",
        300..=399 => "Redirects are not followed: register the address that it leads to",
        502..=504 => "A proxy on the way cannot reach the endpoint: is it running?",
        _ => "Check that the address is that of an SDK endpoint, base path included",
    }
}
