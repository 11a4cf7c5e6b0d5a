//! Expressions: a tree comes in, the engine's text and the kind of the value go out.

use super::super::cell::Kind;
use super::super::time::{Interval, parse_time};
use super::call;
use super::error::{StatementError, refuse};
use super::literal;
use super::scope::Scope;
use super::select::{Compiler, Level};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DataType, Expr, InTarget, Spanned,
    Subscript, TrimWhereField, UnaryOperator, Value,
};
use sqlparser::tokenizer::Span;

/// How deep expressions may be nested: the engine's own limit is a thousand, and pieces that are
/// put around them count too.
const DEPTH_MAX: usize = 400;

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

    fn any(
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

    fn column(
        &mut self,
        name: &[sqlparser::ast::Ident],
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

    fn comparison(
        &mut self,
        left: &Expr,
        operator: &str,
        right: &Expr,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let left_typed = self.expr(left, scope, level)?;
        let right_typed = self.expr(right, scope, level)?;
        let (left, right) = comparable(left_typed, right_typed, right.span())?;
        Ok(truth(format!("({} {operator} {})", left.sql, right.sql)))
    }

    fn within(
        &mut self,
        inner: &Expr,
        target: &InTarget,
        negated: bool,
        span: Span,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let inner = self.expr(inner, scope, level)?;
        let not = if negated { "NOT " } else { "" };
        let list = match target {
            InTarget::Subquery(subquery) => {
                let body = self.query(subquery, &inside(scope))?;
                if body.columns.len() != 1 {
                    return refuse(span, "a subquery after IN has one column");
                }
                body.sql
            }
            InTarget::List(list) => {
                let mut items = Vec::new();
                for item in list {
                    let typed = self.expr(item, scope, level)?;
                    let (_, typed) = comparable(inner.clone(), typed, item.span())?;
                    items.push(typed.sql);
                }
                items.join(", ")
            }
            _ => {
                return refuse(
                    span,
                    "IN is followed by a list or a subquery in parentheses",
                );
            }
        };
        Ok(truth(format!("({} {not}IN ({list}))", inner.sql)))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operator")]
    fn like(
        &mut self,
        inner: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
        folds_case: bool,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let (inner, pattern) = (
            self.expr(inner, scope, level)?,
            self.expr(pattern, scope, level)?,
        );
        let escape = match escape {
            None => "'\\'".to_owned(),
            Some(escape) => {
                let typed = self.expr(escape, scope, level)?;
                if typed.as_text().is_none_or(|text| text.chars().count() != 1) {
                    return refuse(
                        escape.span(),
                        "ESCAPE is followed by one character in quotes",
                    );
                }
                typed.sql
            }
        };
        let inner = match inner.kind {
            Kind::Binary => format!("lw_utf8({})", inner.sql),
            _ => inner.sql,
        };
        let not = if negated { "NOT " } else { "" };
        Ok(truth(if folds_case {
            format!(
                "(lw_lower({inner}) {not}LIKE lw_lower({}) ESCAPE {escape})",
                pattern.sql
            )
        } else {
            format!("({inner} {not}LIKE {} ESCAPE {escape})", pattern.sql)
        }))
    }

    fn operation(
        &mut self,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
        span: Span,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        use BinaryOperator as Op;
        let compared = match operator {
            Op::Eq => Some("="),
            Op::NotEq => Some("<>"),
            Op::Lt => Some("<"),
            Op::LtEq => Some("<="),
            Op::Gt => Some(">"),
            Op::GtEq => Some(">="),
            _ => None,
        };
        if let Some(compared) = compared {
            return self.comparison(left, compared, right, scope, level);
        }
        let word = match operator {
            Op::And => Some("AND"),
            Op::Or => Some("OR"),
            _ => None,
        };
        if let Some(word) = word {
            return self.chain(left, operator, word, right, scope, level);
        }
        match operator {
            Op::PGLikeMatch => return self.like(left, right, None, false, false, scope, level),
            Op::PGNotLikeMatch => return self.like(left, right, None, true, false, scope, level),
            Op::PGILikeMatch => return self.like(left, right, None, false, true, scope, level),
            Op::PGNotILikeMatch => return self.like(left, right, None, true, true, scope, level),
            _ => {}
        }
        let (left, right) = (
            self.expr(left, scope, level)?,
            self.expr(right, scope, level)?,
        );
        let number = |sign: &str| {
            let kind = left.kind.join(right.kind);
            let kind = if kind.is_number() { kind } else { Kind::Any };
            Ok(Typed::new(
                format!("({} {sign} {})", left.sql, right.sql),
                kind,
            ))
        };
        match operator {
            Op::Plus => sum(&left, &right, false, span),
            Op::Minus => sum(&left, &right, true, span),
            Op::Multiply if left.kind == Kind::Duration || right.kind == Kind::Duration => {
                Ok(Typed::new(
                    format!("CAST({} * {} AS INTEGER)", left.sql, right.sql),
                    Kind::Duration,
                ))
            }
            Op::Divide if left.kind == Kind::Duration => Ok(Typed::new(
                format!("CAST({} / {} AS INTEGER)", left.sql, right.sql),
                Kind::Duration,
            )),
            Op::Multiply => number("*"),
            Op::Divide => number("/"),
            Op::Modulo => number("%"),
            Op::BitwiseAnd => number("&"),
            Op::BitwiseOr => number("|"),
            Op::PGBitwiseShiftLeft => number("<<"),
            Op::PGBitwiseShiftRight => number(">>"),
            Op::StringConcat => Ok(Typed::new(
                format!("({} || {})", as_text(&left), as_text(&right)),
                Kind::Text,
            )),
            Op::Arrow => Ok(json_call("lw_json_get", &left, &right, Kind::Json)),
            Op::LongArrow => Ok(json_call("lw_json_text", &left, &right, Kind::Text)),
            Op::Question => Ok(json_call("lw_json_has", &left, &right, Kind::Bool)),
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => {
                refuse(span, "regular expressions are not there: use LIKE or ILIKE")
            }
            other => refuse(span, format!("the operator {other} is not known")),
        }
    }

    /// A chain of one operator, which the parser nests to the left, without nesting here.
    fn chain(
        &mut self,
        left: &Expr,
        operator: &BinaryOperator,
        word: &str,
        right: &Expr,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Typed, StatementError> {
        let mut links = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op, right } = rest
            && op == operator
        {
            links.push(right);
            rest = left;
        }
        links.push(rest);
        let mut parts = Vec::with_capacity(links.len());
        for link in links.into_iter().rev() {
            parts.push(self.expr(link, scope, level)?.sql);
        }
        Ok(truth(balanced(&parts, word)))
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
            CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime)
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

/// Operands with a word between them, nested as little as can be.
fn balanced(parts: &[String], word: &str) -> String {
    match parts {
        [] => "1".to_owned(),
        [only] => only.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!(
                "({} {word} {})",
                balanced(left, word),
                balanced(right, word)
            )
        }
    }
}

/// The scope of a subquery: what is said around it can be said in it.
pub(super) fn inside<'a>(scope: &'a Scope<'a>) -> Scope<'a> {
    Scope {
        columns: Vec::new(),
        around: Some(scope),
    }
}

fn truth(sql: String) -> Typed {
    Typed::new(sql, Kind::Bool)
}

fn json_call(function: &str, json: &Typed, key: &Typed, kind: Kind) -> Typed {
    Typed::new(format!("{function}({}, {})", json.sql, key.sql), kind)
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

fn negative(typed: Typed, span: Span) -> Result<Typed, StatementError> {
    match typed.constant {
        Some(Constant::Interval(interval)) => match interval.negate() {
            Some(interval) => Ok(literal::of_interval(interval)),
            None => refuse(span, "this interval is too long"),
        },
        Some(Constant::Number(digits)) => {
            let digits = match digits.strip_prefix('-') {
                Some(positive) => positive.to_owned(),
                None => format!("-{digits}"),
            };
            let typed = literal::number(&digits, span)?;
            Ok(Typed {
                sql: format!("({})", typed.sql),
                ..typed
            })
        }
        _ => {
            let kind = match typed.kind {
                Kind::U32 | Kind::U64 => Kind::I64,
                other => other,
            };
            Ok(Typed::new(format!("(-{})", typed.sql), kind))
        }
    }
}

/// A sum or a difference.
fn sum(left: &Typed, right: &Typed, minus: bool, span: Span) -> Result<Typed, StatementError> {
    let sign = if minus { "-" } else { "+" };
    let plain = |kind| {
        Ok(Typed::new(
            format!("({} {sign} {})", left.sql, right.sql),
            kind,
        ))
    };
    let shifted = |time: &Typed, interval: Interval| {
        let interval = if minus {
            interval.negate()
        } else {
            Some(interval)
        };
        let Some(Interval { months, ms }) = interval else {
            return refuse(span, "this interval is too long");
        };
        let sql = match months {
            0 => time.sql.clone(),
            months => format!("lw_add_months({}, {months})", time.sql),
        };
        Ok(Typed::new(format!("({sql} + {ms})"), Kind::Time))
    };
    match (left.kind, right.kind) {
        (Kind::Time | Kind::Date, Kind::Interval) => match right.as_interval() {
            Some(interval) => shifted(left, interval),
            None => refuse(span, "write the interval out: INTERVAL '1 hour'"),
        },
        (Kind::Interval, Kind::Time | Kind::Date) if !minus => match left.as_interval() {
            Some(interval) => shifted(right, interval),
            None => refuse(span, "write the interval out: INTERVAL '1 hour'"),
        },
        (Kind::Interval, Kind::Interval) => {
            let right = right.as_interval();
            let right = right.and_then(|i| if minus { i.negate() } else { Some(i) });
            let both = left.as_interval().zip(right);
            let total = both.and_then(|(a, b)| {
                Some(Interval {
                    months: a.months.checked_add(b.months)?,
                    ms: a.ms.checked_add(b.ms)?,
                })
            });
            match total {
                Some(total) => Ok(literal::of_interval(total)),
                None => refuse(span, "this interval is too long"),
            }
        }
        (one, two) if one.is_time() && two.is_time() => {
            if minus {
                plain(Kind::Duration)
            } else {
                refuse(
                    span,
                    "two times cannot be added: their difference is a duration",
                )
            }
        }
        (one, Kind::Duration) if one.is_time() => plain(Kind::Time),
        (Kind::Duration, two) if two.is_time() && !minus => plain(Kind::Time),
        (Kind::Duration, Kind::Interval) => {
            let right = Typed::new(fixed(right, span)?, Kind::Duration);
            sum(left, &right, minus, span)
        }
        (Kind::Interval, Kind::Duration) => {
            let left = Typed::new(fixed(left, span)?, Kind::Duration);
            sum(&left, right, minus, span)
        }
        (Kind::Duration, Kind::Duration | Kind::Null) | (Kind::Null, Kind::Duration) => {
            plain(Kind::Duration)
        }
        (one, two) if one.is_time() && two == Kind::Text => {
            let right = as_time(right.clone(), span)?;
            sum(left, &right, minus, span)
        }
        (one, two) if one.is_time() && two.is_number() => refuse(
            span,
            "a number is no length of time: write INTERVAL '5 minutes'",
        ),
        (one, two) => {
            let kind = one.join(two);
            plain(if kind.is_number() { kind } else { Kind::Any })
        }
    }
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

/// A value as one of another type. Strict: what cannot be cast is an error, else null.
fn cast(
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
