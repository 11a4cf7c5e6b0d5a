//! Traces: the W3C headers `traceparent` and `tracestate` to values and back, and the ids of
//! spans that are computed rather than remembered.
//!
//! An id that follows from an invocation and the number of its attempt is the same before and
//! after a restart: whatever a handler has hung below an attempt still finds it.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Request header: which span a request is part of.
pub const TRACEPARENT: &str = "traceparent";
/// Request header: what other tracing systems add to that.
pub const TRACESTATE: &str = "tracestate";

/// Bytes of a `tracestate` that is passed on; a longer one is dropped, as W3C allows.
const STATE_BYTES_MAX: usize = 512;

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace: u128,
    /// The span; never 0.
    pub span: u64,
    /// Whether it is recorded.
    pub sampled: bool,
    /// What other systems add; passed on as it came.
    pub state: Option<String>,
}

impl TraceContext {
    /// From the headers of a request; nothing if there is no `traceparent`, or it is not one:
    /// W3C wants it treated as absent then.
    pub fn parse(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent?.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex(version, 2)?;
        // Later versions may have more parts, this one has not.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let trace = hex(trace, 32)?;
        let span = u64::try_from(hex(span, 16)?).ok()?;
        if trace == 0 || span == 0 {
            return None;
        }
        let state = tracestate.filter(|state| !state.is_empty() && state.len() <= STATE_BYTES_MAX);
        Some(Self {
            trace,
            span,
            sampled: hex(flags, 2)? & 1 == 1,
            state: state.map(str::to_owned),
        })
    }

    /// The value of [`TRACEPARENT`].
    pub fn traceparent(&self) -> String {
        let Self { trace, span, .. } = self;
        format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// W3C has lower case only.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// The span of an invocation, by the bytes of its id and its incarnation.
pub fn invocation_span(id: &[u8; 24], incarnation: u32) -> u64 {
    attempt_span(id, incarnation, 0)
}

/// The span of an attempt of it; attempts are counted from 1.
pub fn attempt_span(id: &[u8; 24], incarnation: u32, attempt: u32) -> u64 {
    xxh3_64(&seed(id, incarnation, attempt)).max(1)
}

/// The trace of an invocation that begins one.
pub fn invocation_trace(id: &[u8; 24], incarnation: u32) -> u128 {
    xxh3_128(&seed(id, incarnation, 0)).max(1)
}

fn seed(id: &[u8; 24], incarnation: u32, attempt: u32) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..24].copy_from_slice(id);
    seed[24..28].copy_from_slice(&incarnation.to_be_bytes());
    seed[28..].copy_from_slice(&attempt.to_be_bytes());
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_parent_round_trips() {
        let parsed = TraceContext::parse(Some(PARENT), Some("a=1")).unwrap();
        assert_eq!(parsed.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(parsed.span, 0xb7ad_6b71_6920_3331);
        assert_eq!(
            (parsed.sampled, parsed.state.as_deref()),
            (true, Some("a=1"))
        );
        assert_eq!(parsed.traceparent(), PARENT);
        let unsampled = PARENT.replace("-01", "-00");
        let parsed = TraceContext::parse(Some(&unsampled), None).unwrap();
        assert_eq!(parsed.traceparent(), unsampled);
    }

    #[test]
    fn what_is_no_parent_is_as_if_it_were_not_there() {
        let zeros = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            &zeros,
        ] {
            assert_eq!(TraceContext::parse(Some(wrong), None), None, "{wrong}");
        }
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert!(TraceContext::parse(Some(later), None).is_some());
        let long = "x".repeat(STATE_BYTES_MAX + 1);
        let parsed = TraceContext::parse(Some(PARENT), Some(&long)).unwrap();
        assert_eq!(parsed.state, None);
    }

    #[test]
    fn ids_are_those_that_were_promised() {
        let id = std::array::from_fn(|place| place as u8);
        assert_eq!(invocation_span(&id, 7), INVOCATION);
        assert_eq!(attempt_span(&id, 7, 1), ATTEMPT);
        assert_eq!(invocation_trace(&id, 7), TRACE);
        assert_ne!(invocation_span(&id, 8), INVOCATION);
    }

    const INVOCATION: u64 = 0x72f5_9d81_f527_44d7;
    const ATTEMPT: u64 = 0x9e59_e3fb_e5cc_50ff;
    const TRACE: u128 = 0xef02_4f22_ee32_93e6_c755_4c6a_86ae_6b8c;
}
