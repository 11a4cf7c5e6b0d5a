//! Durations and instants as callers write and read them; inside, both are milliseconds.
//!
//! A length of time comes in as ISO 8601 (`PT1.5H`), as people write it (`1d 2h`, `10 sec`), or as a
//! bare number of milliseconds. Instants only go out.

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use jiff::{Span, SpanRelativeTo, Timestamp};

const FORMS: &str =
    "use milliseconds (\"1500\"), a number with unit (\"10s\", \"1d 2h\") or ISO 8601 (\"PT10S\")";

/// The most days that are read: as many as there are from the year -9999 to 9999.
const DAYS_MAX: u64 = 7_304_484;

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelayError {
    /// It cannot be read.
    #[error("duration {text:?} cannot be read: {FORMS}.")]
    Unreadable {
        /// What was refused.
        text: String,
    },
    /// It is below zero.
    #[error("duration {text:?} is negative: give the time from now on, at least 0.")]
    Negative {
        /// What was refused.
        text: String,
    },
    /// It is in months or years.
    #[error("duration {text:?} is in months or years, which differ in length: give days instead.")]
    Calendar {
        /// What was refused.
        text: String,
    },
}

/// A length of time in milliseconds. A fraction of one is rounded up: never earlier than asked.
///
/// # Errors
/// When it is in no form we read, negative, or in months or years.
pub fn parse_delay(text: &str) -> Result<u64, DelayError> {
    let unreadable = || DelayError::Unreadable {
        text: text.to_owned(),
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| unreadable());
    }
    let span: Span = text.trim().parse().map_err(|_| unreadable())?;
    if span.is_negative() {
        return Err(DelayError::Negative {
            text: text.to_owned(),
        });
    }
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(DelayError::Calendar {
            text: text.to_owned(),
        });
    }
    // For lengths of time a day is 24 hours, and a week is 7 of them.
    let nanos = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| unreadable())?
        .as_nanos();
    let nanos = u128::try_from(nanos).map_err(|_| unreadable())?;
    u64::try_from(nanos.div_ceil(1_000_000)).map_err(|_| unreadable())
}

/// A length of time in compact units: `1d`, `1m 10s`, `500ms`, `0s`. One of more days than can be
/// read is a bare number of milliseconds.
pub fn duration_text(duration_ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    if duration_ms / UNITS[0].0 > DAYS_MAX {
        return duration_ms.to_string();
    }
    let mut rest = duration_ms;
    let mut parts = Vec::new();
    for (unit_ms, name) in UNITS {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            parts.push(format!("{count}{name}"));
        }
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

/// An instant, given in ms since 1970, as `2026-11-24T01:54:41.775000000Z`.
///
/// Instants beyond the year 9999 are written as its end: RFC 3339 has no later ones.
pub fn rfc3339_nanos(unix_ms: u64) -> String {
    DateTimePrinter::new()
        .precision(Some(9))
        .timestamp_to_string(&timestamp(unix_ms))
}

/// An instant, given in ms since 1970, as `2026-11-25T01:57:11.154+00:00`.
///
/// Instants beyond the year 9999 are written as its end: RFC 3339 has no later ones.
pub fn rfc3339_millis_offset(unix_ms: u64) -> String {
    DateTimePrinter::new()
        .precision(Some(3))
        .timestamp_with_offset_to_string(&timestamp(unix_ms), Offset::UTC)
}

fn timestamp(unix_ms: u64) -> Timestamp {
    i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_time_is_read_as_it_is_written() {
        let most = DAYS_MAX * 86_400_000;
        for ms in [
            0,
            1,
            86_399_999,
            most,
            most + 86_399_999,
            most + 86_400_000,
            u64::MAX,
        ] {
            let text = duration_text(ms);
            assert_eq!(parse_delay(&text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn delays_are_read_in_all_three_forms() {
        for (text, ms) in [
            ("10s", 10_000),
            ("60ms", 60),
            ("1 day 2h", 93_600_000),
            ("60 sec", 60_000),
            ("1d2h", 93_600_000),
            ("1.5h", 5_400_000),
            ("5 days 2h", 439_200_000),
            ("2 weeks", 1_209_600_000),
            ("PT1S", 1_000),
            ("P1D", 86_400_000),
            ("P1DT2H", 93_600_000),
            ("0s", 0),
            ("1us", 1),
            ("1000", 1_000),
            ("0", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_delay(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn other_delays_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "cannot be read"),
            ("soon", "cannot be read"),
            ("1.5", "cannot be read"),
            ("18446744073709551616", "cannot be read"),
            ("-1s", "negative"),
            ("-PT1S", "negative"),
            ("1y", "months or years"),
            ("1month", "months or years"),
            ("P1Y2M", "months or years"),
        ] {
            let refusal = parse_delay(text).unwrap_err().to_string();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn durations_are_written_compactly() {
        for (ms, text) in [
            (0, "0s"),
            (500, "500ms"),
            (70_000, "1m 10s"),
            (7_200_000, "2h"),
            (86_400_000, "1d"),
            (90_061_001, "1d 1h 1m 1s 1ms"),
        ] {
            assert_eq!(duration_text(ms), text);
            assert_eq!(parse_delay(text), Ok(ms));
        }
    }

    #[test]
    fn instants_are_written_as_clients_expect_them() {
        assert_eq!(
            rfc3339_nanos(1_795_485_281_775),
            "2026-11-24T01:54:41.775000000Z"
        );
        assert_eq!(
            rfc3339_millis_offset(1_795_571_831_154),
            "2026-11-25T01:57:11.154+00:00"
        );
        assert_eq!(rfc3339_millis_offset(0), "1970-01-01T00:00:00.000+00:00");
        assert!(rfc3339_nanos(u64::MAX).starts_with("9999-12-30T"));
    }
}
