//! Instants and lengths of time: the server's text comes in, milliseconds and words go out.

use jiff::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by this machine's clock.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Milliseconds since 1970 from the server's text, with or without a zone, which then is UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let parsed = text.parse::<Timestamp>();
    let instant = parsed.or_else(|_| format!("{text}Z").parse()).ok()?;
    Some(instant.as_millisecond())
}

/// An instant as the server writes it, so that texts of instants can be compared.
pub(crate) fn text(unix_ms: i64) -> String {
    let instant = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{instant:.3}")
}

/// An instant for people, in UTC: `2026-11-24 08:31:12`.
pub(crate) fn readable(unix_ms: i64) -> String {
    let instant = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{instant:.0}")
        .replace('T', " ")
        .replace('Z', " UTC")
}

/// The time of day of an instant, in UTC: `08:31:12`.
pub(crate) fn time_of_day(unix_ms: i64) -> String {
    text(unix_ms).get(11..19).unwrap_or_default().to_owned()
}

/// How long, roughly, for a column: `850ms`, `12s`, `3m`, `5h`, `9d`.
pub(crate) fn age(ms: i64) -> String {
    let rounded = |ms: i64, unit: i64| (ms + unit / 2) / unit;
    match ms.max(0) {
        ms @ ..1_000 => format!("{ms}ms"),
        ms @ ..90_000 => format!("{}s", rounded(ms, 1_000)),
        ms @ ..5_400_000 => format!("{}m", rounded(ms, 60_000)),
        ms @ ..129_600_000 => format!("{}h", rounded(ms, 3_600_000)),
        ms => format!("{}d", rounded(ms, 86_400_000)),
    }
}

/// How long, exactly enough: `12ms`, `1.25s`, `2m 3s`, `5h 4m`, `2d 3h`.
pub(crate) fn span(ms: i64) -> String {
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit} {small}{small_unit}"),
    };
    let rounded = |ms: i64, unit: i64| (ms + unit / 2) / unit;
    match ms.max(0) {
        ms @ ..1_000 => format!("{ms}ms"),
        ms @ ..9_995 => format!("{:.2}s", ms as f64 / 1e3),
        ms @ ..59_950 => format!("{:.1}s", ms as f64 / 1e3),
        ms @ ..3_599_500 => {
            let seconds = rounded(ms, 1_000);
            two(seconds / 60, "m", seconds % 60, "s")
        }
        ms @ ..86_370_000 => {
            let minutes = rounded(ms, 60_000);
            two(minutes / 60, "h", minutes % 60, "m")
        }
        ms => {
            let hours = rounded(ms, 3_600_000);
            two(hours / 24, "d", hours % 24, "h")
        }
    }
}

/// An instant beside now: `3m ago`, `in 5h`.
pub(crate) fn beside(unix_ms: i64, now: i64) -> String {
    if unix_ms > now {
        format!("in {}", age(unix_ms - now))
    } else {
        format!("{} ago", age(now - unix_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_every_server_writes_them() {
        for text in [
            "2026-11-24T08:31:12.231Z",
            "2026-11-24T08:31:12.231000000Z",
            "2026-11-24T08:31:12.231",
            "2026-11-24T09:31:12.231+01:00",
        ] {
            assert_eq!(parse(text), Some(1_795_509_072_231), "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(text(1_795_509_072_000), "2026-11-24T08:31:12.000Z");
        assert_eq!(readable(1_795_509_072_231), "2026-11-24 08:31:12 UTC");
        assert_eq!(time_of_day(1_795_509_072_231), "08:31:12");
    }

    #[test]
    fn lengths_are_as_exact_as_they_need_to_be() {
        for (ms, short, exact) in [
            (-5, "0ms", "0ms"),
            (12, "12ms", "12ms"),
            (1_250, "1s", "1.25s"),
            (12_340, "12s", "12.3s"),
            (123_000, "2m", "2m 3s"),
            (18_240_000, "5h", "5h 4m"),
            (7_199_900, "2h", "2h"),
            (59_990, "60s", "1m"),
            (86_400_000, "24h", "1d"),
            (183_600_000, "2d", "2d 3h"),
        ] {
            assert_eq!((age(ms).as_str(), span(ms).as_str()), (short, exact));
        }
        assert_eq!(beside(5_000, 10_000), "5s ago");
        assert_eq!(beside(10_000, 5_000), "in 5s");
    }
}
