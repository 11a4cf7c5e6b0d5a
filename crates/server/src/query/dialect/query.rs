//! Whole queries: WITH, set operations, VALUES, LIMIT, and what a query is to those around it.
//!
//! Every query that goes out names its columns `c0`, `c1`, …, and every table in it has an alias
//! of ours: which name means what is decided here, never by the engine.

use super::super::cell::Kind;
use super::super::table::Table;
use super::error::{StatementError, refuse};
use super::expression::inside;
use super::scope::{Scope, folded};
use super::select::{Level, direction, ordinal};
use super::typed::Constant;
use sqlparser::ast::{
    Cte, Expr, LimitClause, OrderByExpr, OrderByKind, Parens, Query, SetExpr, SetOperator,
    SetQuantifier, Spanned, TableAlias, With,
};
use sqlparser::tokenizer::Span;

/// Queries within queries.
pub(super) const DEPTH_MAX: usize = 40;

/// Turns queries into the engine's.
pub(super) struct Compiler {
    pub(super) now_ms: i64,
    /// Expressions around the current one.
    pub(super) depth: usize,
    queries: usize,
    pub(super) tables: Vec<&'static Table>,
    /// What WITH has named, from the outside in.
    pub(super) named: Vec<Named>,
    aliases: usize,
}

/// A query that WITH has named.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) alias: String,
    pub(super) columns: Vec<Column>,
}

/// A query for the engine.
pub(super) struct Body {
    pub(super) sql: String,
    pub(super) columns: Vec<Column>,
}

