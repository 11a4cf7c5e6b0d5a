//! Ranges of network addresses, as settings name them: `10.0.0.0/8, fd00::/8, 192.0.2.7`.

use std::fmt;
use std::net::IpAddr;

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    /// How many bits are the same.
    bits: u8,
}

impl Range {
    /// Reads `address/bits`, or one address. Bits beyond those that count must be 0: `10.1.2.3/8`
    /// is more likely a mistake than meant.
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let width = width(base);
        let range = Self {
            base,
            bits: bits.unwrap_or(width),
        };
        (range.bits <= width && number(base) & !range.mask() == 0).then_some(range)
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.base.is_ipv4()
            && number(address) & self.mask() == number(self.base)
    }

    /// How many bits it fixes: of two ranges with one address the larger is the narrower.
    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    fn mask(&self) -> u128 {
        let free = width(self.base) - self.bits;
        u128::MAX.checked_shl(free.into()).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Some ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(pub(super) Vec<Range>);

impl Ranges {
    /// Reads ranges with commas between them; there may be none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts = text.split(',').map(str::trim);
        let ranges = parts.filter(|part| !part.is_empty()).map(Range::parse);
        ranges.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_as_they_are_read() {
        let ranges = Ranges::parse(" 10.0.0.0/8, fd00::/8,192.0.2.7 ,0.0.0.0/0").unwrap();
        assert_eq!(
            ranges.to_string(),
            "10.0.0.0/8,fd00::/8,192.0.2.7/32,0.0.0.0/0"
        );
        assert_eq!(Ranges::parse(&ranges.to_string()), Some(ranges));
        assert_eq!(Ranges::parse(""), Some(Ranges::default()));
        for wrong in ["10.1.2.3/8", "10.0.0.0/33", "host", "10.0.0.0/", "::/129"] {
            assert_eq!(Ranges::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_range_holds_what_begins_as_it_does() {
        for (range, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
        ] {
            let ranges = Ranges::parse(range).unwrap();
            assert_eq!(
                ranges.0[0].holds(address.parse().unwrap()),
                holds,
                "{range} {address}"
            );
        }
    }
}
