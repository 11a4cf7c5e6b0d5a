//! Where the server is: flags, environment, file and defaults come in, base URLs go out.
//!
//! The settings are those of the server, `admin_addr` and `ingress_addr`, so that a command run
//! beside a server finds it. What a server listens on is not always where it is reached: an
//! address that stands for all interfaces becomes the loopback one.

use crate::exit::Failure;
use latchwork_server::config::{Config, Sources};

/// Which of the two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// For operators.
    Admin,
    /// For callers.
    Ingress,
}

impl Port {
    /// The flag that says where it is.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Admin => "--admin",
            Self::Ingress => "--ingress",
        }
    }

    /// The variable that says where it is.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Admin => "LATCHWORK_ADMIN_ADDR",
            Self::Ingress => "LATCHWORK_INGRESS_ADDR",
        }
    }

    fn number(self) -> u16 {
        match self {
            Self::Admin => 9070,
            Self::Ingress => 8080,
        }
    }
}

/// Why a text is no address of a server.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("{text:?} is no address of a server: give host:port or a URL")]
    Malformed { text: String },
    #[cfg(not(feature = "tls"))]
    #[error(
        "{text:?} cannot be reached: this program was built without TLS. Give the address of the server itself, \
         or of a tunnel to it"
    )]
    Encrypted { text: String },
}

/// The base URL of a port: the flag, else the variable, else the file, else the default.
pub(crate) fn find(port: Port, flag: Option<&str>) -> Result<String, Failure> {
    if let Some(text) = flag {
        return Ok(base_url(text, port)?);
    }
    if let Some(text) = std::env::var_os(port.variable()) {
        return Ok(base_url(&text.to_string_lossy(), port)?);
    }
    // Other variables are the server's business: one that is wrong there does no harm here.
    let file = Sources {
        environment: Vec::new(),
        ..Sources::gather(None, Vec::new())?
    };
    let config = Config::load(&file)?;
    let text = match port {
        Port::Admin => config.admin_addr,
        Port::Ingress => config.ingress_addr,
    };
    match config.tls_cert_file {
        Some(_) => Ok(base_url(&format!("https://{text}"), port)?),
        None => Ok(base_url(&text, port)?),
    }
}

/// A base URL, without a slash at its end, from what people write for one.
pub(crate) fn base_url(text: &str, port: Port) -> Result<String, AddressError> {
    let malformed = || AddressError::Malformed {
        text: text.to_owned(),
    };
    let rest = text.trim().trim_end_matches('/');
    let (scheme, rest) = match rest.strip_prefix("https://") {
        #[cfg(not(feature = "tls"))]
        Some(_) => {
            return Err(AddressError::Encrypted {
                text: text.to_owned(),
            });
        }
        #[cfg(feature = "tls")]
        Some(rest) => ("https", rest),
        None => ("http", rest.strip_prefix("http://").unwrap_or(rest)),
    };
    if rest.is_empty() || rest.contains("://") {
        return Err(malformed());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_number = authority.bytes().all(|byte| byte.is_ascii_digit());
    let (host, number) = match authority.rsplit_once(':') {
        _ if is_number => ("", authority),
        // The colons of an IPv6 address without a port are within its brackets.
        Some((host, number)) if !number.ends_with(']') => (host, number),
        _ => (authority, ""),
    };
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        other => other,
    };
    let number = match number {
        // Who says https means a proxy, which is where those are.
        "" if scheme == "https" => 443,
        "" => port.number(),
        number => number.parse().map_err(|_| malformed())?,
    };
    let url = format!("{scheme}://{host}:{number}{path}");
    match url.parse::<ureq::http::Uri>() {
        Ok(uri) if uri.query().is_none() => Ok(url),
        _ => Err(malformed()),
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_local(base: &str) -> bool {
    let host = base.trim_start_matches("http://");
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|local| host.starts_with(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        for (written, meant) in [
            ("127.0.0.1:9070", "http://127.0.0.1:9070"),
            ("0.0.0.0:1234", "http://127.0.0.1:1234"),
            ("[::]:1234", "http://[::1]:1234"),
            ("[fe80::1]", "http://[fe80::1]:9070"),
            (":7", "http://127.0.0.1:7"),
            ("7", "http://127.0.0.1:7"),
            ("box", "http://box:9070"),
            ("http://box:1/", "http://box:1"),
            ("http://box:1/latchwork/", "http://box:1/latchwork"),
            #[cfg(feature = "tls")]
            ("https://box/latchwork", "https://box:443/latchwork"),
            #[cfg(feature = "tls")]
            ("https://box:9070", "https://box:9070"),
        ] {
            assert_eq!(base_url(written, Port::Admin).as_deref(), Ok(meant));
        }
        assert_eq!(
            base_url("box", Port::Ingress).as_deref(),
            Ok("http://box:8080")
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "a b:1",
            "box:port",
            "box:70000",
            "ftp://box",
            "box:1?a=b",
        ] {
            let refusal = base_url(bad, Port::Admin).unwrap_err();
            assert!(matches!(refusal, AddressError::Malformed { .. }), "{bad}");
        }
        #[cfg(not(feature = "tls"))]
        assert!(matches!(
            base_url("https://box", Port::Admin),
            Err(AddressError::Encrypted { .. })
        ));
    }
}
