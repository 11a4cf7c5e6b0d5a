//! Request identity: a private key in, tokens out that let an endpoint know its server.
//!
//! A token is a JWT signed with Ed25519. Ed25519 needs no randomness, so equal input gives an
//! equal token; the time is the caller's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;

/// Header that names the scheme.
pub const SCHEME_HEADER: &str = "x-restate-signature-scheme";
/// Value of [`SCHEME_HEADER`] on signed requests.
pub const SCHEME: &str = "v1";
/// Header that carries the token.
pub const TOKEN_HEADER: &str = "x-restate-jwt-v1";

/// How long a token is valid before and after it was made, in seconds.
const LEEWAY_SECONDS: u64 = 60;
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Why a text is no private key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the request identity key is not a PKCS#8 PEM with an Ed25519 private key ({0}). \
     Make one with: latchwork identity generate"
)]
pub struct KeyError(ed25519_dalek::pkcs8::Error);

/// A private key as a PKCS#8 PEM, from 32 bytes that nobody can guess. Without the public half,
/// which not every program reads there.
///
/// # Errors
/// If it cannot be written as PEM.
pub fn private_key_pem(secret: [u8; 32]) -> Result<String, KeyError> {
    let key = KeypairBytes {
        secret_key: secret,
        public_key: None,
    };
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(KeyError)?;
    Ok(pem.as_str().to_owned())
}

/// Signs requests to endpoints.
pub struct Signer {
    key: SigningKey,
    public_key: String,
    /// The first part of every token, encoded once.
    header: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    iat: u64,
    nbf: u64,
}

impl Signer {
    /// From a PKCS#8 PEM.
    ///
    /// # Errors
    /// When it is not one, or holds another kind of key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem)
            .map(Self::new)
            .map_err(KeyError)
    }

    fn new(key: SigningKey) -> Self {
        let public_key = format!("publickeyv1_{}", base58(key.verifying_key().as_bytes()));
        let header = segment(&Header {
            typ: "JWT",
            alg: "EdDSA",
            kid: &public_key,
        });
        Self {
            key,
            public_key,
            header,
        }
    }

    /// The published name of the key, `publickeyv1_…`, which people give to their SDK.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// A token for a request to `aud`, the path without the deployment's base path, made
    /// `now_seconds` after 1970.
    pub fn token(&self, aud: &str, now_seconds: u64) -> String {
        let claims = segment(&Claims {
            aud,
            exp: now_seconds.saturating_add(LEEWAY_SECONDS),
            iat: now_seconds,
            nbf: now_seconds.saturating_sub(LEEWAY_SECONDS),
        });
        let mut token = format!("{}.{claims}", self.header);
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
        token
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("public_key", &self.public_key)
            .finish_non_exhaustive()
    }
}

fn segment(part: &impl Serialize) -> String {
    let json = serde_json::to_vec(part).expect("structs of text and numbers are always JSON");
    URL_SAFE_NO_PAD.encode(json)
}

fn base58(bytes: &[u8; 32]) -> String {
    // Little-endian digits; each byte multiplies what is there by 256 and adds itself.
    let mut digits: Vec<u8> = Vec::with_capacity(44);
    for &byte in bytes {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeroes = bytes.iter().take_while(|&&byte| byte == 0).count();
    let digits = digits.iter().rev().map(|&digit| BASE58[usize::from(digit)]);
    std::iter::repeat_n(BASE58[0], zeroes)
        .chain(digits)
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_its_pem_and_never_shown() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
                   -----END PRIVATE KEY-----\n";
        let signer = Signer::from_pem(pem).unwrap();
        assert_eq!(
            signer.public_key(),
            "publickeyv1_FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF"
        );
        let shown = format!("{signer:?}");
        assert!(!shown.contains("key: ["), "{shown}");
    }

    #[test]
    fn a_key_that_is_written_is_the_one_that_is_read() {
        let mut secret = [0; 32];
        for (at, byte) in (0..).zip(&mut secret) {
            *byte = at;
        }
        let pem = private_key_pem(secret).unwrap();
        // As openssl writes it.
        assert_eq!(
            pem,
            "-----BEGIN PRIVATE KEY-----\n\
             MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
             -----END PRIVATE KEY-----\n"
        );
        let signer = Signer::from_pem(&pem).unwrap();
        assert!(signer.public_key().starts_with("publickeyv1_"));
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_way_to_make_one() {
        for bad in [
            "",
            "publickeyv1_x",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            let refusal = Signer::from_pem(bad).unwrap_err().to_string();
            assert!(refusal.contains("identity generate"), "{refusal}");
        }
    }

    #[test]
    fn leading_zero_bytes_are_kept_in_base58() {
        assert_eq!(base58(&[0; 32]), "1".repeat(32));
        let mut one = [0; 32];
        one[31] = 58;
        assert_eq!(base58(&one), format!("{}21", "1".repeat(31)));
    }
}