/// A column of a query: in the engine `c` and its place.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The table or alias that it comes from.
    pub(super) qualifier: Option<String>,
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Compiler {
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            now_ms,
            depth: 0,
            queries: 0,
            tables: Vec::new(),
            named: Vec::new(),
            aliases: 0,
        }
    }

    /// The tables that were said, each once.
    pub(super) fn tables(self) -> Vec<&'static Table> {
        self.tables
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    /// A whole query.
    pub(super) fn query(
        &mut self,
        query: &Query,
        around: &Scope<'_>,
    ) -> Result<Body, StatementError> {
        self.queries += 1;
        if self.queries > DEPTH_MAX {
            return refuse(
                query.span(),
                "queries are nested too deeply: name parts of it, WITH",
            );
        }
        let names = self.named.len();
        let body = self.whole(query, around);
        self.named.truncate(names);
        self.queries -= 1;
        body
    }

    fn whole(&mut self, query: &Query, around: &Scope<'_>) -> Result<Body, StatementError> {
        let unknown = [
            (!query.locks.is_empty(), "FOR UPDATE"),
            (query.for_clause.is_some(), "FOR"),
            (query.settings.is_some(), "SETTINGS"),
            (query.format_clause.is_some(), "FORMAT"),
            (!query.pipe_operators.is_empty(), "|>"),
        ];
        if let Some((_, what)) = unknown.iter().find(|(is_there, _)| *is_there) {
            return refuse(
                query.span(),
                format!("{what} is not understood here: leave it out"),
            );
        }
        let with = match &query.with {
            Some(with) => self.with(with, around)?,
            None => String::new(),
        };
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            None => &[][..],
            Some(OrderByKind::Expressions(order)) => order,
            Some(OrderByKind::All(_)) => {
                return refuse(
                    query.span(),
                    "ORDER BY ALL is not understood: name the columns",
                );
            }
        };
        let (mut body, order) = match &*query.body {
            SetExpr::Select(select) => self.select(select, order, around)?,
            other => {
                let body = self.set(other, around)?;
                let order = order_of_outputs(&body.columns, order)?;
                (body, order)
            }
        };
        if !order.is_empty() {
            body.sql += &format!(" ORDER BY {}", order.join(", "));
        }
        body.sql += &self.limit(query, around)?;
        body.sql = with + &body.sql;
        Ok(body)
    }

    fn limit(&mut self, query: &Query, around: &Scope<'_>) -> Result<String, StatementError> {
        let fetch = query.fetch.as_ref();
        if fetch.is_some_and(|fetch| fetch.with_ties || fetch.percent) {
            return refuse(query.span(), "FETCH takes a number of rows: use LIMIT");
        }
        let fetched = fetch.and_then(|fetch| fetch.quantity.as_ref());
        let (limit, offset) = match &query.limit_clause {
            None => (fetched, None),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => (
                limit.as_ref().or(fetched),
                offset.as_ref().map(|offset| &offset.value),
            ),
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
            Some(LimitClause::LimitOffset { .. }) => {
                return refuse(query.span(), "LIMIT BY is not understood: use row_number()");
            }
        };
        let mut count = |expr: Option<&Expr>, otherwise: &str| match expr {
            None => Ok(otherwise.to_owned()),
            Some(expr) => {
                let typed = self.expr(expr, &inside(around), &mut Level::default())?;
                match (&typed.constant, typed.kind) {
                    (_, Kind::Null) => Ok(otherwise.to_owned()),
                    (Some(Constant::Number(digits)), Kind::I64) if !digits.starts_with('-') => {
                        Ok(typed.sql)
                    }
                    _ => refuse(
                        expr.span(),
                        "LIMIT and OFFSET take a number of rows, from 0 on",
                    ),
                }
            }
        };
        if limit.is_none() && offset.is_none() {
            return Ok(String::new());
        }
        let (limit, offset) = (count(limit, "-1")?, count(offset, "0")?);
        Ok(format!(" LIMIT {limit} OFFSET {offset}"))
    }

    pub(super) fn with(
        &mut self,
        with: &With,
        around: &Scope<'_>,
    ) -> Result<String, StatementError> {
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            parts.push(self.cte(cte, with.recursive, around)?);
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{} ", parts.join(", ")))
    }

    fn cte(
        &mut self,
        cte: &Cte,
        recursive: bool,
        around: &Scope<'_>,
    ) -> Result<String, StatementError> {
        let alias = self.alias();
        if recursive && let SetExpr::SetOperation { left, .. } = &*cte.query.body {
            // The first part tells what the columns are; the others may use them.
            let first = self.set(left, around)?;
            self.name(cte, &alias, first.columns)?;
        }
        let body = self.query(&cte.query, around)?;
        let columns: Vec<_> = (0..body.columns.len())
            .map(|at| format!("\"c{at}\""))
            .collect();
        let sql = format!("\"{alias}\"({}) AS ({})", columns.join(", "), body.sql);
        if recursive {
            self.named.retain(|named| named.alias != alias);
        }
        self.name(cte, &alias, body.columns)?;
        Ok(sql)
    }

    pub(super) fn name(
        &mut self,
        cte: &Cte,
        alias: &str,
        mut columns: Vec<Column>,
    ) -> Result<(), StatementError> {
        rename(&mut columns, &cte.alias)?;
        self.named.push(Named {
            name: folded(&cte.alias.name),
            alias: alias.to_owned(),
            columns,
        });
        Ok(())
    }

    /// What a set operation has on a side.
    fn set(&mut self, set: &SetExpr, around: &Scope<'_>) -> Result<Body, StatementError> {
        match set {
            SetExpr::Select(select) => Ok(self.select(select, &[], around)?.0),
            SetExpr::Query(query) => {
                let body = self.query(query, around)?;
                Ok(Body {
                    sql: format!("SELECT * FROM ({})", body.sql),
                    ..body
                })
            }
            SetExpr::Values(values) => self.values(&values.rows, around),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                self.queries += 1;
                if self.queries > DEPTH_MAX {
                    return refuse(set.span(), "too many queries in one: use IN (…) or CASE");
                }
                let left_body = self.set(left, around)?;
                let right_body = self.set(right, around)?;
                self.queries -= 1;
                let (ours, theirs) = (left_body.columns.len(), right_body.columns.len());
                if ours != theirs {
                    return refuse(
                        right.span(),
                        format!("the first query has {ours} columns and this one {theirs}"),
                    );
                }
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    other => return refuse(set.span(), format!("{other} is not understood")),
                };
                let word = match (op, all) {
                    (SetOperator::Union, true) => "UNION ALL",
                    (SetOperator::Union, false) => "UNION",
                    (SetOperator::Except | SetOperator::Minus, false) => "EXCEPT",
                    (SetOperator::Intersect, false) => "INTERSECT",
                    (_, true) => {
                        return refuse(set.span(), format!("{op} ALL is not there: leave out ALL"));
                    }
                };
                let columns = left_body.columns.into_iter().zip(right_body.columns);
                let columns = columns.map(|(left, right)| Column {
                    qualifier: None,
                    kind: left.kind.join(right.kind),
                    name: left.name,
                });
                Ok(Body {
                    // The engine takes all of them from left to right. What is recursive must
                    // stand here itself, not in parentheses.
                    sql: match &**right {
                        SetExpr::SetOperation { .. } => {
                            format!(
                                "{} {word} SELECT * FROM ({})",
                                left_body.sql, right_body.sql
                            )
                        }
                        _ => format!("{} {word} {}", left_body.sql, right_body.sql),
                    },
                    columns: columns.collect(),
                })
            }
            SetExpr::Table(_) => refuse(set.span(), "write SELECT * FROM and the table"),
            _ => refuse(set.span(), "only queries that read are run here"),
        }
    }

    fn values(
        &mut self,
        rows: &[Parens<Vec<Expr>>],
        around: &Scope<'_>,
    ) -> Result<Body, StatementError> {
        let scope = inside(around);
        let mut columns: Vec<Column> = Vec::new();
        let mut tuples = Vec::new();
        for row in rows {
            let mut tuple = Vec::new();
            for (at, value) in row.content.iter().enumerate() {
                let typed = self.expr(value, &scope, &mut Level::default())?;
                match columns.get_mut(at) {
                    Some(column) => column.kind = column.kind.join(typed.kind),
                    None if tuples.is_empty() => columns.push(Column {
                        qualifier: None,
                        name: format!("column{}", at + 1),
                        kind: typed.kind,
                    }),
                    None => return refuse(value.span(), "this row of VALUES is too long"),
                }
                tuple.push(typed.sql);
            }
            if tuple.len() != columns.len() {
                let span = row.content.first().map_or_else(Span::empty, Spanned::span);
                return refuse(span, "all rows of VALUES have the same number of values");
            }
            tuples.push(format!("({})", tuple.join(", ")));
        }
        let named: Vec<_> = (0..columns.len())
            .map(|at| format!("\"column{}\" AS \"c{at}\"", at + 1))
            .collect();
        let sql = format!(
            "SELECT {} FROM (VALUES {})",
            named.join(", "),
            tuples.join(", ")
        );
        Ok(Body { sql, columns })
    }
}

fn rename(columns: &mut [Column], alias: &TableAlias) -> Result<(), StatementError> {
    if alias.columns.len() > columns.len() {
        return refuse(
            alias.name.span,
            "the alias names more columns than there are",
        );
    }
    for (column, name) in columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&name.name);
    }
    Ok(())
}

/// The terms of ORDER BY after a set operation: names or places of its columns.
fn order_of_outputs(
    columns: &[Column],
    order: &[OrderByExpr],
) -> Result<Vec<String>, StatementError> {
    let mut terms = Vec::new();
    for term in order {
        let by_name = match &term.expr {
            Expr::Identifier(name) => {
                let wanted = folded(name);
                columns.iter().position(|column| column.name == wanted)
            }
            _ => None,
        };
        let at = match by_name {
            Some(at) => Some(at),
            None => ordinal(&term.expr, columns.len())?,
        };
        match at {
            Some(at) => terms.push(direction(term, (at + 1).to_string())?),
            None => {
                return refuse(
                    term.expr.span(),
                    "after a UNION, name a column of the answer to order by",
                );
            }
        }
    }
    Ok(terms)
}
