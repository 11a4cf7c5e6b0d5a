//! Which headers of a call are secrets, which go to a handler only if it asks for them.

use std::fmt;

/// What handlers get only if they ask, unless the operator says otherwise.
const DEFAULT: &str = "authorization,proxy-authorization,cookie";

/// Names of headers, in small letters, in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHeaders(Vec<String>);

impl Default for SecretHeaders {
    fn default() -> Self {
        Self(DEFAULT.split(',').map(str::to_owned).collect())
    }
}

impl SecretHeaders {
    /// Reads names with commas between them; an empty text is no name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let names = names.map(|name| {
            let is_name = http::HeaderName::try_from(name.replace('*', "x")).is_ok();
            is_name.then(|| name.to_ascii_lowercase())
        });
        names.collect::<Option<_>>().map(Self)
    }

    /// Whether a header, by its name in small letters, is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }
}

impl fmt::Display for SecretHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Each piece between stars at the first place where it can be: no later one would help.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else {
            return false;
        };
        name = &name[at + piece.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        let secrets = SecretHeaders::parse("Cookie, x-*-token,*secret*,, a*b*c").expect("names");
        for name in [
            "cookie",
            "x-api-token",
            "x--token",
            "my-secret-key",
            "secret",
            "abc",
            "axbxbyc",
        ] {
            assert!(secrets.has(name), "{name}");
        }
        for name in [
            "cookies", "x-token", "token", "sekret", "ab", "ac", "acb", "xabc",
        ] {
            assert!(!secrets.has(name), "{name}");
        }
        assert_eq!(SecretHeaders::parse(&secrets.to_string()), Some(secrets));
        assert_eq!(SecretHeaders::parse(""), Some(SecretHeaders(Vec::new())));
        for wrong in ["a b", "a:b", "é"] {
            assert_eq!(SecretHeaders::parse(wrong), None, "{wrong}");
        }
        assert!(SecretHeaders::default().has("authorization"));
    }
}
