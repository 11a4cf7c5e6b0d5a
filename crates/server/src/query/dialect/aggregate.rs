//! Aggregates and windows: functions of many rows.

use super::super::cell::Kind;
use super::call::Given;
use super::error::{StatementError, refuse};
use super::query::Compiler;
use super::scope::{Scope, folded};
use super::select::Level;
use super::typed::{Typed, as_text, fixed};
use sqlparser::ast::{
    Function, Spanned, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowType,
};
use sqlparser::tokenizer::Span;

impl Compiler {
    pub(super) fn aggregate(
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

    pub(super) fn window(
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
                let wanted = folded(window);
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

pub(super) fn is_aggregate(name: &str) -> bool {
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
