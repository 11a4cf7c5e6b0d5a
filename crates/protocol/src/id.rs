//! Identifiers as text: bytes in, `inv_1…`, `sign_1…`, `dp_1…` out, and back.
//!
//! A text id is a prefix, `_`, the version `1` and a payload of fixed width. Numbers are written
//! in base62 over the *little-endian* value of their bytes, so ids sort neither by time nor by
//! partition.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The smallest signal index an awakeable may have: below it are cancellation and indexes that
/// the service protocol reserves.
pub const AWAKEABLE_INDEX_MIN: u32 = 17;

const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const U64_DIGITS: usize = 11;
const U128_DIGITS: usize = 22;
/// 62^10, the largest power of the base whose multiples by a digit fit 64 bits: a 128-bit number
/// is cut into groups of ten digits, so that all but two divisions are on machine words.
const TEN_DIGITS: u64 = 62u64.pow(10);

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Another prefix, or another version of the envelope.
    #[error(
        "{text:?} is not {expected}: it must begin with {prefix:?}. Copy the whole id as it was printed."
    )]
    Prefix {
        /// What was refused.
        text: String,
        /// The kind of id that was wanted.
        expected: &'static str,
        /// The beginning it must have.
        prefix: &'static str,
    },
    /// Too short or too long.
    #[error(
        "{text:?} has {found} characters, {expected} has {wanted}. Copy the whole id as it was printed."
    )]
    Length {
        /// What was refused.
        text: String,
        /// The kind of id that was wanted.
        expected: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The length it must have.
        wanted: usize,
    },
    /// A character outside the alphabet, or a number too large for its width.
    #[error(
        "{text:?} is not {expected}: its payload is damaged. Copy the whole id as it was printed."
    )]
    Payload {
        /// What was refused.
        text: String,
        /// The kind of id that was wanted.
        expected: &'static str,
    },
    /// A well-formed awakeable id with an index that no awakeable has.
    #[error(
        "{text:?} names signal {index}, which is reserved: awakeables count from 17. Use an id that a handler created."
    )]
    ReservedIndex {
        /// What was refused.
        text: String,
        /// The index it names.
        index: u32,
    },
}

/// What an awakeable id points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awakeable {
    /// `sign_1…`: a signal of an invocation.
    Signal {
        /// The invocation that waits.
        invocation: [u8; 24],
        /// The signal index, at least [`AWAKEABLE_INDEX_MIN`].
        index: u32,
    },
    /// `prom_1…`: an entry of an invocation on a protocol before 5, which this server never runs.
    /// Well-formed, and always unknown.
    Legacy {
        /// The invocation that waits.
        invocation: [u8; 24],
        /// The index of the awakeable's journal entry.
        entry_index: u32,
    },
}

/// The text of an invocation id: `inv_1` and 33 characters.
pub fn invocation_text(id: &[u8; 24]) -> String {
    let (partition_key, unique) = halves(id);
    let mut text = String::with_capacity(INVOCATION.len());
    text.push_str(INVOCATION.prefix);
    push_u64(&mut text, partition_key, U64_DIGITS);
    push_u128(&mut text, unique);
    text
}

/// The 24 bytes of an invocation id from its text.
///
/// # Errors
/// When the text is not exactly an invocation id.
pub fn parse_invocation(text: &str) -> Result<[u8; 24], IdError> {
    let payload = INVOCATION.payload(text)?;
    let (first, last) = payload.split_at(U64_DIGITS);
    let partition_key = read_base62(first).and_then(|value| u64::try_from(value).ok());
    let (Some(partition_key), Some(unique)) = (partition_key, read_base62(last)) else {
        return Err(INVOCATION.damaged(text));
    };
    let mut id = [0; 24];
    id[..8].copy_from_slice(&partition_key.to_le_bytes());
    id[8..].copy_from_slice(&unique.to_le_bytes());
    Ok(id)
}

/// The text of the id that completes signal `index` of `invocation`: `sign_1` and 38 characters.
pub fn awakeable_text(invocation: &[u8; 24], index: u32) -> String {
    let mut bytes = [0; 28];
    bytes[..24].copy_from_slice(invocation);
    bytes[24..].copy_from_slice(&index.to_be_bytes());
    let mut text = String::with_capacity(SIGNAL.len());
    text.push_str(SIGNAL.prefix);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}

/// What an awakeable id, of either family, points at. The padding that some SDKs append to the
/// payload, `=` or `==`, is let pass.
///
/// # Errors
/// When the text is no awakeable id, or names a reserved signal: an id from outside must not be
/// able to cancel an invocation.
pub fn parse_awakeable(text: &str) -> Result<Awakeable, IdError> {
    let legacy = text.starts_with(PROMISE.prefix);
    let shape = if legacy { PROMISE } else { SIGNAL };
    let unpadded = text.strip_suffix('=').unwrap_or(text);
    let unpadded = unpadded.strip_suffix('=').unwrap_or(unpadded);
    let payload = shape.payload(unpadded)?;
    let mut bytes = [0; 28];
    match URL_SAFE_NO_PAD.decode_slice(payload, &mut bytes) {
        Ok(28) => {}
        _ => return Err(shape.damaged(text)),
    }
    let mut invocation = [0; 24];
    invocation.copy_from_slice(&bytes[..24]);
    let index = u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
    if legacy {
        return Ok(Awakeable::Legacy {
            invocation,
            entry_index: index,
        });
    }
    if index < AWAKEABLE_INDEX_MIN {
        return Err(IdError::ReservedIndex {
            text: text.to_owned(),
            index,
        });
    }
    Ok(Awakeable::Signal { invocation, index })
}

