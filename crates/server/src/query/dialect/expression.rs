//! Expressions: a tree comes in, the engine's text and the kind of the value go out.

use super::super::cell::Kind;
use super::call;
use super::cast::cast;
use super::error::{StatementError, refuse};
use super::literal;
use super::operator::{json_call, negative};
use super::query::Compiler;
use super::scope::Scope;
use super::select::Level;
use super::typed::{Typed, as_time, comparable, truth};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, Ident, Spanned,
    Subscript, TrimWhereField, UnaryOperator, Value,
};
use sqlparser::tokenizer::Span;

/// How deep expressions may be nested: the engine's own limit is a thousand, and pieces that are
/// put around them count too.
pub(super) const DEPTH_MAX: usize = 400;

impl Compiler {
    /// An expression that is said in a scope, at a level of the statement.
    pub(super) fn expr(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            return refuse(
                expr.span(),
                "the expression is too long or too deep: use IN (…) instead of many ORs, or WITH",
            );
        }
        let before = level.loose.len();
        let typed = self.any(expr, scope, level);
        self.depth -= 1;
        let typed = typed?;
        if level.group.contains(&typed.sql) {
            level.loose.truncate(before);
        }
        Ok(typed)
    }

    pub(super) fn any(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let span = || expr.span();
        match expr {
            Expr::Identifier(name) => {
                if name.quote_style.is_none()
                    && let Some(now) = self.moment(&name.value)
                    && scope.find(std::slice::from_ref(name)).is_err()
                {
                    return Ok(now);
                }
                self.column(std::slice::from_ref(name), scope, level)
            }
            Expr::CompoundIdentifier(name) => self.column(name, scope, level),
            Expr::Value(value) => literal::value(&value.value, value.span),
            Expr::Nested(inner) => self.expr(inner, scope, level),
            Expr::Interval(interval) => literal::interval(interval),
            Expr::TypedString(typed) => {
                let text = match &typed.value.value {
                    Value::SingleQuotedString(text) => literal::text(text),
                    _ => return refuse(typed.value.span, "write the value in single quotes"),
                };
                cast(text, &typed.data_type, true, typed.value.span)
            }
            Expr::IsNull(inner) => self.test(inner, "IS NULL", scope, level),
            Expr::IsNotNull(inner) => self.test(inner, "IS NOT NULL", scope, level),
            Expr::IsTrue(inner) => self.test(inner, "IS TRUE", scope, level),
            Expr::IsNotTrue(inner) => self.test(inner, "IS NOT TRUE", scope, level),
            Expr::IsFalse(inner) => self.test(inner, "IS FALSE", scope, level),
            Expr::IsNotFalse(inner) => self.test(inner, "IS NOT FALSE", scope, level),
            Expr::IsUnknown(inner) => self.test(inner, "IS NULL", scope, level),
            Expr::IsNotUnknown(inner) => self.test(inner, "IS NOT NULL", scope, level),
            Expr::IsDistinctFrom(left, right) => {
                self.comparison(left, "IS NOT", right, scope, level)
            }
            Expr::IsNotDistinctFrom(left, right) => {
                self.comparison(left, "IS", right, scope, level)
            }
            Expr::In {
                expr: inner,
                target,
                negated,
                ..
            } => self.within(inner, target, *negated, span(), scope, level),
            Expr::Between {
                expr: inner,
                negated,
                low,
                high,
            } => {
                let inner = self.expr(inner, scope, level)?;
                let low_typed = self.expr(low, scope, level)?;
                let (inner, low_typed) = comparable(inner, low_typed, low.span())?;
                let high_typed = self.expr(high, scope, level)?;
                let (inner, high_typed) = comparable(inner, high_typed, high.span())?;
                let not = if *negated { "NOT " } else { "" };
                Ok(truth(format!(
                    "({} {not}BETWEEN {} AND {})",
                    inner.sql, low_typed.sql, high_typed.sql
                )))
            }
            Expr::Like {
                negated,
                any: false,
                expr: inner,
                pattern,
                escape_char,
            } => self.like(
                inner,
                pattern,
                escape_char.as_deref(),
                *negated,
                false,
                scope,
                level,
            ),
            Expr::ILike {
                negated,
                any: false,
                expr: inner,
                pattern,
                escape_char,
            } => self.like(
                inner,
                pattern,
                escape_char.as_deref(),
                *negated,
                true,
                scope,
                level,
            ),
            Expr::BinaryOp { left, op, right } => {
                self.operation(left, op, right, span(), scope, level)
            }
            Expr::UnaryOp { op, expr: inner } => {
                let typed = self.expr(inner, scope, level)?;
                match op {
                    UnaryOperator::Not => Ok(truth(format!("(NOT {})", typed.sql))),
                    UnaryOperator::Plus => Ok(typed),
                    UnaryOperator::Minus => negative(typed, span()),
                    UnaryOperator::BitwiseNot => {
                        Ok(Typed::new(format!("(~{})", typed.sql), Kind::I64))
                    }
                    _ => refuse(span(), format!("the operator {op} is not known")),
                }
            }
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                ..
            } => {
                let typed = self.expr(inner, scope, level)?;
                let strict = matches!(kind, CastKind::Cast | CastKind::DoubleColon);
                cast(typed, data_type, strict, span())
            }
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let zone = self.expr(time_zone, scope, level)?;
                match zone.as_text() {
                    Some("UTC" | "utc" | "Z" | "+00:00") => self.expr(timestamp, scope, level),
                    _ => refuse(
                        time_zone.span(),
                        "all times are in UTC: use AT TIME ZONE 'UTC'",
                    ),
                }
            }
            Expr::Extract {
                field, expr: inner, ..
            } => {
                let at = self.time(inner, scope, level)?;
                call::part(&field.to_string(), &at.sql, span())
            }
            Expr::Ceil { expr: inner, field } => {
                self.rounded("ceil", inner, field, span(), scope, level)
            }
            Expr::Floor { expr: inner, field } => {
                self.rounded("floor", inner, field, span(), scope, level)
            }
            Expr::Position { expr: what, r#in } => {
                let (what, within) = (
                    self.expr(what, scope, level)?,
                    self.expr(r#in, scope, level)?,
                );
                Ok(Typed::new(
                    format!("instr({}, {})", within.sql, what.sql),
                    Kind::I64,
                ))
            }
            Expr::Substring {
                expr: inner,
                substring_from,
                substring_for,
                ..
            } => {
                let mut arguments = vec![self.expr(inner, scope, level)?.sql];
                match substring_from {
                    Some(from) => arguments.push(self.expr(from, scope, level)?.sql),
                    None => arguments.push("1".to_owned()),
                }
                if let Some(length) = substring_for {
                    arguments.push(self.expr(length, scope, level)?.sql);
                }
                Ok(Typed::new(
                    format!("substr({})", arguments.join(", ")),
                    Kind::Text,
                ))
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr: inner,
                trim_characters,
            } => {
                let mut arguments = vec![self.expr(inner, scope, level)?.sql];
                let characters = trim_characters.iter().flatten();
                for what in trim_what.iter().map(|what| &**what).chain(characters) {
                    arguments.push(self.expr(what, scope, level)?.sql);
                }
                let function = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "trim",
                };
                Ok(Typed::new(
                    format!("{function}({})", arguments.join(", ")),
                    Kind::Text,
                ))
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let operand = match operand {
                    Some(operand) => Some(self.expr(operand, scope, level)?),
                    None => None,
                };
                let (mut sql, mut kind) = ("CASE".to_owned(), Kind::Null);
                for when in conditions {
                    let condition = self.expr(&when.condition, scope, level)?;
                    let condition = match &operand {
                        None => condition.sql,
                        Some(operand) => {
                            let at = when.condition.span();
                            let (left, right) = comparable(operand.clone(), condition, at)?;
                            format!("({} = {})", left.sql, right.sql)
                        }
                    };
                    let result = self.expr(&when.result, scope, level)?;
                    kind = kind.join(result.kind);
                    sql += &format!(" WHEN {condition} THEN {}", result.sql);
                }
                if let Some(otherwise) = else_result {
                    let result = self.expr(otherwise, scope, level)?;
                    kind = kind.join(result.kind);
                    sql += &format!(" ELSE {}", result.sql);
                }
                Ok(Typed::new(format!("({sql} END)"), kind))
            }
            Expr::Exists { subquery, negated } => {
                let body = self.query(subquery, &inside(scope))?;
                let not = if *negated { "NOT " } else { "" };
                Ok(truth(format!("({not}EXISTS ({}))", body.sql)))
            }
            Expr::Subquery(subquery) => {
                let body = self.query(subquery, &inside(scope))?;
                match &body.columns[..] {
                    [column] => Ok(Typed::new(format!("({})", body.sql), column.kind)),
                    _ => refuse(span(), "a subquery that stands for a value has one column"),
                }
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut typed = self.expr(root, scope, level)?;
                for access in access_chain {
                    let AccessExpr::Subscript(Subscript::Index { index }) = access else {
                        return refuse(span(), "use -> or ->> to look into JSON");
                    };
                    let place = self.expr(index, scope, level)?;
                    typed = element(&typed, &place, index.span())?;
                }
                Ok(typed)
            }
            Expr::Function(function) => self.call(function, scope, level),
            Expr::Array(list) => {
                let mut kind = Kind::Null;
                let mut items = Vec::new();
                for item in &list.elem {
                    let item = self.expr(item, scope, level)?;
                    kind = kind.join(item.kind);
                    items.push(item.sql);
                }
                let kind = match kind {
                    Kind::Text => Kind::TextList,
                    number if number.is_number() => Kind::NumberList,
                    _ => return refuse(span(), "lists of texts or of numbers can be written"),
                };
                Ok(Typed::new(
                    format!("json_array({})", items.join(", ")),
                    kind,
                ))
            }
            Expr::AnyOp {
                left,
                compare_op: BinaryOperator::Eq,
                right,
                ..
            } => {
                let (what, list) = (
                    self.expr(left, scope, level)?,
                    self.expr(right, scope, level)?,
                );
                if !matches!(list.kind, Kind::TextList | Kind::NumberList) {
                    return refuse(
                        right.span(),
                        "= ANY (…) looks into a list: use IN for a subquery",
                    );
                }
                Ok(truth(format!("lw_list_has({}, {})", list.sql, what.sql)))
            }
            Expr::SimilarTo { .. } | Expr::RLike { .. } => refuse(
                span(),
                "regular expressions are not there: use LIKE or ILIKE",
            ),
            _ => refuse(span(), format!("{expr} is not understood here")),
        }
    }

    pub(super) fn column(
        &mut self,
        name: &[Ident],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        if let [only] = name
            && let Some(alias) = level.alias(only, scope)
        {
            return Ok(alias);
        }
        let found = scope.find(name)?;
        if !found.is_outer {
            let span = Span::union_iter(name.iter().map(|part| part.span));
            level.loose.push((found.column.name.clone(), span));
        }
        Ok(Typed::new(found.column.sql.clone(), found.column.kind))
    }

    fn test(
        &mut self,
        inner: &Expr,
        test: &str,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let typed = self.expr(inner, scope, level)?;
        Ok(truth(format!("({} {test})", typed.sql)))
    }

    /// An expression that is a time, or a text that says one.
    pub(super) fn time(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let typed = self.expr(expr, scope, level)?;
        as_time(typed, expr.span())
    }

    fn rounded(
        &mut self,
        function: &str,
        inner: &Expr,
        field: &CeilFloorKind,
        span: Span,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        if !matches!(
            field,
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)
        ) {
            return refuse(
                span,
                "use date_trunc for times and round(x, digits) for digits",
            );
        }
        let typed = self.expr(inner, scope, level)?;
        Ok(Typed::new(
            format!("lw_{function}({})", typed.sql),
            Kind::F64,
        ))
    }
}

/// The scope of a subquery: what is said around it can be said in it.
pub(super) fn inside<'a>(scope: &'a Scope<'a>) -> Scope<'a> {
    Scope {
        columns: Vec::new(),
        around: Some(scope),
    }
}

/// An element of a list, counted from 1, or of JSON, by name.
fn element(list: &Typed, place: &Typed, span: Span) -> Result<Typed, StatementError> {
    let kind = match (list.kind, place.kind.is_number()) {
        (Kind::TextList, true) => Kind::Text,
        (Kind::NumberList, true) => Kind::I64,
        (Kind::Json | Kind::Text, false) => {
            return Ok(json_call("lw_json_get", list, place, Kind::Json));
        }
        _ => return refuse(span, "only lists have elements, by their number from 1 on"),
    };
    let function = if kind == Kind::Text {
        "lw_json_text"
    } else {
        "lw_json_int"
    };
    // 0 is no place of a list, and would be the last one in the function.
    Ok(Typed::new(
        format!("{function}({}, nullif({} - 1, -1))", list.sql, place.sql),
        kind,
    ))
}
