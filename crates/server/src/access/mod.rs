//! Who may do what: a request's headers come in, whoever sent it goes out, or why it is refused.
//!
//! ```text
//!   authorization: Bearer … ──▶ Tokens (hashes, from auth_file) ──▶ Caller ──▶ covers(Role)?
//! ```
//!
//! Start at [`Access::admit`]. Without a file of tokens everybody may do everything, which is why
//! [`open_to_whom`] lets that happen on loopback only, unless the operator insists.
//!
//! Absent on purpose: passwords, sessions and cookies. A token comes in a header that no browser adds
//! by itself, so no page can act in the name of its visitor.

mod open;
mod role;
mod tokens;

pub use open::{Open, OpenError, open_to_whom};
pub use role::Role;
pub use tokens::{PREFIX, Token, Tokens, TokensError, Unknown, hash_text, is_name};

use arc_swap::ArcSwap;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a refusal for want of a token says to clients.
pub(crate) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"latchwork\"");

/// Who may do what.
#[derive(Debug)]
pub struct Access(Option<Guarded>);

#[derive(Debug)]
struct Guarded {
    path: PathBuf,
    tokens: ArcSwap<Tokens>,
}

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Nobody is asked for a token.
    Anybody,
    /// By the token that was shown.
    Known(Token),
}

/// Why a request is refused before it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// None was shown.
    #[error(
        "a token is needed: send it as `authorization: Bearer TOKEN`; `latchwork` sends what \
         LATCHWORK_TOKEN holds"
    )]
    NoToken,
    /// The one that was shown opens nothing.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// Its role is too little.
    #[error("this needs the role {needed}, and the token {name:?} has the role {role}")]
    Role {
        /// What it takes.
        needed: Role,
        /// The token's name.
        name: String,
        /// What the token has.
        role: Role,
    },
    /// It is for other services.
    #[error("the token {name:?} is for other services than {service}")]
    Service {
        /// The token's name.
        name: String,
        /// What was called.
        service: String,
    },
    /// It is for calls only.
    #[error("the token {name:?} is limited to services, so it can call and send and nothing else")]
    Limited {
        /// The token's name.
        name: String,
    },
}

impl Denied {
    /// The HTTP status of the answer: whether another token is asked for, or nothing helps.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::Unknown(_) => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// Name and role of the token that was shown, as far as they are known.
    pub(crate) fn by(&self) -> Option<(&str, Option<Role>)> {
        match self {
            Self::NoToken | Self::Unknown(Unknown::Absent) => None,
            Self::Unknown(Unknown::Expired(name)) => Some((name, None)),
            Self::Role { name, role, .. } => Some((name, Some(*role))),
            Self::Service { name, .. } | Self::Limited { name } => Some((name, None)),
        }
    }

    /// Its code among the errors.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoToken | Self::Unknown(_) => "LW0001",
            Self::Role { .. } | Self::Service { .. } | Self::Limited { .. } => "LW0002",
        }
    }
}

impl Access {
    /// Everybody may do everything.
    pub fn open() -> Self {
        Self(None)
    }

    /// Whoever shows a token of the file may do what its role says.
    ///
    /// # Errors
    /// If the file is of no use.
    pub fn guarded(path: &Path) -> Result<Self, TokensError> {
        let tokens = Tokens::read(path)?;
        tracing::info!(tokens = tokens.count(), file = %path.display(), "tokens are asked for");
        Ok(Self(Some(Guarded {
            path: path.to_owned(),
            tokens: ArcSwap::from_pointee(tokens),
        })))
    }

    /// Whether tokens are asked for.
    pub fn is_guarded(&self) -> bool {
        self.0.is_some()
    }

    /// The file that tokens are in.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.0.as_ref().map(|guarded| &*guarded.path)
    }

    /// Reads the file again. One that is of no use changes nothing, and is told of.
    pub(crate) fn reload(&self) {
        let Some(guarded) = &self.0 else { return };
        match Tokens::read(&guarded.path) {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.count(), "tokens were read again");
                guarded.tokens.store(Arc::new(tokens));
            }
            Err(error) => tracing::error!("the tokens stay as they were: {error}"),
        }
    }

    /// Who it is, if whoever it is may do what needs the role.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        needed: Role,
        now_ms: u64,
    ) -> Result<Caller, Denied> {
        let Some(guarded) = &self.0 else {
            return Ok(Caller::Anybody);
        };
        let shown = bearer(headers).ok_or(Denied::NoToken)?;
        let tokens = guarded.tokens.load();
        let token = tokens.find(shown, now_ms)?;
        if !token.role.covers(needed) {
            return Err(Denied::Role {
                needed,
                name: token.name.clone(),
                role: token.role,
            });
        }
        Ok(Caller::Known(token.clone()))
    }
}

impl Caller {
    /// Refuses whoever may call some services only.
    pub(crate) fn check_unlimited(&self) -> Result<(), Denied> {
        match self {
            Self::Known(token) if token.services.is_some() => Err(Denied::Limited {
                name: token.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses services that are not among those that may be called.
    pub(crate) fn check_service(&self, service: &str) -> Result<(), Denied> {
        match self {
            Self::Known(token) if !token.may_call(service) => Err(Denied::Service {
                name: token.name.clone(),
                service: service.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// The token that is shown.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        headers
    }

    fn file(directory: &Path, role: &str, token: &str) -> PathBuf {
        let path = directory.join("tokens.toml");
        let hash = hash_text(token);
        let text = format!("[[token]]\nname = \"n\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\n");
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn who_shows_no_token_or_one_of_too_little_is_told_which() {
        let directory = tempfile::tempdir().unwrap();
        let access = Access::guarded(&file(directory.path(), "viewer", "t")).unwrap();
        let admit = |headers, role| access.admit(&headers, role, 0);
        for none in ["", "t", "Basic t", "Bearer", "Bearer "] {
            let denied = admit(headers(none), Role::Viewer).unwrap_err();
            assert_eq!(denied, Denied::NoToken, "{none}");
        }
        assert_eq!(
            admit(headers("Bearer u"), Role::Viewer).unwrap_err(),
            Denied::Unknown(Unknown::Absent)
        );
        assert!(admit(headers("bearer t"), Role::Viewer).is_ok());
        let denied = admit(headers("Bearer t"), Role::Admin).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "this needs the role admin, and the token \"n\" has the role viewer"
        );
        let open = Access::open().admit(&HeaderMap::new(), Role::Admin, 0);
        assert!(open.is_ok());
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), "viewer", "old");
        let access = Access::guarded(&path).unwrap();
        let opens = |token: &str| {
            let shown = headers(&format!("Bearer {token}"));
            access.admit(&shown, Role::Viewer, 0).is_ok()
        };
        file(directory.path(), "viewer", "new");
        access.reload();
        assert!(opens("new") && !opens("old"));
        std::fs::write(&path, "[[token]]").unwrap();
        access.reload();
        assert!(opens("new"));
    }
}
