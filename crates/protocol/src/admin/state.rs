//! The state of objects and workflows: read, replaced and changed, under a version if need be.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The body of `POST /services/{service}/state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModifyState {
    /// The state that must be there, as of [`state_version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The key of the object or workflow.
    pub object_key: String,
    /// Its scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Replaces the whole state.
    pub new_state: BTreeMap<String, StateBytes>,
}

/// The reply to `GET /services/{service}/state/{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateReply {
    /// The key of the object or workflow.
    pub object_key: String,
    /// Its scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The version of all of it, as of [`state_version`]; give it along with a change.
    pub version: String,
    /// All entries; empty where there is no state.
    pub state: BTreeMap<String, StateBytes>,
    /// The invocation that holds the key and may be changing the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
}

/// The body of `PUT /services/{service}/state/{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReplaceState {
    /// The state that must be there, as of [`state_version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Replaces the whole state.
    pub state: BTreeMap<String, StateBytes>,
}

/// The body of `PATCH /services/{service}/state/{key}`. Entries that it does not name stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PatchState {
    /// The state that must be there, as of [`state_version`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Entries to write.
    pub set: BTreeMap<String, StateBytes>,
    /// Entries to delete.
    pub delete: Vec<String>,
}

/// The content of a state entry: an array of numbers in JSON, or a text that stands for its UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateBytes(pub Vec<u8>);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StateBytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StateBytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Bytes: an array of numbers, or a text that stands for its UTF-8.",
            "oneOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
            ],
        })
    }
}

impl Serialize for StateBytes {
    /// As a text where it is one, so that people can read it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for StateBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a state value is an array of numbers from 0 to 255, or a text"
        )]
        enum Written {
            Bytes(Vec<u8>),
            Text(String),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => bytes,
            Written::Text(text) => text.into_bytes(),
        }))
    }
}

/// The version of a state: equal for equal entries. `entries` are in ascending order of key.
pub fn state_version<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (at, (key, value)) in (0u64..).zip(entries) {
        hash.update(at.to_be_bytes());
        hash.update([1]);
        hash.update(key);
        hash.update([2]);
        hash.update(value);
        hash.update([3]);
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn state_is_read_from_numbers_and_from_text() {
        let read =
            |state| from_value::<ModifyState>(json!({"object_key": "k", "new_state": state}));
        let state = read(json!({"a": [104, 105], "b": "hi"})).unwrap().new_state;
        assert_eq!(state["a"], state["b"]);
        assert!(read(json!({"a": [256]})).is_err());
        assert!(read(json!(null)).is_err());
    }

    #[test]
    fn state_versions_are_those_that_clients_compute() {
        for (entries, version) in [
            (&[][..], "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
            (
                &[(&b"count"[..], &b"2"[..])],
                "oDVelX9rZfK0jIls7uLnmmv6QXU_3amVenCuAnBsZaQ",
            ),
            (
                &[(&b"name"[..], &b"bob"[..])],
                "tDqA04Lj3_qJ-PgNPTecXDGZgpwy6jm2Ni2BYqJIthM",
            ),
        ] {
            assert_eq!(state_version(entries.iter().copied()), version);
        }
    }
    #[test]
    fn state_is_written_as_text_where_it_is_one() {
        for (bytes, written) in [(&b"hi"[..], json!("hi")), (&[0xff, 1], json!([255, 1]))] {
            let bytes = StateBytes(bytes.to_vec());
            assert_eq!(to_value(&bytes).unwrap(), written);
            assert_eq!(from_value::<StateBytes>(written).unwrap(), bytes);
        }
    }
}
