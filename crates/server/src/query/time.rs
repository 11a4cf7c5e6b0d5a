//! Times and lengths of time in statements: texts and parts of dates come in, milliseconds go
//! out. All times are UTC.

use jiff::civil::{DateTime, Weekday};
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, ToSpan, Unit};

/// A length of time as statements write it: months have no length until they are added to a
/// date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Calendar months.
    pub(crate) months: i32,
    /// The rest, in ms; a day is 24 hours.
    pub(crate) ms: i64,
}

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    /// Day of the week; Sunday is 0.
    Dow,
    /// Day of the year.
    Doy,
    /// Seconds since 1970.
    Epoch,
}

/// Whatever is later or earlier than a calendar can tell is its end or its beginning.
fn timestamp(unix_ms: i64) -> Timestamp {
    let end = if unix_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(unix_ms).unwrap_or(end)
}

fn civil(unix_ms: i64) -> DateTime {
    TimeZone::UTC.to_datetime(timestamp(unix_ms))
}

fn unix_ms(civil: DateTime) -> Option<i64> {
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_millisecond())
}

/// A time as RFC 3339, with the fraction of its second only where there is one.
pub(crate) fn iso_time(unix_ms: i64) -> String {
    let digits = if unix_ms.rem_euclid(1_000) == 0 { 0 } else { 3 };
    DateTimePrinter::new()
        .precision(Some(digits))
        .timestamp_to_string(&timestamp(unix_ms))
}

/// The day of a time, as `2026-11-24`.
pub(crate) fn iso_date(unix_ms: i64) -> String {
    civil(unix_ms).date().to_string()
}

/// A text that says a time: with an offset, or in UTC; a date is its first moment.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    unix_ms(text.parse::<DateTime>().ok()?)
}

impl Interval {
    /// Reads `1 hour`, `90 minutes 5 seconds`, `1h 30m`, `-1 day`, `PT10S`, `01:30:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(clock) = Self::parse_clock(text) {
            return Some(clock);
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // PostgreSQL's short forms that are longer in the calendar's own.
        let words: Vec<_> = unsigned.split_whitespace().collect();
        let words: Vec<_> = words
            .iter()
            .map(|word| match word.to_ascii_lowercase().as_str() {
                "mon" | "mons" => "months".to_owned(),
                "millisecond" | "milliseconds" => "ms".to_owned(),
                "microsecond" | "microseconds" => "us".to_owned(),
                "nanosecond" | "nanoseconds" => "ns".to_owned(),
                other => other.to_owned(),
            })
            .collect();
        let unsigned = if unsigned.starts_with(['P', 'p']) {
            unsigned.to_owned()
        } else {
            words.join(" ")
        };
        let span: Span = unsigned.parse().ok()?;
        let span = if negative { span.negate() } else { span };
        let months = i32::from(span.get_years())
            .checked_mul(12)?
            .checked_add(span.get_months())?;
        let rest = span
            .years(0)
            .months(0)
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .ok()?;
        Some(Self {
            months,
            ms: i64::try_from(rest.as_millis()).ok()?,
        })
    }

    /// `hours:minutes[:seconds]`
    fn parse_clock(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let hours: i64 = parts.next()?.parse().ok()?;
        let minutes: i64 = parts.next()?.parse().ok()?;
        let seconds: f64 = parts.next().map_or(Some(0.0), |text| text.parse().ok())?;
        let in_range = (0..60).contains(&minutes) && (0.0..60.0).contains(&seconds);
        if !in_range || parts.next().is_some() {
            return None;
        }
        let rest = minutes * 60_000 + (seconds * 1_000.0) as i64;
        let ms = hours.checked_mul(3_600_000)?.checked_add(rest)?;
        Some(Self { months: 0, ms })
    }

    /// The other way.
    pub(crate) fn negate(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            ms: self.ms.checked_neg()?,
        })
    }

    /// As text: `1 mons 2 days 0.500 secs`.
    pub(crate) fn text(self) -> String {
        let mut parts = Vec::new();
        let mut rest = self.ms;
        let mut part = |count: i64, unit: &str| {
            if count != 0 {
                parts.push(format!("{count} {unit}"));
            }
        };
        part(self.months.into(), "mons");
        for (unit_ms, unit) in [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "mins")] {
            part(rest / unit_ms, unit);
            rest %= unit_ms;
        }
        if rest != 0 || parts.is_empty() {
            let sign = if rest < 0 { "-" } else { "" };
            let (seconds, ms) = (rest.unsigned_abs() / 1_000, rest.unsigned_abs() % 1_000);
            parts.push(match ms {
                0 => format!("{sign}{seconds} secs"),
                ms => format!("{sign}{seconds}.{ms:03} secs"),
            });
        }
        parts.join(" ")
    }
}

/// A time so many calendar months later; the last day of a month stays one.
pub(crate) fn add_months(unix_ms: i64, months: i64) -> Option<i64> {
    let months = i32::try_from(months).ok()?;
    let span = Span::new().try_months(months).ok()?;
    self::unix_ms(civil(unix_ms).checked_add(span).ok()?)
}

/// The last multiple of a width, counted from `origin`, that is not after a time.
pub(crate) fn bin(width_ms: i64, unix_ms: i64, origin: i64) -> Option<i64> {
    if width_ms <= 0 {
        return None;
    }
    let into = unix_ms.checked_sub(origin)?.rem_euclid(width_ms);
    unix_ms.checked_sub(into)
}

