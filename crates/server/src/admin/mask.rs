//! Values that are stored and not shown: headers for deployments, which are credentials as a rule.

use super::error::AdminError;
use std::collections::BTreeMap;

/// Shown in the place of a value; given back, it stands for the value that is stored.
const MASK: &str = "***";

/// The names, without their values.
pub(super) fn hidden(headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let names = headers.keys();
    names.map(|name| (name.clone(), MASK.to_owned())).collect()
}

/// What was given, with stored values in the places of those that were not shown.
pub(super) fn restored(
    given: &BTreeMap<String, String>,
    stored: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, AdminError> {
    let value = |name: &String, value: &String| match value == MASK {
        false => Some(value.clone()),
        true => stored?.get(name).cloned(),
    };
    given
        .iter()
        .map(|(name, given)| match value(name, given) {
            Some(value) => Ok((name.clone(), value)),
            None => Err(AdminError::Masked(name.clone())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_can_be_given_back() {
        let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| (String::from(*name), String::from(*value)))
                .collect()
        };
        let stored = pairs(&[("a", "1"), ("b", "2")]);
        let mut given = hidden(&stored);
        assert_eq!(given, pairs(&[("a", "***"), ("b", "***")]));
        assert_eq!(restored(&given, Some(&stored)).unwrap(), stored);
        given.remove("a");
        given.insert("c".into(), "3".into());
        let changed = restored(&given, Some(&stored)).unwrap();
        assert_eq!(changed, pairs(&[("b", "2"), ("c", "3")]));
        let refused = restored(&given, None).unwrap_err().to_string();
        assert!(refused.contains("\"b\""), "{refused}");
    }
}
