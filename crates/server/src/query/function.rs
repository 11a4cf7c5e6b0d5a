//! Functions that statements can call and SQLite lacks: dates, JSON, texts, a few aggregates.
//!
//! Their names begin with `lw_`: statements do not say them, the dialect puts them in the place
//! of those that they do say. Whatever a function cannot read comes to null, as bytes that are
//! no text, or a text that is no JSON; only a cast refuses.

use super::cell::{hex, iso_duration};
use super::time::{Part, add_months, bin, iso_date, iso_time, parse_time};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};
use serde_json::Value as Json;

/// Numbers that a percentile may be made of.
const SAMPLES_MAX: usize = 2_000_000;
/// Characters that `repeat` and `pad` may make.
const MADE_MAX: usize = 1 << 20;

/// Makes the functions of a connection.
pub(super) fn register(database: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    let scalar = |name: &str, arguments, call: fn(&Context<'_>) -> Option<Value>| {
        database.create_scalar_function(name, arguments, flags, move |context| {
            Ok(call(context).unwrap_or(Value::Null))
        })
    };
    scalar("lw_lower", 1, |c| Some(string(c, 0)?.to_lowercase().into()))?;
    scalar("lw_upper", 1, |c| Some(string(c, 0)?.to_uppercase().into()))?;
    scalar("lw_reverse", 1, |c| {
        Some(string(c, 0)?.chars().rev().collect::<String>().into())
    })?;
    scalar("lw_repeat", 2, |c| {
        let (text, times) = (string(c, 0)?, usize::try_from(int(c, 1)?).unwrap_or(0));
        let fits = text.len().checked_mul(times)? <= MADE_MAX;
        fits.then(|| text.repeat(times).into())
    })?;
    scalar("lw_lpad", -1, |c| pad(c, true))?;
    scalar("lw_rpad", -1, |c| pad(c, false))?;
    scalar("lw_split_part", 3, |c| {
        let (text, separator, place) = (string(c, 0)?, string(c, 1)?, int(c, 2)?);
        if separator.is_empty() {
            return Some(if place == 1 { text } else { String::new() }.into());
        }
        let parts: Vec<_> = text.split(&separator).collect();
        let place = match place {
            0 => return None,
            1.. => usize::try_from(place - 1).ok(),
            _ => parts
                .len()
                .checked_sub(usize::try_from(place.unsigned_abs()).ok()?),
        };
        let part = place.and_then(|place| parts.get(place)).copied();
        Some(part.unwrap_or_default().to_owned().into())
    })?;
    scalar("lw_starts_with", 2, |c| {
        Some(string(c, 0)?.starts_with(&string(c, 1)?).into())
    })?;
    scalar("lw_ends_with", 2, |c| {
        Some(string(c, 0)?.ends_with(&string(c, 1)?).into())
    })?;
    scalar("lw_contains", 2, |c| {
        Some(string(c, 0)?.contains(&string(c, 1)?).into())
    })?;
    scalar("lw_utf8", 1, |c| match c.get_raw(0) {
        ValueRef::Blob(bytes) => Some(std::str::from_utf8(bytes).ok()?.to_owned().into()),
        _ => Some(string(c, 0)?.into()),
    })?;
    scalar("lw_hex", 1, |c| Some(hex(&bytes(c, 0)?).into()))?;
    scalar("lw_unhex", 1, |c| {
        let text = string(c, 0)?;
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|digit| {
                digit
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
        let pairs = digits.chunks_exact(2);
        Some(
            pairs
                .map(|pair| pair[0] << 4 | pair[1])
                .collect::<Vec<u8>>()
                .into(),
        )
    })?;
    scalar("lw_greatest", -1, |c| {
        extreme(c, |left, right| left > right)
    })?;
    scalar("lw_least", -1, |c| extreme(c, |left, right| left < right))?;

    let measured = |name: &str, call: fn(f64) -> f64| {
        database.create_scalar_function(name, 1, flags, move |context| {
            Ok(number(&context.get(0)?)
                .map(call)
                .filter(|result| result.is_finite()))
        })
    };
    measured("lw_ceil", f64::ceil)?;
    measured("lw_floor", f64::floor)?;
    measured("lw_trunc", f64::trunc)?;
    measured("lw_sqrt", f64::sqrt)?;
    measured("lw_exp", f64::exp)?;
    measured("lw_ln", f64::ln)?;
    measured("lw_log10", f64::log10)?;
    measured("lw_log2", f64::log2)?;
    scalar("lw_power", 2, |c| {
        let (base, exponent) = (c.get::<Value>(0).ok()?, c.get::<Value>(1).ok()?);
        let power = number(&base)?.powf(number(&exponent)?);
        power.is_finite().then_some(Value::Real(power))
    })?;

    scalar("lw_to_time", 1, |c| {
        Some(parse_time(&string(c, 0)?)?.into())
    })?;
    scalar("lw_iso_time", 1, |c| Some(iso_time(int(c, 0)?).into()))?;
    scalar("lw_iso_date", 1, |c| Some(iso_date(int(c, 0)?).into()))?;
    scalar("lw_iso_duration", 1, |c| {
        Some(iso_duration(int(c, 0)?).into())
    })?;
    scalar("lw_add_months", 2, |c| {
        Some(add_months(int(c, 0)?, int(c, 1)?)?.into())
    })?;
    scalar("lw_bin", 3, |c| {
        Some(bin(int(c, 0)?, int(c, 1)?, int(c, 2)?)?.into())
    })?;
    scalar("lw_date_trunc", 2, |c| {
        Some(Part::parse(&string(c, 0)?)?.truncate(int(c, 1)?)?.into())
    })?;
    scalar("lw_date_part", 2, |c| {
        Some(Part::parse(&string(c, 0)?)?.of(int(c, 1)?).into())
    })?;

    scalar("lw_json_get", -1, |c| Some(json_at(c)?.to_string().into()))?;
    scalar("lw_json_text", -1, |c| json_text(json_at(c)?))?;
    scalar("lw_json_int", -1, |c| Some(json_at(c)?.as_i64()?.into()))?;
    scalar("lw_json_float", -1, |c| Some(json_at(c)?.as_f64()?.into()))?;
    scalar("lw_json_bool", -1, |c| Some(json_at(c)?.as_bool()?.into()))?;
    scalar("lw_json_has", -1, |c| {
        json(c)?;
        Some(json_at(c).is_some().into())
    })?;
    scalar("lw_json_length", -1, |c| {
        let length = match json_at(c)? {
            Json::Array(list) => list.len(),
            Json::Object(fields) => fields.len(),
            _ => return None,
        };
        Some(i64::try_from(length).ok()?.into())
    })?;
    scalar("lw_json_keys", -1, |c| match json_at(c)? {
        Json::Object(fields) => {
            let names: Json = fields.keys().cloned().collect();
            Some(names.to_string().into())
        }
        _ => None,
    })?;
    scalar("lw_list_has", 2, |c| {
        let Json::Array(list) = json(c)? else {
            return None;
        };
        let found = match c.get_raw(1) {
            ValueRef::Integer(number) => list.contains(&number.into()),
            _ => list.contains(&string(c, 1)?.into()),
        };
        Some(found.into())
    })?;

    let strict = |name: &str, what: &'static str, call: fn(&Context<'_>) -> Option<Value>| {
        database.create_scalar_function(name, 1, flags, move |context| {
            match (context.get_raw(0), call(context)) {
                (ValueRef::Null, _) => Ok(Value::Null),
                (_, Some(value)) => Ok(value),
                (_, None) => Err(Error::UserFunctionError(
                    format!(
                        "{:?} cannot be cast to {what}: use TRY_CAST, which gives null",
                        string(context, 0).unwrap_or_default()
                    )
                    .into(),
                )),
            }
        })
    };
    strict("lw_cast_int", "a whole number", as_int)?;
    strict("lw_cast_float", "a number", as_float)?;
    strict("lw_cast_bool", "a truth value", as_bool)?;
    strict("lw_cast_time", "a timestamp", |c| {
        Some(parse_time(&string(c, 0)?)?.into())
    })?;
    scalar("lw_try_int", 1, as_int)?;
    scalar("lw_try_float", 1, as_float)?;
    scalar("lw_try_bool", 1, as_bool)?;

    database.create_aggregate_function("lw_first", 1, flags, First)?;
    database.create_aggregate_function("lw_last", 1, flags, Last)?;
    database.create_aggregate_function("lw_percentile", 2, flags, Percentile)
}

