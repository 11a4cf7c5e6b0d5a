//! Discovery: a manifest's bytes in, checked services with their rules out.
//!
//! ```text
//!   content type + body ── parse ──▶ Manifest ── validate ──▶ Vec<Service>
//!                                    (as sent)                (as stored and used)
//! ```
//!
//! Start at [`parse`]. Fields unknown to us are skipped, so a newer SDK can be read. Not here:
//! the request that fetches a manifest, and checks against services that are registered already.

mod check;
mod rule;
mod service;
mod wire;

pub use rule::{InputRule, OutputRule};
pub use service::{Handler, HandlerKind, OnMaxAttempts, Service, ServiceKind};
pub use wire::{LambdaCompression, Manifest, ProtocolMode};

/// The media types of all manifest versions that can be read, for the `accept` header.
pub const ACCEPT: &str = "application/vnd.restate.endpointmanifest.v4+json, \
application/vnd.restate.endpointmanifest.v3+json, \
application/vnd.restate.endpointmanifest.v2+json, \
application/vnd.restate.endpointmanifest.v1+json";

/// Why an endpoint cannot be registered with the manifest it gave.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The answer is no manifest, or one of a version we did not offer.
    #[error(
        "the endpoint answered discovery with content type {found:?}, which is none of those \
         offered ({ACCEPT}). Check that the address is that of an SDK endpoint, base path included."
    )]
    ContentType {
        /// The content type of the answer; empty when it had none.
        found: String,
    },
    /// The body is not JSON of the manifest's shape.
    #[error(
        "the endpoint's manifest cannot be read: {0}. Check that the address is that of an SDK endpoint."
    )]
    Json(#[from] serde_json::Error),
    /// The protocol range is empty or begins at 0.
    #[error(
        "the manifest offers service protocol {min} to {max}, which is no range. Upgrade the SDK."
    )]
    Range {
        /// The lowest version offered.
        min: u32,
        /// The highest version offered.
        max: u32,
    },
    /// A service name that does not match the pattern.
    #[error(
        "service name {service:?} is refused: begin with a letter, or '_' and a letter or digit, \
         and go on with letters, digits, '.', '_' and '-', 1024 characters at most."
    )]
    ServiceName {
        /// The name.
        service: String,
    },
    /// A service name that is ours.
    #[error(
        "service name {service:?} is reserved: choose one that is not \"openapi\" and does not begin with \"restate\"."
    )]
    ReservedName {
        /// The name.
        service: String,
    },
    /// Two services of one name.
    #[error("service {service} is in the manifest twice: bind it once.")]
    DuplicateService {
        /// The name.
        service: String,
    },
    /// A handler name that does not match the pattern.
    #[error(
        "handler name {handler:?} of service {service} is refused: begin with a letter, or '_' and \
         a letter or digit, and go on with letters, digits and '_', 1024 characters at most."
    )]
    HandlerName {
        /// The service.
        service: String,
        /// The name.
        handler: String,
    },
    /// Two handlers of one name in a service.
    #[error("handler {service}/{handler} is in the manifest twice: name each handler once.")]
    DuplicateHandler {
        /// The service.
        service: String,
        /// The name.
        handler: String,
    },
    /// A handler type that its service cannot have.
    #[error(
        "handler {service}/{handler} has type {found}, which a {kind} cannot have: use {wanted}."
    )]
    HandlerKind {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
        /// The type of the service, as the manifest writes it.
        kind: &'static str,
        /// The type of the handler, as the manifest writes it.
        found: &'static str,
        /// Types that would do.
        wanted: &'static str,
    },
    /// A setting on a handler that it has no meaning for.
    #[error("handler {service}/{handler} sets {setting}, which is only for {only_for}: remove it.")]
    Setting {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
        /// The name of the setting, as the manifest writes it.
        setting: &'static str,
        /// Where it would be right.
        only_for: &'static str,
    },
    /// A handler that is public in a private service.
    #[error(
        "handler {service}/{handler} is public but its service is private: make the service public and its other handlers private."
    )]
    PublicInPrivate {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
    },
    /// A retry factor that makes no series of delays.
    #[error("{place} has retryPolicyExponentiationFactor {factor}: use a number of at least 1.")]
    RetryFactor {
        /// The service or handler.
        place: String,
        /// The number.
        factor: f64,
    },
    /// An input content type that is neither a type nor a pattern.
    #[error(
        "handler {service}/{handler} accepts content type {pattern:?}: use type/subtype, type/* or */*."
    )]
    ContentTypePattern {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
        /// The pattern.
        pattern: String,
    },
    /// A JSON schema that cannot be one, or needs another document.
    #[error("handler {service}/{handler} has an unusable JSON schema for its {part}: {reason}.")]
    Schema {
        /// The service.
        service: String,
        /// The handler.
        handler: String,
        /// "input" or "output".
        part: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl ManifestError {
    /// The stable code of the error, where it has one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::ContentType { .. } => Some("META0013"),
            Self::ReservedName { .. } => Some("META0005"),
            Self::Range { .. } => Some("META0012"),
            _ => None,
        }
    }
}

/// Reads the answer to a discovery request; the content type is compared exactly.
///
/// # Errors
/// When it is no manifest of a version we offered.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Manifest, ManifestError> {
    if !ACCEPT.split(", ").any(|offered| offered == content_type) {
        return Err(ManifestError::ContentType {
            found: content_type.to_owned(),
        });
    }
    Ok(serde_json::from_slice(body)?)
}
