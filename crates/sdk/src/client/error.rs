//! What can go wrong between a caller and a server.

use std::path::PathBuf;

use crate::error::Failure;
use crate::payload::PayloadError;

/// Why there is no client with such settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A text is no address of a server.
    #[error(
        "{address:?} is no address of a server: write it as http://host:port or https://host:port"
    )]
    Address {
        /// The text.
        address: String,
    },
    /// The crate was built without what `https://` needs.
    #[error("this program speaks no https://: build it with the feature `tls` of latchwork-sdk")]
    WithoutTls,
    /// The token cannot be a header.
    #[error(
        "the token cannot be sent: it has a line break, or another character that tokens do not have. Give it as \
         `latchwork token create` printed it."
    )]
    Token,
    /// A file of certificates, or of a key, cannot be used.
    #[error("{path}: {reason}; a PEM file is expected", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nobody to trust.
    #[error(
        "the system has no trusted certificates; install its package of CA certificates, or name a file with \
         `ca_file`, or in SSL_CERT_FILE"
    )]
    NoAuthorities,
    /// TLS itself refuses.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The invocation ended with a failure.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The server did not take the request.
    #[error("the server at {base} refused {request}: {message} (status {status})")]
    Refused {
        /// The address.
        base: String,
        /// Verb and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// No connection could be made: the server knows nothing of the request.
    #[error("the server at {base} cannot be reached for {request}: {reason}")]
    Unreachable {
        /// The address.
        base: String,
        /// Verb and path.
        request: String,
        /// What kept the connection from being made.
        reason: String,
    },
    /// The connection broke before there was an answer. What the server had accepted goes on.
    #[error(
        "the server at {base} did not answer {request}: {reason}. What it had accepted goes on; ask \
         again with the same idempotency key to get its result."
    )]
    Unanswered {
        /// The address.
        base: String,
        /// Verb and path.
        request: String,
        /// What the connection said.
        reason: String,
    },
    /// The server answered something that is not of its API.
    #[error("the server at {base} gave an answer to {request} that cannot be read: {reason}")]
    Unreadable {
        /// The address.
        base: String,
        /// Verb and path.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value could not become bytes, or bytes not a value.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Cancelling goes through the admin API, and the client has no address of it.
    #[error("the client has no address of the admin API; give one with Client::with_admin")]
    NoAdmin,
}

impl ClientError {
    /// The failure that the invocation ended with, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failure(failure) => Some(failure),
            _ => None,
        }
    }
}
