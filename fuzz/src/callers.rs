//! What a caller may send to the ingress.

use latchwork_protocol::id::{parse_awakeable, parse_deployment, parse_invocation};
use latchwork_protocol::ingress::{TargetBody, duration_text, parse, parse_delay};
use latchwork_protocol::scope::{check_scope, limit_key};
use latchwork_protocol::trace::TraceContext;

/// A request: its path, query and headers, one a line.
pub(crate) fn ingress(data: &[u8]) {
    latchwork_server::fuzz::request(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Services whose names are of even length have keys.
    drop(parse(text, &|service| {
        Some(service.len().is_multiple_of(2))
    }));
    drop(parse(text, &|_| None));
    if let Ok(id) = parse_invocation(text) {
        let written = latchwork_protocol::id::invocation_text(&id);
        assert_eq!(written, text, "an id has one spelling");
    }
    drop(parse_awakeable(text));
    if let Ok(id) = parse_deployment(text) {
        assert_eq!(latchwork_protocol::id::deployment_text(id), text);
    }
    if let Ok(ms) = parse_delay(text) {
        assert_eq!(parse_delay(&duration_text(ms)), Ok(ms), "{text:?}");
    }
    drop(check_scope(text));
    drop(limit_key(text, Some("scope")));
    let (parent, state) = text.split_once('\n').unwrap_or((text, ""));
    drop(TraceContext::parse(Some(parent), Some(state)));
    if let Ok(target) = serde_json::from_str::<TargetBody>(text) {
        let written = serde_json::to_string(&target).expect("it can be written");
        assert_eq!(
            serde_json::from_str::<TargetBody>(&written).ok(),
            Some(target)
        );
    }
}
