//! What a handler takes and gives: a request's content type and emptiness in, yes or the reason
//! why not out.
//!
//! Schemas are kept for people and generated API descriptions; bodies are not checked against them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which requests a handler takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum InputRule {
    /// Every request.
    Any,
    /// Only those without body and content type.
    Empty,
    /// Those of a content type, and nothing at all unless `required`.
    Typed {
        /// `type/subtype`, `type/*` or `*/*`.
        content_type: String,
        /// Whether a content type must be there.
        required: bool,
        /// Makes an empty body of the right content type an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        json_schema: Option<Value>,
    },
}

impl InputRule {
    /// Whether a request may be passed on.
    ///
    /// # Errors
    /// What is wrong with it and what would be right, for the caller to read.
    pub fn accepts(&self, content_type: Option<&str>, body_is_empty: bool) -> Result<(), String> {
        match self {
            Self::Any => Ok(()),
            Self::Empty => match content_type {
                _ if !body_is_empty => {
                    Err("the handler takes no input: send an empty body.".to_owned())
                }
                Some(found) => Err(format!(
                    "the handler takes no input: send no content-type header (it is {found:?})."
                )),
                None => Ok(()),
            },
            Self::Typed {
                content_type: pattern,
                required,
                json_schema,
            } => match content_type {
                None if body_is_empty && !required => Ok(()),
                None => Err(format!(
                    "the request has no content-type header: set it to {pattern}."
                )),
                Some(found) if !matches(pattern, found) => Err(format!(
                    "content type {found:?} is not taken by the handler: send {pattern}."
                )),
                Some(_) if body_is_empty && json_schema.is_some() => Err(
                    "the body is empty but the handler takes JSON: send a JSON value.".to_owned(),
                ),
                Some(_) => Ok(()),
            },
        }
    }

    /// The rule in a few words, for the admin API.
    pub fn description(&self) -> String {
        match self {
            Self::Any => "*/*".to_owned(),
            Self::Empty => "none".to_owned(),
            Self::Typed {
                content_type,
                json_schema,
                ..
            } => described(content_type, json_schema.as_ref()).into_owned(),
        }
    }

    /// The schema of the body.
    pub fn json_schema(&self) -> Option<&Value> {
        match self {
            Self::Typed { json_schema, .. } => json_schema.as_ref(),
            Self::Any | Self::Empty => None,
        }
    }
}

/// Which content type a response gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputRule {
    /// The content type; absent means that none is ever set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether it is set also when the body is empty.
    pub set_if_empty: bool,
    /// The schema of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Value>,
}

/// The rule of a handler that says nothing about its output: JSON, when there is any.
impl Default for OutputRule {
    fn default() -> Self {
        Self {
            content_type: Some("application/json".to_owned()),
            set_if_empty: false,
            json_schema: None,
        }
    }
}

impl OutputRule {
    /// The content type of a response.
    pub fn content_type(&self, body_is_empty: bool) -> Option<&str> {
        self.content_type
            .as_deref()
            .filter(|_| !body_is_empty || self.set_if_empty)
    }

    /// The rule in a few words, for the admin API.
    pub fn description(&self) -> String {
        match &self.content_type {
            None => "none".to_owned(),
            Some(content_type) => {
                let optional = if self.set_if_empty { "optional " } else { "" };
                let content = described(content_type, self.json_schema.as_ref());
                format!("{optional}{content}")
            }
        }
    }
}

fn described<'a>(content_type: &'a str, schema: Option<&Value>) -> Cow<'a, str> {
    let Some(schema) = schema else {
        return content_type.into();
    };
    let text = |name| schema.get(name).and_then(Value::as_str);
    match (text("title"), text("type")) {
        (Some(title), _) => format!("JSON '{title}'").into(),
        (None, Some(kind)) => format!("JSON {kind}").into(),
        (None, None) => "JSON".into(),
    }
}

/// Whether a content type, its parameters aside, falls under a pattern.
fn matches(pattern: &str, content_type: &str) -> bool {
    if pattern == "*/*" {
        return true;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match pattern.strip_suffix("/*") {
        Some(major) => essence
            .split_once('/')
            .is_some_and(|(found, _)| found.eq_ignore_ascii_case(major)),
        None => essence.eq_ignore_ascii_case(pattern),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed(content_type: &str, required: bool, json_schema: Option<Value>) -> InputRule {
        InputRule::Typed {
            content_type: content_type.to_owned(),
            required,
            json_schema,
        }
    }

    #[test]
    fn requests_meet_input_rules() {
        let json = Some("application/json");
        let (full, empty) = (false, true);
        let schema = Some(json!({"type": "string"}));
        let optional = typed("application/json", false, None);
        let required = typed("application/json", true, None);
        let schemed = typed("application/json", false, schema);
        let image = typed("image/*", true, None);
        for (rule, content_type, body_is_empty, accepted) in [
            (&InputRule::Any, None, full, true),
            (&InputRule::Any, Some("x"), empty, true),
            (&InputRule::Empty, None, empty, true),
            (&InputRule::Empty, None, full, false),
            (&InputRule::Empty, json, empty, false),
            (&optional, None, empty, true),
            (&optional, None, full, false),
            (&optional, json, empty, true),
            (
                &optional,
                Some("application/json; charset=utf-8"),
                full,
                true,
            ),
            (&optional, Some("Application/JSON"), full, true),
            (&optional, Some("text/plain"), full, false),
            (&required, None, empty, false),
            (&required, json, empty, true),
            (&schemed, None, empty, true),
            (&schemed, json, empty, false),
            (&schemed, json, full, true),
            (&image, Some("image/png"), full, true),
            (&image, Some("imagery/png"), full, false),
            (&typed("*/*", true, None), Some("odd"), full, true),
        ] {
            assert_eq!(
                rule.accepts(content_type, body_is_empty).is_ok(),
                accepted,
                "{rule:?} {content_type:?} empty: {body_is_empty}"
            );
        }
    }

    #[test]
    fn responses_get_the_content_type_of_the_rule() {
        let silent = OutputRule::default();
        assert_eq!(silent.content_type(false), Some("application/json"));
        assert_eq!(silent.content_type(true), None);
        let always = OutputRule {
            set_if_empty: true,
            ..silent
        };
        assert_eq!(always.content_type(true), Some("application/json"));
    }

    #[test]
    fn rules_describe_themselves() {
        for (rule, described) in [
            (InputRule::Any, "*/*"),
            (InputRule::Empty, "none"),
            (typed("text/plain", false, None), "text/plain"),
            (
                typed(
                    "a/b",
                    false,
                    Some(json!({"title": "Greeting", "type": "object"})),
                ),
                "JSON 'Greeting'",
            ),
            (
                typed("a/b", false, Some(json!({"type": "object"}))),
                "JSON object",
            ),
            (typed("a/b", false, Some(json!(true))), "JSON"),
        ] {
            assert_eq!(rule.description(), described);
        }
        let mut output = OutputRule::default();
        assert_eq!(output.description(), "application/json");
        output.set_if_empty = true;
        assert_eq!(output.description(), "optional application/json");
        output.content_type = None;
        assert_eq!(output.description(), "none");
    }
}
