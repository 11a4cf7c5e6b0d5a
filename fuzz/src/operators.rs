//! What an operator, or a tool of one, may send to the admin API.

/// A JSON body; the first byte chooses whose.
pub(crate) fn admin(data: &[u8]) {
    if let Some((choice, body)) = data.split_first() {
        latchwork_server::fuzz::admin_body(*choice, body);
    }
}

/// A statement.
pub(crate) fn sql(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        latchwork_server::fuzz::statement(text);
    }
}
