//! Functions as statements say them: which there are, what the engine calls them, and what
//! comes of them.

use super::super::cell::Kind;
use super::super::time::Interval;
use super::super::time::Part;
use super::aggregate::is_aggregate;
use super::error::{StatementError, refuse};
use super::nearest;
use super::query::Compiler;
use super::scope::{Scope, parts};
use super::select::Level;
use super::typed::{Typed, as_text, as_time, comparable, fixed, quote};
use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, NullTreatment, OrderByExpr, Spanned,
};
use sqlparser::tokenizer::Span;

/// What functions are called, for the hint to whoever mistypes one.
const NAMES: &[&str] = &[
    "abs",
    "array_agg",
    "array_has",
    "array_length",
    "avg",
    "bool_and",
    "bool_or",
    "btrim",
    "ceil",
    "char_length",
    "coalesce",
    "concat",
    "concat_ws",
    "contains",
    "count",
    "current_date",
    "date_bin",
    "date_part",
    "date_trunc",
    "decode",
    "dense_rank",
    "encode",
    "ends_with",
    "exp",
    "first_value",
    "floor",
    "greatest",
    "json_as_text",
    "json_contains",
    "json_get",
    "json_get_bool",
    "json_get_float",
    "json_get_int",
    "json_get_json",
    "json_get_str",
    "json_length",
    "json_object_keys",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "median",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "now",
    "nullif",
    "nvl",
    "octet_length",
    "percentile_cont",
    "power",
    "rank",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "string_agg",
    "strpos",
    "substr",
    "sum",
    "to_timestamp",
    "to_timestamp_millis",
    "to_unixtime",
    "trim",
    "trunc",
    "upper",
];

/// What a function is called with.
pub(super) struct Given {
    pub(super) arguments: Vec<Typed>,
    pub(super) spans: Vec<Span>,
    pub(super) star: bool,
    pub(super) distinct: bool,
    pub(super) order: Vec<OrderByExpr>,
    pub(super) ignores_nulls: bool,
}

impl Compiler {
    /// A call of a function.
    pub(super) fn call(
        &mut self,
        function: &Function,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let span = function.name.span();
        let Some(name) = parts(&function.name)?.pop() else {
            return refuse(span, "a function has a name");
        };
        let name = name.to_lowercase();
        if let Some(over) = &function.over {
            return self.window(&name, function, over, scope, level);
        }
        if is_aggregate(&name) {
            return self.aggregate(&name, function, scope, level);
        }
        if function.filter.is_some() || !function.within_group.is_empty() {
            return refuse(span, format!("{name} is no aggregate"));
        }
        let given = self.given(function, scope, level)?;
        if given.star || given.distinct || !given.order.is_empty() {
            return refuse(span, format!("{name} is no aggregate"));
        }
        if let Some(now) = self.moment(&name)
            && given.arguments.is_empty()
        {
            return Ok(now);
        }
        scalar(&name, &given, span)
    }

    /// The time that a word means.
    pub(super) fn moment(&self, word: &str) -> Option<Typed> {
        let now = self.now_ms;
        Some(match word.to_ascii_lowercase().as_str() {
            "now" | "current_timestamp" => Typed::new(format!("({now})"), Kind::Time),
            "current_date" | "today" => {
                Typed::new(format!("lw_date_trunc('day', {now})"), Kind::Date)
            }
            _ => return None,
        })
    }

