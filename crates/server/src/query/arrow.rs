//! Rows as a stream of Arrow IPC: a schema, one batch if there are rows, and the end.

use super::cell::Kind;
use super::dialect::Output;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, DurationMillisecondBuilder, Float64Builder, Int64Builder,
    LargeBinaryBuilder, LargeStringBuilder, ListBuilder, TimestampMillisecondBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use rusqlite::types::{Value, ValueRef};
use std::sync::Arc;

/// The zone that all times are in.
const UTC: &str = "+00:00";
const DAY_MS: i64 = 86_400_000;

/// Rows, column by column.
pub(super) struct Batch {
    columns: Vec<(Output, Vec<Value>)>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    pub(super) fn new(columns: &[Output]) -> Self {
        Self {
            columns: columns
                .iter()
                .map(|column| (column.clone(), Vec::new()))
                .collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes a row; gives the bytes that all take so far.
    pub(super) fn row<'row>(&mut self, cells: impl Iterator<Item = ValueRef<'row>>) -> usize {
        self.rows += 1;
        for ((_, values), cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += size_of::<Value>()
                + match cell {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                    _ => 0,
                };
            values.push(owned(cell));
        }
        self.bytes
    }

    /// All of it as a stream.
    pub(super) fn stream(self) -> Result<Bytes, ArrowError> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (output, values) in self.columns {
            let kind = match output.kind {
                Kind::Any => found(&values),
                kind => kind,
            };
            let array = array(kind, values);
            fields.push(Field::new(output.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let schema = Arc::new(Schema::new(fields));
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        if self.rows > 0 && !arrays.is_empty() {
            writer.write(&RecordBatch::try_new(schema, arrays)?)?;
        }
        Ok(writer.into_inner()?.into())
    }
}

fn owned(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// What the values of a column turned out to be.
fn found(values: &[Value]) -> Kind {
    let kinds = values.iter().map(|value| match value {
        Value::Null => Kind::Null,
        Value::Integer(_) => Kind::I64,
        Value::Real(_) => Kind::F64,
        Value::Text(_) => Kind::Text,
        Value::Blob(_) => Kind::Binary,
    });
    match kinds.fold(Kind::Null, Kind::join) {
        Kind::Any => Kind::Text,
        kind => kind,
    }
}

fn array(kind: Kind, values: Vec<Value>) -> ArrayRef {
    macro_rules! built {
        ($builder:expr, $read:expr) => {{
            let mut builder = $builder;
            for value in &values {
                builder.append_option($read(value));
            }
            Arc::new(builder.finish())
        }};
    }
    match kind {
        Kind::Bool => built!(BooleanBuilder::new(), |value| int(value).map(|n| n != 0)),
        Kind::U32 => built!(UInt32Builder::new(), |value| int(value)
            .and_then(|number| u32::try_from(number).ok())),
        Kind::U64 => built!(UInt64Builder::new(), |value| int(value)
            .map(i64::cast_unsigned)),
        Kind::I64 => built!(Int64Builder::new(), int),
        Kind::F64 => built!(Float64Builder::new(), float),
        Kind::Time => built!(
            TimestampMillisecondBuilder::new()
                .with_data_type(DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))),
            int
        ),
        Kind::Date => built!(Date32Builder::new(), |value| int(value)
            .and_then(|ms| i32::try_from(ms.div_euclid(DAY_MS)).ok())),
        Kind::Duration => built!(DurationMillisecondBuilder::new(), int),
        Kind::Binary => built!(LargeBinaryBuilder::new(), bytes),
        Kind::NumberList => {
            let mut builder = ListBuilder::new(UInt32Builder::new());
            for value in &values {
                builder.append_option(list(value).map(|list| {
                    let numbers = list.into_iter();
                    numbers.map(|item| item.as_u64().and_then(|n| u32::try_from(n).ok()))
                }));
            }
            Arc::new(builder.finish())
        }
        Kind::TextList => {
            let mut builder = ListBuilder::new(LargeStringBuilder::new());
            for value in &values {
                builder.append_option(list(value).map(|list| {
                    let texts = list.into_iter();
                    texts.map(|item| item.as_str().map(str::to_owned))
                }));
            }
            Arc::new(builder.finish())
        }
        Kind::Text | Kind::Json | Kind::Interval | Kind::Any | Kind::Null => {
            built!(LargeStringBuilder::new(), text)
        }
    }
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Real(number) => Some(*number as i64),
        Value::Text(text) => text.parse().ok(),
        Value::Null | Value::Blob(_) => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        Value::Null | Value::Blob(_) => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Blob(bytes) => Some(bytes),
        Value::Text(text) => Some(text.as_bytes()),
        Value::Null | Value::Integer(_) | Value::Real(_) => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Blob(bytes) => Some(super::cell::hex(bytes)),
        Value::Null => None,
    }
}

fn list(value: &Value) -> Option<Vec<serde_json::Value>> {
    match value {
        Value::Text(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}
