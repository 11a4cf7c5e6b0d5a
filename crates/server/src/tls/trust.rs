//! The side of a client: whom the server trusts to be a deployment, and what it shows to them.

use super::{TlsError, pem};
use crate::config::Config;
use arc_swap::ArcSwapOption;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What deployments are dialed with.
#[derive(Default)]
pub(crate) struct Trust {
    ca: Option<PathBuf>,
    /// Certificate and key that are shown to deployments.
    identity: Option<(PathBuf, PathBuf)>,
    /// Made when it is first wanted: reading the system's certificates takes a while.
    config: ArcSwapOption<ClientConfig>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// As the settings say: those whom the system trusts, and those of `deployment_ca_file`.
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        let identity = match (&config.deployment_cert_file, &config.deployment_key_file) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => {
                return Err(TlsError(
                    "deployment_cert_file and deployment_key_file go together".into(),
                ));
            }
        };
        let trust = Self {
            ca: config.deployment_ca_file.clone(),
            identity,
            config: ArcSwapOption::empty(),
        };
        // What is named must be of use; what the system has may be missing until it is needed.
        if !trust.files().is_empty() {
            trust.config.store(Some(Arc::new(trust.read()?)));
        }
        Ok(trust)
    }

    /// What it was made of.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|(one, two)| [one, two]);
        self.ca.iter().chain(identity).cloned().collect()
    }

    /// Reads the files again. What is of no use changes nothing, and is told of.
    pub(crate) fn reload(&self) {
        match self.read() {
            Ok(config) => {
                tracing::info!("the certificates for deployments were read again");
                self.config.store(Some(Arc::new(config)));
            }
            Err(error) => tracing::error!("the certificates for deployments stay: {error}"),
        }
    }

    /// What a connection is made with.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.load_full() {
            return Ok(config);
        }
        let config = Arc::new(self.read()?);
        self.config.store(Some(config.clone()));
        Ok(config)
    }

    fn read(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = match &self.ca {
            Some(path) => pem::roots(path)?,
            None => RootCertStore::empty(),
        };
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError(
                "the system has no trusted certificates; install its package of CA certificates, \
                 or name a file in SSL_CERT_FILE or deployment_ca_file"
                    .into(),
            ));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(error.to_string()))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => builder
                .with_client_auth_cert(pem::certificates(certificate)?, pem::key(key)?)
                .map_err(|error| TlsError(format!("{}: {error}", certificate.display()))),
        }
    }
}
