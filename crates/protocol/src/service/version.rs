//! Versions of the service protocol: a deployment's range in, the version to speak out.

use std::fmt;

/// A version of the service protocol that this server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Commands and notifications; no seed, no failure metadata.
    V5,
    /// Adds the random seed and failure metadata.
    V6,
    /// Adds futures, acknowledgements of runs, error behaviour, scopes.
    V7,
}

/// Why no version can be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// A deployment's range does not meet ours.
    #[error(
        "the endpoint offers service protocol {min} to {max}; this server speaks 5 to 7. {}",
        advice(*max)
    )]
    Range {
        /// The lowest version offered.
        min: u32,
        /// The highest version offered.
        max: u32,
    },
    /// A number that is no version of ours.
    #[error("service protocol version {0} is not spoken here; this server speaks 5 to 7")]
    Unknown(u32),
}

impl Version {
    /// The oldest version spoken.
    pub const OLDEST: Self = Self::V5;
    /// The newest version spoken.
    pub const NEWEST: Self = Self::V7;

    /// The newest version in both the deployment's range and ours.
    ///
    /// # Errors
    /// When the ranges do not meet.
    pub fn choose(min: u32, max: u32) -> Result<Self, VersionError> {
        let newest = max.min(Self::NEWEST.number());
        match Self::try_from(newest) {
            Ok(version) if newest >= min => Ok(version),
            _ => Err(VersionError::Range { min, max }),
        }
    }

    /// The number of the version, as manifests give it.
    pub const fn number(self) -> u32 {
        match self {
            Self::V5 => 5,
            Self::V6 => 6,
            Self::V7 => 7,
        }
    }

    /// The media type of an invocation in this version, to be sent and compared exactly.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V5 => "application/vnd.restate.invocation.v5",
            Self::V6 => "application/vnd.restate.invocation.v6",
            Self::V7 => "application/vnd.restate.invocation.v7",
        }
    }

    /// The version whose media type this is, compared exactly.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        [Self::V5, Self::V6, Self::V7]
            .into_iter()
            .find(|version| version.content_type() == content_type)
    }
}

impl TryFrom<u32> for Version {
    type Error = VersionError;

    fn try_from(number: u32) -> Result<Self, VersionError> {
        match number {
            5 => Ok(Self::V5),
            6 => Ok(Self::V6),
            7 => Ok(Self::V7),
            _ => Err(VersionError::Unknown(number)),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

fn advice(max: u32) -> &'static str {
    if max < Version::OLDEST.number() {
        "Upgrade the SDK of the endpoint."
    } else {
        "Upgrade the server, or pin the SDK to a release that offers 7."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_chosen() {
        for (min, max, chosen) in [
            (5, 7, Some(Version::V7)),
            (5, 6, Some(Version::V6)),
            (1, 5, Some(Version::V5)),
            (6, 9, Some(Version::V7)),
            (7, 7, Some(Version::V7)),
            (1, 4, None),
            (8, 9, None),
            (7, 6, None),
        ] {
            assert_eq!(Version::choose(min, max).ok(), chosen, "{min} to {max}");
        }
    }

    #[test]
    fn a_refusal_names_both_ranges() {
        let refusal = Version::choose(8, 9).unwrap_err().to_string();
        assert!(
            refusal.contains("8 to 9") && refusal.contains("5 to 7"),
            "{refusal}"
        );
    }

    #[test]
    fn content_types_are_compared_exactly() {
        for version in [Version::V5, Version::V6, Version::V7] {
            assert_eq!(
                Version::from_content_type(version.content_type()),
                Some(version)
            );
        }
        assert_eq!(
            Version::from_content_type("application/vnd.restate.invocation.v6; charset=utf-8"),
            None
        );
    }
}