impl Part {
    /// By its name in SQL.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.strip_suffix('s').unwrap_or(&name) {
            "millisecond" | "milli" | "m" => Self::Millisecond,
            "second" | "sec" => Self::Second,
            "minute" | "min" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            "dow" | "dayofweek" => Self::Dow,
            "doy" | "dayofyear" => Self::Doy,
            "epoch" => Self::Epoch,
            _ => return None,
        })
    }

    /// The beginning of the part that a time lies in; nothing for what is no part of a calendar.
    pub(crate) fn truncate(self, unix_ms: i64) -> Option<i64> {
        let at = civil(unix_ms);
        let day = at.date();
        let floor = |unit| {
            at.round(
                jiff::civil::DateTimeRound::new()
                    .smallest(unit)
                    .mode(jiff::RoundMode::Trunc),
            )
        };
        let moment = match self {
            Self::Millisecond => return Some(unix_ms),
            Self::Second => floor(Unit::Second).ok()?,
            Self::Minute => floor(Unit::Minute).ok()?,
            Self::Hour => floor(Unit::Hour).ok()?,
            Self::Day => day.to_datetime(jiff::civil::Time::midnight()),
            Self::Week => {
                let back = i64::from(day.weekday().since(Weekday::Monday));
                let monday = day.checked_sub(back.days()).ok()?;
                monday.to_datetime(jiff::civil::Time::midnight())
            }
            Self::Month => day
                .first_of_month()
                .to_datetime(jiff::civil::Time::midnight()),
            Self::Quarter => {
                let first = (day.month() - 1) / 3 * 3 + 1;
                jiff::civil::Date::new(day.year(), first, 1)
                    .ok()?
                    .to_datetime(jiff::civil::Time::midnight())
            }
            Self::Year => day
                .first_of_year()
                .to_datetime(jiff::civil::Time::midnight()),
            Self::Dow | Self::Doy | Self::Epoch => return None,
        };
        self::unix_ms(moment)
    }

    /// The part of a time as a number.
    pub(crate) fn of(self, unix_ms: i64) -> f64 {
        let at = civil(unix_ms);
        let seconds = f64::from(at.second()) + f64::from(at.millisecond()) / 1_000.0;
        match self {
            Self::Millisecond => seconds * 1_000.0,
            Self::Second => seconds,
            Self::Minute => at.minute().into(),
            Self::Hour => at.hour().into(),
            Self::Day => at.day().into(),
            Self::Week => at.date().iso_week_date().week().into(),
            Self::Month => at.month().into(),
            Self::Quarter => f64::from((at.month() - 1) / 3 + 1),
            Self::Year => at.year().into(),
            Self::Dow => at.date().weekday().to_sunday_zero_offset().into(),
            Self::Doy => at.date().day_of_year().into(),
            Self::Epoch => unix_ms as f64 / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: i64 = 1_700_000_000_001;

    #[test]
    fn times_have_a_fraction_only_where_there_is_one() {
        assert_eq!(iso_time(MORNING), "2023-11-14T22:13:20.001Z");
        assert_eq!(iso_time(1_700_000_000_100), "2023-11-14T22:13:20.100Z");
        assert_eq!(iso_time(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(iso_time(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        for text in [
            "2023-11-14T22:13:20.001Z",
            "2023-11-14 22:13:20.001",
            "2023-11-14T23:13:20.001+01:00",
            " 2023-11-14 22:13:20.001Z ",
        ] {
            assert_eq!(parse_time(text), Some(MORNING), "{text}");
        }
        assert_eq!(parse_time("1970-01-02"), Some(86_400_000));
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn intervals_are_read_in_their_forms() {
        for (text, months, ms) in [
            ("1 hour", 0, 3_600_000),
            ("60 seconds", 0, 60_000),
            ("1 day 2 hours", 0, 93_600_000),
            ("1h 30m", 0, 5_400_000),
            ("-1 day", 0, -86_400_000),
            ("PT10S", 0, 10_000),
            ("01:30:00", 0, 5_400_000),
            ("1 year 2 mons", 14, 0),
            ("250 milliseconds", 0, 250),
            ("1 week", 0, 604_800_000),
        ] {
            assert_eq!(
                Interval::parse(text),
                Some(Interval { months, ms }),
                "{text}"
            );
        }
        for text in ["", "soon", "1 lightyear", "12"] {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn intervals_are_written_in_parts() {
        let text = |text| Interval::parse(text).unwrap().text();
        assert_eq!(text("36 hours"), "1 days 12 hours");
        assert_eq!(text("1500 ms"), "1.500 secs");
        assert_eq!(text("0 seconds"), "0 secs");
    }

    #[test]
    fn months_end_where_they_end() {
        let january = parse_time("2024-01-31T10:00:00Z").unwrap();
        assert_eq!(add_months(january, 1), parse_time("2024-02-29T10:00:00Z"));
        assert_eq!(add_months(january, -2), parse_time("2023-11-30T10:00:00Z"));
    }

    #[test]
    fn times_are_cut_to_their_parts() {
        for (part, cut) in [
            ("second", "2023-11-14T22:13:20Z"),
            ("minute", "2023-11-14T22:13:00Z"),
            ("hour", "2023-11-14T22:00:00Z"),
            ("day", "2023-11-14"),
            ("week", "2023-11-13"),
            ("month", "2023-11-01"),
            ("quarter", "2023-10-01"),
            ("year", "2023-01-01"),
        ] {
            let truncated = Part::parse(part).unwrap().truncate(MORNING);
            assert_eq!(truncated, parse_time(cut), "{part}");
        }
        let of = |part| Part::parse(part).unwrap().of(MORNING);
        assert_eq!(
            (of("hour"), of("dow"), of("epoch")),
            (22.0, 2.0, 1_700_000_000.001)
        );
    }

    #[test]
    fn bins_begin_at_their_origin() {
        assert_eq!(bin(60_000, MORNING, 0), parse_time("2023-11-14T22:13:00Z"));
        assert_eq!(bin(10, -1, 0), Some(-10));
        assert_eq!(bin(0, 1, 0), None);
    }
}
