//! For the fuzzing targets: what callers, operators and endpoints may send to the server.

/// Runs a statement over small tables in memory, as JSON or as Arrow.
///
/// # Panics
/// If the dialect lets something through that the engine does not understand.
#[cfg(feature = "sql")]
pub fn statement(text: &str) {
    crate::query::fuzz::statement(text);
}

/// Reads the head of a call: a line with path and query, then a header a line.
pub fn request(head: &[u8]) {
    crate::ingress::fuzz::request(head);
}

/// Reads a body as that of the operation that `choice` chooses, and what is in it.
pub fn admin_body(choice: u8, body: &[u8]) {
    crate::admin::fuzz::body(choice, body);
}

/// Registers what an endpoint offers, and describes it for tools.
pub fn registered(services: Vec<latchwork_protocol::service::manifest::Service>) {
    crate::admin::fuzz::registered(services);
}
