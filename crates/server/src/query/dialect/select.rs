//! Queries: WITH, FROM, WHERE, GROUP BY and what else there is around the expressions.
//!
//! Every query that goes out names its columns `c0`, `c1`, …, and every table in it has an alias
//! of ours: which name means what is decided here, never by the engine.

use super::super::cell::Kind;
use super::super::table::Table;
use super::error::{StatementError, refuse};
use super::expression::{Constant, Typed, inside};
use super::scope::{Scope, Visible, folded, parts, table};
use sqlparser::ast::{
    Cte, Distinct, ExcludeSelectItem, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator,
    LimitClause, NamedWindowExpr, ObjectName, OrderByExpr, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned,
    TableAlias, TableFactor, TableWithJoins, Value, WindowSpec, With,
};
use sqlparser::tokenizer::Span;

/// Queries within queries.
const DEPTH_MAX: usize = 40;

/// Turns queries into the engine's.
pub(super) struct Compiler {
    pub(super) now_ms: i64,
    /// Expressions around the current one.
    pub(super) depth: usize,
    queries: usize,
    tables: Vec<&'static Table>,
    /// What WITH has named, from the outside in.
    named: Vec<Named>,
    aliases: usize,
}

/// A query that WITH has named.
#[derive(Clone)]
struct Named {
    name: String,
    alias: String,
    columns: Vec<Column>,
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

/// One SELECT while its expressions are read.
#[derive(Default)]
pub(super) struct Level {
    /// Columns that were said outside of aggregates, and where.
    pub(super) loose: Vec<(String, Span)>,
    /// The expressions of GROUP BY.
    pub(super) group: Vec<String>,
    /// How many aggregates were said.
    pub(super) aggregates: usize,
    /// An aggregate is being read.
    pub(super) in_aggregate: bool,
    /// Columns of the answer that can be said by their names here.
    outputs: Vec<(Column, Typed)>,
    /// They come before the columns of the tables.
    outputs_first: bool,
    /// What WINDOW has named.
    pub(super) windows: Vec<(String, WindowSpec)>,
}

impl Level {
    /// The column of the answer that a name means here.
    pub(super) fn alias(&self, name: &Ident, scope: &Scope<'_>) -> Option<Typed> {
        let wanted = folded(name);
        let typed = self
            .outputs
            .iter()
            .find(|(column, _)| column.name == wanted)
            .map(|(_, typed)| typed)?;
        let hidden = !self.outputs_first && scope.columns.iter().any(|c| c.name == wanted);
        (!hidden).then(|| typed.clone())
    }
}

/// An item of FROM.
struct Relation {
    sql: String,
    columns: Vec<Visible>,
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