/// A text, or a number as text; nothing for null and for bytes that are none.
fn string(context: &Context<'_>, argument: usize) -> Option<String> {
    if argument >= context.len() {
        return None;
    }
    match context.get_raw(argument) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Null => None,
    }
}

fn bytes(context: &Context<'_>, argument: usize) -> Option<Vec<u8>> {
    match context.get_raw(argument) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

fn int(context: &Context<'_>, argument: usize) -> Option<i64> {
    match context.get_raw(argument) {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) => Some(number as i64),
        _ => None,
    }
}

fn as_int(context: &Context<'_>) -> Option<Value> {
    Some(string(context, 0)?.trim().parse::<i64>().ok()?.into())
}

fn as_float(context: &Context<'_>) -> Option<Value> {
    Some(string(context, 0)?.trim().parse::<f64>().ok()?.into())
}

fn as_bool(context: &Context<'_>) -> Option<Value> {
    match string(context, 0)?.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true.into()),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false.into()),
        _ => None,
    }
}

fn pad(context: &Context<'_>, left: bool) -> Option<Value> {
    let (text, length) = (
        string(context, 0)?,
        usize::try_from(int(context, 1)?).unwrap_or(0),
    );
    let fill = string(context, 2).unwrap_or_else(|| " ".to_owned());
    if length > MADE_MAX {
        return None;
    }
    let have = text.chars().count();
    if have >= length {
        return Some(text.chars().take(length).collect::<String>().into());
    }
    let filled: String = fill.chars().cycle().take(length - have).collect();
    Some(if left { filled + &text } else { text + &filled }.into())
}

