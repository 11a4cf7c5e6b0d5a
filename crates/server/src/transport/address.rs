//! Addresses of deployments: a registered text in, the parts of request URIs out.

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use latchwork_runtime::transport::TransportError;

/// Where a deployment listens, taken apart once.
#[derive(Debug, Clone)]
pub(super) struct Address {
    text: String,
    /// Scheme and authority, as one text.
    origin: String,
    scheme: Scheme,
    authority: Authority,
    /// Without the slash at its end.
    path: String,
    query: Option<String>,
}

impl Address {
    /// Accepts `http` and `https` with a host and, if need be, port, path and query.
    pub(super) fn parse(text: &str) -> Result<Self, TransportError> {
        let refused = |reason: &str| TransportError::Unsupported {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        let uri: Uri = text
            .parse()
            .map_err(|_| refused("it is no URI; write it like http://host:9080"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(refused(
                "it has no scheme or no host; write it like http://host:9080",
            ));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(refused("only http:// and https:// are spoken"));
        }
        if authority.as_str().contains('@') {
            return Err(refused(
                "it carries a user name, which HTTP/2 forbids; use an additional header \
                 `authorization`",
            ));
        }
        let (path, query) = match &parts.path_and_query {
            Some(both) => (both.path(), both.query()),
            None => ("", None),
        };
        Ok(Self {
            text: text.to_owned(),
            origin: format!("{scheme}://{authority}"),
            path: path.trim_end_matches('/').to_owned(),
            query: query.map(str::to_owned),
            scheme,
            authority,
        })
    }

    /// As it was registered.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Scheme and authority: what decides on the connection.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is to be spoken to in TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Host without the brackets of IPv6, and port.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        let default = if self.is_tls() { 443 } else { 80 };
        let host = self.authority.host();
        (
            host.trim_start_matches('[').trim_end_matches(']'),
            self.authority.port_u16().unwrap_or(default),
        )
    }

    /// The URI of `path`, which begins with a slash, below this address.
    pub(super) fn uri(&self, path: &str) -> Result<Uri, TransportError> {
        let query_len = self.query.as_ref().map_or(0, |query| query.len() + 1);
        let mut whole = String::with_capacity(self.path.len() + path.len() + query_len);
        whole.push_str(&self.path);
        whole.push_str(path);
        if let Some(query) = &self.query {
            whole.push('?');
            whole.push_str(query);
        }
        let unsupported = |reason: String| TransportError::Unsupported {
            address: self.text.clone(),
            reason,
        };
        let path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(whole))
            .map_err(|error| unsupported(format!("{path:?} makes no path: {error}")))?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).map_err(|error| unsupported(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(address: &str, path: &str) -> String {
        Address::parse(address)
            .and_then(|address| address.uri(path))
            .map_or_else(|error| error.to_string(), |uri| uri.to_string())
    }

    #[test]
    fn base_path_and_query_are_kept() {
        for (address, joined) in [
            ("http://h:9080", "http://h:9080/discover"),
            ("http://h:9080/", "http://h:9080/discover"),
            ("http://h/base/", "http://h/base/discover"),
            ("https://h/a/b?k=v", "https://h/a/b/discover?k=v"),
        ] {
            assert_eq!(join(address, "/discover"), joined);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_advice() {
        for (address, advice) in [
            ("h:9080", "http://host:9080"),
            ("ftp://h", "only http://"),
            ("http://u:p@h", "authorization"),
            ("", "http://host:9080"),
        ] {
            let refused = join(address, "/discover");
            assert!(refused.contains(advice), "{address:?}: {refused}");
        }
    }

    #[test]
    fn ports_follow_from_the_scheme_and_brackets_are_dropped() {
        for (address, host, port) in [
            ("http://h", "h", 80),
            ("https://h", "h", 443),
            ("http://[::1]:9080", "::1", 9080),
        ] {
            let address = Address::parse(address).expect("an address");
            assert_eq!(address.host_and_port(), (host, port));
        }
    }
}
