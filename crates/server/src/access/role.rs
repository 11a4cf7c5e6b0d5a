//! Roles: what whoever shows a token may do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Calls handlers at the ingress, and nothing at the admin port.
    Caller,
    /// Reads all there is at the admin port; calls nothing.
    Viewer,
    /// Also calls handlers, and tells invocations and state what to do.
    Operator,
    /// Also says what is deployed and how it behaves, and makes backups.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Caller, Self::Viewer, Self::Operator, Self::Admin];

    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == text)
    }

    /// As it is written in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether this one may do what needs the other.
    pub fn covers(self, needed: Self) -> bool {
        match needed {
            Self::Caller => self != Self::Viewer,
            Self::Viewer => self != Self::Caller,
            Self::Operator => matches!(self, Self::Operator | Self::Admin),
            Self::Admin => self == Self::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_of_the_admin_port_covers_the_one_before_and_a_caller_none() {
        use Role::{Admin, Caller, Operator, Viewer};
        for (role, covered) in [
            (Caller, &[Caller][..]),
            (Viewer, &[Viewer]),
            (Operator, &[Caller, Viewer, Operator]),
            (Admin, &[Caller, Viewer, Operator, Admin]),
        ] {
            for needed in Role::ALL {
                assert_eq!(
                    role.covers(needed),
                    covered.contains(&needed),
                    "{role} for {needed}"
                );
            }
            assert_eq!(Role::parse(role.name()), Some(role));
        }
    }
}
