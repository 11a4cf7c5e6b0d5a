//! Casts: a value as one of another type.

use super::super::cell::Kind;
use super::super::time::Interval;
use super::error::{StatementError, refuse};
use super::literal;
use super::typed::{Typed, as_text, as_time};
use sqlparser::ast::DataType;
use sqlparser::tokenizer::Span;

/// A value as one of another type. Strict: what cannot be cast is an error, else null.
pub(super) fn cast(
    typed: Typed,
    data_type: &DataType,
    strict: bool,
    span: Span,
) -> Result<Typed, StatementError> {
    let Some(kind) = kind_of(data_type) else {
        return refuse(
            span,
            format!(
                "the type {data_type} is not known: use TEXT, BIGINT, DOUBLE, BOOLEAN, TIMESTAMP, DATE, BYTEA or JSON"
            ),
        );
    };
    let sql = typed.sql.as_str();
    let read = |what: &str| {
        let function = if strict { "lw_cast_" } else { "lw_try_" };
        format!("{function}{what}({sql})")
    };
    let from_text = matches!(typed.kind, Kind::Text | Kind::Json | Kind::Any);
    let sql = match kind {
        Kind::Text => as_text(&typed),
        Kind::Json if from_text => sql.to_owned(),
        Kind::Binary if typed.kind == Kind::Binary => sql.to_owned(),
        Kind::Binary => format!("CAST({} AS BLOB)", as_text(&typed)),
        Kind::Bool if from_text => read("bool"),
        Kind::Bool => format!("({sql} <> 0)"),
        Kind::I64 | Kind::U64 if from_text => read("int"),
        Kind::I64 | Kind::U64 => format!("CAST({sql} AS INTEGER)"),
        Kind::F64 if from_text => read("float"),
        Kind::F64 => format!("CAST({sql} AS REAL)"),
        Kind::Time | Kind::Date => {
            let time = match typed.constant {
                None if from_text && strict => Typed::new(read("time"), Kind::Time),
                _ => as_time(typed, span)?,
            };
            return Ok(match kind {
                Kind::Date => Typed::new(format!("lw_date_trunc('day', {})", time.sql), Kind::Date),
                _ => Typed::new(time.sql, Kind::Time),
            });
        }
        Kind::Interval => {
            return match typed.as_text().map(Interval::parse) {
                Some(Some(interval)) => Ok(literal::of_interval(interval)),
                _ => refuse(span, "only a text that is written out can be an interval"),
            };
        }
        _ => return refuse(span, format!("this cannot be cast to {data_type}")),
    };
    Ok(Typed::new(sql, kind))
}

/// What a type is called, reduced to the kinds that there are.
fn kind_of(data_type: &DataType) -> Option<Kind> {
    let name = data_type.to_string().to_ascii_uppercase();
    let word = name.split(['(', ' ']).next().unwrap_or_default();
    Some(match word {
        "TEXT" | "VARCHAR" | "CHAR" | "CHARACTER" | "STRING" | "NVARCHAR" | "UUID" | "CLOB" => {
            Kind::Text
        }
        "JSON" | "JSONB" => Kind::Json,
        "BYTEA" | "BLOB" | "BINARY" | "VARBINARY" | "BYTES" => Kind::Binary,
        "BOOL" | "BOOLEAN" => Kind::Bool,
        "INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" | "INT2" | "INT4" | "INT8"
        | "INT16" | "INT32" | "INT64" | "SIGNED" | "UNSIGNED" | "MEDIUMINT" => Kind::I64,
        "UINT8" | "UINT16" | "UINT32" | "UINT64" | "UBIGINT" => Kind::U64,
        "FLOAT" | "DOUBLE" | "REAL" | "FLOAT4" | "FLOAT8" | "FLOAT32" | "FLOAT64" | "NUMERIC"
        | "DECIMAL" | "DEC" => Kind::F64,
        "TIMESTAMP" | "TIMESTAMPTZ" | "DATETIME" => Kind::Time,
        "DATE" | "DATE32" => Kind::Date,
        "INTERVAL" => Kind::Interval,
        _ => return None,
    })
}
