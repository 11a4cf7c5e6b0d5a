//! Whether a server that asks nobody for a token may listen where it is told to.

use crate::config::Config;
use std::net::{IpAddr, SocketAddr};

/// Why the server does not start: strangers could do everything.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {what} would listen at {address}, where others than this machine reach it, and nobody is \
     asked for a token [LW0003]. Make tokens (`latchwork token create --help`) and name their file with \
     --auth-file; or ask for client certificates with --tls-client-ca-file; or listen at 127.0.0.1 \
     with {flag}; or, if something else keeps strangers out, say --insecure-no-auth true"
)]
pub struct OpenError {
    what: &'static str,
    address: String,
    flag: &'static str,
}

/// Who can use the server without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Nobody.
    Nobody,
    /// Programs on this machine.
    ThisMachine,
    /// Whoever reaches it.
    Everybody,
}

/// Checks where the server listens, `ingress` and `admin`, against what it asks for.
///
/// # Errors
/// If strangers could use it, and nobody has said that they may.
pub fn open_to_whom(
    config: &Config,
    ingress: SocketAddr,
    admin: SocketAddr,
) -> Result<Open, OpenError> {
    if config.auth_file.is_some() || config.tls_client_ca_file.is_some() {
        return Ok(Open::Nobody);
    }
    let listeners = [
        ("ingress", ingress, "--ingress-addr"),
        ("admin API", admin, "--admin-addr"),
    ];
    let stranger = listeners
        .into_iter()
        .find(|(_, address, _)| !is_loopback(address.ip()));
    match stranger {
        None => Ok(Open::ThisMachine),
        Some(_) if config.insecure_no_auth => Ok(Open::Everybody),
        Some((what, address, flag)) => Err(OpenError {
            what,
            address: address.to_string(),
            flag,
        }),
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_need_a_token_unless_the_operator_insists() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (near, far) = (at("127.0.0.1:1"), at("0.0.0.0:2"));
        let open = Config::default();
        let asks = Config {
            auth_file: Some("tokens.toml".into()),
            ..Config::default()
        };
        let insists = Config {
            insecure_no_auth: true,
            ..Config::default()
        };
        for near in [near, at("[::1]:1"), at("[::ffff:127.0.0.1]:1")] {
            assert_eq!(open_to_whom(&open, near, near).unwrap(), Open::ThisMachine);
        }
        let refused = |ingress, admin| open_to_whom(&open, ingress, admin).unwrap_err();
        let said = refused(far, near).to_string();
        assert!(said.contains("ingress would listen at 0.0.0.0:2"), "{said}");
        let said = refused(near, at("[::]:3")).to_string();
        assert!(said.contains("admin API would listen at [::]:3"), "{said}");
        assert_eq!(open_to_whom(&asks, far, far).unwrap(), Open::Nobody);
        assert_eq!(open_to_whom(&insists, far, far).unwrap(), Open::Everybody);
        assert_eq!(
            open_to_whom(&insists, near, near).unwrap(),
            Open::ThisMachine
        );
    }
}
