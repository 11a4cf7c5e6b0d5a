//! What can go wrong between a caller and a server.

use crate::error::Failure;
use crate::payload::PayloadError;

/// Why a text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is no address of a server: {reason}")]
pub struct AddressError {
    pub(super) address: String,
    pub(super) reason: &'static str,
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
    /// The server cannot be reached, or the connection broke. What it had accepted goes on.
    #[error(
        "the server at {base} did not answer {request}: {reason}. What it had accepted goes on; ask \
         again with the same idempotency key to get its result."
    )]
    Unreachable {
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
