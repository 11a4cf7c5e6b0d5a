//! A server that was built without TLS: whatever asks for it is refused.

use super::{Shown, Socket, TlsError};
use crate::config::Config;
use std::path::PathBuf;

const MISSING: &str = "this server was built without it; use one with the feature `tls`";

/// Takes connections as they are.
#[derive(Debug, Clone)]
pub(crate) struct Door;

impl Door {
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        let asked = [
            &config.tls_cert_file,
            &config.tls_key_file,
            &config.tls_client_ca_file,
        ];
        match asked.into_iter().any(Option::is_some) {
            true => Err(TlsError(MISSING.into())),
            false => Ok(Self),
        }
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn is_tls(&self) -> bool {
        false
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    pub(crate) fn reload(&self) {}

    pub(crate) fn open<I>(&self, io: I, _: Shown) -> Socket<I> {
        Socket::Plain(io)
    }
}

/// Dials without TLS only.
#[derive(Debug, Default)]
pub(crate) struct Trust;

impl Trust {
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        let asked = [
            &config.deployment_ca_file,
            &config.deployment_cert_file,
            &config.deployment_key_file,
        ];
        match asked.into_iter().any(Option::is_some) {
            true => Err(TlsError(MISSING.into())),
            false => Ok(Self),
        }
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    pub(crate) fn reload(&self) {}
}
