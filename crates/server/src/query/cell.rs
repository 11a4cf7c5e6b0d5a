//! Values as they pass through SQL: what one can be, what its column says it means, and how it
//! is written as JSON.
//!
//! SQLite knows five storage classes and the dialect has more types, so a time is a number
//! in it, a list a text. The [`Kind`] of a column says which, from the tables to the answer.

use super::time::{iso_date, iso_time};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde_json::Value;
use std::fmt::Write;

/// One value. What it means is said by the [`Kind`] of its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// None.
    Null,
    /// A text, or a list as JSON.
    Text(String),
    /// A number, a time or a duration in ms, or a truth as 0 or 1.
    Int(i64),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but null.
    Null,
    /// Texts.
    Text,
    /// Bytes.
    Binary,
    /// Truths.
    Bool,
    /// Whole numbers of 32 bits without a sign.
    U32,
    /// Whole numbers of 64 bits without a sign; in SQLite the same bits, with one.
    U64,
    /// Whole numbers.
    I64,
    /// Numbers.
    F64,
    /// Points in time, in ms since 1970.
    Time,
    /// Days, in ms since 1970.
    Date,
    /// Lengths of time, in ms.
    Duration,
    /// Lengths of time in months, days and shorter units, as text.
    Interval,
    /// Lists of numbers, as JSON.
    NumberList,
    /// Lists of texts, as JSON.
    TextList,
    /// JSON as text.
    Json,
    /// Whatever comes of an expression that cannot be told beforehand.
    Any,
}

impl Kind {
    /// As `information_schema.columns` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Text | Self::Json | Self::Interval | Self::Any => "LargeUtf8",
            Self::Binary => "LargeBinary",
            Self::Bool => "Boolean",
            Self::U32 => "UInt32",
            Self::U64 => "UInt64",
            Self::I64 => "Int64",
            Self::F64 => "Float64",
            Self::Time => "Timestamp(ms, \"+00:00\")",
            Self::Date => "Date32",
            Self::Duration => "Duration(ms)",
            Self::NumberList => "List(UInt32)",
            Self::TextList => "List(LargeUtf8)",
        }
    }

    /// The affinity that SQLite gives to a column of this kind.
    pub(crate) fn affinity(self) -> &'static str {
        match self {
            Self::Text | Self::Json | Self::Interval | Self::NumberList | Self::TextList => "TEXT",
            Self::Binary | Self::Null | Self::Any => "BLOB",
            Self::F64 => "REAL",
            Self::Bool
            | Self::U32
            | Self::U64
            | Self::I64
            | Self::Time
            | Self::Date
            | Self::Duration => "INTEGER",
        }
    }

    /// Whether it can be calculated with.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::U32 | Self::U64 | Self::I64 | Self::F64)
    }

    /// Whether it is a point in time.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Time | Self::Date)
    }

    /// What values of two kinds are together, as in the branches of a CASE.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, two) if one == two => one,
            (Self::Null, one) | (one, Self::Null) => one,
            (Self::F64, number) | (number, Self::F64) if number.is_number() => Self::F64,
            (Self::U64 | Self::U32, Self::U64 | Self::U32) => Self::U64,
            (one, two) if one.is_number() && two.is_number() => Self::I64,
            (one, two) if one.is_time() && two.is_time() => Self::Time,
            (Self::Json, Self::Text) | (Self::Text, Self::Json) => Self::Text,
            _ => Self::Any,
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Cell {
    fn as_value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }

    /// As JSON; nothing for null.
    pub(crate) fn to_json(&self, kind: Kind) -> Option<Value> {
        json(self.as_value(), kind)
    }
}

/// A value of the engine as JSON; nothing for null.
pub(crate) fn json(value: ValueRef<'_>, kind: Kind) -> Option<Value> {
    Some(match (value, kind) {
        (ValueRef::Null, _) => return None,
        (ValueRef::Integer(number), Kind::Bool) => Value::Bool(number != 0),
        (ValueRef::Integer(ms), Kind::Time) => Value::String(iso_time(ms)),
        (ValueRef::Integer(ms), Kind::Date) => Value::String(iso_date(ms)),
        (ValueRef::Integer(ms), Kind::Duration) => Value::String(iso_duration(ms)),
        (ValueRef::Integer(number), Kind::U64) => number.cast_unsigned().into(),
        (ValueRef::Integer(number), Kind::F64) => (number as f64).into(),
        (ValueRef::Integer(number), _) => number.into(),
        // Infinity is no number of JSON.
        (ValueRef::Real(number), _) => serde_json::Number::from_f64(number).map(Value::Number)?,
        (ValueRef::Text(text), Kind::NumberList | Kind::TextList | Kind::Json) => {
            serde_json::from_slice(text)
                .unwrap_or_else(|_| String::from_utf8_lossy(text).into_owned().into())
        }
        (ValueRef::Text(text), _) => String::from_utf8_lossy(text).into_owned().into(),
        (ValueRef::Blob(bytes), _) => Value::String(hex(bytes)),
    })
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A text takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Milliseconds as ISO 8601 seconds: `PT2.302S`.
pub(crate) fn iso_duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (seconds, rest) = (ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000);
    if rest == 0 {
        return format!("{sign}PT{seconds}S");
    }
    format!("{sign}PT{seconds}.{rest:03}S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        assert_eq!(iso_duration(86_400_000), "PT86400S");
        assert_eq!(iso_duration(2_302), "PT2.302S");
        assert_eq!(iso_duration(-2_302), "-PT2.302S");
    }

    #[test]
    fn numbers_without_a_sign_keep_all_their_bits() {
        let value = Cell::Int(u64::MAX.cast_signed()).to_json(Kind::U64);
        assert_eq!(value, Some(u64::MAX.into()));
    }
}