    pub(super) fn given(
        &mut self,
        function: &Function,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Given, StatementError> {
        let span = function.name.span();
        let mut given = Given {
            arguments: Vec::new(),
            spans: Vec::new(),
            star: false,
            distinct: false,
            order: Vec::new(),
            ignores_nulls: function.null_treatment == Some(NullTreatment::IgnoreNulls),
        };
        if !matches!(function.parameters, FunctionArguments::None) {
            return refuse(span, "a function has one list of arguments");
        }
        let list = match &function.args {
            FunctionArguments::None => return Ok(given),
            FunctionArguments::Subquery(_) => {
                return refuse(span, "put the subquery in parentheses of its own");
            }
            FunctionArguments::List(list) => list,
        };
        given.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(order) => given.order.extend(order.iter().cloned()),
                FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => {
                    given.ignores_nulls = *treatment == NullTreatment::IgnoreNulls;
                }
                other => return refuse(span, format!("{other} is not understood here")),
            }
        }
        for argument in &list.args {
            let FunctionArg::Unnamed(argument) = argument else {
                return refuse(span, "arguments have no names here");
            };
            match argument {
                FunctionArgExpr::Expr(expr) => {
                    given.arguments.push(self.expr(expr, scope, level)?);
                    given.spans.push(expr.span());
                }
                FunctionArgExpr::Wildcard => given.star = true,
                _ => return refuse(span, "only count(*) takes a *"),
            }
        }
        Ok(given)
    }
}

