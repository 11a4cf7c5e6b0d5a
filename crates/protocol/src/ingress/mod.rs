//! The conversation with callers: paths, headers and bodies in, replies out, as plain values.
//!
//! ```text
//!   path ── parse ──▶ Route      delay ── parse_delay ──▶ ms
//!   JSON ───────────▶ TargetBody
//!   SendReply, LookupReply, HealthReply, ErrorBody ──▶ JSON
//! ```
//!
//! Start at [`parse`]. Not here: HTTP itself, and whether a service or handler exists, which the
//! caller of [`parse`] answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod route;
mod time;

pub use route::{Route, RouteError, Subject, Target, parse};
pub use time::{DelayError, duration_text, parse_delay, rfc3339_millis_offset, rfc3339_nanos};

/// Names of headers, lower case.
pub mod header {
    /// Request: the caller's idempotency key.
    pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// Response: until when a stored result is kept.
    pub const IDEMPOTENCY_EXPIRES: &str = "idempotency-expires";
    /// Request: a limit key, which wins over the query parameter.
    pub const LIMIT_KEY: &str = "x-restate-limit-key";
    /// Response: the invocation id.
    pub const ID: &str = "x-restate-id";
    /// Response: who an error is from.
    pub const ERROR_SOURCE: &str = "x-restate-error-source";
    /// To the handler: path and query of the request.
    pub const INGRESS_PATH: &str = "x-restate-ingress-path";

    /// Whether a request header, in lower case, stays out of what the handler sees.
    pub fn is_withheld(name: &str) -> bool {
        matches!(
            name,
            "host" | "connection" | IDEMPOTENCY_KEY | IDEMPOTENCY_EXPIRES
        )
    }
}

/// The status of a result that is not there yet. Clients know it by this number.
pub const NOT_READY: u16 = 470;

/// The reply to a send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendReply {
    /// The invocation id as text.
    pub invocation_id: String,
    /// When it will start, if it is delayed; as of [`rfc3339_nanos`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_time: Option<String>,
    /// Whether this request made the invocation.
    pub status: SendStatus,
}

/// Whether a send made an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendStatus {
    /// It did.
    Accepted,
    /// The invocation was there.
    PreviouslyAccepted,
}

/// The reply to a lookup. The invocation need not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookupReply {
    /// The invocation id as text.
    pub invocation_id: String,
}

/// The reply to a health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReply {
    /// Names of the services that can be called.
    pub services: Vec<String>,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The HTTP status, or the code that the invocation failed with.
    pub code: u32,
    /// For people.
    pub message: String,
    /// Of the invocation's failure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Of the invocation's last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<String>,
    /// A stable code, where the refusal has one; as in the admin API's errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restate_code: Option<String>,
    /// Who it is from; also in [`header::ERROR_SOURCE`].
    pub source: ErrorSource,
}

/// Who an error is from. Clients do not retry those of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorSource {
    /// The server refused or could not serve the request.
    Ingress,
    /// The invocation ended with this failure.
    Invocation,
}

impl ErrorSource {
    /// The value of [`header::ERROR_SOURCE`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Invocation => "invocation",
        }
    }
}

/// The body of attach, output and lookup: which invocation is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "target",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum TargetBody {
    /// The run of a workflow key.
    Workflow {
        /// The service.
        workflow_name: String,
        /// The key.
        workflow_key: String,
        /// The scope it was submitted in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    /// What an idempotency key leads to.
    IdempotentInvocation {
        /// The service.
        service: String,
        /// The key of a keyed service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The handler.
        handler: String,
        /// The idempotency key.
        idempotency_key: String,
        /// The scope it was submitted in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    /// An invocation by its id.
    Invocation {
        /// The id as text.
        invocation_id: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, to_string};

    use super::*;

    #[test]
    fn replies_keep_their_member_order_and_leave_out_what_is_absent() {
        let mut reply = SendReply {
            invocation_id: "inv_1x".to_owned(),
            execution_time: None,
            status: SendStatus::PreviouslyAccepted,
        };
        assert_eq!(
            to_string(&reply).unwrap(),
            r#"{"invocationId":"inv_1x","status":"PreviouslyAccepted"}"#
        );
        reply.execution_time = Some("t".to_owned());
        assert_eq!(
            to_string(&reply).unwrap(),
            r#"{"invocationId":"inv_1x","executionTime":"t","status":"PreviouslyAccepted"}"#
        );
        let error = ErrorBody {
            code: 409,
            message: "killed".to_owned(),
            metadata: BTreeMap::new(),
            stacktrace: None,
            restate_code: None,
            source: ErrorSource::Invocation,
        };
        assert_eq!(
            to_string(&error).unwrap(),
            r#"{"code":409,"message":"killed","source":"invocation"}"#
        );
    }

    #[test]
    fn targets_are_read_from_json() {
        let text = r#"{"target":"workflow","workflowName":"W","workflowKey":"k"}"#;
        assert_eq!(
            from_str::<TargetBody>(text).unwrap(),
            TargetBody::Workflow {
                workflow_name: "W".to_owned(),
                workflow_key: "k".to_owned(),
                scope: None,
            }
        );
        for text in [
            r#"{"target":"idempotentInvocation","service":"S","handler":"h","idempotencyKey":"i"}"#,
            r#"{"target":"idempotentInvocation","service":"S","key":"k","handler":"h","idempotencyKey":"i","scope":"s"}"#,
            r#"{"target":"invocation","invocationId":"inv_1x"}"#,
        ] {
            let target: TargetBody = from_str(text).unwrap();
            assert_eq!(to_string(&target).unwrap(), text);
        }
        assert!(from_str::<TargetBody>("{}").is_err());
    }
}
