//! Where connections to deployments may lead: an address that a name has just been resolved to
//! comes in, whether it may be dialled goes out.
//!
//! Whoever may register a deployment decides what this server connects to, and in a cloud some
//! addresses give whoever asks from within the machine its credentials. So those are denied unless
//! the operator allows them. It is the address that is looked at, at the very moment when it is
//! dialled: what a name led to when it was registered says nothing.

use super::range::{Range, Ranges};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds answer questions about the machine: link-local addresses, and those that single
/// providers use beside them (AWS, Google, Alibaba, Oracle, Azure).
const METADATA: &str = "169.254.0.0/16, fe80::/10, fd00:ec2::/32, fd20:ce::254, \
    100.100.100.200, 192.0.0.192, 168.63.129.16";

/// Which addresses may be dialled.
#[derive(Debug, Clone)]
pub struct Reach {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    range: Range,
    /// The setting that it is from; nothing if it allows.
    denied_by: Option<&'static str>,
}

/// Why an address may not be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "its address {address} is in {range}, which is denied {by}. If handlers do run there, name it \
     in deployments_allow"
)]
pub(super) struct Denied {
    address: IpAddr,
    range: Range,
    by: &'static str,
}

impl Default for Reach {
    fn default() -> Self {
        Self::new(&Ranges::default(), &Ranges::default())
    }
}

impl Reach {
    /// From the settings. The narrowest range with an address decides on it; between two that are
    /// as narrow, the one that denies.
    pub fn new(allow: &Ranges, deny: &Ranges) -> Self {
        let rules = |ranges: &Ranges, denied_by| {
            let ranges = ranges.0.clone().into_iter();
            ranges.map(move |range| Rule { range, denied_by })
        };
        let metadata = Ranges::parse(METADATA).unwrap_or_default();
        let by_default = "because clouds tell secrets of the machine there";
        Self {
            rules: rules(allow, None)
                .chain(rules(deny, Some("by deployments_deny")))
                .chain(rules(&metadata, Some(by_default)))
                .collect(),
        }
    }

    /// For what the operator alone decides on.
    pub(crate) fn anywhere() -> Self {
        Self { rules: Vec::new() }
    }

    pub(super) fn check(&self, address: IpAddr) -> Result<(), Denied> {
        for form in forms(address) {
            let rule = self
                .rules
                .iter()
                .filter(|rule| rule.range.holds(form))
                .max_by_key(|rule| (rule.range.bits(), rule.denied_by.is_some()));
            if let Some(rule) = rule
                && let Some(by) = rule.denied_by
            {
                return Err(Denied {
                    address,
                    range: rule.range,
                    by,
                });
            }
        }
        Ok(())
    }
}

/// An address, and the one of IPv4 that it stands for: mapped, compatible, or behind a translator
/// (NAT64, 6to4).
fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => embedded(address).map(IpAddr::V4),
    };
    // What is mapped is nothing else than the address within.
    let outer = match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    };
    outer.into_iter().chain(inner)
}

fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |from: usize| {
        Ipv4Addr::new(
            octets[from],
            octets[from + 1],
            octets[from + 2],
            octets[from + 3],
        )
    };
    match address.segments() {
        [0x2002, ..] => Some(at(2)),
        [0x64, 0xFF9B, 0, 0, 0, 0, ..] => Some(at(12)),
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) != (0, 0) && (high, low) != (0, 1) => {
            Some(at(12))
        }
        _ => address.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allow: &str, deny: &str) -> Reach {
        Reach::new(
            &Ranges::parse(allow).expect("ranges"),
            &Ranges::parse(deny).expect("ranges"),
        )
    }

    fn permits(reach: &Reach, address: &str) -> bool {
        reach.check(address.parse().expect("an address")).is_ok()
    }

    #[test]
    fn where_clouds_tell_secrets_nobody_is_sent_in_whatever_spelling() {
        let reach = Reach::default();
        for metadata in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            assert!(!permits(&reach, metadata), "{metadata}");
        }
        for usual in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "192.168.0.1",
            "fd00::1",
            "1.1.1.1",
            "2606:4700::1111",
            "::ffff:10.0.0.1",
        ] {
            assert!(permits(&reach, usual), "{usual}");
        }
    }

    #[test]
    fn the_narrowest_range_decides() {
        let only_ten = reach("10.0.0.0/8, ::1", "0.0.0.0/0, ::/0");
        for (address, permitted) in [
            ("10.1.2.3", true),
            ("::1", true),
            ("11.1.2.3", false),
            ("::2", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:11.1.2.3", false),
            ("169.254.169.254", false),
        ] {
            assert_eq!(permits(&only_ten, address), permitted, "{address}");
        }
        // Everything is allowed, which is no reason to be sent where secrets are.
        assert!(!permits(&reach("0.0.0.0/0", ""), "169.254.169.254"));
        // Unless it is meant.
        assert!(permits(&reach("169.254.169.254", ""), "169.254.169.254"));
        assert!(!permits(&reach("10.0.0.1", "10.0.0.1"), "10.0.0.1"));
        assert!(permits(&Reach::anywhere(), "169.254.169.254"));
    }
}