    fn alias(&mut self) -> String {
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

    fn with(&mut self, with: &With, around: &Scope<'_>) -> Result<String, StatementError> {
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

    fn name(
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
        rows: &[sqlparser::ast::Parens<Vec<Expr>>],
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

    /// A SELECT, and the terms of the ORDER BY that follows it.
    fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        around: &Scope<'_>,
    ) -> Result<(Body, Vec<String>), StatementError> {
        check_select(select)?;
        let mut from = Vec::new();
        let mut scope = inside(around);
        for item in &select.from {
            let relation = self.joined(item, around)?;
            from.push(relation.sql);
            scope.columns.extend(relation.columns);
        }
        let mut level = Level::default();
        for window in &select.named_window {
            let NamedWindowExpr::WindowSpec(spec) = &window.1 else {
                return refuse(
                    window.0.span,
                    "a window is defined by a list in parentheses",
                );
            };
            level.windows.push((folded(&window.0), spec.clone()));
        }
        let condition = match &select.selection {
            None => None,
            Some(condition) => {
                let typed = self.expr(condition, &scope, &mut level)?;
                if level.aggregates > 0 {
                    return refuse(
                        condition.span(),
                        "WHERE looks at single rows: use HAVING for aggregates",
                    );
                }
                Some(typed.sql)
            }
        };
        // What WHERE says is said of rows, not of groups. The groups may name columns of the
        // answer, and which columns are in a group is known when they are: hence twice.
        let outputs = self.outputs(select, &scope, &mut level)?;
        let group = self.group(select, &outputs, &scope, &mut level)?;
        level.loose.clear();
        level.aggregates = 0;
        let outputs = self.outputs(select, &scope, &mut level)?;
        level.outputs = outputs.clone();
        let having = match &select.having {
            None => None,
            Some(having) => Some(self.expr(having, &scope, &mut level)?.sql),
        };
        level.outputs_first = true;
        let mut terms = Vec::new();
        for term in order {
            terms.push(self.term(term, &outputs, &scope, &mut level)?);
        }
        let grouped = !group.is_empty() || level.aggregates > 0 || having.is_some();
        if grouped && let Some((name, span)) = level.loose.first() {
            return refuse(
                *span,
                format!(
                    "{name} differs within a group: add it to GROUP BY, or say first_value({name})"
                ),
            );
        }
        let items: Vec<_> = outputs
            .iter()
            .enumerate()
            .map(|(at, (_, typed))| format!("{} AS \"c{at}\"", typed.sql))
            .collect();
        let distinct = match &select.distinct {
            Some(Distinct::Distinct) => "DISTINCT ",
            _ => "",
        };
        let mut sql = format!("SELECT {distinct}{}", items.join(", "));
        if !from.is_empty() {
            sql += &format!(" FROM {}", from.join(" CROSS JOIN "));
        }
        if let Some(condition) = condition {
            sql += &format!(" WHERE {condition}");
        }
        if !group.is_empty() {
            sql += &format!(" GROUP BY {}", group.join(", "));
        }
        match having {
            // The engine has no HAVING without groups, but this is one group.
            Some(having) if group.is_empty() && level.aggregates == 0 => {
                sql += &format!(" GROUP BY NULL HAVING {having}");
            }
            Some(having) => sql += &format!(" HAVING {having}"),
            None => {}
        }
        let columns = outputs.into_iter().map(|(column, _)| column).collect();
        Ok((Body { sql, columns }, terms))
    }

    /// The columns of the answer.
    fn outputs(
        &mut self,
        select: &Select,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Vec<(Column, Typed)>, StatementError> {
        let mut outputs = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let typed = self.expr(expr, scope, level)?;
                    outputs.push((named(expr, typed.kind), typed));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expr(expr, scope, level)?;
                    let column = Column {
                        qualifier: None,
                        name: folded(alias),
                        kind: typed.kind,
                    };
                    outputs.push((column, typed));
                }
                SelectItem::Wildcard(options) => {
                    if scope.columns.is_empty() {
                        return refuse(item.span(), "there is no table to take * from: add FROM");
                    }
                    let without = excluded(options.opt_exclude.as_ref(), item)?;
                    all(scope, None, &without, item.span(), level, &mut outputs);
                }
                SelectItem::QualifiedWildcard(of, options) => {
                    let SelectItemQualifiedWildcardKind::ObjectName(name) = of else {
                        return refuse(item.span(), "a table or its alias stands before .*");
                    };
                    let qualifier = parts(name)?.pop().unwrap_or_default();
                    let without = excluded(options.opt_exclude.as_ref(), item)?;
                    let before = outputs.len();
                    all(
                        scope,
                        Some(&qualifier),
                        &without,
                        item.span(),
                        level,
                        &mut outputs,
                    );
                    if outputs.len() == before {
                        return refuse(item.span(), format!("no table is called {qualifier} here"));
                    }
                }
                SelectItem::ExprWithAliases { .. } => {
                    return refuse(item.span(), "a column has one name");
                }
            }
        }
        Ok(outputs)
    }