/// Of the arguments that are not null, the one that wins against all others.
fn extreme(context: &Context<'_>, wins: fn(f64, f64) -> bool) -> Option<Value> {
    let mut best: Option<Value> = None;
    for argument in 0..context.len() {
        let value = context.get::<Value>(argument).ok()?;
        let is_better = match (&value, &best) {
            (Value::Null, _) => false,
            (_, None) => true,
            (Value::Text(one), Some(Value::Text(two))) => {
                let order = one.cmp(two) as i8;
                wins(order.into(), 0.0)
            }
            (Value::Integer(one), Some(Value::Integer(two))) => {
                let order = one.cmp(two) as i8;
                wins(order.into(), 0.0)
            }
            (one, Some(two)) => match (number(one), number(two)) {
                (Some(one), Some(two)) => wins(one, two),
                _ => false,
            },
        };
        if is_better {
            best = Some(value);
        }
    }
    best
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    }
}

/// The first argument as JSON.
fn json(context: &Context<'_>) -> Option<Json> {
    match context.get_raw(0) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => serde_json::from_slice(bytes).ok(),
        ValueRef::Integer(number) => Some(number.into()),
        _ => None,
    }
}

/// What lies in the first argument along the path of the others: names of fields, and places
/// in lists from 0 on, or from the end if negative.
fn json_at(context: &Context<'_>) -> Option<Json> {
    let mut at = json(context)?;
    for argument in 1..context.len() {
        at = match (at, context.get_raw(argument)) {
            (Json::Array(mut list), ValueRef::Integer(place)) => {
                let place = match place {
                    0.. => usize::try_from(place).ok()?,
                    _ => list
                        .len()
                        .checked_sub(usize::try_from(place.unsigned_abs()).ok()?)?,
                };
                if place >= list.len() {
                    return None;
                }
                list.swap_remove(place)
            }
            (Json::Object(mut fields), _) => fields.remove(&string(context, argument)?)?,
            _ => return None,
        };
    }
    Some(at)
}

/// A text without its quotes; anything else as JSON; nothing for JSON's null.
fn json_text(json: Json) -> Option<Value> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    }
}

/// The first value of a group, null or not.
struct First;

impl Aggregate<Option<Value>, Value> for First {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, row: &mut Context<'_>, first: &mut Option<Value>) -> rusqlite::Result<()> {
        if first.is_none() {
            *first = Some(row.get(0)?);
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        first: Option<Option<Value>>,
    ) -> rusqlite::Result<Value> {
        Ok(first.flatten().unwrap_or(Value::Null))
    }
}

/// The last value of a group, null or not.
struct Last;

impl Aggregate<Value, Value> for Last {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Value> {
        Ok(Value::Null)
    }

    fn step(&self, row: &mut Context<'_>, last: &mut Value) -> rusqlite::Result<()> {
        *last = row.get(0)?;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, last: Option<Value>) -> rusqlite::Result<Value> {
        Ok(last.unwrap_or(Value::Null))
    }
}

/// The value below which a share of a group lies, between two of them in proportion.
struct Percentile;

impl Aggregate<(Vec<f64>, f64), Value> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<(Vec<f64>, f64)> {
        Ok((Vec::new(), 0.5))
    }

    fn step(&self, row: &mut Context<'_>, group: &mut (Vec<f64>, f64)) -> rusqlite::Result<()> {
        let refuse = |reason: &str| Err(Error::UserFunctionError(reason.to_owned().into()));
        let share = number(&row.get(1)?).filter(|share| (0.0..=1.0).contains(share));
        let Some(share) = share else {
            return refuse("the share of a percentile must be a number from 0 to 1");
        };
        if group.0.len() >= SAMPLES_MAX {
            return refuse("a percentile of so many rows takes too much memory: narrow it");
        }
        group.1 = share;
        group.0.extend(number(&row.get(0)?));
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        group: Option<(Vec<f64>, f64)>,
    ) -> rusqlite::Result<Value> {
        let Some((mut values, share)) = group else {
            return Ok(Value::Null);
        };
        values.sort_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else {
            return Ok(Value::Null);
        };
        let place = share * last as f64;
        let below = (place.floor() as usize).min(last);
        let above = (below + 1).min(last);
        let into = place - place.floor();
        Ok(Value::Real(
            values[below] + (values[above] - values[below]) * into,
        ))
    }
}
