//! Functions as statements say them: which there are, what the engine calls them, and what
//! comes of them.

use super::super::cell::Kind;
use super::super::time::Part;
use super::error::{StatementError, refuse};
use super::expression::{Typed, as_text, as_time, fixed, quote};
use super::nearest;
use super::scope::{Scope, parts};
use super::select::{Compiler, Level};
use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, OrderByExpr, Spanned, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowType,
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
struct Given {
    arguments: Vec<Typed>,
    spans: Vec<Span>,
    star: bool,
    distinct: bool,
    order: Vec<OrderByExpr>,
    ignores_nulls: bool,
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

    fn given(
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
            ignores_nulls: function.null_treatment
                == Some(sqlparser::ast::NullTreatment::IgnoreNulls),
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
                    given.ignores_nulls = *treatment == sqlparser::ast::NullTreatment::IgnoreNulls;
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

    fn aggregate(
        &mut self,
        name: &str,
        function: &Function,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let span = function.name.span();
        if level.in_aggregate {
            return refuse(
                span,
                "an aggregate cannot be made of aggregates: use a subquery",
            );
        }
        // Columns within are said of the rows of a group.
        let loose = level.loose.len();
        level.in_aggregate = true;
        let parts = self.aggregate_parts(name, function, scope, level);
        level.in_aggregate = false;
        level.loose.truncate(loose);
        level.aggregates += 1;
        let (given, order, filter) = parts?;
        let (engine, mut arguments, kind) = aggregated(name, &given, span)?;
        if given.star {
            arguments = vec!["*".to_owned()];
        }
        let distinct = if given.distinct { "DISTINCT " } else { "" };
        let order = if order.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {order}")
        };
        let mut filters: Vec<String> = filter.into_iter().collect();
        if given.ignores_nulls
            && let Some(first) = arguments.first()
        {
            filters.push(format!("({first} IS NOT NULL)"));
        }
        let filter = if filters.is_empty() {
            String::new()
        } else {
            format!(" FILTER (WHERE {})", filters.join(" AND "))
        };
        let call = format!(
            "{engine}({distinct}{}{order}){filter}",
            arguments.join(", ")
        );
        Ok(Typed::new(
            match (name, kind) {
                (
                    "avg"
                    | "mean"
                    | "median"
                    | "percentile_cont"
                    | "approx_percentile_cont"
                    | "approx_median",
                    Kind::Duration | Kind::Time,
                ) => {
                    format!("CAST({call} AS INTEGER)")
                }
                // A list of nothing is no list.
                ("array_agg", _) => format!("nullif({call}, '[]')"),
                _ => call,
            },
            kind,
        ))
    }

    fn aggregate_parts(
        &mut self,
        name: &str,
        function: &Function,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<(Given, String, Option<String>), StatementError> {
        let mut given = self.given(function, scope, level)?;
        let filter = match &function.filter {
            Some(filter) => Some(self.expr(filter, scope, level)?.sql),
            None => None,
        };
        // percentile_cont(0.9) WITHIN GROUP (ORDER BY x)
        if let [only] = &function.within_group[..] {
            if !name.contains("percentile_cont") {
                return refuse(function.name.span(), format!("{name} has no WITHIN GROUP"));
            }
            given
                .arguments
                .insert(0, self.expr(&only.expr, scope, level)?);
            given.spans.insert(0, only.expr.span());
        }
        let order = self.order_within(&given.order, scope, level)?;
        Ok((given, order, filter))
    }

    fn window(
        &mut self,
        name: &str,
        function: &Function,
        over: &WindowType,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let span = function.name.span();
        let given = self.given(function, scope, level)?;
        if given.distinct || !given.order.is_empty() || given.ignores_nulls {
            return refuse(
                span,
                "DISTINCT, ORDER BY and IGNORE NULLS have no place before OVER",
            );
        }
        let sql: Vec<_> = given
            .arguments
            .iter()
            .map(|typed| typed.sql.clone())
            .collect();
        let first = given
            .arguments
            .first()
            .map_or(Kind::Null, |typed| typed.kind);
        let (engine, arguments, kind) = match name {
            "row_number" | "rank" | "dense_rank" | "ntile" => (name, sql, Kind::I64),
            "percent_rank" | "cume_dist" => (name, sql, Kind::F64),
            "lag" | "lead" | "first_value" | "last_value" | "nth_value" => (name, sql, first),
            _ if is_aggregate(name) => {
                let (engine, arguments, kind) = aggregated(name, &given, span)?;
                if engine.starts_with("lw_") {
                    return refuse(span, format!("{name} cannot be used with OVER"));
                }
                (engine, arguments, kind)
            }
            _ => return refuse(span, format!("{name} cannot be used with OVER")),
        };
        let arguments = if given.star {
            "*".to_owned()
        } else {
            arguments.join(", ")
        };
        let spec = match over {
            WindowType::WindowSpec(spec) => spec.clone(),
            WindowType::NamedWindow(window) => {
                let wanted = super::scope::folded(window);
                let known = level.windows.iter().find(|(name, _)| *name == wanted);
                match known {
                    Some((_, spec)) => spec.clone(),
                    None => return refuse(window.span, format!("there is no window {wanted}")),
                }
            }
        };
        if spec.window_name.is_some() {
            return refuse(span, "a window cannot be built on another: write it out");
        }
        let filter = match &function.filter {
            Some(filter) => format!(" FILTER (WHERE {})", self.expr(filter, scope, level)?.sql),
            None => String::new(),
        };
        let mut within = Vec::new();
        if !spec.partition_by.is_empty() {
            let mut parts = Vec::new();
            for part in &spec.partition_by {
                parts.push(self.expr(part, scope, level)?.sql);
            }
            within.push(format!("PARTITION BY {}", parts.join(", ")));
        }
        if !spec.order_by.is_empty() {
            within.push(format!(
                "ORDER BY {}",
                self.order_within(&spec.order_by, scope, level)?
            ));
        }
        if let Some(frame) = &spec.window_frame {
            within.push(self.frame(frame, scope, level)?);
        }
        Ok(Typed::new(
            format!(
                "({engine}({arguments}){filter} OVER ({}))",
                within.join(" ")
            ),
            kind,
        ))
    }

    fn frame(
        &mut self,
        frame: &WindowFrame,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<String, StatementError> {
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        };
        let mut bound = |bound: &WindowFrameBound| -> Result<String, StatementError> {
            let (distance, word) = match bound {
                WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".to_owned()),
                WindowFrameBound::Preceding(distance) => (distance, "PRECEDING"),
                WindowFrameBound::Following(distance) => (distance, "FOLLOWING"),
            };
            let distance = match distance {
                None => "UNBOUNDED".to_owned(),
                Some(distance) => {
                    let typed = self.expr(distance, scope, level)?;
                    match typed.kind {
                        Kind::Interval => fixed(&typed, distance.span())?,
                        _ => typed.sql,
                    }
                }
            };
            Ok(format!("{distance} {word}"))
        };
        let start = bound(&frame.start_bound)?;
        let end = frame.end_bound.as_ref().map(bound).transpose()?;
        Ok(match end {
            Some(end) => format!("{units} BETWEEN {start} AND {end}"),
            None => format!("{units} {start}"),
        })
    }
}

fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "sum"
            | "min"
            | "max"
            | "avg"
            | "mean"
            | "first_value"
            | "last_value"
            | "any_value"
            | "array_agg"
            | "string_agg"
            | "bool_and"
            | "bool_or"
            | "approx_distinct"
            | "median"
            | "approx_median"
            | "percentile_cont"
            | "approx_percentile_cont"
    )
}

