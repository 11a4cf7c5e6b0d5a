//! Who asks: the signature of a server on its requests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use latchwork_protocol::service::identity::{SCHEME, SCHEME_HEADER, TOKEN_HEADER};
use serde::Deserialize;

/// How the name of a public key begins.
const PREFIX: &str = "publickeyv1_";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Why a text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not the public key of a server: it must be publickeyv1_ and 32 bytes in base58. \
     Copy the whole key as the server prints it."
)]
pub struct IdentityKeyError {
    text: String,
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "the request is not signed; this endpoint takes only requests of servers that it knows the key of"
    )]
    Unsigned,
    #[error("the request's signature cannot be read")]
    Malformed,
    #[error("the request is signed with {0}, which this endpoint does not know")]
    UnknownKey(String),
    #[error("the request's signature does not hold")]
    Forged,
    #[error("the request was signed for {0}, and came to another path")]
    OtherPath(String),
    #[error("the request's signature is not valid now; compare the clocks of server and endpoint")]
    Expired,
}

/// The keys of the servers that may ask.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    known: Vec<(String, VerifyingKey)>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: u64,
    nbf: u64,
}

impl Keys {
    pub(super) fn add(&mut self, text: &str) -> Result<(), IdentityKeyError> {
        let key = text
            .strip_prefix(PREFIX)
            .and_then(from_base58)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
        let key = key.ok_or_else(|| IdentityKeyError {
            text: text.to_owned(),
        })?;
        self.known.push((text.to_owned(), key));
        Ok(())
    }

    /// Lets a request pass that a known server signed for `path`, or any if no key is known.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        path: &str,
        now_seconds: u64,
    ) -> Result<(), Refusal> {
        if self.known.is_empty() {
            return Ok(());
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(SCHEME), Some(token)) = (text(SCHEME_HEADER), text(TOKEN_HEADER)) else {
            return Err(Refusal::Unsigned);
        };
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let header: Header = part(header)?;
        if header.alg != "EdDSA" {
            return Err(Refusal::Malformed);
        }
        let known = self.known.iter().find(|(name, _)| *name == header.kid);
        let Some((_, key)) = known else {
            return Err(Refusal::UnknownKey(header.kid));
        };
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .ok()
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .ok_or(Refusal::Malformed)?;
        key.verify_strict(signed.as_bytes(), &signature)
            .map_err(|_| Refusal::Forged)?;
        let claims: Claims = part(claims)?;
        if now_seconds < claims.nbf || now_seconds > claims.exp {
            return Err(Refusal::Expired);
        }
        // A proxy may have put something in front.
        if !path.ends_with(&claims.aud) {
            return Err(Refusal::OtherPath(claims.aud));
        }
        Ok(())
    }
}

fn part<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Refusal> {
    let json = URL_SAFE_NO_PAD.decode(text);
    json.ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or(Refusal::Malformed)
}

/// 32 bytes of base58, or nothing.
fn from_base58(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0u8; 32];
    for digit in text.bytes() {
        let value = BASE58.iter().position(|&known| known == digit)?;
        let mut carry = u32::try_from(value).ok()?;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    // Each leading digit 1 is a leading zero byte, and nothing else is.
    let zeroes = bytes.iter().take_while(|&&byte| byte == 0).count();
    let ones = text.bytes().take_while(|&digit| digit == BASE58[0]).count();
    (zeroes == ones).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use latchwork_protocol::service::identity::{Signer, private_key_pem};

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn signer(seed: u8) -> Signer {
        Signer::from_pem(&private_key_pem([seed; 32]).unwrap()).unwrap()
    }

    fn signed(signer: &Signer, path: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SCHEME_HEADER, HeaderValue::from_static(SCHEME));
        let token = signer.token(path, NOW);
        headers.insert(TOKEN_HEADER, HeaderValue::from_str(&token).unwrap());
        headers
    }

    #[test]
    fn only_requests_of_known_servers_pass() {
        let (known, stranger) = (signer(1), signer(2));
        let mut keys = Keys::default();
        let path = "/invoke/Greeter/greet";
        assert_eq!(keys.check(&HeaderMap::new(), path, NOW), Ok(()));
        keys.add(known.public_key()).unwrap();

        let headers = signed(&known, path);
        assert_eq!(keys.check(&headers, path, NOW), Ok(()));
        let proxied = "/behind/a/proxy/invoke/Greeter/greet";
        assert_eq!(keys.check(&headers, proxied, NOW), Ok(()));

        assert_eq!(
            keys.check(&HeaderMap::new(), path, NOW),
            Err(Refusal::Unsigned)
        );
        assert_eq!(
            keys.check(&headers, "/invoke/Greeter/other", NOW),
            Err(Refusal::OtherPath(path.to_owned()))
        );
        for late in [NOW - 61, NOW + 61] {
            assert_eq!(keys.check(&headers, path, late), Err(Refusal::Expired));
        }
        assert_eq!(
            keys.check(&signed(&stranger, path), path, NOW),
            Err(Refusal::UnknownKey(stranger.public_key().to_owned()))
        );
        // The stranger's signature under the name of the known key.
        let token = stranger.token(path, NOW);
        let (_, rest) = token.split_once('.').unwrap();
        let mine = known.token(path, NOW);
        let (head, _) = mine.split_once('.').unwrap();
        let mut forged = signed(&known, path);
        let forged_token = format!("{head}.{rest}");
        forged.insert(TOKEN_HEADER, HeaderValue::from_str(&forged_token).unwrap());
        assert_eq!(keys.check(&forged, path, NOW), Err(Refusal::Forged));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in [
            "",
            "publickeyv1_",
            "publickeyv1_0",
            "key",
            "publickeyv1_zzzz",
        ] {
            assert!(Keys::default().add(bad).is_err(), "{bad}");
        }
    }
}
