//! Values that stand in a statement.

use super::super::cell::Kind;
use super::super::time::Interval;
use super::error::{StatementError, refuse};
use super::typed::{Constant, Typed, quote};
use sqlparser::ast::{DateTimeField, Expr, Interval as IntervalTree, Spanned, Value};
use sqlparser::tokenizer::Span;

/// A number, a text, a truth or null.
pub(super) fn value(value: &Value, span: Span) -> Result<Typed, StatementError> {
    Ok(match value {
        Value::Number(digits, _) => number(digits, span)?,
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => self::text(text),
        Value::DollarQuotedString(text) => self::text(&text.value),
        Value::HexStringLiteral(digits) => {
            let whole = digits.len() % 2 == 0;
            if !whole || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return refuse(span, "X'…' holds pairs of hexadecimal digits");
            }
            Typed::new(format!("X'{digits}'"), Kind::Binary)
        }
        Value::Boolean(truth) => Typed::new(u8::from(*truth).to_string(), Kind::Bool),
        Value::Null => Typed::new("NULL", Kind::Null),
        Value::Placeholder(_) => {
            return refuse(span, "parameters are not filled in here: write the value");
        }
        _ => {
            return refuse(
                span,
                "this form of a value is not known: write 'text' or 1.5",
            );
        }
    })
}

/// A text.
pub(super) fn text(text: &str) -> Typed {
    Typed {
        constant: Some(Constant::Text(text.to_owned())),
        ..Typed::new(quote(text), Kind::Text)
    }
}

/// A number: whole ones beyond 63 bits are those without a sign.
pub(super) fn number(digits: &str, span: Span) -> Result<Typed, StatementError> {
    let digits = digits.replace('_', "");
    let (sql, kind) = if let Ok(number) = digits.parse::<i64>() {
        (number.to_string(), Kind::I64)
    } else if let Ok(number) = digits.parse::<u64>() {
        (number.cast_signed().to_string(), Kind::U64)
    } else {
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => (format!("{number:e}"), Kind::F64),
            _ => return refuse(span, format!("{digits} is no number that can be held")),
        }
    };
    Ok(Typed {
        constant: Some(Constant::Number(digits)),
        ..Typed::new(sql, kind)
    })
}

/// `INTERVAL '1 hour'`, `INTERVAL '5' MINUTE`, `INTERVAL 5 MINUTE`.
pub(super) fn interval(tree: &IntervalTree) -> Result<Typed, StatementError> {
    let text = match &*tree.value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            Value::Number(digits, _) => digits.clone(),
            _ => return refuse(tree.value.span(), HOW),
        },
        _ => return refuse(tree.value.span(), HOW),
    };
    let text = match &tree.leading_field {
        None => text,
        Some(DateTimeField::Custom(word)) => format!("{text} {}", word.value),
        Some(field) => format!("{text} {}", field.to_string().to_lowercase()),
    };
    match Interval::parse(&text) {
        Some(interval) => Ok(of_interval(interval)),
        None => refuse(tree.value.span(), format!("{text:?} is no interval: {HOW}")),
    }
}

const HOW: &str = "write INTERVAL '1 hour 30 minutes'";

/// An interval as a value of the engine.
pub(super) fn of_interval(interval: Interval) -> Typed {
    Typed {
        constant: Some(Constant::Interval(interval)),
        ..Typed::new(quote(&interval.text()), Kind::Interval)
    }
}