/// A function of single values.
fn scalar(name: &str, given: &Given, span: Span) -> Result<Typed, StatementError> {
    let arguments = &given.arguments;
    let count = |allowed: std::ops::RangeInclusive<usize>| {
        if allowed.contains(&arguments.len()) {
            return Ok(());
        }
        let (from, to) = (allowed.start(), allowed.end());
        let wanted = if from == to {
            from.to_string()
        } else {
            format!("{from} to {to}")
        };
        refuse(
            span,
            format!(
                "{name} takes {wanted} argument(s), {} given",
                arguments.len()
            ),
        )
    };
    let sql = || -> Vec<String> { arguments.iter().map(|typed| typed.sql.clone()).collect() };
    let texts = || -> Vec<String> { arguments.iter().map(as_text).collect() };
    let made = |engine: &str, arguments: Vec<String>, kind| {
        Ok(Typed::new(
            format!("{engine}({})", arguments.join(", ")),
            kind,
        ))
    };
    let first = || arguments.first().map_or(Kind::Null, |typed| typed.kind);
    let joined = || {
        arguments
            .iter()
            .fold(Kind::Null, |kind, typed| kind.join(typed.kind))
    };
    let at = |place: usize| given.spans.get(place).copied().unwrap_or(span);
    match name {
        "coalesce" | "nvl" | "ifnull" => {
            count(1..=100)?;
            if arguments.len() == 1 {
                return Ok(arguments[0].clone());
            }
            made("coalesce", sql(), joined())
        }
        "nullif" => {
            count(2..=2)?;
            let (left, right) = comparable(arguments[0].clone(), arguments[1].clone(), at(1))?;
            made("nullif", vec![left.sql, right.sql], first())
        }
        "greatest" | "least" => {
            count(1..=100)?;
            made(&format!("lw_{name}"), sql(), joined())
        }
        "lower" | "upper" | "reverse" => {
            count(1..=1)?;
            made(&format!("lw_{name}"), texts(), Kind::Text)
        }
        "length" | "char_length" | "character_length" => {
            count(1..=1)?;
            made("length", texts(), Kind::I64)
        }
        "octet_length" => {
            count(1..=1)?;
            made("octet_length", sql(), Kind::I64)
        }
        "bit_length" => {
            count(1..=1)?;
            Ok(Typed::new(
                format!("(8 * octet_length({}))", arguments[0].sql),
                Kind::I64,
            ))
        }
        "substr" | "substring" => {
            count(2..=3)?;
            let mut parts = sql();
            parts[0] = as_text(&arguments[0]);
            made("substr", parts, Kind::Text)
        }
        "left" => {
            count(2..=2)?;
            let (text, length) = (as_text(&arguments[0]), &arguments[1].sql);
            Ok(Typed::new(
                format!("substr({text}, 1, {length})"),
                Kind::Text,
            ))
        }
        "right" => {
            count(2..=2)?;
            let (text, length) = (as_text(&arguments[0]), &arguments[1].sql);
            Ok(Typed::new(format!("substr({text}, -{length})"), Kind::Text))
        }
        "concat" => {
            let parts = texts()
                .into_iter()
                .map(|text| format!("coalesce({text}, '')"));
            let parts: Vec<_> = parts.collect();
            count(1..=100)?;
            Ok(Typed::new(format!("({})", parts.join(" || ")), Kind::Text))
        }
        "concat_ws" => {
            count(2..=100)?;
            made("concat_ws", texts(), Kind::Text)
        }
        "trim" | "btrim" | "ltrim" | "rtrim" => {
            count(1..=2)?;
            made(
                if name == "btrim" { "trim" } else { name },
                texts(),
                Kind::Text,
            )
        }
        "replace" => {
            count(3..=3)?;
            made("replace", texts(), Kind::Text)
        }
        "split_part" => {
            count(3..=3)?;
            made("lw_split_part", sql(), Kind::Text)
        }
        "repeat" => {
            count(2..=2)?;
            made("lw_repeat", sql(), Kind::Text)
        }
        "lpad" | "rpad" => {
            count(2..=3)?;
            made(&format!("lw_{name}"), sql(), Kind::Text)
        }
        "starts_with" | "ends_with" | "contains" => {
            count(2..=2)?;
            made(&format!("lw_{name}"), texts(), Kind::Bool)
        }
        "strpos" | "instr" => {
            count(2..=2)?;
            made("instr", texts(), Kind::I64)
        }
        "abs" => {
            count(1..=1)?;
            made("abs", sql(), first())
        }
        "round" => {
            count(1..=2)?;
            made("round", sql(), Kind::F64)
        }
        "sign" => {
            count(1..=1)?;
            made("sign", sql(), Kind::I64)
        }
        "ceil" | "floor" | "trunc" | "sqrt" | "exp" | "ln" | "log10" | "log2" => {
            count(1..=1)?;
            made(&format!("lw_{name}"), sql(), Kind::F64)
        }
        "power" | "pow" => {
            count(2..=2)?;
            made("lw_power", sql(), Kind::F64)
        }
        "mod" => {
            count(2..=2)?;
            Ok(Typed::new(
                format!("({} % {})", arguments[0].sql, arguments[1].sql),
                joined(),
            ))
        }
        "encode" => {
            count(2..=2)?;
            match arguments[1].as_text() {
                Some("hex") => made("lw_hex", vec![arguments[0].sql.clone()], Kind::Text),
                _ => refuse(at(1), "bytes are encoded as 'hex'"),
            }
        }
        "decode" => {
            count(2..=2)?;
            match arguments[1].as_text() {
                Some("hex") => made("lw_unhex", vec![as_text(&arguments[0])], Kind::Binary),
                _ => refuse(at(1), "texts are decoded from 'hex'"),
            }
        }
        "date_bin" => {
            count(2..=3)?;
            let width = match arguments[0].as_text() {
                Some(text) => match Interval::parse(text) {
                    Some(interval) => super::literal::of_interval(interval),
                    None => return refuse(at(0), "date_bin takes an INTERVAL first"),
                },
                None => arguments[0].clone(),
            };
            let width = match width.kind {
                Kind::Duration => width.sql,
                _ => fixed(&width, at(0))?,
            };
            let time = as_time(arguments[1].clone(), at(1))?;
            let origin = match arguments.get(2) {
                Some(origin) => as_time(origin.clone(), at(2))?.sql,
                None => "0".to_owned(),
            };
            made("lw_bin", vec![width, time.sql, origin], Kind::Time)
        }
        "date_trunc" | "datetrunc" => {
            count(2..=2)?;
            let part = part_name(&arguments[0], at(0))?;
            let time = as_time(arguments[1].clone(), at(1))?;
            made("lw_date_trunc", vec![quote(part), time.sql], Kind::Time)
        }
        "date_part" | "datepart" => {
            count(2..=2)?;
            let part = part_name(&arguments[0], at(0))?;
            let time = as_time(arguments[1].clone(), at(1))?;
            self::part(part, &time.sql, at(0))
        }
        "to_unixtime" => {
            count(1..=1)?;
            let time = as_time(arguments[0].clone(), at(0))?;
            // Rounded down, also before 1970.
            Ok(Typed::new(
                format!("CAST(lw_floor({} / 1000.0) AS INTEGER)", time.sql),
                Kind::I64,
            ))
        }
        "to_timestamp"
        | "to_timestamp_seconds"
        | "to_timestamp_millis"
        | "to_timestamp_micros"
        | "to_timestamp_nanos"
        | "from_unixtime" => {
            count(1..=1)?;
            let only = &arguments[0];
            if !only.kind.is_number() {
                return as_time(only.clone(), at(0));
            }
            let ms = match name {
                "to_timestamp_millis" => only.sql.clone(),
                "to_timestamp_micros" => format!("({} / 1000)", only.sql),
                "to_timestamp_nanos" => format!("({} / 1000000)", only.sql),
                _ => format!("CAST({} * 1000 AS INTEGER)", only.sql),
            };
            Ok(Typed::new(ms, Kind::Time))
        }
        "json_get" | "json_get_json" => {
            count(2..=20)?;
            made("lw_json_get", sql(), Kind::Json)
        }
        "json_get_str" | "json_as_text" => {
            count(2..=20)?;
            made("lw_json_text", sql(), Kind::Text)
        }
        "json_get_int" => {
            count(2..=20)?;
            made("lw_json_int", sql(), Kind::I64)
        }
        "json_get_float" => {
            count(2..=20)?;
            made("lw_json_float", sql(), Kind::F64)
        }
        "json_get_bool" => {
            count(2..=20)?;
            made("lw_json_bool", sql(), Kind::Bool)
        }
        "json_contains" => {
            count(2..=20)?;
            made("lw_json_has", sql(), Kind::Bool)
        }
        "json_length" => {
            count(1..=20)?;
            made("lw_json_length", sql(), Kind::I64)
        }
        "json_object_keys" | "json_keys" => {
            count(1..=20)?;
            made("lw_json_keys", sql(), Kind::TextList)
        }
        "array_has" | "array_contains" | "list_has" => {
            count(2..=2)?;
            made("lw_list_has", sql(), Kind::Bool)
        }
        "array_length" | "cardinality" | "list_length" => {
            count(1..=1)?;
            made("lw_json_length", sql(), Kind::I64)
        }
        _ => {
            let hint = match nearest(name, NAMES.iter().copied().filter(|known| *known != name)) {
                Some(near) => format!(": did you mean {near}?"),
                None => String::new(),
            };
            refuse(span, format!("there is no function {name}{hint}"))
        }
    }
}

fn part_name(typed: &Typed, span: Span) -> Result<&str, StatementError> {
    match typed.as_text() {
        Some(text) if Part::parse(text).is_some() => Ok(text),
        _ => refuse(
            span,
            "name a part of a time: 'second', 'minute', 'hour', 'day', 'week', 'month' or 'year'",
        ),
    }
}

/// A part of a time as a number.
pub(super) fn part(name: &str, time: &str, span: Span) -> Result<Typed, StatementError> {
    match Part::parse(name) {
        Some(Part::Second | Part::Millisecond | Part::Epoch) => Ok(Typed::new(
            format!("lw_date_part({}, {time})", quote(name)),
            Kind::F64,
        )),
        Some(_) => Ok(Typed::new(
            format!("CAST(lw_date_part({}, {time}) AS INTEGER)", quote(name)),
            Kind::I64,
        )),
        None => refuse(
            span,
            format!(
                "{name} is no part of a time: use second, minute, hour, day, week, month, year or epoch"
            ),
        ),
    }
}