    /// The terms of GROUP BY, which the level then knows.
    fn group(
        &mut self,
        select: &Select,
        outputs: &[(Column, Typed)],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Vec<String>, StatementError> {
        let GroupByExpr::Expressions(terms, modifiers) = &select.group_by else {
            return refuse(
                select.span(),
                "GROUP BY ALL is not understood: name the columns",
            );
        };
        if !modifiers.is_empty() {
            return refuse(select.span(), "GROUP BY takes expressions only");
        }
        let mut group = Vec::new();
        for term in terms {
            let typed = match ordinal(term, outputs.len())? {
                Some(at) => outputs[at].1.clone(),
                None => {
                    level.outputs = outputs.to_vec();
                    let before = level.aggregates;
                    let typed = self.expr(term, scope, level);
                    level.outputs = Vec::new();
                    if level.aggregates > before {
                        return refuse(term.span(), "an aggregate cannot make the groups");
                    }
                    typed?
                }
            };
            // A number would be taken for a place.
            group.push(match typed.constant {
                Some(_) => format!("({})", typed.sql),
                None => typed.sql.clone(),
            });
            level.group.push(typed.sql);
        }
        Ok(group)
    }

    /// A term of ORDER BY: a place or a name of the answer, or an expression.
    fn term(
        &mut self,
        term: &OrderByExpr,
        outputs: &[(Column, Typed)],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<String, StatementError> {
        let sql = match ordinal(&term.expr, outputs.len())? {
            Some(at) => (at + 1).to_string(),
            None => {
                let typed = self.expr(&term.expr, scope, level)?;
                let place = outputs
                    .iter()
                    .position(|(_, output)| output.sql == typed.sql);
                place.map_or(typed.sql, |at| (at + 1).to_string())
            }
        };
        direction(term, sql)
    }

    /// The terms of an ORDER BY within a window or an aggregate.
    pub(super) fn order_within(
        &mut self,
        order: &[OrderByExpr],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<String, StatementError> {
        let mut terms = Vec::new();
        for term in order {
            let typed = self.expr(&term.expr, scope, level)?;
            terms.push(direction(term, typed.sql)?);
        }
        Ok(terms.join(", "))
    }

    fn joined(
        &mut self,
        item: &TableWithJoins,
        around: &Scope<'_>,
    ) -> Result<Relation, StatementError> {
        let mut left = self.relation(&item.relation, around)?;
        for join in &item.joins {
            left = self.join(left, join, around)?;
        }
        Ok(left)
    }

    fn join(
        &mut self,
        mut left: Relation,
        join: &Join,
        around: &Scope<'_>,
    ) -> Result<Relation, StatementError> {
        let right = self.relation(&join.relation, around)?;
        let span = join.relation.span();
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                ("JOIN", constraint)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
            JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint),
            _ => {
                return refuse(
                    span,
                    "this kind of JOIN is not known: use INNER, LEFT, RIGHT or FULL",
                );
            }
        };
        let seam = left.columns.len();
        left.columns.extend(right.columns);
        let on = match constraint {
            JoinConstraint::None => String::new(),
            JoinConstraint::On(condition) => {
                let scope = Scope {
                    columns: left.columns.clone(),
                    around: Some(around),
                };
                let typed = self.expr(condition, &scope, &mut Level::default())?;
                format!(" ON {}", typed.sql)
            }
            JoinConstraint::Using(names) => {
                let keeps_right = word == "RIGHT JOIN";
                if word == "FULL JOIN" {
                    return refuse(span, "FULL JOIN takes ON, not USING");
                }
                let mut equal = Vec::new();
                for name in names {
                    equal.push(merge(&mut left.columns, seam, name, keeps_right)?);
                }
                format!(" ON {}", equal.join(" AND "))
            }
            _ => return refuse(span, "this JOIN is not understood: join ON a condition"),
        };
        left.sql = format!("{} {word} {}{on}", left.sql, right.sql);
        Ok(left)
    }

    fn relation(
        &mut self,
        factor: &TableFactor,
        around: &Scope<'_>,
    ) -> Result<Relation, StatementError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => self.named_relation(name, alias.as_ref()),
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => {
                // What stands beside it in FROM cannot be said in it.
                let body = self.query(subquery, around)?;
                let ours = self.alias();
                Ok(Relation {
                    sql: format!("({}) AS \"{ours}\"", body.sql),
                    columns: visible(body.columns, &ours, alias.as_ref())?,
                })
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => {
                let inner = self.joined(table_with_joins, around)?;
                Ok(Relation {
                    sql: format!("({})", inner.sql),
                    ..inner
                })
            }
            _ => refuse(
                factor.span(),
                "only tables, subqueries and joins of them can be selected from",
            ),
        }
    }

