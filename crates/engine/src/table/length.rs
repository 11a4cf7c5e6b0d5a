//! How long a text may be that becomes part of a row's key.

use std::error::Error;
use std::fmt;

/// Bytes of a text that becomes part of a row's key: a service's name, an object's or workflow's
/// key, the name of a state or of a promise. A row has three of them at most, and a store takes no
/// key of more than 65,535 bytes.
pub const KEY_TEXT_BYTES_MAX: usize = 16 << 10;

/// A text is too long to be part of a row's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLong {
    what: &'static str,
    bytes: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, bytes } = self;
        write!(
            f,
            "{what} has {bytes} bytes, and at most {KEY_TEXT_BYTES_MAX} are taken: use an id or a \
             digest of it, and keep the whole in a value"
        )
    }
}

impl Error for TooLong {}

/// Looks at the length of a text; `what` is what it is, for people: "the key".
///
/// # Errors
/// If it is longer than [`KEY_TEXT_BYTES_MAX`].
pub fn check_length(what: &'static str, text: &[u8]) -> Result<(), TooLong> {
    match text.len() {
        bytes if bytes > KEY_TEXT_BYTES_MAX => Err(TooLong { what, bytes }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Address, promise, state};

    #[test]
    fn the_longest_texts_make_keys_that_a_store_takes() {
        let text = "x".repeat(KEY_TEXT_BYTES_MAX);
        assert_eq!(check_length("the key", text.as_bytes()), Ok(()));
        let address = Address {
            service: text.clone(),
            scope: Some("s".repeat(36)),
            key: text.clone(),
        };
        assert!(state::key(&address, text.as_bytes()).len() <= usize::from(u16::MAX));
        assert!(promise::key(&address, &text).len() <= usize::from(u16::MAX));
        let refused = check_length("the key", format!("{text}x").as_bytes());
        let text = refused.expect_err("too long").to_string();
        assert!(text.starts_with("the key has 16385 bytes"), "{text}");
    }
}
