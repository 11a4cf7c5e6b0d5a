//! Whom a certificate is for: its bytes in, a line of text out.
//!
//! Only certificates that the handshake has checked come here, so what cannot be read is left out
//! rather than refused.

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Bytes of a text that are kept.
const BYTES_MAX: usize = 256;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;

/// The kinds of names that people know, by the bytes of their object identifiers.
const KINDS: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        "DC",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
        "emailAddress",
    ),
];

/// The subject as `CN=ada,O=Shop`; without one, the first of the other names.
pub(super) fn text(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut text = name(certificate.subject());
    if text.is_empty() {
        let other = certificate.valid_uri_names().next();
        text = other
            .or_else(|| certificate.valid_dns_names().next())?
            .to_owned();
    }
    text.truncate(text.floor_char_boundary(BYTES_MAX));
    Some(text)
}

/// A distinguished name, its last part first, as RFC 4514 has it.
fn name(mut bytes: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((SET, mut pairs, rest)) = take(bytes) {
        bytes = rest;
        let mut values = Vec::new();
        while let Some((SEQUENCE, pair, rest)) = take(pairs) {
            pairs = rest;
            values.extend(attribute(pair));
        }
        if !values.is_empty() {
            parts.push(values.join("+"));
        }
    }
    parts.reverse();
    parts.join(",")
}

/// One attribute, as `CN=ada`; those of kinds that are not known here are left out.
fn attribute(pair: &[u8]) -> Option<String> {
    let (OBJECT_IDENTIFIER, oid, rest) = take(pair)? else {
        return None;
    };
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == oid)?;
    let (tag, value, _) = take(rest)?;
    let value = match tag {
        BMP_STRING => {
            let (units, _) = value.as_chunks::<2>();
            let units: Vec<_> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(value).into_owned(),
    };
    let mut shown = format!("{kind}=");
    for letter in value.chars() {
        match letter {
            ',' | '+' | '=' | '\\' | '"' => shown.extend(['\\', letter]),
            letter if letter.is_control() => shown.push('\u{fffd}'),
            letter => shown.push(letter),
        }
    }
    Some(shown)
}

/// The first element of DER: its tag, its content, and what follows it.
fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ ..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, content.len() as u8], content].concat()
    }

    fn part(oid: &[u8], value: &[u8]) -> Vec<u8> {
        let pair = [element(OBJECT_IDENTIFIER, oid), element(0x0c, value)].concat();
        element(SET, &element(SEQUENCE, &pair))
    }

    #[test]
    fn names_are_written_from_their_end_and_cannot_feign_another() {
        let bytes = [
            part(&[0x55, 4, 10], b"Shop"),
            part(&[0x55, 4, 99], b"unknown"),
            part(&[0x55, 4, 3], b"ada,O=Bank\n"),
        ]
        .concat();
        assert_eq!(name(&bytes), "CN=ada\\,O\\=Bank\u{fffd},O=Shop");
        // What is cut short says as much as it says.
        for length in 0..bytes.len() {
            assert!(name(&bytes[..length]).len() <= 30);
        }
        assert_eq!(take(&[SET, 0x84, 0, 0, 0, 0]), None);
    }
}
