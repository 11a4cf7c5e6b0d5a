//! Scopes and limit keys: text from a caller in, checked text out.
//!
//! A scope divides one service into separate worlds and is part of every identity; a limit key
//! names a share within a scope and is part of none.

/// The longest word, in bytes.
pub const WORD_LEN_MAX: usize = 36;

/// Why a text is no scope or limit key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A word that is empty, too long, or has a character that is not allowed.
    #[error(
        "{what} {text:?} is refused: use 1 to 36 of the characters a-z, A-Z, 0-9, '_', '.' and '-'{hint}."
    )]
    Word {
        /// "scope" or "limit key".
        what: &'static str,
        /// What was refused.
        text: String,
        /// What else would be right.
        hint: &'static str,
    },
    /// A limit key on a call without scope.
    #[error("limit key {text:?} was given without a scope: add the scope that it divides.")]
    LimitKeyWithoutScope {
        /// What was refused.
        text: String,
    },
}

/// Accepts a scope.
///
/// # Errors
/// When it is not one word.
pub fn check_scope(text: &str) -> Result<(), ScopeError> {
    if is_word(text) {
        return Ok(());
    }
    Err(ScopeError::Word {
        what: "scope",
        text: text.to_owned(),
        hint: "",
    })
}

/// The limit key of a call, if it has one: an empty text means none.
///
/// # Errors
/// When it is not one word or two joined by `/`, or the call has no scope.
pub fn limit_key<'a>(text: &'a str, scope: Option<&str>) -> Result<Option<&'a str>, ScopeError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (first, second) = match text.split_once('/') {
        Some((first, second)) => (first, Some(second)),
        None => (text, None),
    };
    if !is_word(first) || second.is_some_and(|word| !is_word(word)) {
        return Err(ScopeError::Word {
            what: "limit key",
            text: text.to_owned(),
            hint: ", or two such words joined by '/'",
        });
    }
    if scope.is_none() {
        return Err(ScopeError::LimitKeyWithoutScope {
            text: text.to_owned(),
        });
    }
    Ok(Some(text))
}

fn is_word(text: &str) -> bool {
    (1..=WORD_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_one_word() {
        let longest = "x".repeat(WORD_LEN_MAX);
        for good in ["a", "Tenant_1.x-y", &longest] {
            assert_eq!(check_scope(good), Ok(()));
        }
        for bad in ["", "a/b", "a b", "é", &format!("{longest}x")] {
            assert!(check_scope(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limit_keys_are_up_to_two_words_within_a_scope() {
        let scope = Some("s");
        assert_eq!(limit_key("", None), Ok(None));
        assert_eq!(limit_key("a", scope), Ok(Some("a")));
        assert_eq!(limit_key("a/b", scope), Ok(Some("a/b")));
        for bad in ["a/b/c", "/", "a/", "/b", "a b"] {
            assert!(matches!(
                limit_key(bad, scope),
                Err(ScopeError::Word { .. })
            ));
        }
        assert!(matches!(
            limit_key("a", None),
            Err(ScopeError::LimitKeyWithoutScope { .. })
        ));
    }
}