/// An aggregate as the engine calls it, with its arguments and what comes of it.
fn aggregated(
    name: &str,
    given: &Given,
    span: Span,
) -> Result<(&'static str, Vec<String>, Kind), StatementError> {
    let sql: Vec<_> = given
        .arguments
        .iter()
        .map(|typed| typed.sql.clone())
        .collect();
    let kind = given
        .arguments
        .first()
        .map_or(Kind::Null, |typed| typed.kind);
    let wanted = match name {
        "string_agg" | "percentile_cont" | "approx_percentile_cont" => 2,
        _ => 1,
    };
    if given.star && name == "count" && sql.is_empty() {
        return Ok(("count", sql, Kind::I64));
    }
    if given.star || sql.len() != wanted {
        return refuse(
            span,
            format!("{name} takes {wanted} argument(s), {} given", sql.len()),
        );
    }
    Ok(match name {
        "count" => ("count", sql, Kind::I64),
        "approx_distinct" => ("count", vec![format!("DISTINCT {}", sql[0])], Kind::U64),
        "sum" => {
            let total = match kind {
                Kind::U32 | Kind::U64 => Kind::U64,
                Kind::F64 | Kind::Duration | Kind::I64 => kind,
                Kind::Bool | Kind::Null => Kind::I64,
                Kind::Any => Kind::Any,
                _ => return refuse(span, "a sum is made of numbers or durations"),
            };
            ("sum", sql, total)
        }
        "avg" | "mean" => match kind {
            Kind::Duration => ("avg", sql, Kind::Duration),
            kind if kind.is_number() || matches!(kind, Kind::Null | Kind::Any) => {
                ("avg", sql, Kind::F64)
            }
            _ => return refuse(span, "an average is made of numbers or durations"),
        },
        "min" => ("min", sql, kind),
        "max" => ("max", sql, kind),
        "first_value" | "any_value" => ("lw_first", sql, kind),
        "last_value" => ("lw_last", sql, kind),
        "bool_and" => ("min", sql, Kind::Bool),
        "bool_or" => ("max", sql, Kind::Bool),
        "array_agg" => {
            let list = match kind {
                kind if kind.is_number() => Kind::NumberList,
                _ => Kind::TextList,
            };
            let item = match (list, given.arguments.first()) {
                (Kind::TextList, Some(typed)) => as_text(typed),
                _ => sql[0].clone(),
            };
            ("json_group_array", vec![item], list)
        }
        "string_agg" => {
            let texts = given.arguments.iter().map(as_text).collect();
            ("string_agg", texts, Kind::Text)
        }
        _ => {
            let share = sql.get(1).cloned().unwrap_or_else(|| "0.5".to_owned());
            let result = match kind {
                Kind::Duration => Kind::Duration,
                kind if kind.is_number() || matches!(kind, Kind::Null | Kind::Any) => Kind::F64,
                _ => return refuse(span, format!("{name} is made of numbers or durations")),
            };
            ("lw_percentile", vec![sql[0].clone(), share], result)
        }
    })
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
            let (left, right) =
                super::expression::comparable(arguments[0].clone(), arguments[1].clone(), at(1))?;
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
                Some(text) => match super::super::time::Interval::parse(text) {
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
