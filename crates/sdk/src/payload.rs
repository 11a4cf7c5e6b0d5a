//! Values as bytes: JSON for everything that serde knows, [`Raw`] for bytes as they are.
//!
//! Nothing (`()`) is no bytes at all, and reads back from no bytes and from `null`.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The content type of JSON.
const JSON: &str = "application/json";

/// Bytes that are passed as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl<B: Into<Bytes>> From<B> for Raw {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

/// Why a value could not become bytes, or bytes not a value.
#[derive(Debug, thiserror::Error)]
#[error("{type_name} {direction} JSON: {source}")]
pub struct PayloadError {
    type_name: &'static str,
    direction: &'static str,
    source: serde_json::Error,
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent or stored",
    label = "this type has no JSON",
    note = "derive serde::Serialize for it, or use latchwork::Raw for bytes as they are"
)]
/// A value that can be sent or stored. Implemented for all that is `Serialize`, and for [`Raw`].
pub trait Encode {
    /// The value as bytes.
    ///
    /// # Errors
    /// When its `Serialize` refuses, or it has keys that JSON cannot express.
    fn encode(&self) -> Result<Bytes, PayloadError>;

    /// What the bytes are, as a media type; nothing for a type without content.
    fn content_type() -> Option<&'static str>;
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be received or read",
    label = "this type cannot be made from JSON",
    note = "derive serde::Deserialize for it, or use latchwork::Raw for bytes as they are"
)]
/// A value that can be received or read. Implemented for all that is `DeserializeOwned`, and for
/// [`Raw`].
pub trait Decode: Sized {
    /// The value of these bytes.
    ///
    /// # Errors
    /// When the bytes are not what the type expects.
    fn decode(bytes: &Bytes) -> Result<Self, PayloadError>;

    /// The media types that are accepted, as a pattern.
    fn accepts() -> &'static str;
}

impl<T: Serialize> Encode for T {
    fn encode(&self) -> Result<Bytes, PayloadError> {
        if is_unit::<T>() {
            return Ok(Bytes::new());
        }
        match serde_json::to_vec(self) {
            Ok(json) => Ok(json.into()),
            Err(source) => Err(PayloadError {
                type_name: std::any::type_name::<T>(),
                direction: "cannot be written as",
                source,
            }),
        }
    }

    fn content_type() -> Option<&'static str> {
        (!is_unit::<T>()).then_some(JSON)
    }
}

impl<T: DeserializeOwned> Decode for T {
    fn decode(bytes: &Bytes) -> Result<Self, PayloadError> {
        let json: &[u8] = if bytes.is_empty() { b"null" } else { bytes };
        serde_json::from_slice(json).map_err(|source| PayloadError {
            type_name: std::any::type_name::<T>(),
            direction: "cannot be read from this",
            source,
        })
    }

    fn accepts() -> &'static str {
        JSON
    }
}

impl Encode for Raw {
    fn encode(&self) -> Result<Bytes, PayloadError> {
        Ok(self.0.clone())
    }

    fn content_type() -> Option<&'static str> {
        Some("application/octet-stream")
    }
}

impl Decode for Raw {
    fn decode(bytes: &Bytes) -> Result<Self, PayloadError> {
        Ok(Self(bytes.clone()))
    }

    fn accepts() -> &'static str {
        "*/*"
    }
}

fn is_unit<T>() -> bool {
    size_of::<T>() == 0 && std::any::type_name::<T>() == "()"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_bytes_and_reads_from_null_too() {
        assert_eq!(().encode().unwrap(), "");
        <()>::decode(&Bytes::new()).unwrap();
        <()>::decode(&Bytes::from_static(b"null")).unwrap();
        assert_eq!(Option::<u8>::decode(&Bytes::new()).unwrap(), None);
        assert_eq!(<() as Encode>::content_type(), None);
        assert_eq!("x".encode().unwrap(), "\"x\"");
    }

    #[test]
    fn raw_bytes_are_left_alone() {
        let raw = Raw::from(vec![0, 255]);
        assert_eq!(Raw::decode(&raw.encode().unwrap()).unwrap(), raw);
    }

    #[test]
    fn an_error_names_the_type() {
        let error = u8::decode(&Bytes::from_static(b"\"x\"")).unwrap_err();
        assert!(
            error.to_string().starts_with("u8 cannot be read"),
            "{error}"
        );
    }
}
