//! Values with their kinds: what can stand beside what, and how the engine is told.

use super::super::cell::Kind;
use super::super::time::Interval;
use super::super::time::parse_time;
use super::error::{StatementError, refuse};
use super::literal;
use sqlparser::tokenizer::Span;

/// An expression for the engine.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    /// Its text; binds tighter than any operator.
    pub(super) sql: String,
    /// What its values are.
    pub(super) kind: Kind,
    /// What it is, where it is written out.
    pub(super) constant: Option<Constant>,
}

/// A value that stands in the statement.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Text(String),
    Number(String),
    Interval(Interval),
}

impl Typed {
    pub(super) fn new(sql: impl Into<String>, kind: Kind) -> Self {
        Self {
            sql: sql.into(),
            kind,
            constant: None,
        }
    }

    /// The text that it is, if it is one that is written out.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.constant {
            Some(Constant::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_interval(&self) -> Option<Interval> {
        match &self.constant {
            Some(Constant::Interval(interval)) => Some(*interval),
            _ => None,
        }
    }
}

/// A text for the engine.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn truth(sql: String) -> Typed {
    Typed::new(sql, Kind::Bool)
}

/// An interval in ms; nothing with months has a length.
pub(super) fn fixed(interval: &Typed, span: Span) -> Result<String, StatementError> {
    match interval.as_interval() {
        Some(Interval { months: 0, ms }) => Ok(format!("({ms})")),
        Some(_) => refuse(span, "months and years differ in length: use days"),
        None => refuse(span, "write the interval out: INTERVAL '1 hour'"),
    }
}

/// A time, from a time or from a text that says one.
pub(super) fn as_time(typed: Typed, span: Span) -> Result<Typed, StatementError> {
    if typed.kind.is_time() || typed.kind == Kind::Null {
        return Ok(typed);
    }
    match (typed.as_text(), typed.kind) {
        (Some(text), _) => match parse_time(text) {
            Some(ms) => Ok(Typed::new(format!("({ms})"), Kind::Time)),
            None => refuse(
                span,
                format!("{text:?} is no time: write '2026-11-24T10:00:00Z' or '2026-11-24'"),
            ),
        },
        (None, Kind::Text | Kind::Any) => {
            Ok(Typed::new(format!("lw_to_time({})", typed.sql), Kind::Time))
        }
        _ => refuse(
            span,
            "a time is wanted here; to_timestamp makes one of a number",
        ),
    }
}

/// Two values as they can be compared: a text that is written out is what it is compared with.
pub(super) fn comparable(
    left: Typed,
    right: Typed,
    span: Span,
) -> Result<(Typed, Typed), StatementError> {
    let right = like_other(right, &left, span)?;
    let left = like_other(left, &right, span)?;
    Ok((left, right))
}

fn like_other(typed: Typed, other: &Typed, span: Span) -> Result<Typed, StatementError> {
    match other.kind {
        kind if kind.is_time() && matches!(typed.kind, Kind::Text | Kind::Any) => {
            as_time(typed, span)
        }
        kind if kind.is_time() && typed.kind.is_number() => refuse(
            span,
            "a time is compared with a time: write '2026-11-24T10:00:00Z'",
        ),
        Kind::Duration => match (&typed.constant, typed.kind) {
            (_, Kind::Interval) => Ok(Typed::new(fixed(&typed, span)?, Kind::Duration)),
            (Some(Constant::Text(text)), _) => match Interval::parse(text) {
                Some(interval) => {
                    let interval = literal::of_interval(interval);
                    Ok(Typed::new(fixed(&interval, span)?, Kind::Duration))
                }
                None => refuse(span, format!("{text:?} is no duration: write '1 hour'")),
            },
            _ => Ok(typed),
        },
        Kind::Bool => match typed.as_text() {
            Some("true" | "t") => Ok(truth("1".to_owned())),
            Some("false" | "f") => Ok(truth("0".to_owned())),
            Some(text) => refuse(span, format!("{text:?} is neither true nor false")),
            None => Ok(typed),
        },
        Kind::Text => match &typed.constant {
            Some(Constant::Number(digits)) => Ok(Typed::new(quote(digits), Kind::Text)),
            _ => Ok(typed),
        },
        Kind::Binary => match typed.as_text() {
            Some(_) => Ok(Typed::new(
                format!("CAST({} AS BLOB)", typed.sql),
                Kind::Binary,
            )),
            None => Ok(typed),
        },
        kind if kind.is_number() => match typed.as_text() {
            Some(text) => match literal::number(text.trim(), span) {
                Ok(number) => Ok(number),
                Err(_) => refuse(
                    span,
                    format!("{text:?} is no number, and is compared with one"),
                ),
            },
            None => Ok(typed),
        },
        _ => Ok(typed),
    }
}

/// The engine's text for a value as text.
pub(super) fn as_text(typed: &Typed) -> String {
    let sql = &typed.sql;
    match typed.kind {
        Kind::Text
        | Kind::Null
        | Kind::Json
        | Kind::Interval
        | Kind::TextList
        | Kind::NumberList => sql.clone(),
        Kind::Binary | Kind::Any => format!("lw_utf8({sql})"),
        Kind::Bool => format!("(CASE {sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"),
        Kind::Time => format!("lw_iso_time({sql})"),
        Kind::Date => format!("lw_iso_date({sql})"),
        Kind::Duration => format!("lw_iso_duration({sql})"),
        Kind::U64 => format!("printf('%llu', {sql})"),
        Kind::U32 | Kind::I64 | Kind::F64 => format!("CAST({sql} AS TEXT)"),
    }
}
