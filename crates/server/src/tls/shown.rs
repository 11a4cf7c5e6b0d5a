//! What a client has shown of itself in the handshake.

use std::sync::{Arc, OnceLock};

/// Whom the certificate of a client is for. Empty until the handshake is done, and for ever where
/// none is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<OnceLock<String>>);

impl Shown {
    /// The subject as a line of text, if there was a certificate.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// It was shown a certificate for this subject.
    #[cfg(feature = "tls")]
    pub(super) fn set(&self, subject: String) {
        // There is one handshake on a connection.
        drop(self.0.set(subject));
    }
}
