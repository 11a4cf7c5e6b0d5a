//! Spans as OTLP says them: the messages of `opentelemetry/proto/trace/v1`, as far as they are
//! used here, and how a span of ours becomes one.
//!
//! Written by hand: the crates with all of OTLP bring a gRPC stack along, and what is needed of it
//! are these few messages, whose numbers never change.

use bytes::Bytes;
use latchwork_runtime::trace::{Event, Span, SpanKind, Value};
use prost::Message;

/// What a collector is sent.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WireSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireSpan {
    #[prost(bytes = "bytes", tag = "1")]
    trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    span_id: Bytes,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "bytes", tag = "4")]
    parent_span_id: Bytes,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<WireEvent>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct WireEvent {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Link {
    #[prost(bytes = "bytes", tag = "1")]
    trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    span_id: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

/// The code of a status that says error.
const STATUS_ERROR: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 3")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// What a collector answers.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// It did not take everything.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// Some spans of one resource, which is this server.
pub(super) fn request(resource: &[(String, String)], spans: Vec<Span>) -> Request {
    let resource = resource
        .iter()
        .map(|(key, value)| key_value(key, Value::Text(value.clone())));
    Request {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: resource.collect(),
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(Scope {
                    name: "latchwork".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                }),
                spans: spans.into_iter().map(to_wire).collect(),
            }],
        }],
    }
}

fn to_wire(span: Span) -> WireSpan {
    WireSpan {
        trace_id: trace_id(span.trace),
        span_id: span_id(span.id),
        trace_state: span.state.unwrap_or_default(),
        parent_span_id: span.parent.map(span_id).unwrap_or_default(),
        name: span.name,
        kind: match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
        },
        start_time_unix_nano: span.began_ns,
        end_time_unix_nano: span.ended_ns,
        attributes: key_values(span.attributes),
        events: span.events.into_iter().map(to_wire_event).collect(),
        links: (span.link.into_iter())
            .map(|(trace, span)| Link {
                trace_id: trace_id(trace),
                span_id: span_id(span),
            })
            .collect(),
        status: span.error.map(|message| Status {
            message,
            code: STATUS_ERROR,
        }),
    }
}

fn to_wire_event(event: Event) -> WireEvent {
    WireEvent {
        time_unix_nano: event.at_ns,
        name: event.name.to_owned(),
        attributes: key_values(event.attributes),
    }
}

fn trace_id(trace: u128) -> Bytes {
    Bytes::copy_from_slice(&trace.to_be_bytes())
}

fn span_id(span: u64) -> Bytes {
    Bytes::copy_from_slice(&span.to_be_bytes())
}

fn key_values(attributes: Vec<(&'static str, Value)>) -> Vec<KeyValue> {
    let attributes = attributes.into_iter();
    attributes
        .map(|(key, value)| key_value(key, value))
        .collect()
}

fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(match value {
                Value::Text(text) => Any::Text(text),
                Value::Number(number) => Any::Number(number),
            }),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a small request, as the definitions of OTLP give them.
    #[test]
    fn a_span_has_the_bytes_that_otlp_wants() {
        let span = Span {
            trace: 1,
            id: 2,
            parent: Some(3),
            state: None,
            name: "n".into(),
            kind: SpanKind::Server,
            began_ns: 4,
            ended_ns: 5,
            attributes: vec![("k", Value::Number(6))],
            events: Vec::new(),
            link: None,
            error: Some("e".into()),
        };
        let bytes = to_wire(span).encode_to_vec();
        let mut expected = vec![0x0a, 16];
        expected.extend(1_u128.to_be_bytes());
        expected.extend([0x12, 8, 0, 0, 0, 0, 0, 0, 0, 2]);
        expected.extend([0x22, 8, 0, 0, 0, 0, 0, 0, 0, 3]);
        expected.extend([0x2a, 1, b'n', 0x30, 2]);
        expected.extend([0x39, 4, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0x41, 5, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0x4a, 7, 0x0a, 1, b'k', 0x12, 2, 0x18, 6]);
        expected.extend([0x7a, 5, 0x12, 1, b'e', 0x18, 2]);
        assert_eq!(bytes, expected);
    }
}
