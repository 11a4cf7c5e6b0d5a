//! The server's side: what connections are taken with.

use super::socket::Secure;
use super::{Shown, Socket, TlsError, pem};
use crate::config::Config;
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

/// Both ports take connections through it.
#[derive(Clone)]
pub(crate) struct Door(Option<Arc<Guarded>>);

struct Guarded {
    files: Files,
    config: ArcSwap<ServerConfig>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Door").field(&self.files()).finish()
    }
}

/// Where the certificates are.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl Door {
    /// As the settings say: in TLS if a certificate is named.
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        let (certificate, key) = match (&config.tls_cert_file, &config.tls_key_file) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) if config.tls_client_ca_file.is_none() => return Ok(Self(None)),
            _ => {
                return Err(TlsError(
                    "tls_cert_file and tls_key_file go together, and tls_client_ca_file needs both"
                        .into(),
                ));
            }
        };
        let files = Files {
            certificate,
            key,
            client_ca: config.tls_client_ca_file.clone(),
        };
        let config = ArcSwap::from_pointee(files.read()?);
        Ok(Self(Some(Arc::new(Guarded { files, config }))))
    }

    /// Takes connections as they are.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Whether connections are in TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.0.is_some()
    }

    /// What it was made of.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = self.0.iter().map(|guarded| &guarded.files);
        let all = files.flat_map(|files| {
            [
                Some(&files.certificate),
                Some(&files.key),
                files.client_ca.as_ref(),
            ]
        });
        all.flatten().cloned().collect()
    }

    /// Reads the files again. What is of no use changes nothing, and is told of.
    pub(crate) fn reload(&self) {
        let Some(guarded) = &self.0 else { return };
        match guarded.files.read() {
            Ok(config) => {
                tracing::info!("the certificates of the server were read again");
                guarded.config.store(Arc::new(config));
            }
            Err(error) => tracing::error!("the certificates stay as they were: {error}"),
        }
    }

    /// A connection that was taken, to be spoken on; what its client shows is put into `shown`.
    pub(crate) fn open<I: AsyncRead + AsyncWrite + Unpin>(&self, io: I, shown: Shown) -> Socket<I> {
        match &self.0 {
            None => Socket::Plain(io),
            Some(guarded) => {
                let acceptor = TlsAcceptor::from(guarded.config.load_full());
                Socket::Secure(Box::new(Secure::new(acceptor.accept(io), shown)))
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let refused = |error: &dyn std::fmt::Display| TlsError(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(pem::roots(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.build().map_err(|error| refused(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certificates = pem::certificates(&self.certificate)?;
        let mut config = builder
            .with_single_cert(certificates, pem::key(&self.key)?)
            .map_err(|error| {
                let (certificate, key) = (self.certificate.display(), self.key.display());
                TlsError(format!("{certificate} with {key}: {error}"))
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
