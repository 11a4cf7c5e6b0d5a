//! Whom a client trusts, and what it shows: connections, in TLS where the address says so.

use std::path::PathBuf;
use std::time::Duration;

#[cfg(not(feature = "tls"))]
pub(super) use plain::{Connector, connector};
#[cfg(feature = "tls")]
pub(super) use secure::{Connector, connector};

/// How long one try may take to reach the other side.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Files of certificates.
#[derive(Debug, Clone, Default)]
pub(super) struct Tls {
    /// Authorities that are trusted beside the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// Certificate and key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

fn tcp() -> hyper_util::client::legacy::connect::HttpConnector {
    let mut tcp = hyper_util::client::legacy::connect::HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    tcp
}

#[cfg(not(feature = "tls"))]
mod plain {
    use super::Tls;
    use crate::client::error::SetupError;

    pub(in crate::client) type Connector = hyper_util::client::legacy::connect::HttpConnector;

    pub(in crate::client) fn connector(_tls: &Tls, secure: bool) -> Result<Connector, SetupError> {
        if secure {
            return Err(SetupError::WithoutTls);
        }
        Ok(super::tcp())
    }
}

#[cfg(feature = "tls")]
mod secure {
    use std::path::Path;
    use std::sync::Arc;

    use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
    use hyper_util::client::legacy::connect::HttpConnector;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::{self, PemObject};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore};

    use super::Tls;
    use crate::client::error::SetupError;

    pub(in crate::client) type Connector = HttpsConnector<HttpConnector>;

    pub(in crate::client) fn connector(tls: &Tls, secure: bool) -> Result<Connector, SetupError> {
        // Reading the system's certificates takes a while: not for nothing.
        let roots = if secure {
            roots(tls)?
        } else {
            RootCertStore::empty()
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError::Tls(error.to_string()))?
            .with_root_certificates(roots);
        let config = match &tls.identity {
            Some((certificate, key)) if secure => {
                let private =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| refused(key, &error))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, private)
                    .map_err(|error| refused(certificate, &error))?
            }
            _ => builder.with_no_client_auth(),
        };
        let mut tcp = super::tcp();
        tcp.enforce_http(false);
        Ok(HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp))
    }

    fn roots(tls: &Tls) -> Result<RootCertStore, SetupError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &tls.ca_file {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| refused(path, &error))?;
            }
        }
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(SetupError::NoAuthorities);
        }
        Ok(roots)
    }

    /// The certificates of a file, at least one.
    fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
        let all =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match all {
            Ok(all) if all.is_empty() => Err(refused(path, &pem::Error::NoItemsFound)),
            Ok(all) => Ok(all),
            Err(error) => Err(refused(path, &error)),
        }
    }

    fn refused(path: &Path, reason: &dyn std::fmt::Display) -> SetupError {
        SetupError::Certificate {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
