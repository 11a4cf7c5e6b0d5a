//! The head of a request, without a connection.

use super::query::Query;
use super::{call, cors};
use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use latchwork_engine::TargetKind;
use latchwork_protocol::ingress::{self, parse, parse_delay};
use latchwork_protocol::scope::limit_key;
use latchwork_runtime::SystemDice;

pub(crate) fn request(head: &[u8]) {
    let mut lines = head.split(|byte| *byte == b'\n');
    let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(at.unwrap_or(line.len()));
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let mut answered = HeaderMap::new();
    cors::complete(&mut answered, cors::origin(&headers));
    drop(cors::preflight(&headers));
    let query = Query::of(uri.query());
    drop(query.delay.as_deref().map(parse_delay));
    drop(
        query
            .limit_key
            .as_deref()
            .map(|key| limit_key(key, None).map(drop)),
    );
    if let Ok(seen) = call::forwarded(&uri, &headers, |_| false) {
        for header in seen {
            let written = HeaderValue::from_str(&header.value);
            assert!(
                written.is_ok(),
                "a handler is given what no header can be: {header:?}"
            );
        }
    }
    let keyed = |service: &str| Some(service.len().is_multiple_of(2));
    if let Ok(ingress::Route::Call(target)) = parse(uri.path(), &keyed)
        && let Ok(key) = call::idempotency_key(&headers)
    {
        call::identify(&SystemDice, TargetKind::Exclusive, &target, key);
    }
}
