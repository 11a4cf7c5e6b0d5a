//! Failures, which are results, and errors, which are retried.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use latchwork_protocol::service::message as wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::vm::{AttemptError, code};

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Metadata key under which [`Failure::typed`] keeps the error.
const TYPED: &str = "latchwork.error";

/// An outcome that is not retried: the invocation, the run or the promise ends with it, and whoever
/// waits for it gets it.
///
/// ```
/// # use latchwork::Failure;
/// let failure = Failure::new("there is no such account").code(404);
/// assert_eq!(failure.to_string(), "there is no such account");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: u32,
    message: String,
    metadata: Vec<(String, String)>,
}

impl Failure {
    /// A failure with code 500.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: code::INTERNAL,
            message: message.into(),
            metadata: Vec::new(),
        }
    }

    /// Sets the code; callers through HTTP see it as the status.
    #[must_use]
    pub fn code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    /// Adds a pair of metadata. Protocol 5 does not carry it.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// A failure that carries an error of your own, for [`downcast`](Self::downcast) on the other
    /// side of a call or after a replay. Its text is the error's.
    pub fn typed<E: fmt::Display + Serialize>(code: u32, error: &E) -> Self {
        let failure = Self::new(error.to_string()).code(code);
        match serde_json::to_string(error) {
            Ok(json) => failure.metadata(TYPED, json),
            // What has no JSON still has its text.
            Err(_) => failure,
        }
    }

    /// The error that [`typed`](Self::typed) was given, if it was one of this type.
    pub fn downcast<E: DeserializeOwned>(&self) -> Option<E> {
        let (_, json) = self.metadata.iter().find(|(key, _)| key == TYPED)?;
        serde_json::from_str(json).ok()
    }

    /// The code.
    pub fn status(&self) -> u32 {
        self.code
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The metadata, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.metadata.iter();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether this is a cancellation.
    pub fn is_cancelled(&self) -> bool {
        self.code == code::CANCELLED
            && (self.message.eq_ignore_ascii_case("cancelled")
                || self.message.eq_ignore_ascii_case("canceled"))
    }

    pub(crate) fn cancelled() -> Self {
        Self::new("Cancelled").code(code::CANCELLED)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {}

impl From<wire::Failure> for Failure {
    fn from(failure: wire::Failure) -> Self {
        let metadata = failure.metadata.into_iter();
        Self {
            code: failure.code,
            message: failure.message,
            metadata: metadata.map(|it| (it.key, it.value)).collect(),
        }
    }
}

impl From<Failure> for wire::Failure {
    fn from(failure: Failure) -> Self {
        let metadata = failure.metadata.into_iter();
        Self {
            code: failure.code,
            message: failure.message,
            metadata: metadata
                .map(|(key, value)| wire::FailureMetadata { key, value })
                .collect(),
        }
    }
}

/// What stops a handler or a run.
///
/// Every error converts into it with `?`. A [`Failure`] is final. Anything else is retried: the
/// attempt ends, and the server starts another, by its retry policy.
///
/// ```
/// # use latchwork::{Error, Failure};
/// fn parse(text: &str) -> Result<u32, Error> {
///     let number: u32 = text.parse()?; // retried
///     if number == 0 {
///         return Err(Failure::new("zero is not allowed").code(422).into()); // final
///     }
///     Ok(number)
/// }
/// assert!(parse("0").unwrap_err().failure().is_some());
/// assert!(parse("x").unwrap_err().failure().is_none());
/// ```
pub struct Error(Box<Kind>);

enum Kind {
    Final(Failure),
    Retried {
        source: Box<dyn StdError + Send + Sync>,
        after: Option<Duration>,
        pause: bool,
    },
}

impl Error {
    /// An error that is retried, from any error or a text.
    pub fn retryable(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Box::new(Kind::Retried {
            source: error.into(),
            after: None,
            pause: false,
        }))
    }

    /// Asks for the next attempt after `delay` instead of when the retry policy says. A failure
    /// stays final.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        if let Kind::Retried { after, .. } = &mut *self.0 {
            *after = Some(delay);
        }
        self
    }

    /// Asks to pause the invocation until an operator resumes it, where the server speaks
    /// protocol 7; elsewhere it is retried. A failure stays final.
    #[must_use]
    pub fn pause(mut self) -> Self {
        if let Kind::Retried { pause, .. } = &mut *self.0 {
            *pause = true;
        }
        self
    }

    /// The failure, if this is final.
    pub fn failure(&self) -> Option<&Failure> {
        match &*self.0 {
            Kind::Final(failure) => Some(failure),
            Kind::Retried { .. } => None,
        }
    }

    /// A failure to end with, or what ends the attempt.
    pub(crate) fn into_outcome(self) -> Result<Failure, AttemptError> {
        match *self.0 {
            Kind::Final(failure) => Ok(failure),
            Kind::Retried {
                source,
                after,
                pause,
            } => {
                let mut error = AttemptError::new(code::INTERNAL, source.to_string());
                let mut causes = String::new();
                let mut cause = source.source();
                while let Some(error) = cause {
                    causes += &format!("caused by: {error}\n");
                    cause = error.source();
                }
                error.details = causes;
                error.retry_after = after;
                error.pause = pause;
                Err(error)
            }
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let boxed: Box<dyn StdError + Send + Sync> = Box::new(error);
        match boxed.downcast::<Failure>() {
            Ok(failure) => Self(Box::new(Kind::Final(*failure))),
            Err(error) => Self::retryable(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Final(failure) => failure.fmt(f),
            Kind::Retried { source, .. } => source.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Final(failure) => failure.fmt(f),
            Kind::Retried { source, .. } => source.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    enum Refused {
        Declined { limit: u32 },
    }

    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Self::Declined { limit } = self;
            write!(f, "over the limit of {limit}")
        }
    }

    #[test]
    fn a_typed_failure_survives_the_wire() {
        let failure = Failure::typed(402, &Refused::Declined { limit: 7 });
        let wire: wire::Failure = failure.clone().into();
        let back = Failure::from(wire);
        assert_eq!(back, failure);
        assert_eq!(back.message(), "over the limit of 7");
        assert_eq!(back.downcast(), Some(Refused::Declined { limit: 7 }));
        assert_eq!(Failure::new("other").downcast::<Refused>(), None);
    }

    #[test]
    fn a_failure_is_final_and_other_errors_are_not() {
        let failure: Error = Failure::new("no").code(418).into();
        assert_eq!(
            failure
                .after(Duration::ZERO)
                .into_outcome()
                .unwrap()
                .status(),
            418
        );
        let error: Error = std::io::Error::other("net").into();
        let error = error
            .after(Duration::from_secs(3))
            .into_outcome()
            .unwrap_err();
        assert_eq!((error.code, &*error.message), (500, "net"));
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
    }
}
