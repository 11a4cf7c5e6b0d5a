//! The file of tokens: TOML comes in, what each token may do goes out.
//!
//! Only hashes are in it, so whoever reads it can do nothing. Tokens are random and long: a plain
//! SHA-256 is as good for them as a slow hash is for passwords.

use super::Role;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// What every token begins with, so that tools which look for leaked secrets know one.
pub const PREFIX: &str = "lwk_";
/// The longest name of a token, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// What is known of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who shows it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The services it may call; nothing: all.
    pub services: Option<Vec<String>>,
    /// From then on it is worth nothing, in milliseconds since 1970.
    expires_ms: Option<u64>,
    hash: [u8; 32],
}

/// All tokens of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

/// Why a token opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It is not in the file.
    #[error("the token is not known here: it is mistyped, or was taken back")]
    Absent,
    /// It was good until some time ago.
    #[error("the token {0:?} has expired: ask for another")]
    Expired(String),
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the tokens of {path}: {reason}. `latchwork token create --help` shows how one is made"
)]
pub struct TokensError {
    path: PathBuf,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    role: String,
    sha256: String,
    expires: Option<toml::Value>,
    services: Option<Vec<String>>,
}

/// The hash of a token, as the file has it.
pub fn hash_text(token: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(token).into();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a name may be one of a token: it is shown in tables and logs.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| !c.is_control();
    !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(fits)
}

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, says something else than it should, or has no token at all.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let refused = |reason| TokensError {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        Self::parse(&text).map_err(refused)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.token.is_empty() {
            return Err("it has no [[token]], so nobody could do anything".into());
        }
        let mut tokens: Vec<Token> = Vec::with_capacity(file.token.len());
        for written in file.token {
            let token = Token::of(written)?;
            for other in &tokens {
                if other.name == token.name {
                    return Err(format!("two tokens are called {:?}", token.name));
                }
                if other.hash == token.hash {
                    let (one, two) = (&other.name, &token.name);
                    return Err(format!("{one:?} and {two:?} are the same token"));
                }
            }
            tokens.push(token);
        }
        Ok(Self(tokens))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What a token that is shown may do. How long it takes says nothing about the hashes.
    ///
    /// # Errors
    /// If it may do nothing.
    pub fn find(&self, shown: &str, now_ms: u64) -> Result<&Token, Unknown> {
        let hash: [u8; 32] = Sha256::digest(shown).into();
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.hash.ct_eq(&hash)) {
                found = Some(token);
            }
        }
        let token = found.ok_or(Unknown::Absent)?;
        match token.expires_ms {
            Some(end) if end <= now_ms => Err(Unknown::Expired(token.name.clone())),
            _ => Ok(token),
        }
    }
}

impl Token {
    fn of(written: Written) -> Result<Self, String> {
        let name = written.name;
        if !is_name(&name) {
            return Err(format!(
                "{name:?} is no name of a token: use 1 to {NAME_BYTES_MAX} bytes without control characters"
            ));
        }
        let role = Role::parse(&written.role).ok_or_else(|| {
            let role = &written.role;
            format!("{name:?} has the role {role:?}: use caller, viewer, operator or admin")
        })?;
        let hash = bytes(&written.sha256).ok_or_else(|| {
            format!("sha256 of {name:?} must be 64 hexadecimal digits, the hash of the token")
        })?;
        let expires_ms = written.expires.map(|expires| {
            let text = match expires {
                toml::Value::String(text) => text,
                other => other.to_string(),
            };
            let moment: Timestamp = text.parse().map_err(|_| {
                format!("{name:?} expires {text:?}: write a time such as 2027-01-31T12:00:00Z")
            })?;
            Ok::<_, String>(u64::try_from(moment.as_millisecond()).unwrap_or(0))
        });
        if written.services.is_some() && role != Role::Caller {
            return Err(format!(
                "{name:?} is limited to services, which only a caller can be; its role is {role}"
            ));
        }
        Ok(Self {
            name,
            role,
            services: written.services,
            expires_ms: expires_ms.transpose()?,
            hash,
        })
    }

    /// Whether it may call handlers of a service.
    pub fn may_call(&self, service: &str) -> bool {
        let listed = self.services.as_ref();
        listed.is_none_or(|services| services.iter().any(|one| one == service))
    }
}

fn bytes(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // Looked at one by one: a sign would be read as part of a number.
    if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, role: &str, token: &str, more: &str) -> String {
        let hash = hash_text(token);
        format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\n{more}\n")
    }

    #[test]
    fn a_token_is_found_by_its_hash_until_it_expires() {
        let text = entry("ci", "operator", "one", "expires = 1970-01-01T00:00:05Z")
            + &entry("shop", "caller", "two", "services = [\"Shop\"]");
        let tokens = Tokens::parse(&text).unwrap();
        assert_eq!(tokens.find("one", 4_999).unwrap().role, Role::Operator);
        assert_eq!(
            tokens.find("one", 5_000),
            Err(Unknown::Expired("ci".into()))
        );
        let shop = tokens.find("two", u64::MAX).unwrap();
        assert!(shop.may_call("Shop") && !shop.may_call("Bank"));
        for shown in ["", "On", "onee", &hash_text("one")] {
            assert_eq!(tokens.find(shown, 0), Err(Unknown::Absent), "{shown}");
        }
    }

    #[test]
    fn a_file_that_means_something_else_is_refused_with_the_reason() {
        let good = entry("a", "admin", "t", "");
        for (text, said) in [
            (String::new(), "no [[token]]"),
            (format!("{good}{good}"), "two tokens are called"),
            (
                good.clone() + &entry("b", "viewer", "t", ""),
                "the same token",
            ),
            (
                entry("a", "root", "t", ""),
                "caller, viewer, operator or admin",
            ),
            (entry("", "admin", "t", ""), "no name"),
            (entry("a\\u0007", "admin", "t", ""), "no name"),
            (entry("a", "admin", "t", "services = []"), "only a caller"),
            (
                entry("a", "admin", "t", "expires = \"tomorrow\""),
                "2027-01-31",
            ),
            (
                entry("a", "admin", "t", "expires = 2027-01-31"),
                "2027-01-31T12",
            ),
            (entry("a", "admin", "t", "scope = 1"), "scope"),
            (good.replace(&hash_text("t"), "t"), "64 hexadecimal"),
            (good.replace(&hash_text("t")[..2], "+1"), "64 hexadecimal"),
        ] {
            let reason = Tokens::parse(&text).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }
}