/// The text of a deployment id: `dp_1` and 22 characters.
pub fn deployment_text(id: u128) -> String {
    let mut text = String::with_capacity(DEPLOYMENT.len());
    text.push_str(DEPLOYMENT.prefix);
    push_u128(&mut text, id.swap_bytes());
    text
}

/// A deployment id from its text.
///
/// # Errors
/// When the text is not exactly a deployment id.
pub fn parse_deployment(text: &str) -> Result<u128, IdError> {
    let payload = DEPLOYMENT.payload(text)?;
    read_base62(payload)
        .map(u128::swap_bytes)
        .ok_or_else(|| DEPLOYMENT.damaged(text))
}

/// The envelope of one kind of id.
#[derive(Clone, Copy)]
struct Shape {
    kind: &'static str,
    prefix: &'static str,
    payload_len: usize,
}

const INVOCATION: Shape = Shape {
    kind: "an invocation id",
    prefix: "inv_1",
    payload_len: U64_DIGITS + U128_DIGITS,
};
const SIGNAL: Shape = Shape {
    kind: "an awakeable id",
    prefix: "sign_1",
    payload_len: 38,
};
const PROMISE: Shape = Shape {
    prefix: "prom_1",
    ..SIGNAL
};
const DEPLOYMENT: Shape = Shape {
    kind: "a deployment id",
    prefix: "dp_1",
    payload_len: U128_DIGITS,
};

impl Shape {
    const fn len(self) -> usize {
        self.prefix.len() + self.payload_len
    }

    fn payload(self, text: &str) -> Result<&[u8], IdError> {
        let Some(payload) = text.strip_prefix(self.prefix) else {
            return Err(IdError::Prefix {
                text: text.to_owned(),
                expected: self.kind,
                prefix: self.prefix,
            });
        };
        if payload.len() != self.payload_len {
            return Err(IdError::Length {
                text: text.to_owned(),
                expected: self.kind,
                found: text.len(),
                wanted: self.len(),
            });
        }
        Ok(payload.as_bytes())
    }

    fn damaged(self, text: &str) -> IdError {
        IdError::Payload {
            text: text.to_owned(),
            expected: self.kind,
        }
    }
}

fn halves(id: &[u8; 24]) -> (u64, u128) {
    let mut first = [0; 8];
    first.copy_from_slice(&id[..8]);
    let mut last = [0; 16];
    last.copy_from_slice(&id[8..]);
    (u64::from_le_bytes(first), u128::from_le_bytes(last))
}

fn push_u64(text: &mut String, mut value: u64, width: usize) {
    let mut digits = [b'0'; U64_DIGITS];
    for digit in digits[..width].iter_mut().rev() {
        *digit = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    text.extend(digits[..width].iter().map(|&digit| char::from(digit)));
}

fn push_u128(text: &mut String, value: u128) {
    let group = u128::from(TEN_DIGITS);
    let upper = value / group;
    // Each remainder is below 62^10, and 2^128 / 62^20 is below 62^2: all three fit.
    push_u64(text, (upper / group) as u64, 2);
    push_u64(text, (upper % group) as u64, 10);
    push_u64(text, (value % group) as u64, 10);
}

/// The number that base62 digits stand for; nothing when one is no digit or they exceed 128 bits.
fn read_base62(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'z' => digit - b'a' + 10,
            b'A'..=b'Z' => digit - b'A' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_id_returns_from_its_text() {
        for id in [0, 1, u128::MAX, 0x0192_3456_789a_bcde_f012_3456_789a_bcde] {
            let text = deployment_text(id);
            assert_eq!(text.len(), 26, "{text}");
            assert_eq!(parse_deployment(&text), Ok(id));
        }
    }

    #[test]
    fn damaged_invocation_ids_are_refused() {
        let good = "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy";
        assert!(parse_invocation(good).is_ok());
        let overflow_64 = "inv_1lYGhA16ahyg7N42dgm5tFLK9N8MT7fHC7";
        let overflow_128 = "inv_1lYGhA16ahyf7N42dgm5tFLK9N8MT7fHC8";
        for (bad, why) in [
            ("", "prefix"),
            ("dp_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy", "prefix"),
            ("inv_20BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy", "prefix"),
            (&good[..37], "length"),
            ("inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy0", "length"),
            ("inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1z-", "payload"),
            ("inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1é", "payload"),
            (overflow_64, "payload"),
            (overflow_128, "payload"),
        ] {
            let found = match parse_invocation(bad) {
                Err(IdError::Prefix { .. }) => "prefix",
                Err(IdError::Length { .. }) => "length",
                Err(IdError::Payload { .. }) => "payload",
                other => panic!("{bad:?} gave {other:?}"),
            };
            assert_eq!(found, why, "{bad:?}");
        }
    }

    #[test]
    fn an_awakeable_id_cannot_reach_reserved_signals() {
        let invocation = [7; 24];
        let cancel = awakeable_text(&invocation, 1);
        assert!(matches!(
            parse_awakeable(&cancel),
            Err(IdError::ReservedIndex { index: 1, .. })
        ));
        let old = cancel.replace("sign_", "prom_");
        assert_eq!(
            parse_awakeable(&old),
            Ok(Awakeable::Legacy {
                invocation,
                entry_index: 1
            })
        );
    }

    #[test]
    fn awakeable_ids_may_be_padded_but_take_no_standard_alphabet() {
        let text = "sign_1ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3_____w";
        let parsed = parse_awakeable(text);
        assert!(parsed.is_ok());
        for padding in ["=", "=="] {
            assert_eq!(parse_awakeable(&format!("{text}{padding}")), parsed);
        }
        for bad in [
            text.replace("_____w", "/////w"),
            text.replace("____w", "___w="),
            format!("{text}==="),
        ] {
            assert!(parse_awakeable(&bad).is_err(), "{bad}");
        }
    }
}
