//! Operators between values: comparisons, AND and OR, LIKE, IN, sums of times and numbers, and
//! those that look into JSON.

use super::super::cell::Kind;
use super::super::time::Interval;
use super::error::{StatementError, refuse};
use super::expression::inside;
use super::literal;
use super::query::Compiler;
use super::scope::Scope;
use super::select::Level;
use super::typed::{Constant, Typed, as_text, as_time, comparable, fixed, truth};
use sqlparser::ast::{BinaryOperator, Expr, InTarget, Spanned};
use sqlparser::tokenizer::Span;

impl Compiler {
    pub(super) fn comparison(
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

    pub(super) fn within(
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
    pub(super) fn like(
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

    pub(super) fn operation(
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
    pub(super) fn chain(
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

pub(super) fn json_call(function: &str, json: &Typed, key: &Typed, kind: Kind) -> Typed {
    Typed::new(format!("{function}({}, {})", json.sql, key.sql), kind)
}

pub(super) fn negative(typed: Typed, span: Span) -> Result<Typed, StatementError> {
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