    fn named_relation(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<Relation, StatementError> {
        let ours = self.alias();
        if let [only] = &parts(name)?[..]
            && let Some(named) = self.named.iter().rev().find(|named| named.name == *only)
        {
            let sql = format!("\"{}\" AS \"{ours}\"", named.alias);
            let mut columns = named.columns.clone();
            for column in &mut columns {
                column.qualifier = Some(only.clone());
            }
            return Ok(Relation {
                sql,
                columns: visible(columns, &ours, alias)?,
            });
        }
        let found = table(name)?;
        if !self.tables.iter().any(|known| known.name == found.name) {
            self.tables.push(found);
        }
        let last = found.name.rsplit('.').next().unwrap_or(found.name);
        let columns = found.columns.iter();
        let mut columns: Vec<Visible> = columns
            .map(|column| Visible {
                qualifier: Some(last.to_owned()),
                name: column.name.to_owned(),
                kind: column.kind,
                extra: column.extra,
                merged: false,
                sql: format!("\"{ours}\".\"{}\"", column.name),
            })
            .collect();
        if let Some(alias) = alias {
            alias_columns(&mut columns, alias)?;
        }
        Ok(Relation {
            sql: format!("\"{}\" AS \"{ours}\"", found.name),
            columns,
        })
    }
}

/// The columns of a query, as they can be said outside of it. Without an alias they keep the
/// tables that they come from.
fn visible(
    columns: Vec<Column>,
    ours: &str,
    alias: Option<&TableAlias>,
) -> Result<Vec<Visible>, StatementError> {
    let columns = columns.into_iter().enumerate();
    let mut columns: Vec<Visible> = columns
        .map(|(at, column)| Visible {
            qualifier: column.qualifier,
            name: column.name,
            kind: column.kind,
            extra: false,
            merged: false,
            sql: format!("\"{ours}\".\"c{at}\""),
        })
        .collect();
    if let Some(alias) = alias {
        alias_columns(&mut columns, alias)?;
    }
    Ok(columns)
}

fn alias_columns(columns: &mut [Visible], alias: &TableAlias) -> Result<(), StatementError> {
    if alias.columns.len() > columns.len() {
        return refuse(
            alias.name.span,
            "the alias names more columns than there are",
        );
    }
    for column in columns.iter_mut() {
        column.qualifier = Some(folded(&alias.name));
    }
    for (column, name) in columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&name.name);
    }
    Ok(())
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

/// Joins two columns of one name, of which one remains; gives the condition.
fn merge(
    columns: &mut [Visible],
    seam: usize,
    name: &ObjectName,
    keeps_right: bool,
) -> Result<String, StatementError> {
    let wanted = parts(name)?.pop().unwrap_or_default();
    let (left, right) = columns.split_at_mut(seam);
    let find = |side: &mut [Visible]| side.iter().position(|c| c.name == wanted && !c.merged);
    let (Some(at_left), Some(at_right)) = (find(left), find(right)) else {
        return refuse(
            name.span(),
            format!("{wanted} is not a column of both tables"),
        );
    };
    let (one, two) = (&mut left[at_left], &mut right[at_right]);
    let equal = format!("({} = {})", one.sql, two.sql);
    if keeps_right {
        one.merged = true;
    } else {
        two.merged = true;
    }
    Ok(equal)
}

/// What a column without an alias is called.
fn named(expr: &Expr, kind: Kind) -> Column {
    let (qualifier, name) = match expr {
        Expr::Identifier(name) => (None, folded(name)),
        Expr::CompoundIdentifier(name) => {
            let mut name = name.iter().rev();
            let column = name.next().map(folded).unwrap_or_default();
            (name.next().map(folded), column)
        }
        Expr::Function(function) => (
            None,
            function.to_string().replacen(
                &function.name.to_string(),
                &function.name.to_string().to_lowercase(),
                1,
            ),
        ),
        other => (None, other.to_string()),
    };
    Column {
        qualifier,
        name,
        kind,
    }
}

/// Adds all columns that `*` means.
fn all(
    scope: &Scope<'_>,
    qualifier: Option<&str>,
    without: &[String],
    span: Span,
    level: &mut Level,
    outputs: &mut Vec<(Column, Typed)>,
) {
    for column in &scope.columns {
        let meant = match qualifier {
            None => !column.merged,
            Some(_) => column.qualifier.as_deref() == qualifier,
        };
        if meant && !column.extra && !without.contains(&column.name) {
            if !level.group.contains(&column.sql) {
                level.loose.push((column.name.clone(), span));
            }
            outputs.push((
                Column {
                    qualifier: column.qualifier.clone(),
                    name: column.name.clone(),
                    kind: column.kind,
                },
                Typed::new(column.sql.clone(), column.kind),
            ));
        }
    }
}

fn excluded(
    exclude: Option<&ExcludeSelectItem>,
    item: &SelectItem,
) -> Result<Vec<String>, StatementError> {
    let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else {
        return Ok(Vec::new());
    };
    let unknown = options.opt_ilike.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if unknown {
        return refuse(item.span(), "only EXCLUDE (…) may follow *");
    }
    let names: Vec<&ObjectName> = match exclude {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().collect(),
    };
    let mut without = Vec::new();
    for name in names {
        without.extend(parts(name)?.pop());
    }
    if let Some(except) = &options.opt_except {
        without.push(folded(&except.first_element));
        without.extend(except.additional_elements.iter().map(folded));
    }
    Ok(without)
}

/// The place, from 0 on, of the output that a number names.
fn ordinal(expr: &Expr, outputs: usize) -> Result<Option<usize>, StatementError> {
    let Expr::Value(value) = expr else {
        return Ok(None);
    };
    let Value::Number(digits, _) = &value.value else {
        return Ok(None);
    };
    match digits.parse::<usize>() {
        Ok(place) if (1..=outputs).contains(&place) => Ok(Some(place - 1)),
        _ => refuse(
            value.span,
            format!("there is no column {digits} in the answer, it has {outputs}"),
        ),
    }
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

/// A term with its direction. Without a word for them, nulls are last going up and first going
/// down.
fn direction(term: &OrderByExpr, sql: String) -> Result<String, StatementError> {
    if term.with_fill.is_some() {
        return refuse(
            term.expr.span(),
            "WITH FILL is not understood: leave it out",
        );
    }
    let descends = match &term.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => {
            return refuse(term.expr.span(), "order by ASC or DESC");
        }
    };
    let nulls_first = term.options.nulls_first.unwrap_or(descends);
    let direction = if descends { "DESC" } else { "ASC" };
    let nulls = if nulls_first { "FIRST" } else { "LAST" };
    Ok(format!("{sql} {direction} NULLS {nulls}"))
}

/// Refuses the parts of a SELECT that nothing here reads.
fn check_select(select: &Select) -> Result<(), StatementError> {
    let unknown = [
        (select.top.is_some(), "TOP (use LIMIT)"),
        (select.into.is_some(), "INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (
            !select.connect_by.is_empty(),
            "CONNECT BY (use WITH RECURSIVE)",
        ),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.qualify.is_some(), "QUALIFY (use a subquery)"),
        (select.value_table_mode.is_some(), "AS VALUE"),
        (select.exclude.is_some(), "EXCLUDE (put it behind *)"),
        (select.select_modifiers.is_some(), "a modifier of SELECT"),
        (
            matches!(select.distinct, Some(Distinct::On(_))),
            "DISTINCT ON (use first_value)",
        ),
    ];
    match unknown.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => refuse(select.span(), format!("{what} is not understood here")),
        None => Ok(()),
    }
}
