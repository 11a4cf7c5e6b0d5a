//! Whom the commands trust over `https://`, and what they show: files in, what `ureq` wants out.

use crate::exit::Failure;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{
    Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem,
};

/// Files with certificates, from flags or the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TlsFiles {
    /// A PEM file with authorities that are trusted for https:// besides those of the system
    /// [default: LATCHWORK_CA_FILE]
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// A PEM file with the certificate to show to a server that asks for one [default:
    /// LATCHWORK_CERT_FILE]
    #[arg(long, value_name = "FILE", global = true)]
    cert_file: Option<PathBuf>,
    /// A PEM file with the key of that certificate [default: LATCHWORK_KEY_FILE]
    #[arg(long, value_name = "FILE", global = true)]
    key_file: Option<PathBuf>,
}

impl TlsFiles {
    /// What connections are made with.
    ///
    /// # Errors
    /// If a file cannot be read or is of no use.
    pub(crate) fn config(&self) -> Result<TlsConfig, Failure> {
        // A root of the system that cannot be read is one less; without any, the handshake says so.
        let system = rustls_native_certs::load_native_certs().certs;
        let system = system.iter().map(|root| Certificate::from_der(root));
        let mut roots: Vec<_> = system.map(|root| root.to_owned()).collect();
        if let Some(path) = or_variable(&self.ca_file, "LATCHWORK_CA_FILE") {
            roots.extend(certificates(&path)?);
        }
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(self.identity()?)
            .build())
    }

    fn identity(&self) -> Result<Option<ClientCert>, Failure> {
        let certificate = or_variable(&self.cert_file, "LATCHWORK_CERT_FILE");
        let key = or_variable(&self.key_file, "LATCHWORK_KEY_FILE");
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let chain = certificates(&certificate)?;
                let pem = read(&key)?;
                let key = PrivateKey::from_pem(&pem).map_err(|error| useless(&key, &error))?;
                Ok(Some(ClientCert::new_with_certs(&chain, key)))
            }
            _ => Err(Failure::Usage(
                "--cert-file and --key-file (LATCHWORK_CERT_FILE and LATCHWORK_KEY_FILE) go \
                 together"
                    .to_owned(),
            )),
        }
    }
}

fn or_variable(flag: &Option<PathBuf>, variable: &str) -> Option<PathBuf> {
    let set = || std::env::var_os(variable).filter(|path| !path.is_empty());
    flag.clone().or_else(|| set().map(PathBuf::from))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::Read {
        path: path.display().to_string(),
        source,
    })
}

fn useless(path: &Path, reason: &impl Display) -> Failure {
    Failure::Usage(format!(
        "cannot use {}: {reason}. PEM is expected",
        path.display()
    ))
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let pem = read(path)?;
    let mut all = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(one) = item.map_err(|error| useless(path, &error))? {
            all.push(one);
        }
    }
    match all.is_empty() {
        true => Err(useless(path, &"no certificate is in it")),
        false => Ok(all),
    }
}

/// What to do about a handshake that failed.
pub(crate) fn advice(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as Wrong, Error};
    match error {
        Error::InvalidCertificate(Wrong::UnknownIssuer) => {
            ": its certificate is by an authority that is not trusted here. Name the authority's \
             file with --ca-file"
        }
        Error::InvalidCertificate(
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. },
        ) => ": its certificate is for other names than the one in the address",
        Error::AlertReceived(_) => {
            ": it refuses us. If it asks for a certificate, show one with --cert-file and --key-file"
        }
        Error::InvalidMessage(_) => ": it does not speak TLS. Is it at http://?",
        _ => "",
    }
}
