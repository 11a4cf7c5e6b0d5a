//! How a client is set up: addresses, token, certificates, retries.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::Client;
use super::error::SetupError;
use super::http::Http;
use super::remote::Remote;
use super::tls::Tls;
use crate::vm::RetryPolicy;

/// A client that is being set up, made by [`Client::builder`].
#[derive(Debug, Clone)]
#[must_use = "build makes the client"]
pub struct ClientBuilder {
    ingress: String,
    admin: Option<String>,
    token: Option<String>,
    tls: Tls,
    retry: RetryPolicy,
}

impl ClientBuilder {
    pub(super) fn new(ingress: &str) -> Self {
        Self {
            ingress: ingress.to_owned(),
            admin: None,
            token: None,
            tls: Tls::default(),
            retry: RetryPolicy::default()
                .max_delay(Duration::from_secs(2))
                .max_duration(Duration::from_secs(10)),
        }
    }

    /// Sets the address of the server's admin API, which cancelling needs.
    pub fn admin(mut self, address: &str) -> Self {
        self.admin = Some(address.to_owned());
        self
    }

    /// Sets the token that is shown to the server, as `latchwork token create` printed it. Only
    /// TLS keeps it from those who see the traffic.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Trusts the authorities in this PEM file too, beside those that the system trusts.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.ca_file = Some(path.into());
        self
    }

    /// Shows a certificate to the server: PEM files of the certificate, with those that lead to its
    /// authority, and of its key.
    pub fn certificate_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Sets how requests are repeated that come to nothing and can safely be made again:
    ///
    /// - any, when no connection was made or the server says that it has not taken it;
    /// - when a connection broke, or the server stopped: calls with an idempotency key, the run of a workflow (then what
    ///   is awaited is the one run of its key), results, completions of awakeables and
    ///   cancellations.
    ///
    /// Without this: after 100 ms, doubling up to 2 s, for 10 s. [`RetryPolicy::never`] turns it
    /// off.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The client. Nothing is sent yet; whether somebody listens there the first call tells.
    ///
    /// # Errors
    /// When a text is no address, the token has a character that cannot be sent, or a certificate
    /// cannot be used.
    pub fn build(self) -> Result<Client, SetupError> {
        let authorization = self.token.map(|token| {
            let mut value =
                HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| SetupError::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let authorization = authorization.transpose()?;
        let http =
            |address: &str| Http::new(address, &self.tls, authorization.clone(), &self.retry);
        let ingress = http(&self.ingress)?;
        let admin = self.admin.as_deref().map(http).transpose()?;
        Ok(Client {
            door: Arc::new(Remote::new(ingress, admin)),
        })
    }
}
